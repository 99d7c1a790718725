"""Many rows at once, in as few statements as the databases allow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, TypeVar

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")

_PARAMETERS: Final = 10_000
"""Values in one IN list: SQLite takes 32,766 parameters a statement, PostgreSQL 65,535."""

_ROWS: Final = 10_000
"""Rows sent at once, so that memory stays flat."""


def chunks(values: Iterable[T], size: int = _PARAMETERS) -> Iterator[list[T]]:
    """The values in lists of at most ``size``."""
    source = iter(values)
    while chunk := list(islice(source, size)):
        yield chunk


async def insert(db: AsyncConnection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows; one that exists already is an error."""
    for chunk in chunks(rows, _ROWS):
        await db.execute(table.insert(), chunk)


async def insert_missing(db: AsyncConnection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add those rows whose key is not there yet."""
    for chunk in chunks(rows, _ROWS):
        await db.execute(_insert(db, table).on_conflict_do_nothing(), chunk)


async def is_first(db: AsyncConnection, table: Table, row: Mapping[str, Any]) -> bool:
    """Add a row; False when its key was there already. Another process adding the same is waited for."""
    statement = _insert(db, table).on_conflict_do_nothing().values(**row)
    return (await db.execute(statement.returning(*table.primary_key))).first() is not None


async def upsert(db: AsyncConnection, table: Table, rows: Iterable[Mapping[str, Any]], **instead: Any) -> None:
    """Add rows, or bring those with the same primary key to the new values. Every row names the same columns.

    ``instead`` says what a row that was there gets in a column, other than the new row's value.
    """
    keys = [column.name for column in table.primary_key]
    for chunk in chunks(rows, _ROWS):
        statement = _insert(db, table)
        rest = {name: statement.excluded[name] for name in chunk[0] if name not in keys} | instead
        await db.execute(statement.on_conflict_do_update(index_elements=keys, set_=rest), chunk)


def _insert(db: AsyncConnection, table: Table) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if db.dialect.name == "postgresql" else sqlite.insert(table)
