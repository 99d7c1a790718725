"""Who may enter which managed room, and that it agrees with whom the service wants there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preau.model.choices import SchoolChoices
from preau.model.facts import Party, PersonFacts, RoomFacts
from preau.model.ids import DivisionCode, PersonId, RoomId, Uai, UserId, split_user_id
from preau.model.people import STAFF, Function
from preau.model.rooms import RoomKey, RoomKind
from preau.model.snapshot import Snapshot
from preau.policy.entrance import functions_that_fit, why_not_enter
from preau.policy.facts import person_facts, room_facts, standings
from preau.policy.refusals import Rule
from preau.policy.rooms import RULES
from preau.policy.wanted import ACADEMY
from tests.builders import NORTH, SERVER, SOUTH, Decided, decisions, user, want
from tests.fact_strategies import persons
from tests.strategies import choices, decided, snapshots

A, B = DivisionCode("5 A"), DivisionCode("4 B")
DIRECTION, DELEGATE, OFFICE, LIFE = (
    Function.DIRECTION,
    Function.DIRECTION_DELEGATE,
    Function.ADMINISTRATION,
    Function.SCHOOL_LIFE,
)
HEAD, TEACHER, AESH, HEALTH = Function.HEAD_TEACHER, Function.TEACHER, Function.ASSISTANT, Function.HEALTH
INSPECTOR, RECTORAT, GUARDIAN, PUPIL = Function.INSPECTOR, Function.ACADEMY_ADMIN, Function.GUARDIAN, Function.PUPIL
MANDATED = "mandated"
"""Somebody without a function in the school, entered by hand for an association, a class or a visit."""

ADULTS = {*Function, MANDATED} - {PUPIL}
EVERYBODY = {*Function, MANDATED}

ENTERING: list[tuple[RoomKind, set[Function | str]]] = [
    (RoomKind.ANNOUNCE_SCHOOL, {*STAFF, GUARDIAN, PUPIL}),
    (RoomKind.ANNOUNCE_DIVISION, {*STAFF, GUARDIAN, PUPIL}),
    (RoomKind.DIVISION_PARENTS_STAFF, {*STAFF, GUARDIAN}),
    (RoomKind.PARENTS_DIVISION, ADULTS),
    (RoomKind.PARENTS_SCHOOL, ADULTS),
    (RoomKind.ASSOCIATION, ADULTS),
    (RoomKind.STAFF, {*STAFF}),
    (RoomKind.DIRECTION, {DIRECTION, OFFICE, LIFE}),
    (RoomKind.HEALTH, {HEALTH, GUARDIAN, PUPIL}),
    (RoomKind.PUPILS_DIVISION, {*STAFF, PUPIL}),
    (RoomKind.MODERATION, ADULTS),
    (RoomKind.INTER_ACADEMY, ADULTS),
    (RoomKind.SPACE_ACADEMY, set()),
    (RoomKind.SPACE_SCHOOL, EVERYBODY),
    (RoomKind.SPACE_LEVEL, EVERYBODY),
    (RoomKind.SPACE_DIVISION, EVERYBODY),
    (RoomKind.SPACE_ASSOCIATION, ADULTS),
]

OF_A_DIVISION: list[tuple[RoomKind, set[Function]]] = [
    (RoomKind.ANNOUNCE_DIVISION, {DIRECTION, DELEGATE, OFFICE}),
    (RoomKind.DIVISION_PARENTS_STAFF, {DIRECTION}),
    (RoomKind.PUPILS_DIVISION, set()),
    (RoomKind.PARENTS_DIVISION, {*Function} - {PUPIL}),
    (RoomKind.SPACE_DIVISION, {*Function} - {PUPIL}),
]
"""Who enters these without having to do with the division."""


def somebody(
    *functions: Function, school: Uai = NORTH, divisions: frozenset[DivisionCode] = frozenset({A})
) -> PersonFacts:
    party = Party(PersonId("paz"), school, frozenset(functions), divisions)
    return PersonFacts(user("paz"), "Camille PAZ", (party,))


def room(kind: RoomKind, scope: str = "5 A") -> RoomFacts:
    return RoomFacts(RoomId("!room"), kind, NORTH, scope)


def test_the_table_names_every_kind() -> None:
    assert [kind for kind, _ in ENTERING] == list(RoomKind)


@pytest.mark.parametrize(("kind", "expected"), ENTERING, ids=lambda value: value if isinstance(value, str) else "")
def test_these_enter_a_room_of_that_kind_in_their_school(kind: RoomKind, expected: set[Function | str]) -> None:
    entering: set[Function | str] = {each for each in Function if why_not_enter(somebody(each), room(kind)) is None}
    if why_not_enter(somebody(), room(kind)) is None:
        entering.add(MANDATED)
    assert entering == expected
    assert functions_that_fit(kind) == expected - {MANDATED}


@pytest.mark.parametrize(("kind", "expected"), OF_A_DIVISION, ids=lambda value: value if isinstance(value, str) else "")
def test_these_enter_a_divisions_room_that_is_not_theirs(kind: RoomKind, expected: set[Function]) -> None:
    theirs = {each: somebody(each, divisions=frozenset({B})) for each in Function}
    assert {each for each, person in theirs.items() if why_not_enter(person, room(kind)) is None} == expected


@pytest.mark.parametrize("kind", RoomKind)
def test_a_place_in_another_school_opens_visitors_rooms_only(kind: RoomKind) -> None:
    refused = why_not_enter(somebody(*Function, school=SOUTH), room(kind))
    assert refused is (None if kind is RoomKind.INTER_ACADEMY else Rule.MEMBERSHIP)


@pytest.mark.parametrize("kind", RoomKind)
def test_whoever_is_unknown_or_has_no_place_enters_nothing(kind: RoomKind) -> None:
    assert why_not_enter(None, room(kind)) is Rule.UNKNOWN
    assert why_not_enter(PersonFacts(user("paz"), "Camille PAZ", ()), room(kind)) is Rule.UNKNOWN


def test_a_pupil_who_is_a_guardian_as_well_enters_as_a_guardian() -> None:
    assert why_not_enter(somebody(PUPIL, GUARDIAN), room(RoomKind.PARENTS_SCHOOL)) is None


def from_registers(snapshot: Snapshot) -> Snapshot:
    """Registers know staff only: no post makes a guardian or an inspector (`preau.policy.functions`)."""
    posts = (post for post in snapshot.posts if post.function is None or post.function in STAFF)
    return replace(snapshot, posts=tuple(posts))


def facts_of(who: UserId, snapshot: Snapshot, rows: list[Decided], chosen: SchoolChoices) -> PersonFacts | None:
    """What the service would push of somebody, in the name of the school alone."""
    person = PersonId(who[1:].split(":", 1)[0])
    place = standings(snapshot, decisions(*rows), chosen, {person}).get(person)
    return person_facts(who, [place] if place is not None else [])


@settings(max_examples=300, deadline=None)
@given(snapshots.map(from_registers), decided, choices)
def test_whoever_the_service_wants_in_a_room_may_enter_it(
    snapshot: Snapshot, rows: list[Decided], chosen: SchoolChoices
) -> None:
    found = want(snapshot, *rows, choices=chosen)
    for key, each in found.rooms.items():
        for member in each.members:
            if split_user_id(member)[1] == SERVER:
                person = facts_of(member, snapshot, rows, chosen)
                assert why_not_enter(person, room_facts(RoomId("!room"), key)) is None


ADULT_KINDS = {
    RoomKind.STAFF,
    RoomKind.DIRECTION,
    RoomKind.DIVISION_PARENTS_STAFF,
    RoomKind.PARENTS_DIVISION,
    RoomKind.PARENTS_SCHOOL,
    RoomKind.ASSOCIATION,
    RoomKind.MODERATION,
    RoomKind.INTER_ACADEMY,
    RoomKind.SPACE_ASSOCIATION,
}


@given(persons(), st.sampled_from(sorted(ADULT_KINDS)), st.sampled_from(["", "5 A", "fcpe"]))
def test_no_pupil_enters_a_room_of_adults(person: PersonFacts, kind: RoomKind, scope: str) -> None:
    pupil = replace(person, parties=tuple(replace(party, functions=frozenset({PUPIL})) for party in person.parties))
    assert why_not_enter(pupil, room(kind, scope)) is not None


@given(persons(), st.sampled_from(RoomKind), st.sampled_from(Function), st.sampled_from(["5 A", "4 B", ""]))
def test_more_functions_never_close_a_door(person: PersonFacts, kind: RoomKind, more: Function, scope: str) -> None:
    grown = tuple(replace(party, functions=party.functions | {more}) for party in person.parties if party.functions)
    before = replace(person, parties=tuple(party for party in person.parties if party.functions))
    if why_not_enter(before, room(kind, scope)) is None:
        assert why_not_enter(replace(person, parties=grown), room(kind, scope)) is None


def test_nobody_enters_the_academys_own_space() -> None:
    space = room_facts(RoomId("!space"), RoomKey(RoomKind.SPACE_ACADEMY, ACADEMY))
    assert why_not_enter(somebody(*Function), space) is Rule.MEMBERSHIP
    assert RULES[RoomKind.SPACE_ACADEMY].is_space
