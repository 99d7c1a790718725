"""Plans lead where they should, from wherever they start and wherever they are cut off."""

from __future__ import annotations

from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preau.model.choices import SchoolChoices
from preau.model.ids import UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from preau.model.snapshot import Snapshot
from preau.model.wanted import Membership, Wanted
from preau.policy.powers import PARENT
from preau.policy.wanted import wanted
from preau.sync.plan import Action, Plan, difference, display_names
from tests.builders import academy, decisions, guardian, pupil, school, user
from tests.strategies import ADULTS, FOREIGN, PUPILS, choices, decided, snapshots
from tests.sync.model_homeserver import ModelHomeserver

Words: TypeAlias = dict[UserId, frozenset[Function]]

laws = settings(max_examples=100, deadline=None)
activated = st.frozensets(st.sampled_from([*ADULTS, *PUPILS, "sam"]))
wishes = st.builds(
    lambda snapshot, rows, chosen: wanted(snapshot, decisions(*rows), chosen, academy().server),
    snapshots,
    decided,
    choices,
)
versions = st.sampled_from(["11", "12"])
words = st.sampled_from(
    [{}, {UserId(FOREIGN): frozenset({Function.TEACHER})}, {UserId(FOREIGN): frozenset({Function.PUPIL})}]
)
"""What the other académie says of its one person: nothing, a teacher, a pupil."""


def plan(server: ModelHomeserver, *want: Wanted) -> Plan:
    return difference(want, server.actual, server.academy)


def brought_to(want: Wanted, persons: frozenset[str], version: str, said: Words | None = None) -> ModelHomeserver:
    """A homeserver that is as wanted, with accounts for those of the persons who may have one."""
    server = ModelHomeserver(academy(version))
    server.vouched = said or {}
    server.activate(persons, display_names([want]))
    server.apply(plan(server, want))
    return server


def check_is_as_wanted(server: ModelHomeserver, want: Wanted) -> None:
    """Said again without the plan's own words: who is in each room is who should be and can be."""
    can_enter = {who for who, known in server.accounts.items() if known.active} & want.accounts.keys()
    for key, room in server.rooms.items():
        due = want.rooms[key].members.keys() if key in want.rooms else set()
        foreign = {who for who in due if not who.endswith(f":{server.academy.server}")}
        vouched = {who for who in foreign if server.vouched.get(who) == {Function.TEACHER}}
        assert due & can_enter | vouched <= room.members.keys() <= due - (foreign - vouched)


@laws
@given(wishes, wishes, activated, versions, words, words)
def test_after_a_plan_there_is_nothing_more_to_do(
    first: Wanted, then: Wanted, persons: frozenset[str], version: str, before: Words, after: Words
) -> None:
    server = brought_to(first, persons, version, before)
    assert plan(server, first).steps == ()
    server.vouched = after
    server.activate(persons, display_names([then]))
    server.apply(plan(server, then))
    assert plan(server, then).steps == ()
    check_is_as_wanted(server, then)


@laws
@given(wishes, wishes, activated, versions, words, st.data())
def test_a_plan_cut_off_anywhere_is_finished_by_the_next(
    first: Wanted, then: Wanted, persons: frozenset[str], version: str, after: Words, data: st.DataObject
) -> None:
    server = brought_to(first, persons, version, {UserId(FOREIGN): frozenset({Function.TEACHER})})
    server.vouched = after
    server.activate(persons, display_names([then]))
    whole = plan(server, then)
    done = data.draw(st.integers(0, len(whole.steps)))
    server.apply(whole, whole.steps[:done])
    server.apply(plan(server, then))
    assert plan(server, then).steps == ()
    check_is_as_wanted(server, then)


@laws
@given(wishes, wishes, activated)
def test_two_equal_runs_make_the_same_plan(first: Wanted, then: Wanted, persons: frozenset[str]) -> None:
    server = brought_to(first, persons, "12")
    one, other = plan(server, then), plan(server, then)
    assert one.steps == other.steps
    assert one.fingerprint == other.fingerprint


@laws
@given(wishes, wishes, activated)
def test_nobody_enters_a_room_before_everybody_unwanted_has_left_it(
    first: Wanted, then: Wanted, persons: frozenset[str]
) -> None:
    server = brought_to(first, persons, "12")
    server.activate(persons, display_names([then]))
    made = plan(server, then)
    for step in made.steps:
        server.do(step, made)
        if step.action is Action.ADD_MEMBER and step.room is not None:
            assert server.rooms[step.room].members.keys() <= then.rooms[step.room].members.keys()


@laws
@given(wishes, wishes, activated)
def test_every_room_is_made_after_the_space_above_it(first: Wanted, then: Wanted, persons: frozenset[str]) -> None:
    server = brought_to(first, persons, "12")
    server.activate(persons, display_names([then]))
    there = set(server.rooms)
    for step in plan(server, then).steps:
        if step.action is Action.CREATE_ROOM and step.room is not None:
            parent = then.rooms[step.room].parent
            assert parent is None or parent in there
            there.add(step.room)


@laws
@given(wishes, activated, st.sampled_from(ADULTS))
def test_the_part_for_one_person_brings_them_in_and_touches_nobody_else(
    want: Wanted, persons: frozenset[str], who: str
) -> None:
    server = brought_to(want, persons - {who}, "12")
    server.activate({who}, display_names([want]))
    others = {key: {each for each in room.members if each != user(who)} for key, room in server.rooms.items()}
    part = plan(server, want).only(frozenset({user(who)}))
    assert {step.user for step in part.steps if step.action is not Action.CREATE_ROOM} <= {user(who)}
    server.apply(part)
    for key, room in server.rooms.items():
        assert room.members.keys() - {user(who)} == others.get(key, set())
    assert not [step for step in plan(server, want).steps if step.user == user(who)]


@laws
@given(wishes, activated, st.data())
def test_whoever_is_missing_from_a_room_comes_back_and_loses_nothing(
    want: Wanted, persons: frozenset[str], data: st.DataObject
) -> None:
    server = brought_to(want, persons, "12")
    inside = [(key, who) for key, room in server.rooms.items() for who in room.members]
    for key, who in data.draw(st.lists(st.sampled_from(inside), unique=True)) if inside else []:
        server._change(key, members={each: how for each, how in server.rooms[key].members.items() if each != who})
    again = plan(server, want)
    assert {step.action for step in again.steps} <= {Action.ADD_MEMBER}
    server.apply(again)
    assert {(key, who) for key, room in server.rooms.items() for who in room.members} == set(inside)


@laws
@given(wishes, activated, st.data())
def test_whoever_is_banned_stays_out(want: Wanted, persons: frozenset[str], data: st.DataObject) -> None:
    server = brought_to(want, persons, "12")
    inside = [(key, who) for key, room in server.rooms.items() for who in room.members]
    for key, who in data.draw(st.lists(st.sampled_from(inside), unique=True)) if inside else []:
        server._change(key, members={**server.rooms[key].members, who: Membership.BAN})
    assert plan(server, want).steps == ()


@pytest.mark.parametrize("version", ["11", "12"])
def test_a_school_that_grows_out_of_one_space_is_rehung_and_never_unhung(version: str) -> None:
    def of(count: int) -> Wanted:
        pupils = [pupil(f"p{number}", f"5 {number:02}") for number in range(count)]
        roll: Snapshot = school(*pupils, *(guardian(f"g{number}", f"p{number}") for number in range(count)))
        return wanted(roll, decisions(), SchoolChoices(), academy().server)

    server = brought_to(of(40), frozenset(f"g{number}" for number in range(40)), version)
    for _ in range(2):
        server.apply(plan(server, of(41)))
        for key, room in server.rooms.items():
            hangs = [content for state, content in room.state.items() if state.type == PARENT and content]
            assert len(hangs) == (key.kind is not RoomKind.SPACE_ACADEMY), key
    assert plan(server, of(41)).steps == ()
