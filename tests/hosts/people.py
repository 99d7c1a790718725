"""People at their clients, outside: everything goes through the académie's nginx, by its public name, over TLS."""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

_SECONDS: Final = 30


class Names(AbstractResolver):
    """Knows the names of the test hosts and no others."""

    def __init__(self, names: Callable[[], Mapping[str, str]]) -> None:
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del family
        address = self._names().get(host)
        if address is None:
            raise OSError(f"nobody here is called {host}")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        pass


class Refused(Exception):
    """The server said no."""

    def __init__(self, status: int, answer: Any) -> None:
        super().__init__(f"{status}: {answer}")
        self.status = status
        self.answer = answer


def outside(names: Callable[[], Mapping[str, str]], trusted: ssl.SSLContext) -> aiohttp.ClientSession:
    """A session that finds the hosts by public name and believes whom it is told to."""
    connector = aiohttp.TCPConnector(ssl=trusted, resolver=Names(names), use_dns_cache=False)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(_SECONDS))


class Someone:
    """One person with one client, logged in."""

    _transactions = count()

    def __init__(self, session: aiohttp.ClientSession, server: str, user: str, token: str) -> None:
        self._session = session
        self._base = f"https://matrix.{server}"
        self.user = user
        self._headers = {"Authorization": f"Bearer {token}"}
        self._since = ""
        self._asked: set[str] = set()

    @classmethod
    async def log_in(cls, session: aiohttp.ClientSession, server: str, user: str, password: str) -> Self:
        """As every client begins: by the server's name, its well-known document, then the login."""
        async with session.get(f"https://{server}/.well-known/matrix/client") as answer:
            document = await answer.json(content_type=None)
        base = document["m.homeserver"]["base_url"].rstrip("/")
        identifier = {"type": "m.id.user", "user": user}
        login = {"type": "m.login.password", "identifier": identifier, "password": password}
        async with session.post(f"{base}/_matrix/client/v3/login", json=login) as answer:
            found = await answer.json()
            if answer.status != 200:
                raise Refused(answer.status, found)
        return cls(session, server, found["user_id"], found["access_token"])

    async def call(self, method: str, path: str, body: Any = None, *, seconds: float = _SECONDS) -> Any:
        """One request of the client API; `path` comes after `/_matrix/client`.

        Raises:
            Refused: an answer other than 200.
        """
        timeout = aiohttp.ClientTimeout(seconds)
        url = f"{self._base}/_matrix/client{path}"
        async with self._session.request(method, url, json=body, headers=self._headers, timeout=timeout) as answer:
            found = await answer.json(content_type=None)
            if answer.status != 200:
                raise Refused(answer.status, found)
            return found

    async def state(self, room: str, kind: str) -> Any:
        """The content of a room's state."""
        return await self.call("GET", f"/v3/rooms/{quote(room)}/state/{kind}")

    async def joined(self) -> set[str]:
        return set((await self.call("GET", "/v3/joined_rooms"))["joined_rooms"])

    async def invited(self) -> set[str]:
        """The rooms that they have been asked into; from the second call on, what is new is read, as clients do.

        Synapse gives the same answer for two minutes to whoever reads everything again.
        """
        found = await self.call("GET", f"/v3/sync?timeout=0{self._since}")
        self._since = f"&since={quote(found['next_batch'])}"
        self._asked |= set(found.get("rooms", {}).get("invite", {}))
        return set(self._asked)

    async def join(self, room: str, via: str) -> None:
        """Enters a room, through another homeserver if need be."""
        await self.call("POST", f"/v3/join/{quote(room)}?via={quote(via)}", {})

    async def say(self, room: str, text: str, *, transaction: str = "", seconds: float = _SECONDS) -> str:
        """Writes into a room; returns the event's id. The same transaction again is the same message."""
        name = transaction or f"t{time.time_ns()}.{next(self._transactions)}"
        path = f"/v3/rooms/{quote(room)}/send/m.room.message/{name}"
        body = {"msgtype": "m.text", "body": text}
        return str((await self.call("PUT", path, body, seconds=seconds))["event_id"])

    async def send_picture(self, room: str, content: bytes) -> str:
        """Shows a PNG in a room; returns its address, ``mxc://…``."""
        url = f"{self._base}/_matrix/media/v3/upload?filename=photo.png"
        headers = {**self._headers, "Content-Type": "image/png"}
        async with self._session.post(url, data=content, headers=headers) as answer:
            found = await answer.json(content_type=None)
            if answer.status != 200:
                raise Refused(answer.status, found)
        address = str(found["content_uri"])
        path = f"/v3/rooms/{quote(room)}/send/m.room.message/t{time.time_ns()}.{next(self._transactions)}"
        await self.call("PUT", path, {"msgtype": "m.image", "body": "photo.png", "url": address})
        return address

    async def download(self, address: str) -> bytes:
        """What is at an address ``mxc://SERVER/ID``."""
        url = f"{self._base}/_matrix/client/v1/media/download/{address.removeprefix('mxc://')}"
        async with self._session.get(url, headers=self._headers) as answer:
            found = await answer.read()
            if answer.status != 200:
                raise Refused(answer.status, found)
            return found

    async def texts(self, room: str, limit: float = math.inf) -> dict[str, str]:
        """What was written there, at least the newest so many: event id → text, newest first."""
        found: dict[str, str] = {}
        token = ""
        while len(found) < limit:
            page = await self.call("GET", f"/v3/rooms/{quote(room)}/messages?dir=b&limit=200{token}")
            for event in page["chunk"]:
                if event["type"] == "m.room.message" and "body" in event["content"]:
                    found[event["event_id"]] = event["content"]["body"]
            if "end" not in page:
                break
            token = f"&from={quote(page['end'])}"
        return found

    async def hears(self, room: str, text: str, seconds: float = 20) -> None:
        """Waits until a text is to be read in a room.

        Raises:
            TimeoutError: it is not.
        """
        deadline = time.monotonic() + seconds
        while text not in (await self.texts(room, limit=50)).values():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.user} does not hear {text!r}")
            await asyncio.sleep(0.2)
