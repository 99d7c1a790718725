"""The endpoint that the homeserver calls: stored before answered, once, by whoever holds the token only."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from preau.clock import SystemClock
from preau.store import inbox
from preau.store.engine import Store
from preau.web.transactions import Transactions

TOKEN = "jeton-du-serveur"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def event(number: int) -> dict[str, object]:
    return {
        "event_id": f"${number}",
        "room_id": "!salon",
        "sender": "@quelquun:nord.example",
        "type": "m.room.message",
        "content": {"body": f"message {number}"},
        "origin_server_ts": 1_760_000_000_000 + number,
    }


@dataclass
class Served:
    """The endpoint on a port, and what is behind it."""

    url: str
    store: Store
    arrived: asyncio.Event
    session: aiohttp.ClientSession

    async def put(self, txn: str, body: object, headers: dict[str, str] | None = None) -> tuple[int, dict[str, object]]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"{self.url}/_matrix/app/v1/transactions/{txn}"
        async with self.session.put(url, data=data, headers=HEADERS if headers is None else headers) as answer:
            return answer.status, await answer.json()

    async def kept(self) -> list[str]:
        async with self.store.reading() as db:
            return [found.event["event_id"] for found in await inbox.pending(db, 1000)]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    store = Store(f"sqlite:///{tmp_path / 'preau.db'}")
    await store.migrate()
    arrived = asyncio.Event()
    runner = web.AppRunner(Transactions(store, SystemClock(), TOKEN, arrived).application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        yield Served(f"http://127.0.0.1:{runner.addresses[0][1]}", store, arrived, session)
    await runner.cleanup()
    await store.close()


async def test_a_transaction_is_stored_in_order_and_wakes_the_worker(served: Served) -> None:
    assert await served.put("t1", {"events": [event(2), event(1)]}) == (200, {})
    assert await served.kept() == ["$2", "$1"]
    assert served.arrived.is_set()


async def test_the_same_transaction_again_is_answered_and_not_stored_again(served: Served) -> None:
    await served.put("t1", {"events": [event(1)]})
    served.arrived.clear()
    assert await served.put("t1", {"events": [event(1), event(2)]}) == (200, {})
    assert await served.kept() == ["$1"]
    assert not served.arrived.is_set()


async def test_transactions_at_once_are_each_stored_once(served: Served) -> None:
    await asyncio.gather(*(served.put(f"t{number % 5}", {"events": [event(number % 5)]}) for number in range(20)))
    assert sorted(await served.kept()) == ["$0", "$1", "$2", "$3", "$4"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": "Bearer jeton-dû-serveur"},
    ],
)
async def test_nobody_else_is_let_in(served: Served, headers: dict[str, str]) -> None:
    status, answer = await served.put("t1", {"events": [event(1)]}, headers)
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
    assert await served.kept() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"events": {}}', b"\xff\xfe", b"[" * 100_000])
async def test_what_is_no_transaction_is_refused_with_a_reason(served: Served, body: bytes) -> None:
    status, answer = await served.put("t1", body)
    assert (status, answer["errcode"]) == (400, "M_NOT_JSON")


@pytest.mark.parametrize(
    "broken", [None, 7, [], {}, {"event_id": 7}, {**event(9), "content": "x"}, {**event(9), "sender": "x"}]
)
async def test_what_is_no_event_does_not_hold_the_others_up(served: Served, broken: object) -> None:
    assert await served.put("t1", {"events": [event(1), broken, event(2)]}) == (200, {})
    assert await served.kept() == ["$1", "$2"]


async def test_users_and_rooms_are_never_made_on_demand(served: Served) -> None:
    for path in ("users/@preau:nord.example", "rooms/%23salon:nord.example"):
        async with served.session.get(f"{served.url}/_matrix/app/v1/{path}", headers=HEADERS) as answer:
            assert answer.status == 404
            assert (await answer.json())["errcode"] == "M_NOT_FOUND"


async def test_ping_and_health_answer(served: Served) -> None:
    async with served.session.post(f"{served.url}/_matrix/app/v1/ping", headers=HEADERS, json={}) as answer:
        assert answer.status == 200
    await served.put("t1", {"events": [event(1)]})
    async with served.session.get(f"{served.url}/health") as answer:
        assert await answer.json() == {"status": "ok", "waiting": 1, "stuck": 0}


async def test_health_says_when_the_database_is_gone(served: Served, tmp_path: Path) -> None:
    await served.store.close()
    for file in tmp_path.glob("preau.db*"):
        file.unlink()
    async with served.session.get(f"{served.url}/health") as answer:
        assert answer.status == 503
    assert (await served.put("t1", {"events": [event(1)]}))[0] == 503


_ENDPOINT = """
import asyncio, sys
from aiohttp import web
from preau.clock import SystemClock
from preau.store.engine import Store
from preau.web.transactions import Transactions

async def main(database, token):
    store = Store(database)
    await store.migrate()
    runner = web.AppRunner(Transactions(store, SystemClock(), token, asyncio.Event()).application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.timeout(120)
async def test_a_service_killed_among_transactions_loses_none_that_it_answered_and_doubles_none(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'preau.db'}"
    answered: set[int] = set()
    async with aiohttp.ClientSession(headers=HEADERS) as session:
        for round_ in range(5):
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _ENDPOINT, database, TOKEN, stdout=asyncio.subprocess.PIPE
            )
            assert child.stdout is not None
            url = f"http://127.0.0.1:{int(await child.stdout.readline())}/_matrix/app/v1/transactions"
            asyncio.get_running_loop().call_later(0.15 + 0.07 * round_, os.kill, child.pid, signal.SIGKILL)
            number = max(answered, default=-1) + 1
            try:
                while True:
                    async with session.put(f"{url}/{number}", json={"events": [event(number)]}) as answer:
                        assert answer.status == 200
                    answered.add(number)
                    number += 1
            except aiohttp.ClientError:
                await child.wait()
    store = Store(database)
    async with store.reading() as db:
        kept = [int(found.event["event_id"][1:]) for found in await inbox.pending(db, 100_000)]
    await store.close()
    assert len(kept) == len(set(kept))
    assert answered <= set(kept)
    assert len(answered) > 5
