"""The schema: made from nothing, brought up to date, refused when it is another version's."""

from __future__ import annotations

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from preau.errors import StoreError
from preau.store.engine import Store
from preau.store.tables import metadata
from tests.store.processes import exit_codes


def differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


async def test_migrations_make_from_nothing_what_the_code_expects(empty_store: Store) -> None:
    await empty_store.migrate()
    async with empty_store.reading() as db:
        assert await db.run_sync(differences) == []
    await empty_store.check_schema()


async def test_migrating_twice_changes_nothing(store: Store) -> None:
    async with store.writing() as db:
        await db.execute(text("INSERT INTO facts (school, version) VALUES ('0990001N', 7)"))
    await store.migrate()
    async with store.reading() as db:
        assert await db.scalar(text("SELECT version FROM facts")) == 7


async def test_processes_that_migrate_at_once_take_turns(url: str) -> None:
    assert await exit_codes("migrate", url, count=4) == [0, 0, 0, 0]


async def test_an_empty_database_is_refused_with_advice(empty_store: Store) -> None:
    with pytest.raises(StoreError, match="is empty") as refusal:
        await empty_store.check_schema()
    assert "preau serve" in refusal.value.advice


@pytest.mark.parametrize("deed", ["check_schema", "migrate"])
async def test_a_newer_schema_is_refused_and_left_alone(store: Store, deed: str) -> None:
    async with store.writing() as db:
        await db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer Préau") as refusal:
        await getattr(store, deed)()
    assert "Install that version again" in refusal.value.advice
    async with store.reading() as db:
        assert await db.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


async def test_foreign_keys_are_on_after_a_migration(store: Store) -> None:
    with pytest.raises(StoreError, match="contradict"):
        async with store.writing() as db:
            await db.execute(text("INSERT INTO room_member VALUES ('!nowhere', '@x:nord.example', 'join')"))
