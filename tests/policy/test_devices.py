"""Whose new devices are limited: everybody who may write to more than one division, by the tables."""

from __future__ import annotations

import pytest
from hypothesis import given

from preau.model.facts import Cell, Party, PersonFacts, SchoolFacts
from preau.model.ids import DivisionCode, PersonId, Uai, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from preau.policy.devices import ANNOUNCEMENTS, WRITING_CIRCLES, may_announce, needs_confirmation
from preau.policy.rooms import RULES
from tests.builders import NORTH, SOUTH
from tests.fact_strategies import persons

F = Function


def _person(*places: tuple[Uai, set[Function], set[str]]) -> PersonFacts:
    parties = tuple(
        Party(PersonId("p"), school, frozenset(functions), frozenset(map(DivisionCode, divisions)))
        for school, functions, divisions in places
    )
    return PersonFacts(UserId("@p:nord.example"), "P", parties)


def _tight(*functions: Function) -> dict[Uai, SchoolFacts]:
    """A school where these write to the families of their own divisions only, and to pupils not at all."""
    cells = {(f, F.GUARDIAN): Cell.SAME_DIVISION for f in functions} | {(f, F.PUPIL): Cell.NO for f in functions}
    return {NORTH: SchoolFacts(NORTH, cells)}


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


@pytest.mark.parametrize(
    ("function", "divisions", "needs"),
    [
        (F.TEACHER, set(), False),
        (F.TEACHER, {"5 A"}, False),
        (F.TEACHER, {"5 A", "4 B"}, True),
        (F.HEAD_TEACHER, {"5 A"}, False),
        (F.ASSISTANT, {"5 A"}, False),
        (F.ASSISTANT, {"5 A", "4 B"}, True),
        (F.DIRECTION, set(), True),
        (F.DIRECTION_DELEGATE, set(), True),
        (F.ADMINISTRATION, set(), True),
    ],
)
def test_where_a_school_tightens_contact_to_the_division_it_depends_on_how_many(
    function: Function, divisions: set[str], needs: bool
) -> None:
    assert needs_confirmation(_person((NORTH, {function}, divisions)), _tight(function)) is needs


def test_a_teacher_of_one_division_in_each_of_two_schools_reaches_two() -> None:
    schools = _tight(F.TEACHER) | {SOUTH: SchoolFacts(SOUTH, _tight(F.TEACHER)[NORTH].cells)}
    person = _person((NORTH, {F.TEACHER}, {"5 A"}), (SOUTH, {F.TEACHER}, {"5 A"}))
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


def test_the_functions_of_every_circle_that_announces_are_known() -> None:
    assert {circle for kind in ANNOUNCEMENTS for circle in RULES[kind].writers} == set(WRITING_CIRCLES)
