"""Who goes between académies, and whose messages are taken: tables stated by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preau.model.facts import Party, PersonFacts, RoomFacts, SharedRoomFacts, VouchFacts
from preau.model.ids import PersonId, RoomId, ServerName, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from preau.policy.abroad import VISITING, admits, may_visit, why_not_come, why_not_go, why_not_heard_abroad
from preau.policy.refusals import Rule
from tests.builders import NORTH, SOUTH

OURS, PEER, THIRD = ServerName("nord.example"), ServerName("sud.example"), ServerName("est.example")
TEACHER, PUPIL, GUARDIAN, INSPECTOR = Function.TEACHER, Function.PUPIL, Function.GUARDIAN, Function.INSPECTOR
BETWEEN, UNKNOWN, FREE = Rule.BETWEEN_ACADEMIES, Rule.UNKNOWN, None
ROOM = RoomId("!partagé")

functions = st.frozensets(st.sampled_from(Function))
kinds = st.sampled_from(RoomKind)


def person(*by_school: set[Function]) -> PersonFacts:
    schools = (NORTH, SOUTH)
    parties = tuple(Party(PersonId("p"), s, frozenset(f)) for s, f in zip(schools, by_school, strict=False))
    return PersonFacts(UserId(f"@p:{OURS}"), "P", parties)


def listed(*found: Function, owner: ServerName = PEER) -> SharedRoomFacts:
    return SharedRoomFacts(ROOM, owner, frozenset(found))


def vouch(*found: Function) -> VouchFacts:
    return VouchFacts(UserId(f"@x:{PEER}"), frozenset(found))


def ours(kind: RoomKind = RoomKind.INTER_ACADEMY, **admitted: set[Function]) -> RoomFacts:
    servers = {"peer": PEER, "third": THIRD}
    return RoomFacts(ROOM, kind, NORTH, "Maths", {servers[name]: frozenset(found) for name, found in admitted.items()})


GOING: list[tuple[str, PersonFacts | None, SharedRoomFacts | None, Rule | None]] = [
    # who, what is known of them, what the room's académie lists, why not
    ("fits", person({TEACHER}), listed(TEACHER, INSPECTOR), FREE),
    ("fits in one of two schools", person({GUARDIAN}, {TEACHER}), listed(TEACHER), FREE),
    ("a guardian, where guardians are asked", person({GUARDIAN}), listed(GUARDIAN), FREE),
    ("does not fit", person({GUARDIAN}), listed(TEACHER), BETWEEN),
    ("the room is not listed", person({TEACHER}), None, BETWEEN),
    ("the room is listed for nobody", person({TEACHER}), listed(), BETWEEN),
    ("a pupil, whatever is listed", person({PUPIL}), listed(PUPIL, TEACHER), BETWEEN),
    ("a pupil somewhere, a teacher elsewhere", person({TEACHER}, {PUPIL}), listed(TEACHER), BETWEEN),
    ("there by a mandate alone", person(set()), listed(TEACHER), BETWEEN),
    ("no place in any school", person(), listed(TEACHER), UNKNOWN),
    ("unknown", None, listed(TEACHER), UNKNOWN),
]


@pytest.mark.parametrize(("how", "who", "room", "expected"), GOING, ids=[row[0] for row in GOING])
def test_one_of_ours_into_their_room(
    how: str, who: PersonFacts | None, room: SharedRoomFacts | None, expected: Rule | None
) -> None:
    assert why_not_go(who, room) is expected


COMING: list[tuple[str, VouchFacts | None, RoomFacts | None, Rule | None]] = [
    # who, their académie's word, the room of ours, why not
    ("vouched, admitted", vouch(TEACHER), ours(peer={TEACHER}), FREE),
    ("vouched as something else", vouch(GUARDIAN), ours(peer={TEACHER}), BETWEEN),
    ("vouched as nothing", vouch(), ours(peer={TEACHER}), BETWEEN),
    ("not vouched", None, ours(peer={TEACHER}), BETWEEN),
    ("another académie is admitted", vouch(TEACHER), ours(third={TEACHER}), BETWEEN),
    ("nobody is admitted", vouch(TEACHER), ours(), BETWEEN),
    ("a pupil, whatever is admitted", vouch(PUPIL), ours(peer={PUPIL, TEACHER}), BETWEEN),
    ("a teacher who is a pupil, too", vouch(TEACHER, PUPIL), ours(peer={TEACHER}), BETWEEN),
    ("into a staff room, whatever it admits", vouch(TEACHER), ours(RoomKind.STAFF, peer={TEACHER}), BETWEEN),
    ("into a room of which nothing is known", vouch(TEACHER), None, BETWEEN),
]


@pytest.mark.parametrize(("how", "word", "room", "expected"), COMING, ids=[row[0] for row in COMING])
def test_one_of_theirs_into_our_room(
    how: str, word: VouchFacts | None, room: RoomFacts | None, expected: Rule | None
) -> None:
    assert why_not_come(word, PEER, room) is expected


HEARD: list[tuple[str, VouchFacts | None, ServerName, SharedRoomFacts | None, Rule | None]] = [
    # whose message in a room of another académie, the word about them, of which server, what is listed, why not
    ("of the room's own people", None, PEER, listed(TEACHER), FREE),
    ("of a third académie, vouched", vouch(TEACHER), THIRD, listed(TEACHER), FREE),
    ("of a third académie, not vouched", None, THIRD, listed(TEACHER), BETWEEN),
    ("of a third académie's pupil", vouch(PUPIL), THIRD, listed(TEACHER), BETWEEN),
    ("in a room that is not listed", vouch(TEACHER), PEER, None, BETWEEN),
]


@pytest.mark.parametrize(("how", "word", "server", "room", "expected"), HEARD, ids=[row[0] for row in HEARD])
def test_a_message_in_their_room(
    how: str, word: VouchFacts | None, server: ServerName, room: SharedRoomFacts | None, expected: Rule | None
) -> None:
    assert why_not_heard_abroad(word, server, room) is expected


def test_only_rooms_between_academies_take_visitors_and_no_pupil_is_among_them() -> None:
    assert set(VISITING) == {RoomKind.INTER_ACADEMY}
    assert frozenset(Function) - VISITING[RoomKind.INTER_ACADEMY] == {PUPIL}


def test_a_room_admits_the_academies_of_those_who_were_appointed_into_it() -> None:
    members = [UserId(f"@a:{OURS}"), UserId(f"@b:{PEER}"), UserId(f"@c:{PEER}")]
    assert admits(RoomKind.INTER_ACADEMY, members, OURS) == {PEER: VISITING[RoomKind.INTER_ACADEMY]}
    assert admits(RoomKind.STAFF, members, OURS) == {}


@given(functions, functions)
def test_no_pupil_ever_visits(are: frozenset[Function], admitted: frozenset[Function]) -> None:
    assert not may_visit(are | {PUPIL}, admitted)


@given(functions, kinds, functions, functions)
def test_admitting_fewer_never_lets_more_people_in(
    said: frozenset[Function], kind: RoomKind, admitted: frozenset[Function], kept: frozenset[Function]
) -> None:
    word = VouchFacts(UserId(f"@x:{PEER}"), said)
    wide = RoomFacts(ROOM, kind, NORTH, "Maths", {PEER: admitted})
    narrow = RoomFacts(ROOM, kind, NORTH, "Maths", {PEER: admitted & kept})
    if why_not_come(word, PEER, narrow) is None:
        assert why_not_come(word, PEER, wide) is None
