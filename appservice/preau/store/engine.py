"""The database behind its URL, one transaction at a time.

::

    Store(url) ── reading() ──► BEGIN            one unchanging view; writes are refused
               └─ writing() ──► BEGIN IMMEDIATE  all or nothing; on SQLite one writer at a time, others wait

SQLite is used by several processes at once (the service and a command): write-ahead log, so that readers never wait;
and the write lock taken at BEGIN, since a lock asked for later, in the middle of a transaction, cannot be waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from preau.errors import StoreError
from preau.store import schema
from preau.store.troubles import in_plain_words

_QUEUE: Final = 60
"""Seconds that a writer waits for the other writers of its own process."""

_CONNECT: Final = 10
"""Seconds to wait for PostgreSQL to answer."""

_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}

_BEGIN: Final = {
    "read": ("PRAGMA query_only = ON", "PRAGMA foreign_keys = ON", "BEGIN"),
    "write": ("PRAGMA query_only = OFF", "PRAGMA foreign_keys = ON", "BEGIN IMMEDIATE"),
    # Rebuilding a table drops the old one: with foreign keys on, what points to it would go too.
    "migrate": ("PRAGMA query_only = OFF", "PRAGMA foreign_keys = OFF", "BEGIN IMMEDIATE"),
}


Transaction: TypeAlias = AsyncConnection
"""One open transaction, as callers of the store's functions name it without knowing SQL."""


class Store:
    """The service's own database.

    Args:
        url: ``sqlite:////var/lib/preau/preau.db`` or ``postgresql://user:password@host/name``.
        patience: seconds to wait for a lock that another process holds.

    Raises:
        StoreError: the URL names no database that Préau can use.
    """

    def __init__(self, url: str, *, patience: float = 10) -> None:
        self._url = _understood(url)
        self._sqlite = self._url.get_backend_name() == "sqlite"
        self._engine = (_sqlite if self._sqlite else _postgresql)(self._url, patience)
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that sees one moment and may not write.

        Raises:
            StoreError: the database failed; the advice says what to do.
        """
        async with self._transaction("read") as db:
            yield db

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed when the block ends, undone when it raises. Never open one inside another.

        Raises:
            StoreError: the database failed, nothing was kept; the advice says what to do.
        """
        async with self._my_turn(), self._transaction("write") as db:
            yield db

    async def migrate(self) -> bool:
        """Bring the schema up to date; safe when several processes do so at once. False: there was nothing to do.

        Raises:
            StoreError: the schema is newer than this version, or the database failed.
        """
        async with self._my_turn(), self._transaction("migrate") as db:
            return await db.run_sync(schema.migrate)

    async def is_behind(self) -> bool:
        """Whether `migrate` would do anything.

        Raises:
            StoreError: the schema is newer than this version, or the database failed.
        """
        async with self.reading() as db:
            return await db.run_sync(schema.is_behind)

    async def check_schema(self) -> None:
        """Pass when the schema is this version's.

        Raises:
            StoreError: it is missing, older or newer.
        """
        async with self.reading() as db:
            await db.run_sync(schema.check)

    async def close(self) -> None:
        """Give every connection back."""
        await self._engine.dispose()

    @asynccontextmanager
    async def _transaction(self, mode: str) -> AsyncIterator[AsyncConnection]:
        options: dict[str, Any] = {"preau_mode": mode}
        if not self._sqlite and mode == "read":
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with in_plain_words(self._url):
            async with self._engine.execution_options(**options).begin() as db:
                yield db

    def _my_turn(self) -> AbstractAsyncContextManager[object]:
        """SQLite's own waiting is not fair: within one process, writers queue."""
        return self._queue() if self._sqlite else nullcontext()

    @asynccontextmanager
    async def _queue(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_QUEUE):
                await self._turn.acquire()
        except TimeoutError as error:
            raise StoreError(
                "The database was being written for too long by this very process.",
                advice="Restart it; if that happens again, report it.",
            ) from error
        try:
            yield
        finally:
            self._turn.release()


def _understood(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreError("The database URL cannot be read.", advice=_EXAMPLES) from error
    if parsed.drivername not in _DRIVERS:
        raise StoreError(f"Préau knows no database {parsed.drivername!r}.", advice=_EXAMPLES)
    if parsed.get_backend_name() == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise StoreError("An SQLite database in memory would be lost with the process.", advice=_EXAMPLES)
    return parsed.set(drivername=_DRIVERS[parsed.drivername])


_EXAMPLES: Final = "Write sqlite:////var/lib/preau/preau.db or postgresql://preau@localhost/preau."


def _sqlite(url: URL, patience: float) -> AsyncEngine:
    engine = create_async_engine(url, connect_args={"timeout": patience, "isolation_level": None})
    event.listen(engine.sync_engine, "do_connect", _for_this_user_only)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _for_this_user_only(_dialect: object, _record: object, arguments: list[str], _options: object) -> None:
    """The file holds pupils' names: whoever makes it, nobody else may read it. SQLite's own files beside it follow."""
    with suppress(OSError):  # SQLite will say it better
        Path(arguments[0]).touch(mode=0o600)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")  # what was answered with 200 survives a power cut
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get("preau_mode", "read")
    *pragmas, begin = _BEGIN[mode]
    if connection.info.get("preau_mode") != mode:
        for pragma in pragmas:
            connection.exec_driver_sql(pragma)
        connection.info["preau_mode"] = mode
    connection.exec_driver_sql(begin)


def _postgresql(url: URL, patience: float) -> AsyncEngine:
    options = f"-c lock_timeout={int(patience * 1000)} -c timezone=UTC"
    return create_async_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": _CONNECT, "options": options})
