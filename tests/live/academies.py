"""Two académies side by side: a real homeserver and a real service each, a school each, people who go between them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver, HomeserverSpec
from preau.demo.processes import free_ports
from preau.model.decisions import Appointment, Mandate
from preau.model.ids import PersonId, RoomId, UserId
from preau.model.people import Function, PersonName, RosterSource
from preau.model.rooms import RoomKind
from preau.sync import settle
from preau.sync.recognise import minter
from preau.sync.worker import Worker
from preau.web.transactions import Transactions
from tests.guard.guarded import Guarded, Reply
from tests.live.homeservers import HomeserverPorts, spec
from tests.live.schools import ACTOR, School, school_at

ROOMS = "/_matrix/client/v3/rooms"
_SHARED_NAMES = iter(f"Atelier {number}" for number in range(1, 100))


@dataclass
class Academy:
    """One of the two: its school, its homeserver, and its service, which may be stopped and started."""

    school: School
    guarded: Guarded
    port: int
    _service: AsyncExitStack | None = None
    _teachers: list[str] = field(default_factory=list)

    @property
    def homeserver(self) -> Homeserver:
        return self.guarded.homeserver

    async def start_service(self) -> None:
        """As `preau serve`, without the web server's own life: the worker, and the address for transactions."""
        self._service = AsyncExitStack()
        await self._service.enter_async_context(_serving(self.school, self.homeserver.hs_token, self.port))

    async def stop_service(self) -> None:
        if self._service is not None:
            await self._service.aclose()
            self._service = None

    async def teacher(self) -> UserId:
        """A teacher with an account, another one each time."""
        teachers = [member.key for member in self.school.demo.staff if member.function == "ENS"]
        key = next(key for key in teachers if f"{key}" not in self._teachers)
        self._teachers.append(f"{key}")
        source = RosterSource.STS_STATE if key.register == "epp" else RosterSource.STS_LOCAL
        return await self._activated(await self.school.person(source, key.number))

    async def assistant(self) -> tuple[UserId, int]:
        """An AESH entered by hand, whom no register knows, with an account; and the number of their appointment."""
        context = self.school.context
        person, now = await settle.new_person(context, minter(self.school.random)), context.clock.now()
        name = PersonName("ESSAI", "Camille")
        given = Appointment(0, person, Function.ASSISTANT, self.school.uai, None, "", ACTOR, now, None, name)
        number = await settle.appoint(context, given, actor=ACTOR)
        return await self._activated(person), number

    async def _activated(self, person: PersonId) -> UserId:
        done = await self.school.activate(person)
        assert (done.refused, done.applied.refused) == ({}, ())
        return self.school.user(person)

    async def appoint(self, visitor: UserId | PersonId, room: str) -> int:
        """As `preau appoint VISITOR visitor --scope ROOM`."""
        now = self.school.context.clock.now()
        given = Appointment(0, visitor, Mandate.VISITOR, self.school.uai, None, room, ACTOR, now, None)
        return await settle.appoint(self.school.context, given, actor=ACTOR)

    async def end(self, appointment: int) -> None:
        await settle.end_appointment(self.school.context, appointment, self.school.uai, actor=ACTOR)

    async def shared(self, room: str) -> RoomId:
        return (await self.school.room(RoomKind.INTER_ACADEMY, room)).room

    async def membership(self, room: RoomId, user: UserId, *, seen_by: UserId | None = None) -> str:
        """As somebody on this homeserver sees it, the bot if nobody is named; empty if they see none."""
        path = f"{ROOMS}/{quote(room)}/state/m.room.member/{quote(user)}"
        reply = await self.guarded.call("GET", path, seen_by or self.homeserver.bot)
        return str(reply.body.get("membership", ""))

    async def members(self, room: RoomId, *, seen_by: UserId | None = None) -> dict[str, str]:
        """Everybody's membership, as this homeserver sees it."""
        path = f"{ROOMS}/{quote(room)}/members"
        reply = await self.guarded.call("GET", path, seen_by or self.homeserver.bot)
        return {event["state_key"]: event["content"]["membership"] for event in reply.body["chunk"]}

    async def send(self, user: UserId, room: RoomId, text: str, event_type: str = "m.room.message") -> Reply:
        path = f"{ROOMS}/{quote(room)}/send/{event_type}/{quote(text)}"
        return await self.guarded.call("PUT", path, user, {"msgtype": "m.text", "body": text})

    async def join(self, user: UserId, room: RoomId, via: Homeserver) -> Reply:
        path = f"/_matrix/client/v3/join/{quote(room)}"
        return await self.guarded.call("POST", path, user, {}, query=f"via={quote(via.server_name)}")

    async def invite(self, user: UserId, room: RoomId, whom: UserId) -> Reply:
        return await self.guarded.call("POST", f"{ROOMS}/{quote(room)}/invite", user, {"user_id": whom})

    async def contents(self, user: UserId, room: RoomId) -> dict[str, Any]:
        """What the user reads in a room: contents by event id, the latest fifty."""
        reply = await self.guarded.call("GET", f"{ROOMS}/{quote(room)}/messages", user, query="dir=b&limit=50")
        assert reply.status == 200, reply
        return {event["event_id"]: event["content"] for event in reply.body["chunk"]}

    def store(self) -> sqlite3.Connection:
        """The service's own database."""
        return sqlite3.connect(self.homeserver.spec.folder / "service" / "preau.db", timeout=10)


@dataclass
class Academies:
    """Both: rooms are shared by ``nord``, visitors come from ``sud``."""

    nord: Academy
    sud: Academy

    async def shared_room(self) -> tuple[RoomId, UserId, UserId, int]:
        """A room at nord with a teacher of each; with their ids, and the number of the visitor's appointment."""
        host, guest, name = await self.nord.teacher(), await self.sud.teacher(), next(_SHARED_NAMES)
        await self.nord.appoint(PersonId(host[1:].split(":")[0]), name)
        number = await self.nord.appoint(guest, name)
        room = await self.nord.shared(name)
        await eventually(lambda: _is(self.nord.membership(room, guest), "invite"))
        joined = await self.sud.join(guest, room, self.nord.homeserver)
        assert joined.status == 200, joined
        return room, host, guest, number


async def _is(found: Awaitable[str], wanted: str) -> bool:
    return await found == wanted


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    """Waits until it holds."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 -- what is awaited happens in another process
            await asyncio.sleep(0.05)


@asynccontextmanager
async def two_academies(folder: Path, authority: Authority, version: str = "12") -> AsyncIterator[Academies]:
    """Both, running, with rooms of that version."""
    nord_client, nord_federation, nord_service, sud_client, sud_federation, sud_service = free_ports(6)
    nord, sud = HomeserverPorts(nord_client, nord_federation), HomeserverPorts(sud_client, sud_federation)
    async with AsyncExitStack() as stack:
        async with asyncio.TaskGroup() as group:
            starting = [
                group.create_task(_started(stack, replace(wanted, service_url=f"http://127.0.0.1:{port}")))
                for wanted, port in (
                    (spec(folder / "nord", nord, authority, sud), nord_service),
                    (spec(folder / "sud", sud, authority, nord), sud_service),
                )
            ]
        found: list[Academy] = []
        for each, port in zip(starting, (nord_service, sud_service), strict=True):
            store = each.result().spec.folder / "service"
            store.mkdir()
            school = await stack.enter_async_context(school_at(each.result(), store, version=version))
            academy = Academy(school, Guarded(each.result()), port)
            stack.push_async_callback(academy.stop_service)
            found.append(academy)
            await academy.start_service()
        yield Academies(*found)


async def _started(stack: AsyncExitStack, wanted: HomeserverSpec) -> Homeserver:
    return await stack.enter_async_context(Homeserver(wanted))


@asynccontextmanager
async def _serving(school: School, hs_token: str, port: int) -> AsyncIterator[None]:
    arrived = asyncio.Event()
    app = Transactions(school.context.store, school.context.clock, hs_token, arrived).application()
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
    worker = asyncio.create_task(Worker(school.context, arrived).run())
    yield
    worker.cancel()
    with suppress(asyncio.CancelledError):
        await worker
    await runner.cleanup()
