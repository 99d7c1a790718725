"""Transactions, and what people read when the database cannot be used."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from preau.errors import StoreError
from preau.store.engine import Store
from preau.store.facts import facts_changed, facts_version
from tests.store.samples import NORTH, SOUTH


async def test_a_block_that_raises_leaves_nothing(store: Store) -> None:
    async def fails_half_way() -> None:
        async with store.writing() as db:
            await facts_changed(db, [NORTH])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails_half_way()
    async with store.reading() as db:
        assert await facts_version(db, NORTH) == 0


async def test_a_reading_transaction_may_not_write(store: Store) -> None:
    with pytest.raises(StoreError, match="may only be read"):
        async with store.reading() as db:
            await facts_changed(db, [NORTH])


async def test_a_reading_transaction_sees_one_moment(store: Store) -> None:
    async with store.reading() as reader:
        before = await facts_version(reader, NORTH)
        async with store.writing() as writer:
            await facts_changed(writer, [NORTH])
        assert await facts_version(reader, NORTH) == before
    async with store.reading() as reader:
        assert await facts_version(reader, NORTH) == before + 1


async def test_many_writers_of_two_connections_lose_no_change(url: str, store: Store) -> None:
    other = Store(url)

    async def change(mine: Store) -> None:
        async with mine.writing() as db:
            await facts_changed(db, [NORTH])

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(40):
                group.create_task(change(store if number % 2 else other))
        async with store.reading() as db:
            assert await facts_version(db, NORTH) == 40
    finally:
        await other.close()


async def test_a_task_cancelled_while_it_writes_leaves_nothing_and_holds_nobody_up(store: Store) -> None:
    written = asyncio.Event()

    async def hangs() -> None:
        async with store.writing() as db:
            await facts_changed(db, [NORTH])
            written.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(hangs())
        await written.wait()
        task.cancel()
    async with store.writing() as db:
        assert await facts_version(db, NORTH) == 0
        await facts_changed(db, [NORTH])


async def test_tasks_cancelled_at_any_statement_leave_all_or_nothing(store: Store) -> None:
    async def changes_two() -> None:
        async with store.writing() as db:
            await facts_changed(db, [NORTH])
            await facts_changed(db, [SOUTH])

    for turns in range(0, 60, 3):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(changes_two())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
        async with store.reading() as db:
            assert await facts_version(db, NORTH) == await facts_version(db, SOUTH)


async def test_a_lock_held_by_another_process_for_too_long_is_told(url: str, store: Store) -> None:
    impatient = Store(url, patience=0.1)
    try:
        async with store.writing() as holder:
            await facts_changed(holder, [NORTH])
            with pytest.raises(StoreError, match="held by another process") as refusal:
                async with impatient.writing() as db:
                    await facts_changed(db, [NORTH])
        assert "Wait until the other" in refusal.value.advice
    finally:
        await impatient.close()


def modes_in(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}


async def test_the_sqlite_file_is_for_its_owner_only(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'preau.db'}")
    try:
        await store.migrate()
        async with store.reading():
            modes = modes_in(tmp_path)
    finally:
        await store.close()
    assert modes == {"preau.db": 0o600, "preau.db-wal": 0o600, "preau.db-shm": 0o600}


async def test_sqlite_uses_a_write_ahead_log_and_waits_for_the_disk(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'preau.db'}")
    try:
        async with store.reading() as db:
            pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            assert [await db.scalar(text(f"PRAGMA {name}")) for name in pragmas] == ["wal", 2, 1, 10000]
    finally:
        await store.close()


@pytest.mark.parametrize(
    ("url", "happened"),
    [
        ("not a url", "cannot be read"),
        ("mysql://root@localhost/preau", "no database 'mysql'"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
    ],
)
def test_an_address_of_no_use_is_refused_with_an_example(url: str, happened: str) -> None:
    with pytest.raises(StoreError, match=happened) as refusal:
        Store(url)
    assert "sqlite:////var/lib" in refusal.value.advice


@pytest.mark.parametrize(
    ("url", "happened", "advice"),
    [
        ("sqlite:///{folder}/missing/preau.db", "cannot be opened", "folder exists"),
        ("sqlite:///{folder}/text.db", "is no SQLite database", "Check the database URL"),
        ("postgresql://preau:secret-word@127.0.0.1:1/preau", "cannot be reached", "PostgreSQL runs"),
    ],
)
async def test_a_database_that_cannot_be_used_is_explained(
    tmp_path: Path, url: str, happened: str, advice: str
) -> None:
    (tmp_path / "text.db").write_text("Élèves;Classe\n" * 100)
    store = Store(url.format(folder=tmp_path))
    try:
        with pytest.raises(StoreError, match=happened) as refusal:
            await store.check_schema()
    finally:
        await store.close()
    assert advice in refusal.value.advice
    assert "secret-word" not in refusal.value.explain()
