"""Power levels and the other state of a managed room, from its kind and its wanted members.

Nobody but the service's bot may change a room: it is the sole creator (endless power in room version 12) or has 100
(version 11). Everybody who may write or moderate is named in the levels from the first day, activated or not, so that
an activation costs no state event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from preau.model.ids import RoomId, ServerName, UserId
from preau.model.rooms import RoomKind
from preau.model.wanted import Content, Json, Seat, StateKey, WantedRoom
from preau.policy.rooms import RULES

READER: Final = 0
WRITER: Final = 50
MODERATOR: Final = 75
SERVICE: Final = 100
CREATORS_ONLY: Final = 150
"""Above every level that can be given: in room version 12 only creators reach it (spec, room version 12)."""

VERSIONS_WITH_CREATORS: Final = frozenset({"12"})
"""Room versions in which the creator's power is endless and must not be listed."""

ALWAYS_OPEN: Final = ("m.reaction", "m.room.redaction", "m.poll.response", "org.matrix.msc3381.poll.response")
"""What every member may send everywhere: reactions, votes, and taking back one's own (``clients.md`` 3.2)."""

JOIN_RULES: Final = StateKey("m.room.join_rules")
POWER_LEVELS: Final = StateKey("m.room.power_levels")
HISTORY: Final = StateKey("m.room.history_visibility")
GUESTS: Final = StateKey("m.room.guest_access")
NAME: Final = StateKey("m.room.name")
TOPIC: Final = StateKey("m.room.topic")
CHILD: Final = "m.space.child"
PARENT: Final = "m.space.parent"
LINKS: Final = frozenset({CHILD, PARENT})
"""The event types that tie rooms and spaces together (Matrix client-server spec, module "Spaces")."""


def power_levels(kind: RoomKind, members: Mapping[UserId, Seat], *, bot: UserId, version: str) -> Content:
    """The content of ``m.room.power_levels`` (Matrix client-server spec 11.1 of the module "Room permissions").

    Every member who may more than read is listed, whether or not they have an account yet.
    """
    rules = RULES[kind]
    users: dict[str, Json] = {user: seat.level for user, seat in sorted(members.items()) if seat.level > READER}
    creators = version in VERSIONS_WITH_CREATORS
    if not creators:
        users[bot] = SERVICE
    events: dict[str, Json] = {} if rules.is_space else dict.fromkeys(ALWAYS_OPEN, READER)
    events["m.room.tombstone"] = CREATORS_ONLY if creators else SERVICE
    return {
        "users": users,
        "users_default": READER,
        "events": events,
        "events_default": _events_default(kind),
        "state_default": SERVICE,
        "invite": SERVICE,
        "kick": SERVICE,
        "ban": SERVICE,
        "redact": MODERATOR,
        "notifications": {"room": WRITER},
    }


def room_state(room: WantedRoom, *, bot: UserId, version: str) -> dict[StateKey, Content]:
    """All state the service sets and guards in a managed room, but for the links between spaces and rooms.

    The join rule is ``restricted`` to nothing: nobody enters without the bot's invitation or authorisation.
    """
    state: dict[StateKey, Content] = {
        NAME: {"name": room.name},
        POWER_LEVELS: power_levels(room.key.kind, room.members, bot=bot, version=version),
        JOIN_RULES: {"join_rule": "restricted", "allow": []},
        HISTORY: {"history_visibility": str(RULES[room.key.kind].history)},
        GUESTS: {"guest_access": "forbidden"},
    }
    if room.topic:
        state[TOPIC] = {"topic": room.topic}
    return state


def child_link(server: ServerName) -> Content:
    """The content of ``m.space.child`` in a space."""
    return {"via": [server], "suggested": True}


def parent_link(server: ServerName) -> Content:
    """The content of ``m.space.parent`` in a room."""
    return {"via": [server], "canonical": True}


def child_key(room: RoomId) -> StateKey:
    """The state key under which a space names a room that hangs in it."""
    return StateKey(CHILD, room)


def parent_key(space: RoomId) -> StateKey:
    """The state key under which a room names the space it hangs in."""
    return StateKey(PARENT, space)


def _events_default(kind: RoomKind) -> int:
    rules = RULES[kind]
    if rules.is_space:
        return SERVICE
    return READER if rules.everybody_writes else WRITER
