"""Homeservers with the guard to measure on: with the facts of a whole académie, and beside one without the guard.

::

    Synapse with the guard ─► accounts, rooms ─► a million facts, by SQL ─► stopped
                                                      │ its database and folder copied
                                                      ├─► the same again, with the guard
                                                      └─► the same without it
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp
import psycopg

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver, HomeserverSpec, PostgresDatabase
from preau.demo.processes import free_ports
from preau.model.fact_codec import encode
from preau.model.facts import Party, PersonFacts, RoomFacts
from preau.model.ids import DivisionCode, PersonId, RoomId, ServerName, Uai, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKey, RoomKind
from preau.model.wanted import Seat, WantedRoom
from preau.policy.powers import room_state
from tests.bench.judged import PATH as JUDGED
from tests.bench.judged import Judged
from tests.bench.measure import fine_cpu_of, insist, resident
from tests.postgresql_server import PostgresqlServer

_ROOT: Final = Path(__file__).parents[2]
GUARD: Final = "/_synapse/client/preau/v1"
PEOPLE: Final = 1_000_000
ROOMS: Final = 40_000
SCHOOL: Final = Uai("0990001N")
STAFF_ROOM: Final = RoomKey(RoomKind.STAFF, SCHOOL)
_HERE: Final = 3_000
"""The first so many people are teachers of the school in which everything is measured; the others have others."""

_UNLIMITED: Final = {"per_second": 100_000, "burst_count": 100_000}
_NO_LIMITS: Final[dict[str, Any]] = {
    "rc_message": _UNLIMITED,
    "rc_joins": {"local": _UNLIMITED, "remote": _UNLIMITED},
    "rc_joins_per_room": _UNLIMITED,
    "rc_room_creation": _UNLIMITED,
}


@dataclass(frozen=True, slots=True)
class _Twin(HomeserverSpec):
    """A second homeserver of the same name: it never meets the first."""

    twin_of: ServerName | None = None

    @property
    def server_name(self) -> ServerName:
        assert self.twin_of is not None
        return self.twin_of


def guarded_spec(folder: Path, database: PostgresDatabase) -> HomeserverSpec:
    """Synapse as the role deploys it, with the guard, and without limits of its own on what is measured.

    It also tells how long the guard takes (`tests.bench.judged`).
    """
    client, federation = free_ports(2)
    folder.mkdir(parents=True)
    return HomeserverSpec(
        folder / "synapse",
        client,
        federation,
        Authority(folder / "authority"),
        database=database,
        operator=dict(_NO_LIMITS),
        modules=({"module": f"{Judged.__module__}.{Judged.__qualname__}", "config": {}},),
    )


def database_of(server: PostgresqlServer, name: str) -> PostgresDatabase:
    """A database of that server."""
    return PostgresDatabase(server.host, server.port, name, server.user)


def copied(spec: HomeserverSpec, server: PostgresqlServer) -> HomeserverSpec:
    """The same homeserver as it is now, stopped, without the guard: with a copy of its database and of its folder."""
    assert isinstance(spec.database, PostgresDatabase)
    name, folder = f"{spec.database.name}_plain", spec.folder.with_name("plain")
    with psycopg.connect(_address(server, "postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{spec.database.name}"'.encode())
    shutil.copytree(spec.folder, folder)
    client, federation = free_ports(2)
    return _Twin(
        folder,
        client,
        federation,
        spec.authority,
        database=database_of(server, name),
        operator=spec.operator,
        guard=False,
        twin_of=spec.server_name,
    )


def load_facts(server: PostgresqlServer, database: str, name: ServerName) -> None:
    """The facts of a million people and of forty thousand rooms, straight into the guard's table.

    Pushed over HTTP they would be the same rows, later. Names for the search, which no message asks, are left out.
    """
    party = Party(PersonId("x"), Uai("SCHOOL"), frozenset({Function.TEACHER}), frozenset({DivisionCode("5 A")}))
    person = json.dumps(encode(PersonFacts(UserId("@x:x"), "Nour GABARIT · professeur", (party,))), ensure_ascii=False)
    room = json.dumps(encode(RoomFacts(RoomId("!x"), RoomKind.ANNOUNCE_DIVISION, Uai("SCHOOL"), "5 A")))
    with psycopg.connect(_address(server, database)) as connection:
        for kind, sign, body, end, count in (
            ("person", "@p", person, f":{name}", PEOPLE),
            ("room", "!r", room, "", ROOMS),
        ):
            connection.execute(
                "INSERT INTO preau_guard_fact (kind, id, version, body) "
                "SELECT %s, %s || n || %s, 1, "
                "replace(%s, 'SCHOOL', CASE WHEN n <= %s THEN %s ELSE 'school' || n / 1000 END) "
                "FROM generate_series(1, %s) n",
                (kind, sign, end, body, _HERE, SCHOOL, count),
            )
        connection.execute("UPDATE preau_guard_stream SET stream = 'bench', version = 1")
        connection.commit()
        connection.autocommit = True
        connection.execute("ANALYZE preau_guard_fact")


def _address(server: PostgresqlServer, database: str) -> str:
    return f"host={server.host} port={server.port} user={server.user} dbname={database}"


class Asked:
    """A running homeserver and one kept session to it. An asynchronous context manager."""

    def __init__(self, homeserver: Homeserver) -> None:
        self.homeserver = homeserver
        timeout = aiohttp.ClientTimeout(total=900)
        self._session = aiohttp.ClientSession(homeserver.client_url, timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    @property
    def pid(self) -> int:
        """Synapse's process."""
        process = self.homeserver.process
        assert process is not None
        return process.pid

    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        return fine_cpu_of(self.pid)

    async def judged(self) -> tuple[int, int]:
        """Nanoseconds that the guard has taken over messages, and how many there were; none without it."""
        status, told = await self.ask("GET", JUDGED)
        return (told["nanoseconds"], told["messages"]) if status == 200 else (0, 0)

    def megabytes(self) -> float:
        """The memory that it holds now."""
        return resident(self.pid)

    def user(self, number: int) -> UserId:
        """One of the million."""
        return UserId(f"@p{number}:{self.homeserver.server_name}")

    async def call(
        self, method: str, path: str, body: Any = None, *, acting: UserId | None = None, token: str = ""
    ) -> Any:
        """One request, as the bot unless somebody else is named; it must be granted."""
        status, answer = await self.ask(method, path, body, acting=acting, token=token)
        insist(status == 200, f"{method} {path}: {status} {answer}")
        return answer

    async def ask(
        self, method: str, path: str, body: Any = None, *, acting: UserId | None = None, token: str = ""
    ) -> tuple[int, Any]:
        """One request: status and answer."""
        query = {} if token else {"user_id": acting or self.homeserver.bot}
        headers = {"Authorization": f"Bearer {token or self.homeserver.as_token}"}
        given = {} if method == "GET" else {"json": body or {}}
        async with self._session.request(method, path, params=query, headers=headers, **given) as response:
            return response.status, await response.json()

    async def accounts(self, numbers: Iterable[int]) -> None:
        """Accounts for these of the million, a thousand at a time."""
        wanted = [{"localpart": f"p{number}", "display_name": "Nour GABARIT · professeur"} for number in numbers]
        for start in range(0, len(wanted), 1000):
            made = await self.call("POST", f"{GUARD}/accounts", {"accounts": wanted[start : start + 1000]})
            insist(not made["refused"], f"accounts were refused: {made['refused']}")

    async def logged_in(self, user: UserId) -> str:
        """A token of a device of theirs, their first."""
        body = {"type": "m.login.application_service", "identifier": {"type": "m.id.user", "user": user}}
        headers = {"Authorization": f"Bearer {self.homeserver.as_token}"}
        async with self._session.post("/_matrix/client/v3/login", json=body, headers=headers) as response:
            insist(response.status == 200, f"no login: {await response.text()}")
            return str((await response.json())["access_token"])

    async def room(self, members: Sequence[UserId], nonce: str, *, join_rule: str = "") -> str:
        """A managed room with these members, made and filled in batches."""
        order = self.order(members[:1000], nonce, join_rule)
        made = await self.call("POST", f"{GUARD}/rooms", order)
        insist(not made["refused"], f"members were refused: {list(made['refused'])[:2]}")
        await self.move(made["room_id"], members[1000:])
        return str(made["room_id"])

    async def move(self, room: str, joining: Sequence[UserId]) -> None:
        """These people into a room, in batches."""
        for start in range(0, len(joining), 1000):
            part = joining[start : start + 1000]
            done = await self.call("POST", f"{GUARD}/memberships", {"room_id": room, "join": part})
            insist(len(done["joined"]) == len(part), f"not all came in: {done['refused']}")

    def order(self, members: Sequence[UserId], nonce: str, join_rule: str = "") -> dict[str, Any]:
        """What the service asks for a staff room with these members."""
        seats = {member: Seat(0, "bench") for member in members}
        state = room_state(WantedRoom(STAFF_ROOM, "Salle", "", None, seats), bot=self.homeserver.bot, version="12")
        pieces = [{"type": each.type, "state_key": each.key, "content": content} for each, content in state.items()]
        if join_rule:
            pieces = [piece for piece in pieces if piece["type"] != "m.room.join_rules"]
            pieces.append({"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": join_rule}})
        creation = {"fr.preau.room": str(STAFF_ROOM), "nonce": nonce}
        return {"version": "12", "creation_content": creation, "state": pieces, "members": list(members)}

    async def say(self, room: str, token: str, number: int) -> None:
        """A message."""
        path = f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message/{number}"
        await self.call("PUT", path, {"msgtype": "m.text", "body": "Bonjour"}, token=token)


@asynccontextmanager
async def running(spec: HomeserverSpec) -> AsyncIterator[Asked]:
    """That homeserver, for as long as it is measured."""
    os.environ["PYTHONPATH"] = str(_ROOT)  # for Synapse to find what measures it
    async with Homeserver(spec) as homeserver, Asked(homeserver) as asked:
        yield asked
