"""Somebody at their own Matrix client (matrix-nio): says, hears, reacts, comes, goes."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

import nio

from preau.demo.academy import Player
from preau.demo.story.telling import StoryBroken, eventually, expect
from preau.model.ids import EventId, RoomId, UserId
from preau.model.wanted import Content

_LIMIT: Final = 30
"""Seconds for one request; the client's own default is to wait and retry without end."""

POLL_START: Final = "org.matrix.msc3381.poll.start"
POLL_ANSWER: Final = "org.matrix.msc3381.poll.response"
_TEXT: Final = "org.matrix.msc1767.text"


# A refusal is what some lines wait for; nio would print its surprise at each between them.
logging.getLogger("nio").addHandler(logging.NullHandler())


class Someone:
    """A logged-in client."""

    def __init__(self, player: Player, url: str) -> None:
        self.player = player
        self.user: UserId = player.user
        config = nio.AsyncClientConfig(max_limit_exceeded=5, max_timeouts=2, request_timeout=_LIMIT)
        self._client = nio.AsyncClient(url, player.person, config=config)
        self._heard: dict[str, Any] = {}

    async def log_in(self) -> None:
        """With login and password, as everybody does; then reads what is there."""
        answer = await self._client.login(self.player.password, device_name="preau demo --check")
        expect(isinstance(answer, nio.LoginResponse), f"{self.player.name} cannot log in: {answer}")
        await self._sync(0)

    async def close(self) -> None:
        """Ends the connection, not the account's session."""
        await self._client.close()

    async def say(self, room: RoomId, text: str) -> EventId:
        """Sends a message."""
        return await self.send(room, "m.room.message", {"msgtype": "m.text", "body": text})

    async def send(self, room: RoomId, kind: str, content: Content) -> EventId:
        """Sends an event; its id.

        Raises:
            StoryBroken: it was refused.
        """
        answer = await self._client.room_send(room, kind, content)
        if not isinstance(answer, nio.RoomSendResponse):
            raise StoryBroken(f"{self.player.name} cannot send {kind}: {answer}")
        return EventId(answer.event_id)

    async def is_forbidden_to_say(self, room: RoomId, text: str) -> None:
        """A message that must be refused with M_FORBIDDEN."""
        content = {"msgtype": "m.text", "body": text}
        self._is_forbidden("a message", await self._client.room_send(room, "m.room.message", content))

    async def react(self, room: RoomId, to: EventId, key: str) -> EventId:
        """Sends a reaction."""
        relation: Content = {"rel_type": "m.annotation", "event_id": to, "key": key}
        return await self.send(room, "m.reaction", {"m.relates_to": relation})

    async def ask(self, room: RoomId, question: str, *answers: str) -> EventId:
        """Starts a poll (MSC3381, as clients send it); answer ids are ``a0``, ``a1`` …"""
        poll: Content = {
            "kind": "org.matrix.msc3381.poll.disclosed",
            "max_selections": 1,
            "question": {_TEXT: question},
            "answers": [{"id": f"a{number}", _TEXT: answer} for number, answer in enumerate(answers)],
        }
        return await self.send(room, POLL_START, {_TEXT: question, POLL_START: poll})

    async def vote(self, room: RoomId, poll: EventId, answer: str) -> EventId:
        """Answers a poll."""
        relation: Content = {"rel_type": "m.reference", "event_id": poll}
        return await self.send(room, POLL_ANSWER, {"m.relates_to": relation, POLL_ANSWER: {"answers": [answer]}})

    async def take_back(self, room: RoomId, event: EventId) -> None:
        """Redacts an event of their own."""
        answer = await self._client.room_redact(room, event)
        expect(isinstance(answer, nio.RoomRedactResponse), f"{self.player.name} cannot take back {event}: {answer}")

    async def hears(self, event: EventId) -> None:
        """Reads on until the event comes.

        Raises:
            StoryBroken: it does not come in half a minute.
        """
        try:
            async with asyncio.timeout(_LIMIT):
                while event not in self._heard:
                    await self._sync(1000)
        except TimeoutError:
            raise StoryBroken(f"{self.player.name} does not see {event}") from None

    async def has_heard(self, event: EventId) -> bool:
        """Whether the event has come by now."""
        await self._sync(0)
        return event in self._heard

    async def rooms(self) -> frozenset[RoomId]:
        """The rooms that this person is in."""
        answer = await self._client.joined_rooms()
        expect(isinstance(answer, nio.JoinedRoomsResponse), f"{self.player.name} cannot list their rooms: {answer}")
        return frozenset(RoomId(room) for room in answer.rooms)

    async def members(self, room: RoomId) -> dict[UserId, str]:
        """The members of a room with their display names."""
        answer = await self._client.joined_members(room)
        expect(isinstance(answer, nio.JoinedMembersResponse), f"{self.player.name} cannot list members: {answer}")
        return {UserId(member.user_id): member.display_name or "" for member in answer.members}

    async def rooms_of_space(self, space: RoomId) -> list[RoomId]:
        """What a client shows when the space is opened: the rooms in it and in the spaces below, as often as shown."""
        answer = await self._client.space_get_hierarchy(space, limit=200)
        expect(isinstance(answer, nio.SpaceGetHierarchyResponse), f"{self.player.name} cannot open a space: {answer}")
        return [RoomId(room["room_id"]) for room in answer.rooms]

    async def leave(self, room: RoomId) -> None:
        """Leaves."""
        answer = await self._client.room_leave(room)
        expect(isinstance(answer, nio.RoomLeaveResponse), f"{self.player.name} cannot leave: {answer}")

    async def join(self, room: str) -> bool:
        """Tries to join by id or alias; whether it worked."""
        return isinstance(await self._client.join(room), nio.JoinResponse)

    async def open_room(self) -> RoomId:
        """Makes a private room of their own."""
        answer = await self._client.room_create()
        expect(isinstance(answer, nio.RoomCreateResponse), f"{self.player.name} cannot make a room: {answer}")
        return RoomId(answer.room_id)

    async def may_open_no_room(self) -> None:
        """A room of their own that must be refused."""
        self._is_forbidden("a room of their own", await self._client.room_create())

    async def begin(self, user: UserId) -> RoomId:
        """Begins a direct conversation."""
        answer = await self._client.room_create(is_direct=True, invite=[user])
        expect(isinstance(answer, nio.RoomCreateResponse), f"{self.player.name} cannot write to {user}: {answer}")
        return RoomId(answer.room_id)

    async def may_not_begin(self, user: UserId) -> None:
        """A direct conversation that must be refused."""
        answer = await self._client.room_create(is_direct=True, invite=[user])
        self._is_forbidden(f"a conversation with {user}", answer)

    def _is_forbidden(self, what: str, answer: object) -> None:
        code = getattr(answer, "status_code", "no refusal")
        expect(code == "M_FORBIDDEN", f"{what} of {self.player.name} was answered with {code}, not M_FORBIDDEN")

    async def invite(self, room: RoomId, user: UserId) -> bool:
        """Tries to invite somebody; whether it worked."""
        return isinstance(await self._client.room_invite(room, user), nio.RoomInviteResponse)

    async def is_invited(self) -> bool:
        """Whether any invitation waits."""
        await self._sync(0)
        return bool(self._client.invited_rooms)

    async def comes_to_be_in(self, room: RoomId) -> None:
        """Waits until they are in the room."""

        async def inside() -> bool:
            return room in await self.rooms()

        await eventually(f"{self.player.name} is in {room}", inside)

    async def comes_to_be_out_of(self, room: RoomId) -> None:
        """Waits until they are not in the room."""

        async def outside() -> bool:
            return room not in await self.rooms()

        await eventually(f"{self.player.name} is out of {room}", outside)

    async def _sync(self, milliseconds: int) -> None:
        answer = await self._client.sync(timeout=milliseconds)
        if isinstance(answer, nio.SyncResponse):
            for room in answer.rooms.join.values():
                self._heard |= {event.event_id: event for event in room.timeline.events}
