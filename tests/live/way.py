"""A way to a real homeserver on which pushes of facts can go wrong, and on which everything asked can be read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import ClientSession, web

from preau.demo.homeserver import Homeserver as Synapse

FACTS = "/_synapse/client/preau/v1/facts"


@dataclass
class Way:
    """The way's address, and what was asked on it, as ``METHOD path``.

    While it is ``losing``, answers to pushes are lost after the guard acted; while it is ``refusing``, pushes are
    answered as by a guard that cannot store them.
    """

    url: str = ""
    losing: bool = False
    refusing: bool = False
    asked: list[str] = field(default_factory=list)


@asynccontextmanager
async def way_to(synapse: Synapse) -> AsyncIterator[Way]:
    """A way on which nothing goes wrong yet."""
    way = Way()

    async def pass_on(request: web.Request) -> web.Response:
        way.asked.append(f"{request.method} {request.path}")
        if request.path == FACTS and way.refusing:
            return web.json_response({"errcode": "M_UNKNOWN", "error": "disk full"}, status=500)
        headers = {"Authorization": request.headers["Authorization"]}
        async with (
            ClientSession(synapse.client_url) as session,
            session.request(request.method, request.rel_url, data=await request.read(), headers=headers) as answer,
        ):
            body = await answer.read()
        if request.path == FACTS and way.losing:
            assert request.transport is not None
            request.transport.close()
        return web.Response(status=answer.status, body=body, content_type="application/json")

    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", pass_on)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        way.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield way
    finally:
        await runner.cleanup()
