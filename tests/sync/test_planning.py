"""Plans over several schools: each by itself in memory, one to read, good for its rosters only."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from preau.clock import SystemClock
from preau.demo.cast import invent_school, invented_uai
from preau.demo.changes import without_pupils
from preau.demo.rosters import write_rosters
from preau.demo.school import DemoSchool
from preau.matrix.calls import Endpoint
from preau.matrix.client import Homeserver
from preau.model.decisions import Consent, ConsentTopic
from preau.model.ids import AcademyName, PersonId, ServerName, Uai, UserId, user_id
from preau.model.people import RosterKey, RosterSource
from preau.model.rooms import RoomKey, RoomKind
from preau.model.wanted import ActualAccount
from preau.policy.wanted import ACADEMY
from preau.store import actual, decisions, people
from preau.store.engine import Store
from preau.sync import planning
from preau.sync.context import Academy, Context
from preau.sync.importer import import_rosters
from preau.sync.plan import Action
from preau.sync.recognise import minter
from preau.sync.repair import Memory
from preau.sync.schools import bound_together

SERVER = ServerName("nord.example")
ONE, TWO, THREE = (invented_uai(number) for number in (5001, 5002, 5003))


@dataclass
class Academie:
    context: Context
    folder: Path

    async def take_in(self, school: DemoSchool, day: int = 17) -> None:
        exported = datetime(2025, 9, day, 19, 0, 0)  # noqa: DTZ001 - HORODATAGE has no zone
        files = write_rosters(school, self.folder / school.uai, taken_at=exported)
        await import_rosters(self.context, files, mint=minter(random.Random(school.uai)), actor="test")

    async def give_account(self, school: Uai) -> PersonId:
        """Notes that some member of staff has an account."""
        async with self.context.store.writing() as db:
            held = sorted(await people.people_of(db, [school]))
            keys = {person: await people.keys_of(db, person) for person in held}
            person = next(who for who in held if {key.source for key in keys[who]} == {RosterSource.STS_STATE})
            now = self.context.clock.now()
            await actual.save_accounts(db, [ActualAccount(user_id(person, SERVER), person, "", True, now)])
        return person


@pytest.fixture
async def academie(tmp_path: Path) -> AsyncIterator[Academie]:
    store = Store(f"sqlite:///{tmp_path / 'preau.db'}")
    await store.migrate()
    bot = UserId(f"@preau:{SERVER}")
    async with Homeserver(Endpoint("http://127.0.0.1:1", "jeton", bot, SERVER)) as nobody:
        academy = Academy(AcademyName("nord"), SERVER, bot, "12", 2025)
        yield Academie(Context(academy, store, nobody, SystemClock()), tmp_path)
    await store.close()


def school(uai: Uai) -> DemoSchool:
    return invent_school(3, uai, f"Collège {uai}", pupils=20)


async def test_the_academie_s_space_is_made_once_for_all_schools(academie: Academie) -> None:
    for uai in (ONE, TWO, THREE):
        await academie.take_in(school(uai))
    for uai in (ONE, TWO):
        await academie.give_account(uai)
    planned = await planning.plan(academie.context)
    made = [step.room for step in planned.plan.steps if step.action is Action.CREATE_ROOM]
    assert len(planned.parts) == 2
    assert len(made) == len(set(made))
    assert made[0] == RoomKey(RoomKind.SPACE_ACADEMY, ACADEMY)
    assert {room.school for room in made if room} == {ACADEMY, ONE, TWO}
    alone = await planning.plan(academie.context, [TWO])
    assert {step.room.school for step in alone.plan.steps if step.room} == {ACADEMY, TWO}


async def test_schools_that_share_a_person_are_planned_together(academie: Academie) -> None:
    for uai in (ONE, TWO, THREE):
        await academie.take_in(school(uai))
    person = await academie.give_account(ONE)
    async with academie.context.store.writing() as db:
        key = RosterKey(RosterSource.BY_HAND, TWO, person)
        await people.introduce(db, {key: person}, academie.context.clock.now())
        assert await bound_together(db, [ONE, TWO, THREE]) == [frozenset({ONE, TWO}), frozenset({THREE})]
        assert await bound_together(db, [TWO]) == [frozenset({ONE, TWO})]
        assert await bound_together(db, [THREE]) == [frozenset({THREE})]
    planned = await planning.plan(academie.context, [TWO])
    assert [part for part in planned.parts if part.pending] == []
    assert {step.user for step in planned.plan.steps if step.user} == {user_id(person, SERVER)}


async def test_the_service_remembers_the_last_schools_until_something_is_decided(
    academie: Academie,
) -> None:
    for uai in (ONE, TWO, THREE):
        await academie.take_in(school(uai))
    memory, now = Memory(academie.context.academy, most=2), academie.context.clock.now()
    async with academie.context.store.reading() as db:
        first = await memory.of(db, ONE, now)
        await memory.of(db, TWO, now)
        assert await memory.of(db, ONE, now) is first
        await memory.of(db, THREE, now)
        assert memory.schools() == (ONE, THREE)
    person = await academie.give_account(ONE)
    async with academie.context.store.writing() as db:
        await decisions.grant(db, Consent(person, ONE, ConsentTopic.PARENT_ROOMS, now, "test"))
        assert await memory.of(db, ONE, now) is not first


async def test_a_fingerprint_is_good_for_its_rosters_only_even_without_steps(academie: Academie) -> None:
    await academie.take_in(school(ONE))
    empty = (await planning.plan(academie.context)).plan.fingerprint
    found = set()
    for day, share in ((18, 0.3), (19, 0.4)):
        await academie.take_in(without_pupils(school(ONE), share, seed=1), day)
        planned = await planning.plan(academie.context)
        assert planned.plan.steps == ()
        assert planned.stopped_by
        assert not planned.is_done
        found.add(planned.plan.fingerprint)
    assert len(found | {empty}) == 3
