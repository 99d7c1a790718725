"""A room filled in one go is what it would be if everybody had joined alone: tables, clients, messages."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver, PostgresDatabase
from preau.model.ids import RoomId, UserId
from preau.model.rooms import RoomKind
from tests.guard.batching import (
    CLIENT,
    Tables,
    clients,
    eventually,
    join_ordinarily,
    kick_ordinarily,
    make,
    make_ordinarily,
    move,
    order,
    read,
    staff,
)
from tests.guard.guarded import Guarded, guarded_spec
from tests.postgresql_server import PostgresqlServer

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

AT_FIRST, LATER = 6, 3


@pytest.fixture(scope="module")
async def on_postgresql(
    tmp_path_factory: pytest.TempPathFactory, guard_authority: Authority, postgresql: PostgresqlServer
) -> AsyncIterator[Guarded]:
    """A guarded homeserver on PostgreSQL."""
    database = PostgresDatabase(postgresql.host, postgresql.port, postgresql.make_database(), postgresql.user)
    folder: Path = tmp_path_factory.mktemp("batches")
    async with Homeserver(guarded_spec(folder, guard_authority, database=database)) as homeserver:
        yield Guarded(homeserver)


@dataclass(frozen=True, slots=True)
class Twins:
    """Two rooms with the same story, one lived through ordinarily and one in batches.

    The story: six people at first; three more join, two of the first are removed, and one of those comes back.
    ``seen`` is what a member and a newcomer were told of each step, first ordinarily, then of the batches.
    """

    guarded: Guarded
    ordinary: RoomId
    batched: RoomId
    people: list[UserId]
    seen: dict[str, tuple[Any, Any]]

    @property
    def tables(self) -> Tables:
        return Tables(self.guarded.homeserver)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("sqlite", "12"), id="12"),
        pytest.param(("sqlite", "11"), id="11"),
        pytest.param(("postgresql", "12"), id="12-postgresql", marks=pytest.mark.postgresql),
        pytest.param(("postgresql", "11"), id="11-postgresql", marks=pytest.mark.postgresql),
    ],
)
def place(request: pytest.FixtureRequest) -> tuple[Guarded, str]:
    """A homeserver on one of the two databases, and a room version."""
    database, version = request.param
    return request.getfixturevalue("guarded" if database == "sqlite" else "on_postgresql"), version


@pytest.fixture(scope="module")
async def twins(place: tuple[Guarded, str]) -> Twins:
    """The two rooms."""
    return await _live_through(*place)


async def _live_through(guarded: Guarded, version: str) -> Twins:
    people = await staff(guarded, AT_FIRST + LATER)
    first, later = people[:AT_FIRST], people[AT_FIRST:]
    story = await _Story.begin(guarded, member=people[0], newcomer=later[0], removed=people[1])
    # An ordinary join into a restricted room needs a room that one is in already: everybody is in this one.
    gate = await guarded.managed(RoomKind.STAFF, version=version)
    await guarded.bring_in(gate, *people)
    rules = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": gate}]}
    wanted = order(guarded, first, version=version, join_rules=rules)
    ordinary = await make_ordinarily(guarded, wanted)
    await join_ordinarily(guarded, ordinary, first)
    made = await make(guarded, {**wanted, "creation_content": {**wanted["creation_content"], "nonce": "another"}})
    assert (made["new"], made["refused"]) == (True, {})
    twins = Twins(guarded, ordinary, RoomId(made["room_id"]), people, {})
    await story.look(twins, "made")
    await join_ordinarily(guarded, ordinary, later)
    assert sorted((await move(guarded, twins.batched, join=later))["joined"]) == sorted(later)
    await story.look(twins, "joined")
    await kick_ordinarily(guarded, ordinary, people[1:3])
    assert (await move(guarded, twins.batched, leave=people[1:3], reason="Parti"))["left"] == people[1:3]
    await story.look(twins, "removed")
    await join_ordinarily(guarded, ordinary, people[1:2])
    assert (await move(guarded, twins.batched, join=people[1:2]))["joined"] == people[1:2]
    await story.look(twins, "back")
    for room in (ordinary, twins.batched):
        assert (await guarded.say(room, guarded.homeserver.bot)).status == 200
    await story.look(twins, "message")
    return twins


@dataclass
class _Story:
    """Three people who follow what happens, each with one device for the one room and one for the other.

    Synapse does not tell a device twice who somebody is: on one device the first room would change the second.
    """

    viewers: Mapping[str, UserId]
    eyes: tuple[Guarded, Guarded]
    since: dict[tuple[int, str, UserId], str] = field(default_factory=dict)

    @classmethod
    async def begin(cls, guarded: Guarded, **viewers: UserId) -> _Story:
        """Logs the people in."""
        users = viewers.values()
        return cls(viewers, (await clients(guarded, "ONE", *users), await clients(guarded, "OTHER", *users)))

    async def look(self, twins: Twins, step: str) -> None:
        """Notes what everybody is told since the last step, of one room and of the other."""
        for viewer, user in self.viewers.items():
            for kind, ask in (("sync", self._sync), ("sliding", self._slide)):
                one, other = [
                    twins.tables.seen(room, await ask(eyes, user, room))
                    for eyes, room in zip(self.eyes, (twins.ordinary, twins.batched), strict=True)
                ]
                twins.seen[f"{step}, {viewer}, {kind}"] = one, other

    async def _sync(self, eyes: Guarded, user: UserId, room: str) -> Any:
        shown = {"room": {"rooms": [room], "state": {"lazy_load_members": True}, "timeline": {"limit": 20}}}
        position = self._position(eyes, "since", user)
        reply = await eyes.call(
            "GET", f"{CLIENT}/sync", user, query=urlencode({"filter": json.dumps(shown), "timeout": 0, **position})
        )
        assert reply.status == 200, reply
        self.since[id(eyes), "since", user] = reply.body["next_batch"]
        rooms = reply.body.get("rooms", {})
        return {heading: rooms[heading][room] for heading in rooms if room in rooms[heading]}

    async def _slide(self, eyes: Guarded, user: UserId, room: str) -> Any:
        needed = [["m.room.create", ""], ["m.room.name", ""], ["m.room.power_levels", ""], ["m.room.member", "$LAZY"]]
        wanted = {"ranges": [[0, 99]], "timeline_limit": 20, "required_state": needed}
        path = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
        query = urlencode({"timeout": 0, **self._position(eyes, "pos", user)})
        reply = await eyes.call("POST", path, user, {"conn_id": "test", "lists": {"all": wanted}}, query=query)
        assert reply.status == 200, reply
        self.since[id(eyes), "pos", user] = reply.body["pos"]
        return reply.body["rooms"].get(room)

    def _position(self, eyes: Guarded, name: str, user: UserId) -> dict[str, str]:
        known = self.since.get((id(eyes), name, user))
        return {name: known} if known is not None else {}


async def test_synapses_tables_hold_the_same_of_both(twins: Twins) -> None:
    ours = await eventually(lambda: _counted(twins, twins.batched))
    theirs = await eventually(lambda: _counted(twins, twins.ordinary))
    assert len(ours["event_json"]) > AT_FIRST + LATER, "nothing would be compared"
    for table, rows in theirs.items():
        assert ours[table] == rows, table


def _counted(twins: Twins, room: RoomId) -> Mapping[str, list[Any]] | None:
    """The room's portrait once Synapse's statistics have caught up with it: eight people and the bot.

    One thing is left out, since it only says what was known when the bot came in: in a room made in one go the bot's
    own entry knows the room's name from the start.
    """
    portrait = twins.tables.portrait(room)
    for row in portrait["sliding_sync_membership_snapshots"]:
        if row["user_id"] == twins.guarded.homeserver.bot:
            del row["room_name"]
    return (
        portrait if any(row["joined_members"] == AT_FIRST + LATER for row in portrait["room_stats_current"]) else None
    )


STEPS = ("made", "joined", "removed", "back", "message")


@pytest.mark.parametrize("kind", ["sync", "sliding"])
@pytest.mark.parametrize("viewer", ["member", "newcomer", "removed"])
@pytest.mark.parametrize("step", STEPS)
def test_clients_are_told_the_same(twins: Twins, step: str, viewer: str, kind: str) -> None:
    ordinarily, in_batches = twins.seen[f"{step}, {viewer}, {kind}"]
    if (step, viewer) == ("removed", "removed"):
        _forget_who_else_was_removed(in_batches, twins.people[2])
    assert in_batches == ordinarily


def _forget_who_else_was_removed(answer: Any, other: UserId) -> None:
    """People removed in one go share one moment: each may see who else was, whatever the order of the events."""
    for state in (answer.get("required_state", []), answer.get("leave", {}).get("state", {}).get("events", [])):
        state[:] = [event for event in state if event["state_key"] != other]


def test_clients_are_told_something(twins: Twins) -> None:
    told = {name for name, (ordinarily, _) in twins.seen.items() if ordinarily}
    assert {
        "made, member, sync",
        "joined, newcomer, sliding",
        "removed, removed, sync",
        "message, member, sync",
    } <= told


@pytest.mark.parametrize("what", ["members", "state", "joined_members"])
async def test_the_api_says_the_same_of_both(twins: Twins, what: str) -> None:
    rooms = (twins.ordinary, twins.batched)
    one, other = [twins.tables.seen(room, await read(twins.guarded, room, what)) for room in rooms]
    assert sorted(map(repr, other)) == sorted(map(repr, one))


def test_no_event_is_at_fault_and_none_dangles(twins: Twins) -> None:
    assert twins.tables.faults(twins.batched) == []
    assert len(twins.tables.extremities(twins.batched)) == 1
