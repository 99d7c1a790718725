"""What the tests of batches ask of the guard, and how they look at what came of it: also in Synapse's own tables."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psycopg

from preau.demo.homeserver import Homeserver, PostgresDatabase
from preau.model.facts import Party, PersonFacts
from preau.model.ids import PersonId, RoomId, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKey, RoomKind
from preau.model.wanted import Seat, WantedRoom
from preau.policy.powers import room_state
from tests.builders import NORTH
from tests.guard.guarded import GUARD, Guarded
from tests.live.homeservers import PASSWORD, new_localpart

CLIENT: Final = "/_matrix/client/v3"
STAFF: Final = RoomKey(RoomKind.STAFF, NORTH, "")
NAME: Final = "Nour GABARIT · professeur"


def new_alias() -> str:
    """An alias that nobody has had yet."""
    return "_preau_" + secrets.token_hex(8)


async def staff(guarded: Guarded, count: int) -> list[UserId]:
    """So many teachers, with accounts and known to the guard."""
    localparts = [new_localpart() for _ in range(count)]
    body = {"accounts": [{"localpart": localpart, "display_name": NAME} for localpart in localparts]}
    reply = await guarded.call("POST", f"{GUARD}/accounts", guarded.homeserver.bot, body)
    assert reply.status == 200, reply
    users = [UserId(f"@{localpart}:{guarded.homeserver.server_name}") for localpart in localparts]
    assert sorted(reply.body["made"]) == sorted(users), reply
    teacher = frozenset({Function.TEACHER})
    await guarded.push(
        *(
            PersonFacts(user, NAME, (Party(PersonId(localpart), NORTH, teacher),))
            for user, localpart in zip(users, localparts, strict=True)
        )
    )
    return users


async def clients(guarded: Guarded, device: str, *users: UserId) -> Guarded:
    """The same homeserver, on which these people are logged in, each with a device of that name."""
    seen = Guarded(guarded.homeserver)
    for user in users:
        details = {"password": PASSWORD, "logout_devices": False}
        await guarded.homeserver.api().put(f"/_synapse/admin/v2/users/{quote(user)}", details)
        await seen.log_in(user, device)
    return seen


def order(
    guarded: Guarded,
    members: Sequence[str] = (),
    *,
    alias: str | None = None,
    version: str = "12",
    join_rules: Mapping[str, Any] | None = None,
    key: RoomKey = STAFF,
) -> dict[str, Any]:
    """A room, as the service orders one: the staff's unless another is named."""
    bot = guarded.homeserver.bot
    seats = {UserId(user): Seat(50, "test") for user in members}
    state = room_state(WantedRoom(key, "Salle des professeurs", "", None, seats), bot=bot, version=version)
    pieces = [{"type": each.type, "state_key": each.key, "content": content} for each, content in state.items()]
    for piece in pieces:
        if join_rules is not None and piece["type"] == "m.room.join_rules":
            piece["content"] = dict(join_rules)
    content = {"fr.preau.room": str(key), "nonce": secrets.token_hex(8)}
    return {
        "alias": alias,
        "version": version,
        "creation_content": content,
        "state": pieces,
        "members": [*members],
    }


async def make(guarded: Guarded, body: Mapping[str, Any], *, at: str = "") -> Mapping[str, Any]:
    """A room made in one go, which must succeed."""
    reply = await guarded.call("POST", f"{GUARD}/rooms", guarded.homeserver.bot, body, at=at)
    assert reply.status == 200, reply
    made: Mapping[str, Any] = reply.body
    return made


async def move(
    guarded: Guarded,
    room: str,
    *,
    join: Sequence[str] = (),
    leave: Sequence[str] = (),
    reason: str | None = None,
    at: str = "",
) -> Mapping[str, Any]:
    """People moved in one go, which must succeed."""
    body = {"room_id": room, "join": [*join], "leave": [*leave], "reason": reason}
    reply = await guarded.call("POST", f"{GUARD}/memberships", guarded.homeserver.bot, body, at=at)
    assert reply.status == 200, reply
    moved: Mapping[str, Any] = reply.body
    return moved


async def make_ordinarily(guarded: Guarded, body: Mapping[str, Any]) -> RoomId:
    """The same room by the client-server API; nobody is in it yet but the bot."""
    request = {
        "preset": "private_chat",
        "room_version": body["version"],
        "creation_content": body["creation_content"],
        "initial_state": body["state"],
    }
    reply = await guarded.call("POST", f"{CLIENT}/createRoom", guarded.homeserver.bot, request)
    assert reply.status == 200, reply
    return RoomId(reply.body["room_id"])


async def join_ordinarily(guarded: Guarded, room: str, users: Sequence[UserId]) -> None:
    """These people join, one after the other."""
    for user in users:
        reply = await guarded.join(room, user)
        assert reply.status == 200, reply


async def kick_ordinarily(guarded: Guarded, room: str, users: Sequence[UserId]) -> None:
    """The bot removes these people, one after the other."""
    for user in users:
        body = {"user_id": user, "reason": "Parti"}
        reply = await guarded.call("POST", f"{CLIENT}/rooms/{quote(room)}/kick", guarded.homeserver.bot, body)
        assert reply.status == 200, reply


async def read(guarded: Guarded, room: str, what: str, user: str = "") -> Any:
    """What the client-server API says of a room, to the bot unless somebody is named."""
    reply = await guarded.call("GET", f"{CLIENT}/rooms/{quote(room)}/{what}", user or guarded.homeserver.bot)
    assert reply.status == 200, reply
    return reply.body


async def members(guarded: Guarded, room: str) -> set[str]:
    """Who is joined, but for the bot."""
    return set((await read(guarded, room, "joined_members"))["joined"]) - {guarded.homeserver.bot}


async def eventually(look: Callable[[], Any]) -> Any:
    """What it says, as soon as that is true; Synapse's statistics come a moment after the events."""
    for _ in range(200):
        if found := look():
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("never true")


@dataclass(frozen=True, slots=True)
class Tables:
    """A homeserver's own tables, read behind its back."""

    homeserver: Homeserver

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What a query finds; ``?`` stands for a value."""
        database = self.homeserver.spec.database
        if isinstance(database, PostgresDatabase):
            with psycopg.connect(_address(database)) as connection:
                return connection.execute(statement.replace("?", "%s").encode(), values).fetchall()
        with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True, timeout=20)) as connection:
            return connection.execute(statement, values).fetchall()

    def write(self, statement: str, *values: object) -> None:
        """Changes something behind the homeserver's back."""
        database = self.homeserver.spec.database
        if isinstance(database, PostgresDatabase):
            with psycopg.connect(_address(database)) as connection:
                connection.execute(statement.replace("?", "%s").encode(), values)
            return
        with closing(sqlite3.connect(self._file, timeout=20)) as connection, connection:
            connection.execute(statement, values)

    @property
    def _file(self) -> Path:
        return self.homeserver.spec.folder / "data" / "homeserver.db"

    def hops(self, room: str) -> int:
        """The longest way from a state group of the room to the full state it is built on."""
        edges = dict(
            self.rows(
                "SELECT state_group, prev_state_group FROM state_group_edges "
                "JOIN state_groups ON id = state_group WHERE room_id = ?",
                room,
            )
        )
        lengths: dict[int, int] = {}
        for group in sorted(edges):  # a group is always younger than the one it is built on
            lengths[group] = lengths.get(edges[group], 0) + 1
        return max(lengths.values(), default=0)

    def extremities(self, room: str) -> list[str]:
        """The events that none follows."""
        return [row[0] for row in self.rows("SELECT event_id FROM event_forward_extremities WHERE room_id = ?", room)]

    def faults(self, room: str) -> list[str]:
        """Events of the room that were rejected, soft-failed or never connected to it."""
        rejected = self.rows("SELECT event_id FROM events WHERE room_id = ? AND rejection_reason IS NOT NULL", room)
        metadata = self.rows("SELECT event_id, internal_metadata FROM event_json WHERE room_id = ?", room)
        failed = [
            event
            for event, raw in metadata
            if {"soft_failed", "outlier"} & {k for k, v in json.loads(raw).items() if v}
        ]
        return [row[0] for row in rejected] + failed

    def seen(self, room: str, answer: Any) -> Any:
        """What a client was told of a room, with its ids, positions and times taken out, so that two compare."""
        return _plain(answer, self._labels(room))

    def portrait(self, room: str) -> dict[str, list[Any]]:
        """Everything that Synapse keeps about the room, with its own ids and times taken out, so that two compare."""
        labels = self._labels(room)
        return {table: self._normal(table, columns, room, labels) for table, columns in _TABLES.items()}

    def _labels(self, room: str) -> dict[Any, str]:
        """Names for what is drawn anew in each room: event ids and positions, by what the events are."""
        found: dict[Any, str] = {room: "ROOM"}
        events = self.rows(
            "SELECT event_id, type, state_key, stream_ordering FROM events WHERE room_id = ? ORDER BY stream_ordering",
            room,
        )
        seen: dict[tuple[Any, ...], int] = {}
        for event, event_type, key, position in events:
            seen[event_type, key] = seen.get((event_type, key), 0) + 1
            found[event] = found[position] = f"{event_type} {key} {seen[event_type, key]}"
        return found

    def _normal(self, table: str, columns: str, room: str, labels: Mapping[Any, str]) -> list[Any]:
        rows = self.rows(f"SELECT {columns} FROM {table} WHERE room_id = ?", room)
        names = columns.split(", ")
        named = [dict(zip(names, row, strict=True)) for row in rows]
        return sorted((_plain(row, labels) for row in named), key=repr)


def _address(database: PostgresDatabase) -> str:
    return f"host={database.host} port={database.port} user={database.user} dbname={database.name}"


_TABLES: Final[Mapping[str, str]] = {
    "rooms": "is_public, creator, room_version, has_auth_chain_index",
    "events": (
        "event_id, type, state_key, sender, depth, topological_ordering, outlier, processed, contains_url, "
        "rejection_reason, instance_name"
    ),
    "event_json": "event_id, internal_metadata, json, format_version",
    "state_events": "event_id, type, state_key",
    "current_state_events": "event_id, type, state_key, membership, event_stream_ordering",
    "room_memberships": (
        "event_id, user_id, sender, membership, forgotten, display_name, avatar_url, event_stream_ordering, participant"
    ),
    "local_current_membership": "user_id, event_id, membership, event_stream_ordering",
    "current_state_delta_stream": "type, state_key, event_id, prev_event_id",
    "event_forward_extremities": "event_id",
    "room_stats_current": (
        "current_state_events, joined_members, invited_members, left_members, banned_members, knocked_members, "
        "local_users_in_room"
    ),
    "room_stats_state": (
        "name, canonical_alias, join_rules, history_visibility, encryption, avatar, guest_access, is_federatable, "
        "topic, room_type"
    ),
    "room_depth": "min_depth",
    "sliding_sync_joined_rooms": (
        "event_stream_ordering, bump_stamp, room_type, room_name, is_encrypted, tombstone_successor_room_id"
    ),
    "sliding_sync_membership_snapshots": (
        "user_id, sender, membership_event_id, membership, forgotten, event_stream_ordering, has_known_state, "
        "room_type, room_name, is_encrypted, tombstone_successor_room_id"
    ),
    "event_push_actions": "user_id, event_id, actions, notif, highlight, unread, thread_id",
    "event_search": "event_id, sender, key",
    "state_groups": "event_id",
}
"""What Synapse keeps per room, and in which columns; not how it numbers things, nor when.

Left out is ``event_push_summary``, into which Synapse sums up unread messages every half minute, room by room.
"""


_DRAWN_ANEW: Final = frozenset(
    {"origin_server_ts", "age_ts", "age", "hashes", "signatures", "nonce", "prev_batch", "timestamp", "txn_id"}
)
"""What differs between any two events, or two answers, and says nothing about the room."""

_POSITIONS: Final = frozenset({"event_stream_ordering", "bump_stamp"})


_IN_NO_ORDER: Final = frozenset({"state", "required_state", "chunk"})
"""State is a set; the order in which it is listed says nothing."""


def _in_no_order(key: str, value: Any) -> Any:
    if key not in _IN_NO_ORDER:
        return value
    if isinstance(value, Mapping):
        return {name: _in_no_order(key, each) for name, each in value.items()}
    return sorted(value, key=repr) if isinstance(value, list) else value


def _plain(value: Any, labels: Mapping[Any, str]) -> Any:
    if isinstance(value, Mapping):
        return {
            key: labels.get(each, each) if key in _POSITIONS else _in_no_order(key, _plain(each, labels))
            for key, each in sorted(value.items())
            if key not in _DRAWN_ANEW
        }
    if isinstance(value, list):
        return [_plain(each, labels) for each in value]
    if isinstance(value, str) and value.startswith("{"):
        return _plain(json.loads(value), labels)
    return labels.get(value, value) if isinstance(value, str) else value


def refused(reply: Mapping[str, Any]) -> dict[str, str]:
    """Error codes by user."""
    return {user: error["errcode"] for user, error in reply["refused"].items()}
