"""The worker's patience: what holds everything up is waited for, what fails by itself is set aside."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from preau.clock import SystemClock
from preau.matrix.calls import Endpoint
from preau.matrix.client import Homeserver
from preau.model.ids import AcademyName, ServerName, UserId
from preau.store import inbox
from preau.store.engine import Store
from preau.sync.context import Academy, Context
from preau.sync.worker import Worker

SERVER = ServerName("nord.example")
MESSAGE = {
    "event_id": "$message",
    "room_id": "!salon",
    "sender": f"@quelquun:{SERVER}",
    "type": "m.room.message",
    "content": {"body": "Bonjour"},
    "origin_server_ts": 1,
}


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    store = Store(f"sqlite:///{tmp_path / 'preau.db'}", patience=1)
    await store.migrate()
    bot = UserId(f"@preau:{SERVER}")
    async with Homeserver(Endpoint("http://127.0.0.1:1", "jeton", bot, SERVER)) as nobody:
        yield Context(Academy(AcademyName("nord"), SERVER, bot, "12", 2025), store, nobody, SystemClock())
    await store.close()


async def receive(context: Context, event: dict[str, object]) -> None:
    async with context.store.writing() as db:
        await inbox.receive(db, str(event["event_id"]), [event], context.clock.now())


async def counts(context: Context) -> tuple[int, int]:
    async with context.store.reading() as db:
        return await inbox.counts(db)


async def test_a_database_that_cannot_be_written_is_waited_for(context: Context, tmp_path: Path) -> None:
    await receive(context, MESSAGE)
    released = asyncio.Event()
    with closing(sqlite3.connect(tmp_path / "preau.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        async def pause(_: float) -> None:
            other.execute("ROLLBACK")
            released.set()

        worker = asyncio.create_task(Worker(context, asyncio.Event(), sleep=pause).run())
        async with asyncio.timeout(20):
            await released.wait()
            while await counts(context) != (0, 0):  # noqa: ASYNC110 - a row in a database has no event to wait for
                await asyncio.sleep(0.02)
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker


async def test_an_event_that_cannot_be_understood_is_set_aside_and_the_next_is_handled(context: Context) -> None:
    broken = {**MESSAGE, "event_id": "$broken", "content": "no object"}
    await receive(context, broken)
    await receive(context, MESSAGE)
    worker = Worker(context, asyncio.Event())
    assert await worker.batch() == 2
    assert await counts(context) == (1, 0)
    for _ in range(inbox.ATTEMPTS - 1):
        assert await worker.batch() == 1
    assert await counts(context) == (0, 1)
    async with context.store.reading() as db:
        assert [event.seq for event in await inbox.stuck(db)] == [1]
    assert await worker.batch() == 0


async def test_stuck_events_are_tried_again_when_the_service_starts(context: Context) -> None:
    await receive(context, {**MESSAGE, "event_id": "$broken", "content": "no object"})
    first = Worker(context, asyncio.Event())
    for _ in range(inbox.ATTEMPTS):
        await first.batch()
    assert await counts(context) == (0, 1)
    await Worker(context, asyncio.Event()).try_stuck_again()
    assert await counts(context) == (1, 0)
