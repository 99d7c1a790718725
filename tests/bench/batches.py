"""Accounts, memberships and rooms in batches, beside a loop of client-API requests on the same homeserver in one run::

    accounts     a batch of thousands            ‖  register, then name, one by one
    joins        into rooms of 30, 500, 2,000    ‖  POST join, eight at a time, into rooms that are open to all: empty,
                                                    half full and nearly full, since each join costs more than the last
    whole rooms  with 29, 499, 1,999 members     ‖  createRoom, then the same joins
    the others   write in another room, and in the same one, while a batch runs

The plain joins are the cheapest that exist: no invitation, and no one waits for another.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final, TypeVar
from urllib.parse import quote

from preau.model.ids import UserId
from tests.bench.guarded import Asked, database_of, guarded_spec, load_facts, running
from tests.bench.measure import Row, in_fresh_process, insist, per_second, seconds
from tests.postgresql_server import PostgresqlMissing, PostgresqlServer, running_postgresql

T = TypeVar("T")

_ACCOUNTS: Final = 2_600
_PLAIN_ACCOUNTS: Final = 60
_PLAIN_JOINS: Final = 64
_FULL: Final = (0.0, 0.5, 1.0)
"""How full a room is when plain joins into it begin; their mean is taken by Simpson's rule, of seconds per join."""

_AT_ONCE: Final = 8
_SETTLED: Final = 2.0
_FILLED: Final = {30: 12, 500: 2, 2_000: 1}
"""Rooms of each size that are filled and made."""

_BUDGET_JOINS: Final = "≥ 12×"
_BUDGET_ROOMS: Final = "≥ 20×"
_HOW: Final = "one Synapse, guard with the facts of 1,000,000 people; PostgreSQL with `fsync` on"


@dataclass(frozen=True, slots=True)
class _Lap:
    """So many of one thing: seconds on the wall, and of Synapse's CPU."""

    count: int
    wall: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.count / self.wall

    def __str__(self) -> str:
        each = self.wall / self.count
        rate = per_second(self.count, self.wall) if each < 1 else f"{seconds(each)} each"
        return f"{rate}, Synapse {1000 * self.cpu / self.count:,.1f} ms"


def run(folder: Path) -> Iterable[Row]:
    """The rows; PostgreSQL alone, as in production."""
    return in_fresh_process(_work, folder)


def _work(folder: Path) -> list[Row]:
    try:
        with running_postgresql(durable=True) as server:
            return asyncio.run(_measure(folder / "batches", server))
    except PostgresqlMissing as reason:
        return [Row("batches", "", "not measured", str(reason))]


async def _measure(folder: Path, server: PostgresqlServer) -> list[Row]:
    name = server.make_database()
    spec = guarded_spec(folder, database_of(server, name))
    async with running(spec) as asked:
        await asyncio.to_thread(load_facts, server, name, spec.server_name)
        rows = [await _accounts(asked)]
        plain = {size: await _plain_joins(asked, size) for size in _FILLED}
        rows += [await _joins(asked, size, plain[size]) for size in _FILLED]
        rows += [await _rooms(asked, size, plain[size]) for size in _FILLED]
        return [*rows, await _others(asked)]


async def _accounts(asked: Asked) -> Row:
    async with _lap(asked, _ACCOUNTS) as laps:
        await asked.accounts(range(1, _ACCOUNTS + 1))
    async with _lap(asked, _PLAIN_ACCOUNTS) as others:
        for number in range(1, _PLAIN_ACCOUNTS + 1):
            await _plain_account(asked, f"q{number}")
    return _row("accounts with their name", "", laps[0], others[0], f"{_ACCOUNTS:,}, a thousand in a request")


async def _plain_account(asked: Asked, localpart: str) -> None:
    request = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
    status, answer = await asked.ask("POST", "/_matrix/client/v3/register", request, token=asked.homeserver.as_token)
    insist(status == 200, f"no account: {answer}")
    await asked.call("PUT", f"/_synapse/admin/v2/users/{quote(answer['user_id'])}", {"displayname": "Nour GABARIT"})


async def _plain_joins(asked: Asked, size: int) -> _Lap:
    """What a join costs in the mean, from the first to the last of a room of that size."""
    joins = min(_PLAIN_JOINS, size - 1)
    empty, half, full = [await _plain_joins_from(asked, int(part * (size - 1 - joins)), joins) for part in _FULL]
    wall, cpu = ((one + 4 * two + three) / 6 for one, two, three in zip(*map(_spans, (empty, half, full)), strict=True))
    return _Lap(joins, wall, cpu)


def _spans(lap: _Lap) -> tuple[float, float]:
    return lap.wall, lap.cpu


async def _plain_joins_from(asked: Asked, members: int, joins: int) -> _Lap:
    """So many joins into a room that lets everybody in and has that many members, besides the bot."""
    people = [asked.user(number) for number in range(1, members + joins + 1)]
    early, late = people[:members], people[members:]
    room = await asked.room(early, secrets.token_hex(4), join_rule="public")
    slots = asyncio.Semaphore(_AT_ONCE)

    async def join(user: UserId) -> None:
        async with slots:
            await asked.call("POST", f"/_matrix/client/v3/join/{quote(room)}", acting=user)

    async with _lap(asked, len(late)) as laps:
        await asyncio.gather(*map(join, late))
    await _insist_on(asked, room, members + joins + 1)
    return laps[0]


async def _joins(asked: Asked, size: int, plain: _Lap) -> Row:
    rooms = [await asked.room([], secrets.token_hex(4)) for _ in range(_FILLED[size])]
    people = _people(asked, size)
    async with _lap(asked, len(people) * len(rooms)) as laps:
        await _some_at_once(asked.move(room, people) for room in rooms)
    for room in rooms:
        await _insist_on(asked, room, size)
    how = f"{len(rooms)} rooms that exist, up to {_AT_ONCE} at a time"
    return _row(f"joins into rooms of {size:,}", _BUDGET_JOINS, laps[0], plain, how)


async def _rooms(asked: Asked, size: int, plain: _Lap) -> Row:
    people = _people(asked, size)
    async with _lap(asked, _FILLED[size]) as laps:
        made = await _some_at_once(asked.room(people, secrets.token_hex(4)) for _ in range(_FILLED[size]))
    for room in made:
        await _insist_on(asked, room, size)
    other = await _plain_room(asked, size, plain)
    how = f"{_FILLED[size]} with all their state and members; plain: createRoom, and as many joins at the rate above"
    return _row(f"whole rooms of {size:,}", _BUDGET_ROOMS, laps[0], other, how)


async def _plain_room(asked: Asked, size: int, joins: _Lap) -> _Lap:
    """A room made over the client API, with as many joins as would fill it at the rate that was measured."""
    state = asked.order([], "x")["state"]
    async with _lap(asked, 1) as laps:
        body = {"preset": "private_chat", "initial_state": state, "creation_content": {"nonce": secrets.token_hex(4)}}
        await asked.call("POST", "/_matrix/client/v3/createRoom", body)
    members = size - 1
    one = laps[0]
    return _Lap(1, one.wall + members / joins.rate, one.cpu + members * joins.cpu / joins.count)


async def _others(asked: Asked) -> Row:
    """Two members write, in the room that is filled and in another one, before and during a batch of 2,000."""
    writer = asked.user(1)
    token = await asked.logged_in(writer)
    filled = await asked.room([writer], secrets.token_hex(4))
    other = await asked.room([writer], secrets.token_hex(4))
    calm = await _delays(asked, other, token, asyncio.create_task(asyncio.sleep(3)))
    people = [user for user in _people(asked, 2_000) if user != writer]
    batch = asyncio.create_task(asked.move(filled, people))
    beside, inside = await asyncio.gather(_delays(asked, other, token, batch), _delays(asked, filled, token, batch))
    return Row(
        "other people's messages while 2,000 join",
        "",
        f"another room: median {_ms(median(beside))}, longest {_ms(max(beside))}; the same room: median "
        f"{_ms(median(inside))}, longest {_ms(max(inside))}; at rest: median {_ms(median(calm))}",
        f"{len(beside)} and {len(inside)} messages, one after the other; {_HOW}",
    )


async def _delays(asked: Asked, room: str, token: str, until: asyncio.Task[None]) -> list[float]:
    """How long each message took, one after the other, until something ends."""
    delays: list[float] = []
    while not until.done():
        began = time.perf_counter()
        await asked.say(room, token, secrets.randbits(48))
        delays.append(time.perf_counter() - began)
        await asyncio.sleep(0.02)
    await until
    return delays


@asynccontextmanager
async def _lap(asked: Asked, count: int) -> AsyncIterator[list[_Lap]]:
    """A list that holds the lap when the block ends; its CPU is that of what it woke, too."""
    laps: list[_Lap] = []
    wall, cpu = time.perf_counter(), asked.cpu()
    yield laps
    wall = time.perf_counter() - wall
    await asyncio.sleep(_SETTLED)
    laps.append(_Lap(count, wall, asked.cpu() - cpu))


async def _some_at_once(works: Iterable[Awaitable[T]]) -> list[T]:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(work: Awaitable[T]) -> T:
        async with slots:
            return await work

    return await asyncio.gather(*map(one, works))


async def _insist_on(asked: Asked, room: str, members: int) -> None:
    found = await asked.call("GET", f"/_matrix/client/v3/rooms/{quote(room)}/joined_members")
    insist(len(found["joined"]) == members, f"{len(found['joined'])} are in the room, not {members}")


def _people(asked: Asked, size: int) -> list[UserId]:
    """Everybody of a room of that size but the bot."""
    return [asked.user(number) for number in range(1, size)]


def _row(what: str, budget: str, ours: _Lap, plain: _Lap, how: str) -> Row:
    measured = f"{ours} · plain {plain} · {ours.rate / plain.rate:.1f}×"
    return Row(f"{what}, in batches", budget, measured, f"{how}; {_HOW}")


def _ms(span: float) -> str:
    return f"{1000 * span:.0f} ms"
