"""Making a managed room, so that doing it twice makes one room."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Final

from preau.matrix.batches import Moved
from preau.matrix.client import Homeserver
from preau.matrix.rooms import RoomCreation
from preau.matrix.wire import parse_membership
from preau.model.ids import RoomId, UserId
from preau.model.rooms import RoomKey
from preau.model.wanted import ActualRoom, Content, Membership, StateKey, WantedRoom
from preau.policy.powers import (
    GUESTS,
    HISTORY,
    JOIN_RULES,
    LINKS,
    NAME,
    POWER_LEVELS,
    TOPIC,
    parent_key,
    parent_link,
    room_state,
)
from preau.policy.rooms import RULES
from preau.sync.context import Academy

KEY_FIELD: Final = "fr.preau.room"
"""The field of ``m.room.create`` that names the room: unique, so that two rooms never collide (``synapse.md`` 0.5)."""

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


def alias_of(key: RoomKey) -> str:
    """The localpart of a managed room's one alias: what makes its creation repeatable.

    Every key has an alias of its own, whatever a division is called: letters and digits stand for themselves, any
    other character, capitals too, for ``=`` and its code point in hexadecimal and ``.``, so that ``3 A``, ``3A`` and
    ``3a`` differ (``school-data.md`` 15.11) on servers that fold case as well. No table of slugs has to be kept.
    """
    parts = (str(key.kind), key.school, *([key.scope] if key.scope else ()))
    return "_preau_" + "/".join(_spelled(part) for part in parts if part)


def _spelled(text: str) -> str:
    return "".join(character if character in _PLAIN else f"={ord(character):x}." for character in text)


async def ensure_room(
    homeserver: Homeserver, academy: Academy, room: WantedRoom, space: ActualRoom | None
) -> ActualRoom:
    """The room on the homeserver, made with all its state if it is not there.

    Args:
        homeserver: where it is to be.
        academy: bot and room version.
        room: as it should be.
        space: the space above it, if it has one; it must exist.
    """
    state = _state(academy, room, space, academy.room_version)
    found, new = await homeserver.ensure_room(_creation(academy, room, state))
    if new:
        return ActualRoom(room.key, found, academy.room_version, state, {})
    return await _finished(homeserver, academy, room, space, found)


async def ensure_filled_room(
    homeserver: Homeserver, academy: Academy, room: WantedRoom, space: ActualRoom | None, members: Collection[UserId]
) -> tuple[ActualRoom, Moved]:
    """As `ensure_room`, with these people in it, all in one call of the guard; and what became of each of them.

    Raises:
        NoBatches: the guard does no batches here.
    """
    state = _state(academy, room, space, academy.room_version)
    filled = await homeserver.make_filled_room(_creation(academy, room, state), members)
    if filled.new:
        return ActualRoom(room.key, filled.room, academy.room_version, state, {}), filled.moved
    known = await _finished(homeserver, academy, room, space, filled.room)
    if not filled.moved.refused:
        return known, filled.moved
    # A room that was half made may have had no rule yet by which anybody could be brought in.
    again = await homeserver.bring_together(filled.room, sorted(filled.moved.refused))
    return known, Moved(filled.moved.settled | again.settled, again.refused)


async def _finished(
    homeserver: Homeserver, academy: Academy, room: WantedRoom, space: ActualRoom | None, found: RoomId
) -> ActualRoom:
    """A room that was found, perhaps half made by a run that was killed, as it is once all its state is there."""
    known = await read_room(homeserver, academy, room.key, found)
    return await _completed(homeserver, known, _state(academy, room, space, known.version))


def _state(academy: Academy, room: WantedRoom, space: ActualRoom | None, version: str) -> dict[StateKey, Content]:
    """All wanted state, with the link to the space above."""
    state = room_state(room, bot=academy.bot, version=version)
    if space is not None:
        state[parent_key(space.room)] = parent_link(academy.server)
    return state


async def _completed(homeserver: Homeserver, room: ActualRoom, state: Mapping[StateKey, Content]) -> ActualRoom:
    """The room, with all of this state."""
    for key, content in state.items():
        if room.state.get(key) != content:
            await homeserver.put_state(room.room, key, content)
    return replace(room, state={**room.state, **state})


async def read_room(homeserver: Homeserver, academy: Academy, key: RoomKey, room: RoomId) -> ActualRoom:
    """A room as it really is on the homeserver now."""
    state = await homeserver.room_state(room)
    created = state.get(StateKey("m.room.create"), {})
    return ActualRoom(
        key=key,
        room=room,
        version=str(created.get("room_version", "1")),
        state={found: content for found, content in state.items() if is_managed(found)},
        members=dict(_members(state, academy)),
    )


def is_managed(key: StateKey) -> bool:
    """Whether the service decides this piece of state alone."""
    return key.type in _MANAGED


_MANAGED: Final = frozenset(
    {
        NAME.type,
        TOPIC.type,
        POWER_LEVELS.type,
        JOIN_RULES.type,
        HISTORY.type,
        GUESTS.type,
        *LINKS,
    }
)


def _members(state: Mapping[StateKey, Content], academy: Academy) -> Iterator[tuple[UserId, Membership]]:
    for key, content in state.items():
        if key.type == "m.room.member" and key.key != academy.bot:
            membership = parse_membership(content)
            if membership is not Membership.LEAVE:
                yield UserId(key.key), membership


def _creation(academy: Academy, room: WantedRoom, state: dict[StateKey, Content]) -> RoomCreation:
    created: Content = {KEY_FIELD: str(room.key)}
    if RULES[room.key.kind].is_space:
        created["type"] = "m.space"
    return RoomCreation(
        version=academy.room_version,
        alias=alias_of(room.key),
        creation_content=created,
        initial_state=state,  # power levels too: given as an override, Synapse would add its own `historical`
    )
