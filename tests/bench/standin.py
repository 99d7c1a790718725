"""An HTTP server that grants everything and counts: what a flow asks of a homeserver, without the homeserver's cost.

Its guard takes facts and nothing else, so that every step is a request of the public API.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

GUARD = "/_synapse/client/preau/v1"


@dataclass(slots=True)
class StandIn:
    """Where it listens, how many requests came, and how many facts, which are not counted among the requests."""

    url: str = ""
    calls: int = 0
    facts: int = 0
    held: tuple[str, int] = ("", 0)

    async def take_facts(self, request: web.Request) -> web.Response:
        """As the guard does that was told everything else before."""
        push = await request.json()
        self.facts += sum(map(len, push["facts"].values()))
        self.held = push["stream"], push["version"]
        return await self.status(request)

    async def status(self, _request: web.Request) -> web.Response:
        """What the guard holds."""
        stream, version = self.held
        return web.json_response(
            {"stream": stream, "version": version, "facts": {}, "peers": {}, "missing_inner_parts": [], "processes": []}
        )

    async def no_guard(self, _request: web.Request) -> web.Response:
        """As Synapse answers for a path that it does not know."""
        return web.json_response({"errcode": "M_UNRECOGNIZED", "error": "Unrecognized request"}, status=404)

    async def grant(self, _request: web.Request) -> web.Response:
        """Whatever it was, it was done."""
        self.calls += 1
        return web.json_response({"event_id": "$granted", "room_id": "!granted"})


@asynccontextmanager
async def serving(application: web.Application) -> AsyncIterator[str]:
    """The address of an application that is being served on loopback."""
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def standing_in() -> AsyncIterator[StandIn]:
    """A stand-in on a free port of loopback."""
    found, application = StandIn(), web.Application()
    application.router.add_put(f"{GUARD}/facts", found.take_facts)
    application.router.add_get(f"{GUARD}/status", found.status)
    application.router.add_route("*", f"{GUARD}/{{path:.*}}", found.no_guard)
    application.router.add_route("*", "/{path:.*}", found.grant)
    async with serving(application) as found.url:
        yield found
