"""What control rooms say: written and read, and worked out from who is asked for."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preau.model.control import SharedRoom, Vouch, Word
from preau.model.facts import SharedRoomFacts, VouchFacts
from preau.model.ids import PersonId, RoomId, ServerName, UserId
from preau.model.people import STAFF, Function
from preau.model.rooms import RoomKind
from preau.model.wanted import StateKey
from preau.policy.abroad import VISITING
from preau.policy.control import (
    CONTROL,
    SHARED,
    VOUCH,
    BrokenWord,
    as_facts,
    asked_for,
    is_control_room,
    key_of_word,
    read,
    to_share,
    to_vouch,
    written,
)

NORD, SUD, EST = ServerName("nord.example"), ServerName("sud.example"), ServerName("est.example")
ROOM = RoomId("!orchestre")
TEACHER, GUARDIAN, PUPIL = Function.TEACHER, Function.GUARDIAN, Function.PUPIL
VISITORS = VISITING[RoomKind.INTER_ACADEMY]

servers = st.sampled_from([NORD, SUD, EST])
localparts = st.text("abcdefgh123", min_size=1, max_size=8)
sets_of_functions = st.frozensets(st.sampled_from(Function))
shared_rooms = st.builds(
    SharedRoom,
    st.text(min_size=1).map(lambda text: RoomId("!" + text)),
    st.sampled_from(RoomKind),
    st.dictionaries(servers, sets_of_functions),
    st.dictionaries(servers, st.frozensets(localparts)),
    st.lists(servers).map(tuple),
)
vouches = st.builds(Vouch, localparts.map(lambda name: UserId(f"@{name}:{SUD}")), sets_of_functions)
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)


@given(shared_rooms | vouches)
def test_what_is_written_is_read(word: Word) -> None:
    assert read(SUD, key_of_word(word), written(word)) == word


@given(st.sampled_from([SHARED, VOUCH]), st.text(max_size=5), st.dictionaries(st.text(max_size=9), json, max_size=4))
def test_whatever_stands_there_is_a_word_or_none(kind: str, key: str, content: dict[str, Any]) -> None:
    with suppress(BrokenWord):
        read(SUD, StateKey(kind, key), content)


BROKEN: list[tuple[str, StateKey, dict[str, Any]]] = [
    ("a vouch for somebody of another académie", StateKey(VOUCH, "x:est.example"), {"functions": ["teacher"]}),
    ("a vouch that names a user", StateKey(VOUCH, "@x"), {"functions": ["teacher"]}),
    ("a vouch for nobody", StateKey(VOUCH, ""), {"functions": ["teacher"]}),
    ("functions that are none", StateKey(VOUCH, "x"), {"functions": "teacher"}),
    ("a room without a room's id", StateKey(SHARED, "orchestre"), {"kind": "inter_academy"}),
    (
        "a kind that nobody knows",
        StateKey(SHARED, ROOM),
        {"kind": "tavern", "functions": {}, "visitors": {}, "via": []},
    ),
    ("visitors that are none", StateKey(SHARED, ROOM), {"kind": "staff", "functions": {}, "visitors": [], "via": []}),
]


@pytest.mark.parametrize(("how", "key", "content"), BROKEN, ids=[row[0] for row in BROKEN])
def test_what_is_not_understood_is_not_said(how: str, key: StateKey, content: dict[str, Any]) -> None:
    with pytest.raises(BrokenWord):
        read(SUD, key, content)


def test_a_function_that_only_a_newer_version_knows_opens_nothing() -> None:
    word = read(SUD, StateKey(VOUCH, "x"), {"functions": ["teacher", "astronaut"]})
    assert word == Vouch(UserId(f"@x:{SUD}"), frozenset({TEACHER}))


def test_an_empty_word_is_one_taken_back() -> None:
    assert read(SUD, StateKey(VOUCH, "x"), {}) is None


@pytest.mark.parametrize(
    ("content", "creator", "expected"),
    [
        ({CONTROL: True}, UserId(f"@preau:{SUD}"), True),
        ({CONTROL: True}, UserId(f"@someone:{SUD}"), False),
        ({CONTROL: 1}, UserId(f"@preau:{SUD}"), False),
        ({}, UserId(f"@preau:{SUD}"), False),
    ],
)
def test_only_a_room_that_the_bot_made_for_it_is_a_control_room(
    content: dict[str, Any], creator: UserId, expected: bool
) -> None:
    assert is_control_room(content, creator, UserId(f"@preau:{SUD}")) is expected


def test_a_room_is_shared_with_the_academies_of_its_visitors_and_asks_for_them_by_name() -> None:
    staff_room = RoomId("!personnels")
    members = {
        ROOM: {UserId(f"@a:{NORD}"), UserId(f"@x:{SUD}"), UserId(f"@y:{SUD}")},
        staff_room: {UserId(f"@z:{SUD}")},
    }
    kinds = {ROOM: RoomKind.INTER_ACADEMY, staff_room: RoomKind.STAFF, RoomId("!vide"): RoomKind.INTER_ACADEMY}
    asked = {SUD: frozenset({"x", "y"})}
    assert to_share(kinds, members, NORD) == {
        ROOM: SharedRoom(ROOM, RoomKind.INTER_ACADEMY, {SUD: VISITORS}, asked, via=(NORD,))
    }


def asking(*visitors: str, functions: frozenset[Function] = VISITORS, room: str = ROOM) -> SharedRoom:
    asked = frozenset(visitors)
    return SharedRoom(RoomId(room), RoomKind.INTER_ACADEMY, {NORD: functions}, {NORD: asked, EST: frozenset({"e"})})


VOUCHING: list[tuple[str, list[SharedRoom], frozenset[Function] | None, frozenset[Function] | None]] = [
    # who, what others ask, what the person with an account is (None: no account), what we vouch for (None: nothing)
    ("asked for, fits", [asking("p")], frozenset({TEACHER}), frozenset({TEACHER})),
    ("told only what is asked", [asking("p", functions=STAFF)], frozenset({TEACHER, GUARDIAN}), frozenset({TEACHER})),
    ("asked for twice", [asking("p", functions=STAFF), asking("p", functions=frozenset({GUARDIAN}), room="!b")],
        frozenset({TEACHER, GUARDIAN}), frozenset({TEACHER, GUARDIAN})),
    ("does not fit", [asking("p", functions=frozenset({GUARDIAN}))], frozenset({TEACHER}), None),
    ("a pupil", [asking("p", functions=frozenset(Function))], frozenset({PUPIL}), None),
    ("a pupil somewhere", [asking("p")], frozenset({PUPIL, TEACHER}), None),
    ("without an open account", [asking("p")], None, None),
    ("not asked for", [asking("q")], frozenset({TEACHER}), None),
    ("asked of another académie", [asking()], frozenset({TEACHER}), None),
]  # fmt: skip


@pytest.mark.parametrize(("how", "rooms", "are", "said"), VOUCHING, ids=[row[0] for row in VOUCHING])
def test_we_vouch(
    how: str, rooms: list[SharedRoom], are: frozenset[Function] | None, said: frozenset[Function] | None
) -> None:
    who = PersonId("p")
    found = to_vouch(asked_for(rooms, NORD), {} if are is None else {who: are}, NORD)
    assert found == ({} if said is None else {who: Vouch(UserId(f"@p:{NORD}"), said)})


def test_the_guard_is_told_what_concerns_our_people_and_what_others_vouch_for() -> None:
    for_us = asking("p", functions=frozenset({TEACHER, PUPIL}))
    for_others = SharedRoom(RoomId("!ailleurs"), RoomKind.INTER_ACADEMY, {EST: VISITORS})
    of_no_kind_for_visitors = SharedRoom(RoomId("!staff"), RoomKind.STAFF, {NORD: VISITORS})
    word = Vouch(UserId(f"@x:{SUD}"), frozenset({TEACHER}))
    said: list[tuple[ServerName, Word]] = [(SUD, each) for each in (for_us, for_others, of_no_kind_for_visitors, word)]
    assert as_facts(said, NORD) == [
        SharedRoomFacts(ROOM, SUD, frozenset({TEACHER})),
        VouchFacts(word.user, word.functions),
    ]


def test_a_room_that_two_academies_call_theirs_is_open_to_nobody() -> None:
    assert as_facts([(SUD, asking("p")), (EST, asking("p"))], NORD) == []
