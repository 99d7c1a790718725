"""The demo's people are found in any invented school, whatever the seed."""

from __future__ import annotations

from typing import Literal

import pytest

from preau.demo.cast import DEMO_SCHOOLS, SchoolSpec, invent_demo_school
from preau.demo.parts import Part, cast
from preau.demo.school import DemoSchool, StaffKey
from preau.model.people import GuardianLevel, RosterKey, RosterSource

SEEDS = range(2025, 2037)


@pytest.fixture(params=DEMO_SCHOOLS, ids=lambda spec: spec.uai)
def spec(request: pytest.FixtureRequest) -> SchoolSpec:
    found: SchoolSpec = request.param
    return found


def players(school: DemoSchool) -> dict[Part, RosterKey]:
    return {part: key for key, part in cast(school).players.items()}


def levels(school: DemoSchool, key: RosterKey) -> set[GuardianLevel]:
    attending = {pupil.key for pupil in school.attending}
    return {link.level for link in school.links if str(link.guardian) == key.number and link.pupil in attending}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_part_is_played(spec: SchoolSpec, seed: int) -> None:
    found = players(invent_demo_school(spec, seed=seed))
    assert set(Part) - found.keys() <= {Part.DEPUTY, Part.PARENT, Part.PUPIL, Part.PUPIL_TOO}


@pytest.mark.parametrize("seed", SEEDS)
def test_where_pupils_have_accounts_two_of_one_parent_play(spec: SchoolSpec, seed: int) -> None:
    school = invent_demo_school(spec, seed=seed)
    played = {part: key for key, part in cast(school, pupils=True).players.items()}
    pupils = {int(played[part].number) for part in (Part.PUPIL, Part.PUPIL_TOO)}
    parent = played[Part.PARENT_OF_TWO].number
    assert len(pupils) == 2
    assert pupils <= {link.pupil for link in school.links if str(link.guardian) == parent}


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_without_a_claim_gets_an_account(spec: SchoolSpec, seed: int) -> None:
    school = invent_demo_school(spec, seed=seed)
    found = cast(school)
    assert levels(school, found.contact) == {GuardianLevel.CONTACT}
    assert levels(school, found.departed) == set()
    assert not {found.contact, found.departed} & found.players.keys()
    guardians = [key for key in found.players if key.source is RosterSource.SIECLE_PERSON]
    assert all(levels(school, key) - {GuardianLevel.CONTACT} for key in guardians)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_teacher_by_group_teaches_no_whole_division(spec: SchoolSpec, seed: int) -> None:
    school = invent_demo_school(spec, seed=seed)
    teacher = players(school)[Part.GROUP_TEACHER]
    register: Literal["epp", "local"] = "epp" if teacher.source is RosterSource.STS_STATE else "local"
    key = StaffKey(register, int(teacher.number))
    taught = {service.structure for service in school.services if service.teacher == key}
    home = cast(school).home
    assert taught & {group.code for group in school.groups if home in group.divisions}
    assert not taught & {division.code for division in school.divisions}
