"""A whole invented collège, from the ministry's files to the rooms on the model homeserver."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from preau.demo.cast import DEMO_SCHOOLS, invent_demo_school
from preau.demo.changes import move_pupil, without_pupils
from preau.demo.rosters import write_rosters
from preau.demo.school import DemoSchool
from preau.model.choices import SchoolChoices
from preau.model.decisions import Decisions
from preau.model.ids import PersonId
from preau.model.people import GuardianLevel, RosterKey, RosterSource
from preau.model.roster import SchoolRoster
from preau.model.snapshot import Snapshot
from preau.policy.wanted import wanted
from preau.roster.reader import read
from preau.sync.brakes import Limits, brakes
from preau.sync.plan import Plan, difference
from preau.sync.recognise import complete, fresh_ids, keys_that_matter, minter, same_people, snapshot_of
from tests.builders import SERVER, academy, user
from tests.sync.model_homeserver import ModelHomeserver

TAKEN_AT = datetime(2025, 9, 15, 19, 2, 11)  # noqa: DTZ001 — HORODATAGE is a wall time without a zone


@dataclass
class Register:
    """Everything between the files and the homeserver, without a database."""

    folder: Path
    server: ModelHomeserver = field(default_factory=lambda: ModelHomeserver(academy()))
    known: dict[RosterKey, PersonId] = field(default_factory=dict)

    def read(self, school: DemoSchool) -> tuple[SchoolRoster, Snapshot]:
        roster = read(write_rosters(school, self.folder, taken_at=TAKEN_AT)).roster
        assert roster is not None
        matter = keys_that_matter(roster) | same_people(roster).keys()
        ids = fresh_ids(len(matter), minter(random.Random(len(self.known))), set(self.known.values()))
        self.known |= complete(self.known, roster, ids)
        return roster, snapshot_of(roster, self.known, None)

    def plan(self, snapshot: Snapshot, *, everybody: bool = False) -> Plan:
        wish = wanted(snapshot, Decisions(), SchoolChoices(), SERVER)
        if everybody:
            self.server.activate((user_[1:].split(":")[0] for user_ in wish.accounts), dict(wish.accounts))
        return difference([wish], self.server.actual, academy())


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register(tmp_path)


SCHOOL = invent_demo_school(DEMO_SCHOOLS[0])


def test_a_school_is_built_once_and_read_again_for_nothing(register: Register) -> None:
    _, snapshot = register.read(SCHOOL)
    register.server.apply(register.plan(snapshot, everybody=True))
    _, again = register.read(SCHOOL)
    assert again == snapshot
    assert register.plan(again).steps == ()


def test_contacts_and_institutions_are_nowhere(register: Register) -> None:
    roster, snapshot = register.read(SCHOOL)
    levels = [(link.guardian, link.level) for link in roster.links or ()]
    legal_persons = {guardian.key for guardian in roster.guardians or () if guardian.institution}
    contacts = {who for who, _ in levels} - {who for who, level in levels if level is not GuardianLevel.CONTACT}
    assert contacts
    assert not (contacts | legal_persons) & register.known.keys()
    wish = wanted(snapshot, Decisions(), SchoolChoices(), SERVER)
    assert {who for room in wish.rooms.values() for who in room.members} <= wish.accounts.keys()


def test_a_cut_off_export_is_held(register: Register) -> None:
    _, before = register.read(SCHOOL)
    _, after = register.read(without_pupils(SCHOOL, 0.3, seed=1))
    assert {"people_removed"} <= {brake.code for brake in brakes(before, after, Limits())}


def test_one_pupil_moved_moves_only_their_guardians(register: Register) -> None:
    _, before = register.read(SCHOOL)
    register.server.apply(register.plan(before, everybody=True))
    pupil = next(each for each in SCHOOL.attending if each.division is not None)
    there = next(each.code for each in SCHOOL.divisions if each.code != pupil.division)
    _, after = register.read(move_pupil(SCHOOL, pupil.key, there))
    plan = register.plan(after)
    person = register.known[RosterKey(RosterSource.SIECLE_PUPIL, SCHOOL.uai, str(pupil.key))]
    guardians = {user(link.guardian) for link in after.guardianships if link.pupil == person}
    assert {step.user for step in plan.steps} == guardians
    assert {step.room.scope for step in plan.steps if step.room is not None} == {pupil.division, there}
