"""The same work as a plain script would do it: one HTTP request after the other, no store, no journal, no retries."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from preau.demo.homeserver import Homeserver
from preau.model.ids import RoomId, UserId
from preau.model.wanted import Content, StateKey
from tests.bench.measure import insist


class PlainClient:
    """Requests as the bot, or as anybody, over one kept connection. An asynchronous context manager."""

    def __init__(self, homeserver: Homeserver) -> None:
        self._bot = homeserver.bot
        headers = {"Authorization": f"Bearer {homeserver.as_token}"}
        self._session = aiohttp.ClientSession(homeserver.client_url, headers=headers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def account(self, user: UserId, name: str) -> None:
        """Registers, then sets the name: two requests."""
        localpart = user[1:].partition(":")[0]
        request = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
        await self._call("POST", "/_matrix/client/v3/register", request)
        await self._call("PUT", f"/_synapse/admin/v2/users/{quote(user)}", {"displayname": name})

    async def room(self, alias: str, creation: Content, state: Mapping[StateKey, Content]) -> RoomId:
        """Makes a room with all its state: one request."""
        events = [{"type": key.type, "state_key": key.key, "content": content} for key, content in state.items()]
        request = {
            "preset": "private_chat",
            "room_alias_name": alias,
            "creation_content": creation,
            "initial_state": events,
        }
        return RoomId((await self._call("POST", "/_matrix/client/v3/createRoom", request))["room_id"])

    async def hang(self, space: RoomId, room: RoomId, link: Content) -> None:
        """Puts a room into a space: one request."""
        await self._call("PUT", f"/_matrix/client/v3/rooms/{quote(space)}/state/m.space.child/{quote(room)}", link)

    async def member(self, room: RoomId, user: UserId) -> None:
        """Invites, then joins: two requests."""
        await self._call("POST", f"/_matrix/client/v3/rooms/{quote(room)}/invite", {"user_id": user})
        await self._call("POST", f"/_matrix/client/v3/join/{quote(room)}", {}, acting=user)

    async def _call(self, method: str, path: str, body: object, acting: UserId | None = None) -> dict[str, Any]:
        query = {"user_id": acting or self._bot}
        async with self._session.request(method, path, json=body, params=query) as response:
            answer: dict[str, Any] = await response.json()
            insist(response.status < 300, f"plain {method} {path}: {response.status} {answer}")
            return answer
