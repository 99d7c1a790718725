"""The way in: transactions stored over HTTP, then judged by the worker when nothing drifted."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import aiohttp

from preau.store import actual, inbox, snapshots
from preau.sync.context import Context
from preau.sync.worker import Worker
from preau.web.transactions import Transactions
from tests.bench.academy import SCHOOL, academy, prepared
from tests.bench.measure import Row, in_fresh_process, insist, per_second, timed
from tests.bench.standin import serving

_TOKEN: Final = "a-token-of-the-homeserver"
_ALONE: Final = 400
_FULL: Final = 40
_IN_ONE: Final = 100
"""Events that Synapse puts into one transaction at most."""

Events = list[dict[str, Any]]


def run(folder: Path) -> Iterable[Row]:
    """Stored one by one, stored in full transactions, judged."""
    return in_fresh_process(_measured, folder)


def _measured(folder: Path) -> list[Row]:
    async def work() -> list[Row]:
        database = folder / "inbox.db"
        shutil.copy(await prepared(folder, SCHOOL), database)
        async with academy(database) as context:
            members = await _members(context)
            return [
                *await _stored(context),
                *await _judged(context, "messages", _messages(2_000)),
                *await _judged(context, "joins that are wanted", list(islice(members, 1_000))),
            ]

    return asyncio.run(work())


async def _stored(context: Context) -> list[Row]:
    application = Transactions(context.store, context.clock, _TOKEN, asyncio.Event()).application()
    async with serving(application) as url, aiohttp.ClientSession(url, headers=_AUTHORITY) as session:
        rows = [await _stored_in(session, _ALONE, 1), await _stored_in(session, _FULL, _IN_ONE)]
    async with context.store.reading() as db:
        insist(await inbox.counts(db) == (_ALONE + _FULL * _IN_ONE, 0), "events were lost or doubled")
    await _until_empty(context)
    return rows


async def _stored_in(session: aiohttp.ClientSession, transactions: int, size: int) -> Row:
    """So many transactions of that many events each."""
    bodies = [{"events": _messages(size, prefix=f"stored{size}-{number}-")} for number in range(transactions)]
    with timed() as span:
        for number, body in enumerate(bodies):
            async with session.put(f"/_matrix/app/v1/transactions/{size}-{number}", json=body) as answer:
                insist(answer.status == 200, f"a transaction was answered with {answer.status}")
    rates = f"{per_second(transactions, span.wall)}, {per_second(transactions * size, span.wall)} events"
    return Row(
        f"transactions stored, {size} event{'s' if size > 1 else ''} each",
        "",
        f"{rates} (CPU {1000 * span.cpu / transactions:.1f} ms each, client included)",
        "PUT to the service's own endpoint, one after the other as Synapse does; on disk before 200",
    )


async def _judged(context: Context, what: str, events: Events) -> list[Row]:
    async with context.store.writing() as db:
        await inbox.receive(db, what, events, context.clock.now())
    with timed() as span:
        await _until_empty(context)
    rate = per_second(len(events), span.wall)
    how = f"worker on {len(events):,} events of a school in which nothing drifted; 200 in one batch"
    measured = f"{rate} (CPU {1000 * span.cpu / len(events):.2f} ms each)"
    return [Row(f"events judged: {what}", "", measured, how)]


async def _until_empty(context: Context) -> None:
    worker = Worker(context, asyncio.Event())
    while await worker.batch():
        pass
    async with context.store.reading() as db:
        insist(await inbox.counts(db) == (0, 0), "events are left in the inbox")


def _messages(count: int, prefix: str = "message") -> Events:
    content = {"msgtype": "m.text", "body": "Bonjour à tous, la réunion est à dix-huit heures."}
    return [_event(f"{prefix}{number}", "!room1", "m.room.message", content) for number in range(count)]


async def _members(context: Context) -> Iterator[dict[str, Any]]:
    """Join events of everybody, as they are already."""
    async with context.store.reading() as db:
        (school,) = await snapshots.schools(db)
        rooms = await actual.rooms_of_school(db, school.school)
    seats = ((room.room, user) for room in rooms.values() for user in room.members)
    return (
        _event(f"join{number}", room, "m.room.member", {"membership": "join"}) | {"state_key": user, "sender": user}
        for number, (room, user) in enumerate(seats)
    )


def _event(number: str, room: str, kind: str, content: dict[str, Any]) -> dict[str, Any]:
    return {
        "event_id": f"${number}",
        "room_id": room,
        "sender": "@somebody:nord.example",
        "type": kind,
        "content": content,
        "origin_server_ts": 1_762_765_200_000,
    }


_AUTHORITY: Final = {"Authorization": f"Bearer {_TOKEN}"}
