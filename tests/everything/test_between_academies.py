"""The matrix at the border: every function of ours with every function of theirs, in both directions.

The expectations come from `preau.policy.abroad` alone; `tests.everything.abroad` says what is tried on which side.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import aiohttp
import pytest

from preau.demo.authority import Authority
from preau.model.ids import UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from preau.policy.abroad import VISITING
from tests.everything import abroad
from tests.everything.abroad import ROUTES, Border, Guest
from tests.everything.managed import may_enter
from tests.everything.trial import OPEN, WHOLE, Answered, chosen
from tests.everything.world import OPERATOR, World
from tests.guard.guarded import Guarded
from tests.guard.neighbours import neighbours
from tests.workers.harness import MAIN

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]

FUNCTIONS = tuple(Function) if WHOLE else (Function.TEACHER, Function.GUARDIAN, Function.PUPIL)

(VISITED,) = VISITING
"""The one kind of room for people of several académies."""

KINDS = tuple(RoomKind) if WHOLE else (VISITED, RoomKind.STAFF)


@pytest.fixture(scope="module")
async def border(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Border]:
    folder, authority = tmp_path_factory.mktemp("between"), Authority(tmp_path_factory.mktemp("between-authority"))
    timeout = aiohttp.ClientTimeout(total=120)
    async with (
        neighbours(folder, authority, operator=OPERATOR) as running,
        aiohttp.ClientSession(timeout=timeout) as session,
    ):
        found = Border(_world(running.ours, session), _world(running.theirs, session), FUNCTIONS)
        await found.populate()
        yield found


def _world(guarded: Guarded, session: aiohttp.ClientSession) -> World:
    url = guarded.homeserver.client_url
    return World(guarded, session, {MAIN: url}, served={MAIN: ROUTES})


async def test_theirs_come_where_the_room_admits_what_their_academie_says_they_are(border: Border) -> None:
    pairs = abroad.coming(border, await border.our_rooms(KINDS))
    asked = chosen([invited for invited, _ in pairs])
    await border.record.run(border.ours, asked)
    await border.record.run(border.theirs, [entered for invited, entered in pairs if invited in asked])
    border.record.insist()


async def test_ours_go_where_the_room_is_listed_for_what_they_are(border: Border) -> None:
    pairs = abroad.going(border, await border.their_rooms())
    asked = chosen([invited for invited, _ in pairs])
    await border.record.run(border.theirs, asked)
    await border.record.run(border.ours, [entered for invited, entered in pairs if invited in asked])
    border.record.insist()


async def test_theirs_are_heard_while_both_sides_speak_for_them(border: Border) -> None:
    """Our homeserver takes every message, since theirs has sent it; what it may not show is sealed and emptied."""
    (place, *_) = await border.our_rooms([VISITED])
    pairs = abroad.coming(border, [place])
    await border.record.run(border.ours, [invited for invited, _ in pairs])
    came = _granted(await border.record.run(border.theirs, [entered for _, entered in pairs]))
    guests = [guest for guest in border.guests if guest.user in came]
    for function in FUNCTIONS:
        facts = await border.admit(place.room, {function})
        said = list(abroad.writing_here(border, guests, facts))
        answers = await border.record.run(border.theirs, [each for each, _ in said])
        expected = {each.who: verdict is OPEN for each, verdict in said}
        kept = await abroad.heard(border, answers)
        assert dict(zip(expected, kept, strict=True)) == expected, function
    border.record.insist()


async def test_ours_write_and_theirs_are_heard_in_their_room_while_it_is_listed(border: Border) -> None:
    (*_, place, _) = await border.their_rooms()
    pairs = abroad.going(border, [place])
    await border.record.run(border.theirs, [invited for invited, _ in pairs])
    came = _granted(await border.record.run(border.ours, [entered for _, entered in pairs]))
    people = [who for who in border.people if who.user in came]
    host = border.guests[-1]
    assert (await border.theirs.guarded.invite(place.room, host.user)).status == 200
    assert (await border.theirs.guarded.join(place.room, host.user)).status == 200
    for functions in (*({function} for function in FUNCTIONS), None):
        facts = await border.list_for(place.room, functions)
        await border.record.run(border.ours, abroad.writing_there(people, place.room, facts))
        said, expected = abroad.hearing_there(border, host, place.room, facts)
        assert await abroad.heard(border, await border.record.run(border.theirs, [said])) == [expected is OPEN]
    border.record.insist()


async def test_members_bring_nobody_across(border: Border) -> None:
    room = await border.ours.guarded.managed(VISITED, "Sciences")
    await border.admit(room, Function)
    await border.ours.guarded.bring_in(room, *(who.user for who in border.people if may_enter(who, VISITED)))
    await border.record.run(border.ours, chosen(list(abroad.bringing(border, room))))
    rooms = await asyncio.gather(*(_room_of(border, guest) for guest in border.guests))
    await border.record.run(border.theirs, chosen(list(abroad.luring(border, dict(rooms)))))
    border.record.insist()
    print(f"{border.record.tried.total()} tries between académies: {border.record}")


async def _room_of(border: Border, guest: Guest) -> tuple[Guest, str]:
    made = await border.theirs.ask("POST", abroad.BEGIN.at(), guest.user, {"preset": "private_chat"})
    assert made.status == 200, made
    return guest, made.body["room_id"]


def _granted(answers: Sequence[Answered]) -> set[UserId]:
    """Those who got in."""
    return {each.tried.user for each in answers if each.reply.status == 200}
