"""Spaces: what hangs where, and never more than fifty children."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preau.model.decisions import Mandate
from preau.model.ids import DivisionCode, Uai
from preau.model.people import Function
from preau.model.rooms import RoomKey, RoomKind
from preau.model.snapshot import Snapshot
from preau.model.wanted import Wanted
from preau.policy.levels import PER_SPACE, levels
from preau.policy.rooms import RULES
from preau.policy.wanted import academy_space
from tests.builders import NORTH, agrees, appoint, guardian, key, pupil, school, staff, user, want

ACADEMY_KEY = RoomKey(RoomKind.SPACE_ACADEMY, Uai(""))
SPACE_SCHOOL = key(RoomKind.SPACE_SCHOOL)


def with_divisions(codes: list[str]) -> Snapshot:
    pupils = [pupil(f"p{number}", code) for number, code in enumerate(codes)]
    guardians = [guardian(f"g{number}", f"p{number}") for number in range(len(codes))]
    return school(*pupils, *guardians, staff("dir", Function.DIRECTION))


def children(found: Wanted) -> Counter[RoomKey]:
    return Counter(room.parent for room in found.rooms.values() if room.parent is not None)


def test_where_everything_hangs() -> None:
    roll = school(pupil("ali"), guardian("paz", "ali"), staff("lou", Function.TEACHER, teaches=["5 A"]))
    found = want(roll, agrees("paz"), appoint("paz", Mandate.ASSOCIATION_MODERATOR, scope="fcpe"))
    of_division, of_association = key(RoomKind.SPACE_DIVISION, "5 A"), key(RoomKind.SPACE_ASSOCIATION, "fcpe")
    assert {each: room.parent for each, room in found.rooms.items()} == {
        ACADEMY_KEY: None,
        SPACE_SCHOOL: ACADEMY_KEY,
        of_division: SPACE_SCHOOL,
        of_association: SPACE_SCHOOL,
        key(RoomKind.ANNOUNCE_SCHOOL): SPACE_SCHOOL,
        key(RoomKind.PARENTS_SCHOOL): SPACE_SCHOOL,
        key(RoomKind.STAFF): SPACE_SCHOOL,
        key(RoomKind.ANNOUNCE_DIVISION, "5 A"): of_division,
        key(RoomKind.DIVISION_PARENTS_STAFF, "5 A"): of_division,
        key(RoomKind.PARENTS_DIVISION, "5 A"): of_division,
        key(RoomKind.ASSOCIATION, "fcpe"): of_association,
        key(RoomKind.MODERATION, "fcpe"): of_association,
    }


def test_nobody_is_in_the_academys_own_space_and_every_school_wants_the_same_one() -> None:
    mine = want(with_divisions(["5 A"])).rooms[ACADEMY_KEY]
    assert mine.members == {}
    assert mine == academy_space().rooms[ACADEMY_KEY]


def test_members_of_a_space_only_look() -> None:
    found = want(with_divisions(["5 A"]))
    assert found.rooms[SPACE_SCHOOL].members[user("dir")].level == 0


CODES = {
    "a lycée's own": [f"{level}G{number:02}" for level in "21T" for number in range(1, 31)],
    "all under one letter": [f"C{number:02}" for number in range(1, 91)],
    "capitals and small letters": [f"{letter} {number}" for letter in "aAbB" for number in range(23)],
    "ninety first letters": [chr(0x0100 + number) + "1" for number in range(90)],
    "accents and signs": [f"{letter}{number}" for letter in "éÈ/#·" for number in range(18)],
    "empty code": ["", *(f"6 {number}" for number in range(60))],
}


@pytest.mark.parametrize("codes", CODES.values(), ids=CODES.keys())
def test_a_large_school_puts_levels_between_and_no_space_holds_more_than_fifty(codes: list[str]) -> None:
    found = want(with_divisions(codes))
    assert max(children(found).values()) <= 50
    assert len([each for each in found.rooms if each.kind is RoomKind.SPACE_DIVISION]) == len(codes)
    assert {
        room.parent.kind for each, room in found.rooms.items() if each.kind is RoomKind.SPACE_DIVISION and room.parent
    } == {RoomKind.SPACE_LEVEL}


@pytest.mark.parametrize(("divisions", "between"), [(PER_SPACE, False), (PER_SPACE + 1, True)])
def test_levels_come_with_the_first_division_too_many(divisions: int, between: bool) -> None:
    assert bool(levels(DivisionCode(f"5 {number}") for number in range(divisions))) is between


def test_a_level_is_named_as_the_codes_open() -> None:
    found = levels(map(DivisionCode, CODES["a lycée's own"]))
    assert {level: sum(1 for each in found.values() if each == level) for level in "21T"} == {"2": 30, "1": 30, "T": 30}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=8).map(DivisionCode), max_size=130, unique=True))
def test_any_ninety_codes_fit(codes: list[DivisionCode]) -> None:
    found = levels(codes)
    assert set(found) in ({*codes}, set())
    assert max(Counter(found.values()).values(), default=0) <= PER_SPACE
    assert len(set(found.values())) <= PER_SPACE


def test_every_room_but_the_academys_space_hangs_somewhere_that_exists() -> None:
    found = want(with_divisions(CODES["a lycée's own"]), agrees("g1"))
    for room in found.rooms.values():
        assert room.parent in found.rooms or room.key == ACADEMY_KEY
        if room.parent is not None:
            assert room.parent.kind is RULES[room.key.kind].parent or room.parent.kind is RoomKind.SPACE_LEVEL
    assert {each.school for each in found.rooms} == {NORTH, Uai("")}
