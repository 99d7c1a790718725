"""Many events of one room made in one go, through the inner parts of Synapse that make them one by one.

::

    the room's latest events, and its state ─► draft ─► built, signed ─► Synapse's own auth rules ─┬─ refused: left out
                                                  ▲                                               ▼
                                                  └──────────── the next one follows it ◄── part of the chain
    the whole chain ─► its state groups: one transaction ─► its events: one transaction, on the room's event persister
                                                       ─► clients, services, other homeservers are told

What an event of an ordinary request passes and these do not: push rules (a join notifies nobody unless a person made a
rule for it), rate limits, the privacy policy, and the guard's own hooks, whose part the caller plays.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from synapse.module_api import EventBase, RoomAlias
from synapse.module_api.errors import Codes, SynapseError

from preau.guard.inner.parts import ChainParts, Delta

LONGEST: Final = 100
"""Events in a chain: Synapse stores no more in one transaction (``EventsPersistenceStorageController``)."""

_TRIES: Final = 10

_HOPS: Final = 100
"""State groups between one and the full state it is built on: Synapse's own ``MAX_STATE_DELTA_HOPS``."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An event to be made."""

    type: str
    state_key: str
    sender: str
    content: Mapping[str, Any]


@dataclass(slots=True)
class Chain:
    """Events of one room, each following the one before, and the room's state after the last of them.

    Args:
        room, version: the room, and its version as Synapse describes it.
        state: the ids of the state before the next event.
        group: the state group of that state, as long as nothing was added.
        follows: what the next event follows; nothing for a room's first.
        depth: that of the next event; None: as those it follows demand.
    """

    parts: ChainParts
    room: str
    version: Any
    state: dict[tuple[str, str], str]
    group: int | None
    follows: list[str]
    depth: int | None = None
    before: Delta = field(init=False)
    made: list[EventBase] = field(default_factory=list)
    _by_id: dict[str, EventBase] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.before = dict(self.state)

    async def get(self, event_type: str, state_key: str = "") -> EventBase | None:
        """One piece of the room's state, with what the chain made of it."""
        event_id = self.state.get((event_type, state_key))
        if event_id is None or event_id in self._by_id:
            return self._by_id.get(event_id or "")
        found: EventBase | None = await self.parts.store.get_event(event_id, allow_none=True)
        return found

    async def membership(self, user: str) -> str:
        """Somebody's membership; empty if they never had one."""
        event = await self.get("m.room.member", user)
        value = event.content.get("membership") if event is not None else ""
        return value if isinstance(value, str) else ""

    async def load_members(self, users: Sequence[str]) -> None:
        """Has Synapse fetch these people's membership events at once, so that `membership` need not one by one."""
        ids = [self.state[key] for user in users if (key := ("m.room.member", user)) in self.state]
        await self.parts.store.get_events(ids)

    async def add(self, draft: Draft) -> None:
        """Makes an event and adds it.

        Raises:
            SynapseError: the room's own rules do not allow it; the chain is as before.
        """
        event = await self._built(draft)
        parts = self.parts
        parts.validator.validate_new(event, parts.hs.config)
        parts.auth_rules.validate_event_for_room_version(event)
        needed = {event_id: self._by_id[event_id] for event_id in event.auth_event_ids() if event_id in self._by_id}
        await parts.auth.check_auth_rules_from_context(event, needed)
        self._append(event)

    async def _built(self, draft: Draft) -> EventBase:
        key = (draft.type, draft.state_key)
        builder = self.parts.builders.for_room_version(
            self.version,
            {
                "type": draft.type,
                "state_key": draft.state_key,
                "sender": draft.sender,
                "content": dict(draft.content),
                **({"room_id": self.room} if self.room else {}),
            },
        )
        event: EventBase = await builder.build(
            prev_event_ids=list(self.follows),
            auth_event_ids=self.parts.auth.compute_auth_events(builder, self.state),
            depth=self.depth,
        )
        replaced = self.state.get(key)
        if replaced is not None:
            event.unsigned["replaces_state"] = replaced  # what /sync shows as the event's prev_content
        return event

    def _append(self, event: EventBase) -> None:
        self.room = event.room_id
        self.state[event.type, event.state_key] = event.event_id
        self._by_id[event.event_id] = event
        self.made.append(event)
        self.follows = [event.event_id]
        self.depth = event.depth + 1

    @property
    def full(self) -> bool:
        """Whether no more fits in."""
        return len(self.made) >= LONGEST

    async def store(self, sender: str, tell: Sequence[str] = ()) -> None:
        """Stores all events, or none, and lets everybody know who listens.

        Args:
            sender: on whose behalf.
            tell: people to wake who are neither in the room before nor after.
        """
        if self.made:
            await self.parts.persist(self.room, sender, await self._with_contexts(), tell)

    async def _with_contexts(self) -> list[tuple[EventBase, Any]]:
        """The events, each with the state groups before and after it, which are stored now."""
        first = self.made[0].event_id
        changes: list[tuple[EventBase, Delta]] = [
            (event, {(event.type, event.state_key): event.event_id}) for event in self.made
        ]
        # A new room has no state group yet, nor has one whose latest events had to be resolved into one state.
        before = self.group if self.group is not None else await self._store_whole(first, self.before)
        if await self.parts.hops(before) + len(changes) <= _HOPS:
            pairs = await self.parts.contexts(changes, self.room, before)
        else:
            event, change = changes[0]
            whole = await self._store_whole(first, {**self.before, **change})
            pairs = [(event, self.parts.context(before, whole, change))]
            pairs += await self.parts.contexts(changes[1:], self.room, whole)
        # What changes in all. Synapse would otherwise load the whole state, before and after, and compare.
        last = pairs[-1][1]
        last.state_group_deltas[before, last.state_group] = {
            key: event_id for _, change in changes for key, event_id in change.items()
        }
        return pairs

    async def _store_whole(self, event_id: str, state: Delta) -> int:
        group: int = await self.parts.states.store_state_group(event_id, self.room, None, None, state)
        return group


class Chains:
    """Opens chains, in rooms that exist and in rooms that do not yet."""

    def __init__(self, parts: ChainParts) -> None:
        self._parts = parts

    @asynccontextmanager
    async def extending(self, room: str) -> AsyncIterator[Chain]:
        """A chain at the end of a room. Until it is left, whoever else wants in or out there must wait.

        Raises:
            SynapseError: this homeserver is not in that room.
        """
        async with self._parts.alone_in(room):
            yield await self._at_the_end_of(room)

    async def begin(self, creator: str, version: str, content: Mapping[str, Any]) -> Chain:
        """A room's first event, and the room's id with it; nothing refers to the room until the chain is stored.

        Raises:
            SynapseError: the room's own rules, or Synapse, do not allow it.
        """
        known = self._parts.versions.get(version)
        if known is None:
            raise SynapseError(400, f"Synapse knows no room version {version!r}.", Codes.UNSUPPORTED_ROOM_VERSION)
        for _ in range(_TRIES):
            room = "" if known.msc4291_room_ids_as_hashes else self._parts.random_room_id()
            chain = Chain(self._parts, room, known, {}, None, [], 1)
            await chain.add(Draft("m.room.create", "", creator, {**content, "room_version": version}))
            # Two rooms begun with the same words in the same millisecond would be one: the second tries again, later.
            with contextlib.suppress(SynapseError):
                await self._parts.store.store_room(chain.room, creator, is_public=False, room_version=known)
                return chain
        raise SynapseError(503, "No unused room id was found; try again.", Codes.UNKNOWN)

    async def room_of(self, alias: RoomAlias) -> str | None:
        """The room that an alias leads to, if any."""
        found = await self._parts.store.get_association_from_room_alias(alias)
        return str(found.room_id) if found is not None else None

    async def point(self, alias: RoomAlias, room: str, creator: str) -> None:
        """Has an alias lead to that room, and no longer to any other."""
        set_alias = self._parts.store.create_room_alias_association
        try:
            await set_alias(alias, room, [alias.domain], creator)
        except SynapseError:  # it leads somewhere already
            await self._parts.store.delete_room_alias(alias)
            await set_alias(alias, room, [alias.domain], creator)

    async def _at_the_end_of(self, room: str) -> Chain:
        parts = self._parts
        latest = await parts.store.get_prev_events_for_room(room)
        if not latest:
            raise SynapseError(404, "This homeserver is in no such room.", Codes.NOT_FOUND)
        end = await parts.resolver.resolve_state_groups_for_events(room, latest)
        state = dict(await end.get_state(parts.states))
        return Chain(parts, room, await parts.store.get_room_version(room), state, end.state_group, latest)
