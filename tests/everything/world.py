"""A guarded homeserver with the whole cast on it, and quick requests as anybody of them."""

from __future__ import annotations

import asyncio
import secrets
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from synapse.config._base import RoutableShardedWorkerHandlingConfig

from preau.model.ids import UserId
from tests.everything.cast import PARTS, SCHOOLS, Actor, Part, actors
from tests.everything.routes import Route, served
from tests.guard.guarded import GUARD, Guarded, Reply
from tests.guard.neighbours import soon
from tests.guard.route_listing import PATH as LISTING
from tests.live.homeservers import new_localpart
from tests.workers.harness import MAIN

_AT_ONCE: Final = 12
"""Requests under way: enough that Synapse never waits for us."""

_PATIENCE: Final = 20
"""Seconds until a process that does not hear of the others' events is given up."""

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
    """See above.

    Args:
        urls: where each process of the homeserver takes requests, by its name; main comes first.
        players: one or more accounts for each part.
        members: others, for managed rooms.
        served: the routes of each process.
    """

    guarded: Guarded
    session: aiohttp.ClientSession
    urls: Mapping[str, str]
    players: Mapping[Part, Sequence[Actor]] = field(default_factory=dict)
    members: Mapping[Part, Sequence[Actor]] = field(default_factory=dict)
    served: Mapping[str, frozenset[Route]] = field(default_factory=dict)
    _settling: dict[str, str] = field(default_factory=dict)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    @property
    def bot(self) -> UserId:
        """The service's user."""
        return self.guarded.homeserver.bot

    @cached_property
    def routes(self) -> Sequence[Route]:
        """Those that any process serves."""
        return sorted(set[Route]().union(*self.served.values()))

    def place_of(self, route: Route, *which: str) -> str:
        """The process that this combination asks on that route: one of those that serve it, always the same."""
        able = [name for name in self.urls if route in self.served[name]]
        return able[zlib.crc32("|".join(which).encode()) % len(able)]

    def first(self, part: Part) -> Actor:
        """One who plays it."""
        return self.players[part][0]

    def routes_of(self, *deeds: str) -> list[Route]:
        """The routes on which that can be done."""
        return [route for route in self.routes if route.deed in deeds]

    async def ask(
        self, method: str, path: str, user: UserId | str, body: Any = None, raw: bytes | None = None, at: str = MAIN
    ) -> Reply:
        """One request to one of the processes, with the user's own token (the bot's is the service's)."""
        token = self.guarded.tokens.get(UserId(user), self.guarded.homeserver.as_token)
        query = {"user_id": self.bot} if user == self.bot else {}
        given: dict[str, Any] = (
            {"data": BytesIO(raw)} if raw is not None else {"json": body if body is not None else {}}
        )
        async with (
            self._slots,
            self.session.request(
                method,
                self.urls[at] + path,
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
        """Makes so many accounts for each part."""
        everybody = await self._people({part: players[part] + members[part] for part in PARTS})
        self.players = {part: group[: players[part]] for part, group in everybody.items()}
        self.members = {part: group[players[part] :] for part, group in everybody.items()}

    async def newcomers(self, parts: Iterable[Part]) -> list[Actor]:
        """An account that nobody has used yet, for each of them."""
        return [actor for (actor,) in (await self._people(dict.fromkeys(parts, 1))).values()]

    async def log_in(self, user: UserId) -> None:
        """On one device more, from which that user does everything from now on."""
        login = {"type": "m.login.application_service", "identifier": {"type": "m.id.user", "user": user}}
        answer = await self.as_bot_unnamed("/_matrix/client/v3/login", login)
        self.guarded.tokens[user] = answer["access_token"]

    async def _people(self, number: Mapping[Part, int]) -> dict[Part, list[Actor]]:
        """Makes so many accounts for each part, tells the guard about all of them, and logs everybody in."""
        server = self.guarded.homeserver.server_name
        users = {part: [UserId(f"@{new_localpart()}:{server}") for _ in range(many)] for part, many in number.items()}
        await asyncio.gather(*(self.make_account(user) for group in users.values() for user in group))
        everybody = actors(users)
        known = [each.facts for group in everybody.values() for each in group if each.facts is not None]
        await self.guarded.push(*SCHOOLS.values(), *known)
        return everybody

    async def read_routes(self) -> None:
        """Asks every process what it serves to clients."""
        for name, url in self.urls.items():
            async with self.session.get(url + LISTING) as response:
                self.served = {**self.served, name: frozenset(served((await response.json())["routes"]))}

    async def settle(self) -> None:
        """Waits until all processes know what was written so far: each shows what the bot sends now, by each writer."""
        if len(self.urls) == 1:
            return
        writers = [name for name in self.urls if name.startswith("persister")]
        while len(self._settling) < len(writers):
            room = (await self.as_bot("POST", "/_matrix/client/v3/createRoom", {}))["room_id"]
            writer = RoutableShardedWorkerHandlingConfig(writers).get_instance(room)
            self._settling[writer] = f"/_matrix/client/v3/rooms/{quote(room)}"
        await asyncio.gather(*(self._settle(room) for room in self._settling.values()))

    async def _settle(self, room: str) -> None:
        body = {"body": "", "msgtype": "m.text"}
        said = await self.as_bot("PUT", f"{room}/send/m.room.message/{transaction()}", body)
        for name in self.urls:
            async for _ in soon(_PATIENCE):
                if await self._shows(name, room, said["event_id"]):
                    break
            else:
                raise AssertionError(f"{name} hears nothing of what the other processes write")

    async def _shows(self, name: str, room: str, event_id: str) -> bool:
        reply = await self.ask("GET", f"{room}/messages?dir=b&limit=1", self.bot, at=name)
        return reply.status == 200 and any(event["event_id"] == event_id for event in reply.body["chunk"])

    async def make_account(self, user: UserId) -> None:
        """An account, with one device; it is the first, so that nothing is quarantined."""
        who = {"type": "m.login.application_service", "username": user[1:].split(":")[0], "inhibit_login": True}
        await self.as_bot_unnamed("/_matrix/client/v3/register", who)
        await self.log_in(user)

    async def as_bot_unnamed(self, path: str, body: Any) -> Any:
        """The application service itself."""
        headers = {"Authorization": f"Bearer {self.guarded.homeserver.as_token}"}
        async with self._slots, self.session.post(self.urls[MAIN] + path, json=body, headers=headers) as response:
            assert response.status == 200, await response.text()
            return await response.json()


def transaction() -> str:
    """An id for one request."""
    return secrets.token_hex(8)


__all__ = ["GUARD", "OPERATOR", "World", "transaction"]
