"""Batches as another homeserver sees them: it takes each event for good, whether it comes before or after them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

from preau.demo.authority import Authority
from preau.model.facts import RoomFacts, VouchFacts
from preau.model.ids import RoomId, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKey, RoomKind
from tests.builders import NORTH
from tests.guard.batching import CLIENT, Tables, make, members, move, order, staff
from tests.guard.guarded import Guarded
from tests.guard.neighbours import Neighbours, neighbours, soon
from tests.live.homeservers import new_localpart, register

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory, guard_authority: Authority) -> AsyncIterator[Neighbours]:
    async with neighbours(tmp_path_factory.mktemp("federated"), guard_authority) as running:
        yield running


async def filled(both: Neighbours, version: str, people: list[UserId]) -> str:
    """A room of ours, shared with the other homeserver's teachers, with these people of ours in it."""
    key = RoomKey(RoomKind.INTER_ACADEMY, NORTH, new_localpart())
    made = await make(both.ours, order(both.ours, people, key=key, version=version))
    assert made["refused"] == {}
    admits = {both.theirs.homeserver.server_name: frozenset({Function.TEACHER})}
    await both.ours.push(RoomFacts(RoomId(made["room_id"]), key.kind, NORTH, key.scope, admits))
    return str(made["room_id"])


async def guest_of(both: Neighbours, room: str) -> UserId:
    """Somebody of the other homeserver, who joins."""
    guest = await register(both.theirs.homeserver, new_localpart(), "Camille SUD · professeur")
    await both.ours.push(VouchFacts(guest, frozenset({Function.TEACHER})))
    assert (await both.ours.invite(room, guest)).status == 200
    query = f"via={quote(both.ours.homeserver.server_name)}"
    joined = await both.theirs.call("POST", f"{CLIENT}/join/{quote(room)}", guest, {}, query=query)
    assert joined.status == 200, joined
    return guest


async def both_agree(both: Neighbours, room: str, guest: UserId, people: set[UserId]) -> None:
    """Waits until the other homeserver sees exactly these people of ours, and finds it faulted nothing."""
    bot, seen = both.ours.homeserver.bot, set[str]()
    async for _ in soon(20):
        reply = await both.theirs.call("GET", f"{CLIENT}/rooms/{quote(room)}/joined_members", guest)
        seen = set(reply.body["joined"]) - {guest, bot}
        if seen == people:
            break
    assert seen == people
    assert await members(both.ours, room) - {guest} == people
    assert _faults(both.theirs, room) == _faults(both.ours, room) == []


def _faults(where: Guarded, room: str) -> list[str]:
    return Tables(where.homeserver).faults(room)


async def heard(both: Neighbours, room: str, reader: UserId, where: Guarded, event_id: str) -> bool:
    async for _ in soon():
        path = f"{CLIENT}/rooms/{quote(room)}/event/{quote(event_id)}"
        if (await where.call("GET", path, reader)).status == 200:
            return True
    return False


@pytest.mark.parametrize("version", ["11", "12"])
async def test_another_homeserver_takes_every_event_for_good(both: Neighbours, version: str) -> None:
    people = await staff(both.ours, 150)
    room = await filled(both, version, people[:120])
    guest = await guest_of(both, room)
    await both_agree(both, room, guest, set(people[:120]))
    # and from now on it is told as things happen
    await move(both.ours, room, join=people[120:], leave=people[:40], reason="Parti")
    await both_agree(both, room, guest, set(people[40:]))
    await move(both.ours, room, join=people[:5])
    await both_agree(both, room, guest, {*people[40:], *people[:5]})
    ours, theirs = await both.ours.say(room, people[0]), await both.theirs.say(room, guest)
    assert (ours.status, theirs.status) == (200, 200)
    assert await heard(both, room, guest, both.theirs, ours.body["event_id"])
    assert await heard(both, room, people[0], both.ours, theirs.body["event_id"])


async def test_somebody_of_elsewhere_writes_while_people_of_ours_are_brought_in(both: Neighbours) -> None:
    people = await staff(both.ours, 200)
    room = await filled(both, "12", people[:5])
    guest = await guest_of(both, room)
    said = [(await both.theirs.say(room, guest)).body["event_id"] for _ in range(2)]
    for start in range(5, 200, 65):
        said.append((await both.theirs.say(room, guest)).body["event_id"])
        await move(both.ours, room, join=people[start : start + 65])
    await both_agree(both, room, guest, set(people))
    for event_id in said:
        assert await heard(both, room, people[0], both.ours, event_id)
