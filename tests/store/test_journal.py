"""The journal's chain: it grows, it holds, and it tells when somebody touched it."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta, timezone

import pytest
from sqlalchemy import text

from preau.errors import JournalBroken, StoreError
from preau.store import journal
from preau.store.engine import Store
from preau.store.journal import Entry, Verified
from tests.store.processes import exit_codes
from tests.store.samples import NOON
from tests.store.worker import ENTRIES

PLAN = Entry("k7m2q4xd", "plan accepted", "0990001N", {"steps": 3, "reason": "rentrée", "rooms": ["5 A", None]})


async def write(store: Store, *entries: Entry) -> Verified:
    async with store.writing() as db:
        return await journal.append(db, entries, NOON)


async def verify(store: Store, noted: Verified | None = None) -> Verified:
    async with store.reading() as db:
        return await journal.verify(db, noted)


async def tamper(store: Store, *statements: str) -> None:
    """What somebody does who owns the database: takes the triggers away first."""
    async with store.writing() as db:
        if db.dialect.name == "sqlite":
            for name in await db.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")):
                await db.execute(text(f"DROP TRIGGER {name}"))
        else:
            for table in ("journal", "journal_head"):
                await db.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        for statement in statements:
            await db.execute(text(statement))


async def test_an_empty_journal_holds(store: Store) -> None:
    assert await verify(store) == Verified(0, "0" * 64)


async def test_entries_are_chained_and_the_chain_holds(store: Store) -> None:
    first = await write(store, PLAN)
    assert first.entries == 1
    second = await write(store, PLAN, PLAN)
    assert second.entries == 3
    assert await write(store) == second
    assert await verify(store) == second
    assert await verify(store, noted=first) == second


async def test_the_documented_form_is_enough_to_verify_an_export(store: Store) -> None:
    await write(store, PLAN, Entry("préau", "note", ""))
    async with store.reading() as db:
        lines = [json.dumps(row) async for row in journal.export(db)]
    previous = "0" * 64
    for seq, line in enumerate(lines, start=1):
        row = json.loads(line)
        kept = row.pop("hash")
        form = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        assert (row["seq"], row["previous"], hashlib.sha256(form.encode()).hexdigest()) == (seq, previous, kept)
        previous = kept
    assert json.loads(lines[0])["detail"] == PLAN.detail
    assert json.loads(lines[0])["at"] == "2025-09-15T12:00:00.123456+00:00"


async def test_moments_are_written_in_utc(store: Store) -> None:
    paris = NOON.astimezone(timezone(timedelta(hours=2)))
    async with store.writing() as db:
        await journal.append(db, [PLAN], paris)
    async with store.reading() as db:
        assert await db.scalar(text("SELECT at FROM journal")) == "2025-09-15T12:00:00.123456+00:00"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET actor = 'nobody' WHERE seq = 1",
        "DELETE FROM journal WHERE seq = 2",
        "DELETE FROM journal_head",
        "UPDATE journal_head SET seq = 1",
    ],
)
async def test_the_database_refuses_to_change_what_was_written(store: Store, statement: str) -> None:
    head = await write(store, PLAN, PLAN)
    with pytest.raises(StoreError, match="journal"):
        async with store.writing() as db:
            await db.execute(text(statement))
    assert await verify(store) == head


FORGED = "INSERT INTO journal SELECT 4, at, actor, action, subject, detail, hash, 'forged' FROM journal WHERE seq = 3"


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (["UPDATE journal SET actor = 'nobody' WHERE seq = 2"], "Entry 2 .* was changed"),
        (["UPDATE journal SET at = '2020-01-01T00:00:00.000000+00:00' WHERE seq = 1"], "Entry 1 .* was changed"),
        (["UPDATE journal SET detail = '{}' WHERE seq = 3"], "Entry 3 .* was changed"),
        (["UPDATE journal SET detail = ' ' || detail WHERE seq = 3"], "Entry 3 .* was changed"),
        (["UPDATE journal SET detail = 'no JSON' WHERE seq = 3"], "Entry 3 .* was changed"),
        (["UPDATE journal SET hash = 'x' WHERE seq = 1"], "Entry 1 .* was changed"),
        (["UPDATE journal SET previous = 'x' WHERE seq = 2"], "Entry 2 .* does not follow from entry 1"),
        (["DELETE FROM journal WHERE seq = 1"], "lacks entry 1: after 0 comes 2"),
        (["DELETE FROM journal WHERE seq < 3"], "lacks entries 1 to 2: after 0 comes 3"),
        (["DELETE FROM journal WHERE seq = 2"], "lacks entry 2: after 1 comes 3"),
        (["DELETE FROM journal WHERE seq = 3"], "lacks its end: entries 3 to 3 are gone"),
        (["DELETE FROM journal"], "lacks its end: entries 1 to 3 are gone"),
        (["UPDATE journal SET seq = 4 WHERE seq = 3"], "lacks entry 3"),
        ([FORGED], "Entry 4 .* was changed"),
        (["UPDATE journal_head SET seq = 2"], "Entry 3 .* not written by Préau"),
    ],
)
async def test_tampering_is_found_and_the_first_bad_entry_named(store: Store, statements: list[str], told: str) -> None:
    await write(store, PLAN, PLAN, PLAN)
    await tamper(store, *statements)
    with pytest.raises(JournalBroken, match=told) as found:
        await verify(store)
    assert "last backup" in found.value.advice


async def test_a_missing_head_is_told(store: Store) -> None:
    await write(store, PLAN)
    await tamper(store, "DELETE FROM journal_head")
    with pytest.raises(StoreError, match="head is gone"):
        await verify(store)


async def test_a_tail_cut_off_with_the_head_is_found_by_a_head_noted_elsewhere(store: Store) -> None:
    two = await write(store, PLAN, PLAN)
    three = await write(store, PLAN)
    await tamper(store, "DELETE FROM journal WHERE seq = 3", f"UPDATE journal_head SET seq = 2, hash = '{two.head}'")
    assert await verify(store) == two
    with pytest.raises(JournalBroken, match="ends at entry 2; entry 3 was noted"):
        await verify(store, noted=three)


async def test_a_journal_rewritten_whole_is_found_by_a_head_noted_elsewhere(store: Store) -> None:
    noted = await write(store, PLAN)
    zero = f"UPDATE journal_head SET seq = 0, hash = '{'0' * 64}'"
    await tamper(store, "DELETE FROM journal", zero)
    await write(store, Entry("somebody", "rewrites", "history"), PLAN)
    assert (await verify(store)).entries == 2
    with pytest.raises(JournalBroken, match=r"Entry 1 .* not the one whose hash was noted"):
        await verify(store, noted=noted)


async def test_entries_of_a_transaction_that_fails_leave_no_gap(store: Store) -> None:
    await write(store, PLAN)

    async def fails() -> None:
        async with store.writing() as db:
            await journal.append(db, [PLAN], NOON)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    assert (await write(store, PLAN)).entries == 2
    assert (await verify(store)).entries == 2


async def test_processes_that_write_at_once_keep_one_chain(url: str, store: Store) -> None:
    assert await exit_codes("append", url, count=2) == [0, 0]
    assert (await verify(store)).entries == 2 * ENTRIES
    async with store.reading() as db:
        writers = [row["actor"] async for row in journal.export(db)]
    assert sorted(writers.count(writer) for writer in set(writers)) == [ENTRIES, ENTRIES]
