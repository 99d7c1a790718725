"""What the events registration brings to the service, and what it does not."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver
from preau.demo.processes import free_ports
from tests.live.conftest import MakePerson
from tests.live.homeservers import HomeserverPorts, new_localpart, spec

pytestmark = pytest.mark.live


class Listener:
    """Stands where `preau serve` will: takes every transaction."""

    def __init__(self) -> None:
        self.url = ""
        self.tokens: set[str] = set()
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def take(self, request: web.Request) -> web.Response:
        """One transaction (Matrix application service API, ``PUT /transactions``)."""
        self.tokens.add(request.headers["Authorization"])
        for event in (await request.json())["events"]:
            self.events.put_nowait(event)
        return web.json_response({})

    async def until_message(self, body: str) -> list[dict[str, Any]]:
        """All events up to that message."""
        seen = [await self.events.get()]
        while seen[-1]["content"].get("body") != body:
            seen.append(await self.events.get())
        return seen


@pytest.fixture(scope="module")
async def listener() -> AsyncIterator[Listener]:
    listener = Listener()
    application = web.Application()
    application.router.add_put("/_matrix/app/v1/transactions/{id}", listener.take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listener.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield listener
    await runner.cleanup()


@pytest.fixture(scope="module")
async def heard(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, listener: Listener
) -> AsyncIterator[Homeserver]:
    """A homeserver that delivers events to the listener."""
    folder: Path = tmp_path_factory.mktemp("heard")
    base = spec(folder, HomeserverPorts(*free_ports(2)), authority)
    async with Homeserver(dataclasses.replace(base, service_url=listener.url, guard=False)) as homeserver:
        yield homeserver


async def test_only_the_rooms_of_the_bot_are_delivered_and_all_of_them(
    heard: Homeserver, listener: Listener, person: MakePerson
) -> None:
    someone = await person(heard)
    private = await new_room(heard, someone.user)
    await say(heard, someone.user, private, "entre nous")
    managed = await new_room(heard, heard.bot, invite=[someone.user])
    await heard.api(someone.user).post(f"/_matrix/client/v3/join/{quote(managed)}", {})
    await say(heard, someone.user, managed, "à tous")

    events = await listener.until_message("à tous")

    assert {event["room_id"] for event in events} == {managed}
    assert "m.room.create" in {event["type"] for event in events}
    assert [event["sender"] for event in events if event["type"] == "m.room.message"] == [someone.user]


async def test_the_homeserver_proves_itself_with_its_token(heard: Homeserver, listener: Listener) -> None:
    await say(heard, heard.bot, await new_room(heard, heard.bot), "bonjour")
    await listener.until_message("bonjour")
    assert listener.tokens == {f"Bearer {heard.hs_token}"}


async def new_room(homeserver: Homeserver, creator: str, **request: object) -> str:
    created = await homeserver.api(creator).post("/_matrix/client/v3/createRoom", request)
    return str(created["room_id"])


async def say(homeserver: Homeserver, who: str, room: str, text: str) -> None:
    path = f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message/{new_localpart()}"
    await homeserver.api(who).put(path, {"msgtype": "m.text", "body": text})
