"""Snapshots: pending, current, past."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from preau.errors import StoreError, UnknownSubject
from preau.model.snapshot import Snapshot
from preau.store import snapshots
from preau.store.engine import Store
from preau.store.facts import facts_version
from preau.store.snapshots import Saved, SchoolRow, SnapshotId, SnapshotState
from tests.store.samples import NOON, NORTH, SOUTH, a_school


async def save(store: Store, snapshot: Snapshot) -> Saved:
    async with store.writing() as db:
        return await snapshots.save(db, snapshot, NOON)


async def accept(store: Store, number: SnapshotId) -> None:
    async with store.writing() as db:
        await snapshots.accept(db, number, NOON + timedelta(hours=1))


async def test_a_saved_snapshot_is_pending_and_nothing_follows_from_it(store: Store) -> None:
    saved = await save(store, a_school())
    async with store.reading() as db:
        newest = await snapshots.newest(db, NORTH)
        assert newest is not None
        assert (newest.id, newest.state, newest.imported_at, newest.accepted_at) == (
            saved.id,
            SnapshotState.PENDING,
            NOON,
            None,
        )
        assert newest.snapshot == a_school()
        assert await snapshots.current(db, NORTH) is None
        assert await facts_version(db, NORTH) == 0


async def test_accepting_makes_it_current_and_the_last_one_past(store: Store) -> None:
    first = await save(store, a_school(file="a"))
    await accept(store, first.id)
    second = await save(store, a_school(file="b"))
    async with store.reading() as db:
        assert await snapshots.current(db, NORTH) == a_school(file="a")
    await accept(store, second.id)
    async with store.reading() as db:
        assert await snapshots.current(db, NORTH) == a_school(file="b")
        assert await facts_version(db, NORTH) == 2


async def test_the_same_content_is_kept_once(store: Store) -> None:
    first = await save(store, a_school())
    assert await save(store, a_school()) == Saved(first.id, new=False)
    await accept(store, first.id)
    assert await save(store, a_school()) == Saved(first.id, new=False)


async def test_a_newer_import_replaces_one_that_was_not_accepted(store: Store) -> None:
    first = await save(store, a_school(file="a"))
    second = await save(store, a_school(file="b"))
    assert second.new
    assert second.id > first.id
    with pytest.raises(UnknownSubject, match=f"no snapshot {first.id}"):
        await accept(store, first.id)


async def test_accepting_the_current_one_again_changes_nothing(store: Store) -> None:
    saved = await save(store, a_school())
    await accept(store, saved.id)
    await accept(store, saved.id)
    async with store.reading() as db:
        assert await facts_version(db, NORTH) == 1


async def test_a_past_snapshot_is_not_accepted_again(store: Store) -> None:
    first = await save(store, a_school(file="a"))
    await accept(store, first.id)
    await accept(store, (await save(store, a_school(file="b"))).id)
    with pytest.raises(StoreError, match="is past"):
        await accept(store, first.id)


async def test_schools_are_listed_with_their_accepted_name(store: Store) -> None:
    north = await save(store, a_school(name="Collège des Tilleuls"))
    await accept(store, north.id)
    renamed = await save(store, a_school(name="Collège Nouveau"))
    south = await save(store, a_school(school=SOUTH, name="Lycée du Port"))
    async with store.reading() as db:
        assert await snapshots.schools(db) == (
            SchoolRow(NORTH, "Collège des Tilleuls", north.id, renamed.id),
            SchoolRow(SOUTH, "Lycée du Port", None, south.id),
        )


async def test_the_newest_files_are_told(store: Store) -> None:
    await save(store, a_school(file="b"))
    async with store.reading() as db:
        assert await snapshots.newest_sources(db, NORTH) == a_school(file="b").sources
        assert await snapshots.newest_sources(db, SOUTH) == ()


async def test_old_past_snapshots_are_forgotten_and_their_numbers_are_not_given_again(store: Store) -> None:
    for file in "abcd":
        last = await save(store, a_school(file=file))
        await accept(store, last.id)
    async with store.writing() as db:
        assert await snapshots.forget_past(db, keep=1) == 2
        assert await snapshots.forget_past(db, keep=1) == 0
        assert await snapshots.current(db, NORTH) == a_school(file="d")
    assert (await save(store, a_school(file="e"))).id > last.id


async def test_a_damaged_snapshot_is_refused(store: Store) -> None:
    await accept(store, (await save(store, a_school())).id)
    async with store.writing() as db:
        await db.execute(text("UPDATE snapshot SET digest = 'another'"))
    with pytest.raises(StoreError, match="cannot be read"):
        async with store.reading() as db:
            await snapshots.current(db, NORTH)


async def test_names_of_people_stand_only_inside_the_compressed_body(store: Store) -> None:
    await save(store, a_school())
    async with store.reading() as db:
        row = (await db.execute(text("SELECT * FROM snapshot"))).one()
    assert not any("MARTIN" in str(value) for value in row)
