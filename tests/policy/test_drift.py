"""What an event in a managed room means."""

from __future__ import annotations

from typing import Any

import pytest

from preau.model.events import Event
from preau.model.ids import EventId, RoomId, UserId
from preau.model.rooms import RoomKind
from preau.model.wanted import Seat, WantedRoom
from preau.policy.drift import Drift, judge
from preau.policy.powers import room_state
from tests.builders import BOT, key, user

PAZ, MAX, ADMIN = user("paz"), user("max"), UserId("@admin:nord.example")
BOUND, FREE, GONE = RoomKind.ANNOUNCE_SCHOOL, RoomKind.PARENTS_SCHOOL, None
NAME, LEVELS = "m.room.name", "m.room.power_levels"
OK, LEFT, MEMBER, STATE = Drift.NONE, Drift.LEFT, Drift.MEMBER, Drift.STATE

TABLE: list[tuple[str, RoomKind | None, UserId, str, str | None, dict[str, Any], Drift]] = [
    # what happened, in which room, by whom, type, state key, content, meaning. Paz is wanted in the room, Max is not.
    ("a wanted member joins", BOUND, PAZ, "m.room.member", PAZ, {"membership": "join"}, OK),
    ("a wanted member is invited", BOUND, BOT, "m.room.member", PAZ, {"membership": "invite"}, OK),
    ("a wanted member knocks", BOUND, PAZ, "m.room.member", PAZ, {"membership": "knock"}, MEMBER),
    ("a wanted member leaves where nobody may", BOUND, PAZ, "m.room.member", PAZ, {"membership": "leave"}, MEMBER),
    ("a wanted member leaves where they may", FREE, PAZ, "m.room.member", PAZ, {"membership": "leave"}, LEFT),
    ("a wanted member is put out by another", FREE, ADMIN, "m.room.member", PAZ, {"membership": "leave"}, MEMBER),
    ("a wanted member is banned", FREE, BOT, "m.room.member", PAZ, {"membership": "ban"}, OK),
    ("a stranger joins", FREE, MAX, "m.room.member", MAX, {"membership": "join"}, MEMBER),
    ("a stranger is invited", FREE, ADMIN, "m.room.member", MAX, {"membership": "invite"}, MEMBER),
    ("a stranger knocks", FREE, MAX, "m.room.member", MAX, {"membership": "knock"}, MEMBER),
    ("a stranger leaves", FREE, MAX, "m.room.member", MAX, {"membership": "leave"}, OK),
    ("a stranger is put out by the service", BOUND, BOT, "m.room.member", MAX, {"membership": "leave"}, OK),
    ("a stranger is banned", BOUND, BOT, "m.room.member", MAX, {"membership": "ban"}, OK),
    ("somebody joins a room nobody is wanted in", GONE, PAZ, "m.room.member", PAZ, {"membership": "join"}, MEMBER),
    ("somebody leaves a room nobody is wanted in", GONE, PAZ, "m.room.member", PAZ, {"membership": "leave"}, OK),
    ("the service itself joins", BOUND, BOT, "m.room.member", BOT, {"membership": "join"}, OK),
    ("the service itself is put out", BOUND, ADMIN, "m.room.member", BOT, {"membership": "leave"}, OK),
    ("the name as wanted", BOUND, BOT, NAME, "", {"name": "Annonces"}, OK),
    ("another name", BOUND, ADMIN, NAME, "", {"name": "Chat"}, STATE),
    ("another name in the service's own name", BOUND, BOT, NAME, "", {"name": "Chat"}, STATE),
    ("a name under a state key of nothing", BOUND, ADMIN, NAME, "x", {"name": "Chat"}, OK),
    ("other power levels", BOUND, BOT, LEVELS, "", {"users": {PAZ: 100}}, STATE),
    ("a name in a room nobody is wanted in", GONE, ADMIN, NAME, "", {"name": "Chat"}, OK),
    ("state that is not ours", BOUND, PAZ, "com.example.widget", "x", {"url": "…"}, OK),
    ("the service hangs a room in a space", BOUND, BOT, "m.space.child", "!r", {"via": ["nord.example"]}, OK),
    ("somebody else hangs a room in a space", BOUND, ADMIN, "m.space.child", "!r", {"via": ["nord.example"]}, STATE),
    ("somebody else hangs a room below another", BOUND, ADMIN, "m.space.parent", "!r", {}, STATE),
    ("a message", BOUND, MAX, "m.room.message", None, {"body": "Bonjour"}, OK),
    ("a message that looks like a name", BOUND, MAX, NAME, None, {"name": "Chat"}, OK),
]


@pytest.mark.parametrize(
    ("what", "kind", "sender", "event_type", "state_key", "content", "meaning"), TABLE, ids=[row[0] for row in TABLE]
)
def test_an_event_means(
    what: str,
    kind: RoomKind | None,
    sender: UserId,
    event_type: str,
    state_key: str | None,
    content: dict[str, Any],
    meaning: Drift,
) -> None:
    room = None if kind is None else WantedRoom(key(kind), "Annonces", "Qui écrit.", None, {PAZ: Seat(0, "")})
    state = {} if room is None else room_state(room, bot=BOT, version="12")
    event = Event(EventId("$1"), RoomId("!1"), sender, event_type, state_key, content, 0)
    assert judge(event, room, state, BOT) is meaning
