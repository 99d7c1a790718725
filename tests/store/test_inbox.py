"""Transactions of the homeserver: exactly once, in order, whole."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from preau.store import inbox
from preau.store.engine import Store
from preau.store.inbox import ATTEMPTS, InboxEvent
from tests.store.processes import line_of, worker
from tests.store.samples import NOON
from tests.store.worker import EVENTS, events_of


def message(number: int, **content: Any) -> dict[str, Any]:
    return {"event_id": f"${number}", "type": "m.room.message", "content": {"body": "Bonjour", **content}}


async def receive(store: Store, txn_id: str, *events: dict[str, Any]) -> bool:
    async with store.writing() as db:
        return await inbox.receive(db, txn_id, events, NOON)


async def waiting(store: Store, limit: int = 10_000) -> list[InboxEvent]:
    async with store.reading() as db:
        return list(await inbox.pending(db, limit))


async def test_events_wait_in_the_order_they_came(store: Store) -> None:
    odd = message(2, text="é\0\ud800 · 😀", nested={"z": [1, None, True]})
    assert await receive(store, "t1", message(1), odd)
    assert await receive(store, "t2", message(3))
    assert [each.event for each in await waiting(store)] == [message(1), odd, message(3)]
    assert [each.event for each in await waiting(store, 2)] == [message(1), odd]


async def test_a_transaction_that_is_repeated_adds_nothing(store: Store) -> None:
    assert await receive(store, "t1", message(1))
    assert not await receive(store, "t1", message(1))
    assert not await receive(store, "t1", message(2))
    assert [each.event for each in await waiting(store)] == [message(1)]


async def test_an_event_in_two_transactions_is_kept_once(store: Store) -> None:
    await receive(store, "t1", message(1), message(1))
    await receive(store, "t2", message(1), message(2))
    assert [each.event for each in await waiting(store)] == [message(1), message(2)]


async def test_an_event_that_was_handled_does_not_come_back(store: Store) -> None:
    await receive(store, "t1", message(1), message(2))
    first, second = await waiting(store)
    async with store.writing() as db:
        await inbox.done(db, [first.seq], NOON)
    await receive(store, "t2", message(1))
    assert await waiting(store) == [second]


async def test_things_without_an_event_id_are_all_kept(store: Store) -> None:
    typing = {"type": "m.typing", "content": {}}
    await receive(store, "t1", typing, typing)
    assert len(await waiting(store)) == 2


async def test_an_empty_transaction_is_remembered(store: Store) -> None:
    assert await receive(store, "t1")
    assert not await receive(store, "t1")


async def test_an_event_that_fails_too_often_is_set_aside_and_can_be_tried_again(store: Store) -> None:
    await receive(store, "t1", message(1), message(2))
    first, second = await waiting(store)
    async with store.writing() as db:
        for attempt in range(1, ATTEMPTS):
            assert not await inbox.failed(db, first.seq, f"attempt {attempt}", NOON)
    assert (await waiting(store))[0] == InboxEvent(first.seq, message(1), ATTEMPTS - 1, f"attempt {ATTEMPTS - 1}")
    async with store.writing() as db:
        assert await inbox.failed(db, first.seq, "the last", NOON)
        assert not await inbox.failed(db, first.seq, "after the last", NOON)
        assert await inbox.stuck(db) == (InboxEvent(first.seq, message(1), ATTEMPTS, "the last"),)
    assert await waiting(store) == [second]
    async with store.writing() as db:
        assert await inbox.retry(db, [first.seq, second.seq]) == 1
    assert [each.seq for each in await waiting(store)] == [first.seq, second.seq]


async def test_any_reason_can_be_kept(store: Store) -> None:
    await receive(store, "t1", message(1))
    (event,) = await waiting(store)
    async with store.writing() as db:
        await inbox.failed(db, event.seq, "odd \0 \ud800 é" + "x" * 10_000, NOON)
    (event,) = await waiting(store)
    assert event.reason.startswith("odd ? ? éxxx")
    assert len(event.reason) == 500


async def test_only_what_was_handled_long_ago_is_forgotten(store: Store) -> None:
    await receive(store, "t1", message(1), message(2), message(3))
    old, recent, waits = await waiting(store)
    async with store.writing() as db:
        await inbox.done(db, [old.seq], NOON)
        await inbox.done(db, [recent.seq], NOON + timedelta(days=2))
        await inbox.forget(db, NOON + timedelta(days=1))
    await receive(store, "t1", message(1), message(2), message(3))
    assert [each.event for each in await waiting(store)] == [waits.event, message(1)]


async def test_killed_before_the_commit_nothing_is_there(url: str, store: Store) -> None:
    async with worker("receive-and-hang", url) as process:
        assert await line_of(process) == "written"
        process.kill()
        await process.wait()
    assert await waiting(store) == []
    assert await receive(store, "t0", *events_of("t0"))
    assert len(await waiting(store)) == EVENTS


async def test_killed_at_any_moment_every_transaction_is_whole(url: str, store: Store) -> None:
    async with worker("receive-for-ever", url) as process:
        said = [await line_of(process) for _ in range(7)]
        process.kill()
        await process.wait()
    found = [each.event["event_id"] for each in await waiting(store)]
    whole = [event["event_id"] for number in range(len(found) // EVENTS) for event in events_of(f"t{number}")]
    assert found == whole
    assert len(found) >= EVENTS * len(said)
    assert not await receive(store, said[-1], *events_of(said[-1]))


async def test_events_can_be_asked_after_by_id_handled_or_not(store: Store) -> None:
    await receive(store, "t1", message(2), message(1))
    await receive(store, "t2", message(1), message(3))
    async with store.writing() as db:
        await inbox.done(db, [(await inbox.pending(db, 1))[0].seq], NOON)
    async with store.reading() as db:
        assert await inbox.kept(db, ["$1", "$2", "$unheard"]) == ("$2", "$1")
