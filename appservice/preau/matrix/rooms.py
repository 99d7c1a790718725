"""Rooms, in the order of their life: made by the bot, given state, filled, spoken in, left.

Every call may be repeated but the making of a room; there the alias is what makes a repetition safe::

    create_room ─► POST /createRoom ─► room
                        │ answer lost
                        ▼
                   does the alias exist? ─► yes: ours, by its creation content ─► adopted
                        └─► no ─► HomeserverUnreachable; the caller may repeat with the same alias
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import nio

from preau.errors import HomeserverError, HomeserverUnreachable
from preau.matrix import answers
from preau.matrix.calls import CLIENT, Call, Caller, call
from preau.matrix.wire import BrokenEvent, parse_membership
from preau.model.events import Event
from preau.model.ids import EventId, RoomId, ServerName, UserId
from preau.model.wanted import Content, Json, Membership, StateKey

_NO_TOKEN: Final = ""  # nio's builders put the token into the query, where proxies log it; ours goes into a header
_IN: Final = frozenset({Membership.JOIN, Membership.INVITE})
_OUT: Final = frozenset({Membership.LEAVE, Membership.BAN})
_PERHAPS_SETTLED: Final = frozenset({"M_FORBIDDEN", "M_BAD_STATE"})


@dataclass(frozen=True, slots=True)
class RoomCreation:
    """A room to be made by the bot, its sole creator.

    Args:
        version: the room version; in version 12 the bot may not appear in ``power_levels["users"]``.
        alias: the alias' localpart, without ``#`` and server; None for a room without one.
        creation_content: more fields of ``m.room.create``. One of them must be unique: in version 12 the room's id is
            the hash of that event, and equal ones made in the same millisecond collide.
        initial_state: state set before anybody else can be in the room; it overrides the preset's.
        power_levels: fields of ``m.room.power_levels`` that replace the server's own.
        preset: ``private_chat`` or ``public_chat``; ``trusted_private_chat`` would make every invited user a creator.
    """

    version: str
    alias: str | None = None
    name: str = ""
    topic: str = ""
    creation_content: Content = field(default_factory=dict)
    initial_state: Mapping[StateKey, Content] = field(default_factory=dict)
    power_levels: Content = field(default_factory=dict)
    preset: str = "private_chat"

    def body(self) -> Json:
        """The body of ``POST /createRoom``; nio's builder knows no further creation content."""
        state: list[Json] = [
            {"type": key.type, "state_key": key.key, "content": content} for key, content in self.initial_state.items()
        ]
        body: dict[str, Json] = {
            "visibility": "private",
            "room_version": self.version,
            "preset": self.preset,
            "room_alias_name": self.alias,
            "name": self.name,
            "topic": self.topic,
            "creation_content": self.creation_content,
            "initial_state": state,
            "power_level_content_override": self.power_levels,
        }
        return {key: value for key, value in body.items() if value}


class Rooms:
    """The calls about rooms; made as the bot where no user is named."""

    _caller: Caller

    async def create_room(self, request: RoomCreation) -> RoomId:
        """Makes a room. After an answer that got lost, a room that has the alias by then is ours and is returned.

        Raises:
            HomeserverError: ``M_ROOM_IN_USE`` when the alias was taken before; `ensure_room` takes that room instead.
            HomeserverUnreachable: the answer got lost and there is no alias to find the room by, or no room has it.
        """
        making = call("POST", (*CLIENT, "createRoom"), _making(request), body=request.body(), repeatable=False)
        try:
            return answers.room_id(await self._caller.perform(making))
        except HomeserverUnreachable:
            found = await self._adopt(request)
            if found is None:
                raise
            return found

    async def ensure_room(self, request: RoomCreation) -> tuple[RoomId, bool]:
        """The room that has the alias, made if there is none; whether it is new.

        A room found may have other state than asked for, or be half made where the homeserver was stopped in the
        middle: compare its state.

        Raises:
            HomeserverError: the alias belongs to a room that is not the one asked for.
        """
        found = await self._adopt(request)
        if found is not None:
            return found, False
        try:
            return await self.create_room(request), True
        except HomeserverError as refused:
            found = await self._adopt(request) if refused.errcode == "M_ROOM_IN_USE" else None
            if found is None:
                raise
            return found, False

    async def resolve_alias(self, alias: str) -> RoomId | None:
        """The room that a full alias (``#localpart:server``) names, None if it names none."""
        request = Call.from_nio(nio.Api.room_resolve_alias(alias), f"alias {alias}")
        try:
            return answers.room_id(await self._caller.perform(request))
        except HomeserverError as refused:
            if refused.errcode == "M_NOT_FOUND":
                return None
            raise

    async def room_state(self, room: RoomId) -> dict[StateKey, Content]:
        """A room's full state, members included."""
        request = Call.from_nio(nio.Api.room_get_state(_NO_TOKEN, room), f"state of {room}")
        return answers.state(await self._caller.perform(request))

    async def state_events(self, room: RoomId) -> tuple[Event, ...]:
        """A room's full state with who set each piece; one that is no event as we read them is left out."""
        request = Call.from_nio(nio.Api.room_get_state(_NO_TOKEN, room), f"state of {room}")
        return answers.whole_events(await self._caller.perform(request))

    async def whole_state_event(self, room: RoomId, key: StateKey) -> Event | None:
        """One piece of a room's state with who set it, None if it was never set, or is no event as we read them."""
        path = (*CLIENT, "rooms", room, "state", *(part for part in key if part))
        request = call("GET", path, f"{key.type} of {room}", query=[("format", "event")])
        try:
            return answers.whole_event(await self._caller.perform(request))
        except HomeserverError as refused:
            if refused.errcode == "M_NOT_FOUND":
                return None
            raise

    async def state_event(self, room: RoomId, key: StateKey) -> Content | None:
        """The content of one piece of a room's state, None if it was never set."""
        built = nio.Api.room_get_state_event(_NO_TOKEN, room, key.type, key.key)
        try:
            return answers.content(await self._caller.perform(Call.from_nio(built, f"{key.type} of {room}")))
        except HomeserverError as refused:
            if refused.errcode == "M_NOT_FOUND":
                return None
            raise

    async def put_state(self, room: RoomId, key: StateKey, content: Content) -> EventId:
        """Sets one piece of a room's state; equal content gives the event that is there already."""
        built = nio.Api.room_put_state(_NO_TOKEN, room, key.type, content, key.key)
        return answers.event_id(await self._caller.perform(Call.from_nio(built, f"set {key.type} of {room}")))

    async def members(self, room: RoomId) -> dict[UserId, Membership]:
        """Everybody who has, or had, a membership in a room."""
        request = call("GET", (*CLIENT, "rooms", room, "members"), f"members of {room}")
        return answers.members(await self._caller.perform(request))

    async def membership(self, room: RoomId, user: UserId) -> Membership:
        """A user's membership in a room; whoever never was there has left."""
        content = await self.state_event(room, StateKey("m.room.member", user))
        try:
            return Membership.LEAVE if content is None else parse_membership(content)
        except BrokenEvent as reason:
            raise HomeserverError(f"membership of {user} in {room}: {reason}") from None

    async def invite(self, room: RoomId, user: UserId) -> bool:
        """Invites a user; False if they are in the room already.

        Raises:
            HomeserverError: refused; ``M_BAD_STATE`` for a banned user.
        """
        request = Call.from_nio(nio.Api.room_invite(_NO_TOKEN, room, user), f"invite {user} into {room}")
        return await self._unless(request, room, user, _IN)

    async def join(self, room: RoomId, user: UserId, via: Sequence[ServerName] = ()) -> None:
        """Joins a room as that user; ``via`` names servers to ask when none of ours is in it.

        Raises:
            HomeserverError: refused, such as ``M_FORBIDDEN`` without an invitation.
        """
        query = [("via", server) for server in via]
        await self._caller.perform(
            call("POST", (*CLIENT, "join", room), f"join {room} as {user}", body={}, acting=user, query=query)
        )

    async def bring_in(self, room: RoomId, user: UserId) -> None:
        """Invites a user of ours and joins as them; whoever is in the room already stays.

        Raises:
            HomeserverError: refused; ``M_BAD_STATE`` for a banned user.
        """
        await self.invite(room, user)
        await self.join(room, user)

    async def kick(self, room: RoomId, user: UserId, reason: str = "") -> bool:
        """Removes a user, or takes back their invitation; False if they are not in the room.

        ``reason`` is shown to the user and stays in the room's state.
        """
        built = nio.Api.room_kick(_NO_TOKEN, room, user, reason or None)
        request = Call.from_nio(built, f"remove {user} from {room}")
        return await self._unless(request, room, user, _OUT)

    async def leave(self, room: RoomId, user: UserId) -> None:
        """Leaves a room as that user, or declines an invitation; whoever is not in it is out already."""
        request = Call.from_nio(nio.Api.room_leave(_NO_TOKEN, room), f"leave {room} as {user}", acting=user)
        await self._unless(request, room, user, _OUT)

    async def send(self, room: RoomId, event_type: str, content: Content, *, txn_id: str) -> EventId:
        """Sends an event as the bot; the same ``txn_id`` within half an hour gives the same event, not a second one."""
        built = nio.Api.room_send(_NO_TOKEN, room, event_type, content, txn_id)
        return answers.event_id(await self._caller.perform(Call.from_nio(built, f"send {event_type} to {room}")))

    async def send_notice(self, room: RoomId, text: str, *, txn_id: str) -> EventId:
        """Sends a plain text that no other bot answers (``m.notice``)."""
        return await self.send(room, "m.room.message", {"msgtype": "m.notice", "body": text}, txn_id=txn_id)

    async def _unless(self, request: Call, room: RoomId, user: UserId, settled: frozenset[Membership]) -> bool:
        """Performs a call about a membership; False if it was refused because there was nothing left to do.

        Synapse answers both "you may not" and "it is so already" with the same codes and an English sentence; the
        membership tells them apart.
        """
        try:
            await self._caller.perform(request)
        except HomeserverError as refused:
            if refused.errcode in _PERHAPS_SETTLED and await self._is_settled(room, user, settled):
                return False
            raise
        return True

    async def _is_settled(self, room: RoomId, user: UserId, settled: frozenset[Membership]) -> bool:
        """Whether the user's membership is one of those; no, if the bot cannot see it."""
        try:
            return await self.membership(room, user) in settled
        except HomeserverError as refused:
            if refused.errcode == "M_FORBIDDEN":
                return False
            raise

    async def _adopt(self, request: RoomCreation) -> RoomId | None:
        """The room that has the wanted alias, None if none has.

        Raises:
            HomeserverError: it is another room: the bot is not in it, or its creation content differs.
        """
        if request.alias is None:
            return None
        alias = f"#{request.alias}:{self._caller.endpoint.server}"
        room = await self.resolve_alias(alias)
        if room is None:
            return None
        created = await self.state_event(room, StateKey("m.room.create")) or {}
        if any(created.get(key) != value for key, value in request.creation_content.items()):
            raise HomeserverError(
                f"{_making(request)}: {alias} names the room {room}, which was made for something else",
                errcode="M_ROOM_IN_USE",
                advice="Look at that room, and remove the alias or the room if it is a leftover.",
            )
        return room


def _making(request: RoomCreation) -> str:
    return f"create room {request.alias}" if request.alias else "create a room without alias"
