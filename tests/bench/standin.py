"""An HTTP server that grants everything and counts: what a flow asks of a homeserver, without the homeserver's cost.

It has no guard, so that every step is a request of the public API.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web


@dataclass(slots=True)
class StandIn:
    """Where it listens, and how many requests came."""

    url: str = ""
    calls: int = 0

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
    application.router.add_route("*", "/_synapse/client/preau/{path:.*}", found.no_guard)
    application.router.add_route("*", "/{path:.*}", found.grant)
    async with serving(application) as found.url:
        yield found
