"""Only one builds the room of an alias at a time, over all processes, and a process that died builds no more::

    whoever takes the alias in the table first ─► builds ─► gives it back
         └─ everybody else waits, until it is given back, or its holder is known to be dead:
                the process of that name has begun anew since (`preau_guard_process`), or it is long ago

Synapse's own lock between processes would do, but after a crash it stays for two minutes (``LockStore``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from synapse.module_api import LoggingTransaction, ModuleApi
from synapse.module_api.errors import Codes, SynapseError

_SCHEMA: Final = """CREATE TABLE IF NOT EXISTS preau_guard_building (
    alias TEXT PRIMARY KEY, process TEXT NOT NULL, started_at BIGINT NOT NULL, since BIGINT NOT NULL)"""

_TAKE: Final = """INSERT INTO preau_guard_building (alias, process, started_at, since) VALUES (?, ?, ?, ?)
    ON CONFLICT (alias) DO UPDATE
    SET process = EXCLUDED.process, started_at = EXCLUDED.started_at, since = EXCLUDED.since
    WHERE preau_guard_building.since < ?
       OR EXISTS (SELECT 1 FROM preau_guard_process AS restarted
                  WHERE restarted.name = preau_guard_building.process
                    AND restarted.started_at > preau_guard_building.started_at)"""

_GIVE_BACK: Final = "DELETE FROM preau_guard_building WHERE alias = ? AND process = ? AND started_at = ? AND since = ?"

_LONG_MS: Final = 120_000
"""Much longer than any room takes: Synapse's own measure for a lock whose holder is gone (``LockStore``)."""

_PATIENCE_MS: Final = 20_000
_LOOK_EVERY_S: Final = 0.1


class Building:
    """Takes aliases for this process and gives them back."""

    def __init__(self, api: ModuleApi, process: str) -> None:
        self._api = api
        self._process = process
        self._started = api.get_current_time_msec()

    @asynccontextmanager
    async def alone(self, alias: str) -> AsyncIterator[None]:
        """Until left, nobody else is in here with the same alias.

        Raises:
            SynapseError: somebody is, and stayed too long; to be tried again.
        """
        since = await self._taken(alias)
        try:
            yield
        finally:
            held = (alias, self._process, self._started, since)
            await self._api.run_db_interaction("preau_guard_give_back", _execute, _GIVE_BACK, held)

    async def _taken(self, alias: str) -> int:
        begun = self._api.get_current_time_msec()
        while (now := self._api.get_current_time_msec()) < begun + _PATIENCE_MS:
            row = (alias, self._process, self._started, now, now - _LONG_MS)
            if await self._api.run_db_interaction("preau_guard_take_alias", _execute, _TAKE, row):
                return now
            await self._api.sleep(_LOOK_EVERY_S)
        raise SynapseError(503, "This room is being made by another request; try again.", Codes.UNKNOWN)


def create(txn: LoggingTransaction) -> None:
    """Makes the table if it is missing."""
    txn.execute(_SCHEMA)


def _execute(txn: LoggingTransaction, statement: str, values: tuple[object, ...]) -> bool:
    """Whether the statement changed anything."""
    txn.execute(statement, values)
    return txn.rowcount > 0
