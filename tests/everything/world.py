"""A guarded homeserver with the whole cast on it, and quick requests as anybody of them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final

import aiohttp

from preau.model.ids import UserId
from tests.everything.cast import PARTS, SCHOOLS, Actor, Part, actors
from tests.everything.routes import Route, served
from tests.guard.guarded import GUARD, Guarded, Reply
from tests.guard.route_listing import PATH as LISTING
from tests.live.homeservers import new_localpart

_AT_ONCE: Final = 12
"""Requests under way: enough that Synapse never waits for us."""

OPERATOR: Final[dict[str, Any]] = {
    name: {"per_second": 10_000, "burst_count": 10_000}
    for name in ("rc_message", "rc_joins_per_room", "rc_room_creation", "rc_reports", "rc_profile")
} | {
    "rc_joins": {where: {"per_second": 10_000, "burst_count": 10_000} for where in ("local", "remote")},
    "rc_invites": {
        which: {"per_second": 10_000, "burst_count": 10_000} for which in ("per_room", "per_user", "per_issuer")
    },
}
"""Synapse's own limits would answer before the guard does."""


@dataclass
class World:
    """See above. ``players`` holds one or more accounts for each part, ``members`` others, for managed rooms."""

    guarded: Guarded
    session: aiohttp.ClientSession
    players: Mapping[Part, Sequence[Actor]] = field(default_factory=dict)
    members: Mapping[Part, Sequence[Actor]] = field(default_factory=dict)
    routes: Sequence[Route] = ()
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    @property
    def bot(self) -> UserId:
        """The service's user."""
        return self.guarded.homeserver.bot

    def first(self, part: Part) -> Actor:
        """One who plays it."""
        return self.players[part][0]

    def routes_of(self, *deeds: str) -> list[Route]:
        """The routes on which that can be done."""
        return [route for route in self.routes if route.deed in deeds]

    async def ask(
        self, method: str, path: str, user: UserId | str, body: Any = None, raw: bytes | None = None
    ) -> Reply:
        """One request, with the user's own token (the bot's is the service's)."""
        token = self.guarded.tokens.get(UserId(user), self.guarded.homeserver.as_token)
        query = {"user_id": self.bot} if user == self.bot else {}
        given: dict[str, Any] = (
            {"data": BytesIO(raw)} if raw is not None else {"json": body if body is not None else {}}
        )
        async with (
            self._slots,
            self.session.request(
                method,
                path,
                headers={"Authorization": f"Bearer {token}"},
                params=query,
                **({} if method == "GET" else given),
            ) as response,
        ):
            text = await response.read()
            is_json = response.content_type == "application/json"
            return Reply(response.status, await response.json() if is_json and text else {})

    async def as_bot(self, method: str, path: str, body: Any = None) -> Any:
        """What the service asks; it must be granted."""
        reply = await self.ask(method, path, self.bot, body)
        assert reply.status == 200, reply
        return reply.body

    async def populate(self, players: Mapping[Part, int], members: Mapping[Part, int]) -> None:
        """Makes so many accounts for each part, tells the guard about all of them, and logs everybody in."""
        server = self.guarded.homeserver.server_name
        number = {part: players[part] + members[part] for part in PARTS}
        users = {part: [UserId(f"@{new_localpart()}:{server}") for _ in range(number[part])] for part in PARTS}
        await asyncio.gather(*(self._make(user) for group in users.values() for user in group))
        everybody = actors(users)
        self.players = {part: group[: players[part]] for part, group in everybody.items()}
        self.members = {part: group[players[part] :] for part, group in everybody.items()}
        known = [each.facts for group in everybody.values() for each in group if each.facts is not None]
        await self.guarded.push(*SCHOOLS.values(), *known)

    async def read_routes(self) -> None:
        """Asks the homeserver what it serves."""
        async with self.session.get(LISTING) as response:
            self.routes = served((await response.json())["routes"])

    async def _make(self, user: UserId) -> None:
        """An account, with one device; it is the first, so that nothing is quarantined."""
        who = {"type": "m.login.application_service", "username": user[1:].split(":")[0], "inhibit_login": True}
        await self.as_bot_unnamed("/_matrix/client/v3/register", who)
        login = {"type": "m.login.application_service", "identifier": {"type": "m.id.user", "user": user}}
        answer = await self.as_bot_unnamed("/_matrix/client/v3/login", login)
        self.guarded.tokens[user] = answer["access_token"]

    async def as_bot_unnamed(self, path: str, body: Any) -> Any:
        """The application service itself."""
        headers = {"Authorization": f"Bearer {self.guarded.homeserver.as_token}"}
        async with self._slots, self.session.post(path, json=body, headers=headers) as response:
            assert response.status == 200, await response.text()
            return await response.json()


def transaction() -> str:
    """An id for one request."""
    return secrets.token_hex(8)


__all__ = ["GUARD", "OPERATOR", "World", "transaction"]
