"""Another process that uses the same database: ``python -m tests.store.worker DEED URL``.

It says each thing it has done on one line, so that a test knows when to kill it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable

from preau.store import inbox, journal
from preau.store.engine import Store
from tests.store.samples import NOON

EVENTS = 40
ENTRIES = 60


def say(line: str) -> None:
    print(line, flush=True)


def events_of(transaction: str) -> list[dict[str, str]]:
    return [{"event_id": f"${transaction}.{number}", "type": "m.room.message"} for number in range(EVENTS)]


async def migrate(store: Store) -> None:
    await store.migrate()


async def append(store: Store) -> None:
    for number in range(ENTRIES):
        async with store.writing() as db:
            await journal.append(db, [journal.Entry(f"process {os.getpid()}", "count", str(number))], NOON)


async def receive_and_hang(store: Store) -> None:
    """Stops between the last statement and the commit."""
    async with store.writing() as db:
        await inbox.receive(db, "t0", events_of("t0"), NOON)
        say("written")
        await asyncio.Event().wait()


async def receive_for_ever(store: Store) -> None:
    number = 0
    while True:
        async with store.writing() as db:
            await inbox.receive(db, f"t{number}", events_of(f"t{number}"), NOON)
        say(f"t{number}")
        number += 1


DEEDS: dict[str, Callable[[Store], Awaitable[None]]] = {
    "migrate": migrate,
    "append": append,
    "receive-and-hang": receive_and_hang,
    "receive-for-ever": receive_for_ever,
}


async def main(deed: str, url: str) -> None:
    store = Store(url)
    try:
        await DEEDS[deed](store)
    finally:
        await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
