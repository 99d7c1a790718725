"""Whose new devices are limited: everybody who may write to more than one division, by the tables."""

from __future__ import annotations

import pytest
from hypothesis import given

from preau.model.facts import Cell, Party, PersonFacts, SchoolFacts
from preau.model.ids import DivisionCode, PersonId, Uai, UserId
from preau.model.people import STAFF, Function
from preau.model.rooms import RoomKind
from preau.policy.devices import ANNOUNCEMENTS, may_announce, needs_confirmation
from preau.policy.rooms import RULES, Circle
from tests.builders import NORTH, SOUTH
from tests.fact_strategies import persons

F = Function


def _person(*places: tuple[Uai, set[Function], set[str]]) -> PersonFacts:
    parties = tuple(
        Party(PersonId("p"), school, frozenset(functions), frozenset(map(DivisionCode, divisions)))
        for school, functions, divisions in places
    )
    return PersonFacts(UserId("@p:nord.example"), "P", parties)


def _changed(function: Function, cell: Cell, school: Uai = NORTH) -> dict[Uai, SchoolFacts]:
    """A school that lets this function write so to guardians, and not at all to pupils."""
    return {school: SchoolFacts(school, {(function, F.GUARDIAN): cell, (function, F.PUPIL): Cell.NO})}


DEFAULT_TABLE = [
    (F.DIRECTION, True),
    (F.DIRECTION_DELEGATE, True),
    (F.ADMINISTRATION, True),
    (F.SCHOOL_LIFE, True),
    (F.HEAD_TEACHER, True),
    (F.TEACHER, True),
    (F.ASSISTANT, True),
    (F.HEALTH, True),
    (F.INSPECTOR, False),
    (F.ACADEMY_ADMIN, False),
    (F.GUARDIAN, False),
    (F.PUPIL, False),
]


@pytest.mark.parametrize(("function", "needs"), DEFAULT_TABLE)
@pytest.mark.parametrize("divisions", [{"5 A"}, {"5 A", "4 B"}])
def test_with_the_default_contact_table_all_staff(function: Function, needs: bool, divisions: set[str]) -> None:
    assert needs_confirmation(_person((NORTH, {function}, divisions)), {}) is needs


@pytest.mark.parametrize("function", sorted(STAFF))
def test_a_school_that_tightens_contact_frees_no_device(function: Function) -> None:
    for divisions in (set[str](), {"5 A"}, {"5 A", "4 B"}):
        assert needs_confirmation(_person((NORTH, {function}, divisions)), _changed(function, Cell.SAME_DIVISION))
        assert needs_confirmation(_person((NORTH, {function}, divisions)), _changed(function, Cell.NO))


@pytest.mark.parametrize(
    ("divisions", "cell", "needs"),
    [
        ({"5 A"}, Cell.YES, True),
        ({"5 A"}, Cell.SAME_DIVISION, False),
        ({"5 A", "4 B"}, Cell.SAME_DIVISION, True),
        ({"5 A", "4 B"}, Cell.BOTH_OPTED_IN, False),
    ],
)
def test_whom_a_school_opens_to_more_than_one_division_is_limited(divisions: set[str], cell: Cell, needs: bool) -> None:
    person = _person((NORTH, {F.INSPECTOR}, divisions))
    assert needs_confirmation(person, _changed(F.INSPECTOR, cell)) is needs


def test_one_division_in_each_of_two_schools_is_two() -> None:
    schools = _changed(F.INSPECTOR, Cell.SAME_DIVISION) | _changed(F.INSPECTOR, Cell.SAME_DIVISION, SOUTH)
    person = _person((NORTH, {F.INSPECTOR}, {"5 A"}), (SOUTH, {F.INSPECTOR}, {"5 A"}))
    assert needs_confirmation(person, schools)


def test_a_guardian_of_children_in_three_divisions_is_not_limited() -> None:
    assert not needs_confirmation(_person((NORTH, {F.GUARDIAN}, {"5 A", "4 B", "3 C"})), {})


def test_one_function_that_reaches_many_is_enough() -> None:
    assert needs_confirmation(_person((NORTH, {F.GUARDIAN}, {"5 A"}), (SOUTH, {F.TEACHER}, {"4 B"})), {})


def test_whoever_has_no_place_reaches_nobody() -> None:
    assert not needs_confirmation(_person(), {})
    assert not needs_confirmation(_person((NORTH, set(), {"5 A", "4 B"})), {})


@given(persons())
def test_families_alone_are_never_limited(person: PersonFacts) -> None:
    families = {F.GUARDIAN, F.PUPIL, F.INSPECTOR, F.ACADEMY_ADMIN}
    if person.functions <= families:
        assert not needs_confirmation(person, {})


def test_announcements_are_the_kinds_in_which_a_few_write_to_many() -> None:
    assert {RoomKind.ANNOUNCE_SCHOOL, RoomKind.ANNOUNCE_DIVISION} == ANNOUNCEMENTS
    assert not may_announce(RoomKind.ANNOUNCE_SCHOOL)
    assert may_announce(RoomKind.STAFF)
    assert may_announce(None)


def test_everybody_who_announces_is_staff_whose_new_devices_are_limited() -> None:
    circles = {circle for kind in ANNOUNCEMENTS for circle in RULES[kind].writers}
    assert circles == {Circle.DIRECTION, Circle.DELEGATES, Circle.ADMINISTRATION, Circle.TEACHERS}
    assert {function for function, needs in DEFAULT_TABLE if needs} == STAFF
