"""Batches as another homeserver sees them: it takes each event for good, whether it comes before or after them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from preau.model.facts import RoomFacts, VouchFacts
from preau.model.ids import RoomId, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKey, RoomKind
from tests.builders import NORTH
from tests.guard.batching import (
    CLIENT,
    Tables,
    clients,
    join_ordinarily,
    kick_ordinarily,
    make,
    make_ordinarily,
    members,
    move,
    order,
    read,
    staff,
)
from tests.guard.guarded import Guarded
from tests.guard.neighbours import Neighbours, soon
from tests.live.homeservers import new_localpart, register

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]


async def filled(both: Neighbours, version: str, people: list[UserId]) -> str:
    """A room of ours, shared with the other homeserver's teachers, with these people of ours in it."""
    key = RoomKey(RoomKind.INTER_ACADEMY, NORTH, new_localpart())
    made = await make(both.ours, order(both.ours, people, key=key, version=version))
    assert made["refused"] == {}
    await admit(both, made["room_id"], key)
    return str(made["room_id"])


async def admit(both: Neighbours, room: str, key: RoomKey) -> None:
    """The other homeserver's teachers may come into that room of ours."""
    admits = {both.theirs.homeserver.server_name: frozenset({Function.TEACHER})}
    await both.ours.push(RoomFacts(RoomId(room), key.kind, NORTH, key.scope, admits))


async def guest_of(both: Neighbours, *rooms: str) -> UserId:
    """Somebody of the other homeserver, who joins."""
    guest = await register(both.theirs.homeserver, new_localpart(), "Camille SUD · professeur")
    await both.ours.push(VouchFacts(guest, frozenset({Function.TEACHER})))
    query = f"via={quote(both.ours.homeserver.server_name)}"
    for room in rooms:
        assert (await both.ours.invite(room, guest)).status == 200
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


# The same room, filled ordinarily and in batches


@dataclass(frozen=True, slots=True)
class Twins:
    """Two rooms of ours with the same story, ordinary and in batches, and somebody of elsewhere who was in both.

    The story: six people; the guest comes; three more join, two of the first are removed, one of them comes back; the
    bot speaks. ``told`` is what the guest's client was told of it, on a device for each room.
    """

    both: Neighbours
    rooms: tuple[str, str]
    guest: UserId
    told: tuple[Any, Any]

    @property
    def tables(self) -> Tables:
        return Tables(self.both.theirs.homeserver)


@pytest.fixture(scope="module", params=["11", "12"])
async def twins(request: pytest.FixtureRequest, both: Neighbours) -> Twins:
    """The two rooms."""
    people = await staff(both.ours, 9)
    ordinary, batched = rooms = await _made_twice(both, request.param, people, people[:6])
    guest = await guest_of(both, *rooms)
    eyes = [await clients(both.theirs, device, guest) for device in ("ONE", "OTHER")]
    begun = [await _begun(each, guest, room) for each, room in zip(eyes, rooms, strict=True)]
    await join_ordinarily(both.ours, ordinary, people[6:])
    await move(both.ours, batched, join=people[6:])
    await kick_ordinarily(both.ours, ordinary, people[1:3])
    await move(both.ours, batched, leave=people[1:3], reason="Parti")
    await join_ordinarily(both.ours, ordinary, people[1:2])
    await move(both.ours, batched, join=people[1:2])
    for room in rooms:
        said = await both.ours.say(room, both.ours.homeserver.bot)
        assert await heard(both, room, guest, both.theirs, said.body["event_id"])
    told = [await _sync(each, guest, since["next_batch"]) for each, since in zip(eyes, begun, strict=True)]
    one, other = [answer["rooms"]["join"][room] for answer, room in zip(told, rooms, strict=True)]
    return Twins(both, rooms, guest, (one, other))


async def _made_twice(both: Neighbours, version: str, people: list[UserId], first: list[UserId]) -> tuple[str, str]:
    """Whoever joins an ordinary restricted room is in another already: everybody is in this one."""
    gate = await both.ours.managed(RoomKind.STAFF, version=version)
    await both.ours.bring_in(gate, *people)
    rules = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": gate}]}
    key = RoomKey(RoomKind.INTER_ACADEMY, NORTH, new_localpart())
    wanted = order(both.ours, first, key=key, version=version, join_rules=rules)
    ordinary = await make_ordinarily(both.ours, wanted)
    await join_ordinarily(both.ours, ordinary, first)
    made = await make(both.ours, {**wanted, "creation_content": {**wanted["creation_content"], "nonce": "another"}})
    assert (made["new"], made["refused"]) == (True, {})
    for room in (ordinary, made["room_id"]):
        await admit(both, room, key)
    return ordinary, made["room_id"]


async def _begun(eyes: Guarded, guest: UserId, room: str) -> Any:
    """What a client is told first: Synapse shows a room that it just joined elsewhere once it has all of its state."""
    async for _ in soon(20):
        told = await _sync(eyes, guest)
        if room in told.get("rooms", {}).get("join", {}):
            return told
    raise AssertionError(f"{guest} never saw {room}, which they had joined")


async def _sync(eyes: Guarded, guest: UserId, since: str = "") -> Any:
    query = f"timeout=0&filter={quote(json.dumps({'room': {'timeline': {'limit': 20}}}))}"
    reply = await eyes.call("GET", f"{CLIENT}/sync", guest, query=query + (f"&since={quote(since)}" if since else ""))
    assert reply.status == 200, reply
    return reply.body


@pytest.mark.parametrize("what", ["members", "state", "joined_members"])
async def test_the_other_homeserver_says_the_same_of_both(twins: Twins, what: str) -> None:
    one, other = [
        twins.tables.seen(room, await read(twins.both.theirs, room, what, twins.guest)) for room in twins.rooms
    ]
    assert sorted(map(repr, other)) == sorted(map(repr, one))


def test_the_guest_was_told_the_same_of_both(twins: Twins) -> None:
    ordinarily, in_batches = [twins.tables.seen(room, told) for room, told in zip(twins.rooms, twins.told, strict=True)]
    assert len(ordinarily["timeline"]["events"]) == 7, "nothing would be compared"
    assert in_batches == ordinarily


def test_the_other_homeserver_keeps_the_same_of_both(twins: Twins) -> None:
    ordinary, batched = [twins.tables.portrait(room) for room in twins.rooms]
    for table in KEPT:
        assert batched[table] == ordinary[table], table


KEPT = ("events", "event_json", "state_events", "current_state_events", "room_memberships", "local_current_membership")
"""Tables that say the same whether events came one by one or several at once, which is chance between homeservers."""
