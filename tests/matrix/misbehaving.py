"""A web server that plays a homeserver in trouble: it answers what the test wrote down, and then no more.

It stands for no homeserver's behaviour, only for faults on the way to one; the behaviour is tested on a real Synapse.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from preau.matrix.calls import Endpoint
from preau.matrix.client import Homeserver
from preau.matrix.patience import Patience
from preau.model.ids import ServerName, UserId

BOT = UserId("@preau:nord.example")


@dataclass(frozen=True)
class Say:
    """One answer."""

    status: int
    body: str = "{}"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HangUp:
    """Takes the request and closes the connection without a word."""


@dataclass(frozen=True)
class Stall:
    """Takes the request and never answers."""


Fault = Say | HangUp | Stall


@dataclass
class Trouble:
    """What the server was asked, what we waited, and the adapter that speaks with it."""

    homeserver: Homeserver
    asked: list[str]
    waited: list[float]
    headers: list[dict[str, str]]
    queries: list[str]


def homeserver_at(url: str, waited: list[float], patience: Patience, at_once: int = 8) -> Homeserver:
    """An adapter that notes its waits instead of waiting, with jitter that is always a half."""

    async def note(seconds: float) -> None:
        waited.append(seconds)

    endpoint = Endpoint(url, "a-token", BOT, ServerName("nord.example"))
    return Homeserver(endpoint, patience=patience, at_once=at_once, sleep=note, draw=lambda: 0.5)


@asynccontextmanager
async def trouble(faults: Sequence[Fault], patience: Patience | None = None) -> AsyncIterator[Trouble]:
    """A server that plays the faults in order; the last one is repeated."""
    asked: list[str] = []
    headers: list[dict[str, str]] = []
    queries: list[str] = []
    forever = asyncio.Event()

    async def play(request: web.BaseRequest) -> web.Response:
        asked.append(f"{request.method} {request.rel_url.raw_path}")
        headers.append(dict(request.headers))
        queries.append(request.rel_url.raw_query_string)
        match faults[min(len(asked), len(faults)) - 1]:
            case Say(status, body, extra):
                return web.Response(status=status, text=body, headers=extra, content_type="application/json")
            case HangUp():
                assert request.transport is not None
                request.transport.abort()
            case Stall():
                await forever.wait()
        return web.Response()

    runner = web.ServerRunner(web.Server(play))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    waited: list[float] = []
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with homeserver_at(url, waited, patience or Patience(attempts=3)) as homeserver:
            yield Trouble(homeserver, asked, waited, headers, queries)
    finally:
        forever.set()
        await runner.cleanup()
