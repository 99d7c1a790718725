"""Control rooms without a homeserver: whatever would call one fails here, since nothing answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from preau.clock import FixedClock
from preau.errors import HomeserverUnreachable
from preau.matrix.calls import Endpoint
from preau.matrix.client import Homeserver
from preau.matrix.patience import Patience
from preau.model.decisions import Appointment, Mandate
from preau.model.facts import Fact, RoomFacts, SharedRoomFacts, VouchFacts, key_of
from preau.model.ids import AcademyName, PersonId, RoomId, ServerName, UserId
from preau.model.people import Function, RosterKey, RosterSource
from preau.model.rooms import RoomKey, RoomKind
from preau.model.wanted import ActualAccount, ActualRoom, Content, Membership, StateKey
from preau.policy.abroad import VISITING
from preau.policy.control import SHARED, VOUCH
from preau.policy.wanted import ACADEMY
from preau.store import actual, control, decisions, people
from preau.store.engine import Store
from preau.sync import visits
from preau.sync.again import FIRST, MOST, Again
from preau.sync.context import Academy, Context
from preau.sync.control import publish
from preau.sync.facts import Asked, derive
from tests.builders import NOON, NORTH

NORD, SUD, EST = ServerName("nord.example"), ServerName("sud.example"), ServerName("est.example")
GUEST, OURS = UserId(f"@b3n8r5wf:{SUD}"), UserId(f"@k7m2q4xd:{NORD}")
ROOM, CONTROL = RoomId("!maths"), RoomId("!nord")
KEY = RoomKey(RoomKind.INTER_ACADEMY, NORTH, "Maths")
TEACHER: Content = {"functions": ["teacher"]}
PUPIL: Content = {"functions": ["pupil"]}
JOIN, INVITE, BAN = Membership.JOIN, Membership.INVITE, Membership.BAN


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    """nord's, federated with sud; its homeserver answers nobody."""
    store = Store(f"sqlite:///{tmp_path / 'preau.db'}")
    await store.migrate()
    bot = UserId(f"@preau:{NORD}")
    academy = Academy(AcademyName("nord"), NORD, bot, "12", 2025, peers={SUD: UserId(f"@preau:{SUD}")})
    patience = Patience(attempts=1)
    async with Homeserver(Endpoint("http://127.0.0.1:1", "jeton", bot, NORD), patience=patience) as nobody:
        yield Context(academy, store, nobody, FixedClock(NOON))
    await store.close()


async def shared_room(context: Context, **members: Membership) -> None:
    """A room between académies that was made; members by localpart, sud's but for ours."""
    known = {UserId(f"@{name}:{SUD}"): how for name, how in members.items()}
    async with context.store.writing() as db:
        await actual.save_room(db, ActualRoom(KEY, ROOM, "12", {}, known))


async def appointed(context: Context, visitor: UserId = GUEST) -> None:
    given = Appointment(0, visitor, Mandate.VISITOR, NORTH, None, KEY.scope, "test", NOON, None)
    async with context.store.writing() as db:
        await decisions.appoint(db, given)


async def heard(context: Context, word: StateKey, content: Content, *, server: ServerName = SUD) -> None:
    async with context.store.writing() as db:
        await control.save_words(db, server, {word: content})


DUE: list[tuple[str, bool, Content, Membership | None, bool]] = [
    # the visitor: appointed, their académie's word, membership known, must something be done
    ("appointed, vouched for, absent", True, TEACHER, None, True),
    ("appointed, vouched for, invited", True, TEACHER, INVITE, False),
    ("appointed, vouched for, joined", True, TEACHER, JOIN, False),
    ("appointed, vouched for, banned", True, TEACHER, BAN, False),
    ("appointed, not vouched for, absent", True, {}, None, False),
    ("appointed, not vouched for, joined", True, {}, JOIN, True),
    ("appointed, vouched for as a pupil, absent", True, PUPIL, None, False),
    ("not appointed, vouched for, joined", False, TEACHER, JOIN, True),
    ("not appointed, vouched for, invited", False, TEACHER, INVITE, True),
    ("not appointed, vouched for, absent", False, TEACHER, None, False),
]


@pytest.mark.parametrize(("how", "is_appointed", "word", "seen", "due"), DUE, ids=[row[0] for row in DUE])
async def test_a_school_is_due_when_a_visitor_must_come_or_go(
    context: Context, how: str, is_appointed: bool, word: Content, seen: Membership | None, due: bool
) -> None:
    await shared_room(context, **({} if seen is None else {"b3n8r5wf": seen}))
    if is_appointed:
        await appointed(context)
    await heard(context, StateKey(VOUCH, "b3n8r5wf"), word)
    assert await visits.due(context) == ({NORTH} if due else set())


async def test_a_word_of_an_academie_that_is_no_peer_any_more_counts_for_nothing(context: Context) -> None:
    visitor = UserId(f"@x:{EST}")
    await shared_room(context)
    await appointed(context, visitor)
    await heard(context, StateKey(VOUCH, "x"), TEACHER, server=EST)
    assert await visits.due(context) == set()


async def test_the_guard_is_told_whom_rooms_admit_what_is_open_and_who_is_vouched_for(context: Context) -> None:
    await shared_room(context)
    await appointed(context)
    await heard(context, StateKey(VOUCH, "b3n8r5wf"), TEACHER)
    theirs: Content = {"kind": "inter_academy", "functions": {NORD: ["teacher", "pupil"]}, "visitors": {}, "via": []}
    await heard(context, StateKey(SHARED, "!ailleurs"), theirs)
    async with context.store.reading() as db:
        found = await derive(db, context.academy, Asked([NORTH, ACADEMY], at=NOON))
    expected: list[Fact] = [
        RoomFacts(ROOM, RoomKind.INTER_ACADEMY, NORTH, "Maths", {SUD: VISITING[RoomKind.INTER_ACADEMY]}),
        SharedRoomFacts(RoomId("!ailleurs"), SUD, frozenset({Function.TEACHER})),
        VouchFacts(GUEST, frozenset({Function.TEACHER})),
    ]
    assert {key: found[key] for key in map(key_of, expected)} == {key_of(fact): fact for fact in expected}


async def test_without_a_control_room_nothing_is_said(context: Context) -> None:
    await shared_room(context)
    await appointed(context)
    await publish(context)


async def test_what_was_said_already_is_not_said_again(context: Context) -> None:
    await shared_room(context)
    await appointed(context)
    asked: Content = {
        "kind": "inter_academy",
        "functions": {SUD: sorted(map(str, VISITING[RoomKind.INTER_ACADEMY]))},
        "visitors": {SUD: ["b3n8r5wf"]},
        "via": [NORD],
    }
    async with context.store.writing() as db:
        await control.save_room(db, NORD, CONTROL)
        await control.save_words(db, NORD, {StateKey(SHARED, ROOM): asked})
    await publish(context)


async def test_what_could_not_be_said_is_not_noted_as_said(context: Context) -> None:
    await shared_room(context)
    await appointed(context)
    async with context.store.writing() as db:
        await control.save_room(db, NORD, CONTROL)
    with pytest.raises(HomeserverUnreachable):
        await publish(context)
    async with context.store.reading() as db:
        assert await control.words(db, NORD) == {}


async def test_whose_school_is_not_asked_about_keeps_our_word(context: Context) -> None:
    """A change in one school must not read all the others: their people's vouches stand as they are."""
    async with context.store.writing() as db:
        key = RosterKey(RosterSource.BY_HAND, NORTH, "k7m2q4xd")
        await people.introduce(db, {key: PersonId("k7m2q4xd")}, NOON)
        account = ActualAccount(OURS, PersonId("k7m2q4xd"), "C", active=True, activated_at=NOON)
        await actual.save_accounts(db, [account])
        await control.save_room(db, NORD, CONTROL)
        await control.save_words(db, NORD, {StateKey(VOUCH, "k7m2q4xd"): TEACHER})
    asking: Content = {
        "kind": "inter_academy",
        "functions": {NORD: ["teacher"]},
        "visitors": {NORD: ["k7m2q4xd"]},
        "via": [],
    }
    await heard(context, StateKey(SHARED, "!ailleurs"), asking)
    await publish(context, schools=[])
    with pytest.raises(HomeserverUnreachable):  # asked about their school, which knows no function of theirs
        await publish(context, schools=[NORTH])


async def test_another_control_room_of_the_same_academie_makes_what_the_first_said_void(context: Context) -> None:
    await heard(context, StateKey(VOUCH, "b3n8r5wf"), TEACHER)
    async with context.store.writing() as db:
        await control.save_room(db, SUD, RoomId("!nouvelle"))
        assert await control.words(db, SUD) == {}
        await control.save_words(db, SUD, {StateKey(VOUCH, "b3n8r5wf"): TEACHER})
        await control.save_room(db, SUD, RoomId("!nouvelle"))
        assert await control.words(db, SUD) == {StateKey(VOUCH, "b3n8r5wf"): TEACHER}


async def test_an_academie_taken_off_the_list_is_forgotten_with_all_it_said(context: Context) -> None:
    async with context.store.writing() as db:
        await control.save_room(db, EST, RoomId("!est"))
        await control.save_room(db, SUD, RoomId("!sud"))
        for server in (EST, SUD):
            await control.save_words(db, server, {StateKey(VOUCH, "x"): TEACHER})
        assert await control.forget_others(db, {NORD, SUD}) == [RoomId("!est")]
        assert [server for server, _, _ in await control.words_of_others(db, NORD)] == [SUD]


def test_a_try_that_fails_is_repeated_ever_more_seldom_and_one_that_succeeds_after_a_while() -> None:
    again, now = Again(), NOON
    assert again.is_due(now)
    waits: list[timedelta] = []
    for _ in range(9):
        again.tried(now, done=False)
        assert again.at is not None
        waits.append(again.at - now)
        assert not again.is_due(now)
        now = again.at
        assert again.is_due(now)
    assert waits[:3] == [FIRST, FIRST * 2, FIRST * 4]
    assert waits[-1] == MOST
    again.tried(now, done=True)
    assert again.at == now + MOST
    again.tried(again.at, done=False)
    assert again.at == now + MOST + FIRST
    again.soon()
    assert again.is_due(now)
