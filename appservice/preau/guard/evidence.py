"""Evidence: what an event said, sealed before anybody can make the homeserver forget it.

::

    a message is about to be taken back ─┐
    a remote event is about to be emptied ┴► seal ─► preau_guard_evidence ─ kept one year ─► pruned

Synapse itself keeps the content of a message that was taken back for seven days only (``redaction_retention_period``),
and of a remote event that a spam check refuses not at all (``synapse.md`` 1.2). Complaints come later than that. One
year covers a school year and its summer; longer would be keeping for the sake of keeping (RGPD, article 5.1.e). What a
case needs for longer is copied into the case.

The table is read by nobody but the service and the database's owner; members and moderators cannot reach it.
"""

from __future__ import annotations

import json
from typing import Final

from synapse.module_api import EventBase, LoggingTransaction, ModuleApi

KEPT_MS: Final = 365 * 24 * 3600 * 1000
_PRUNE_EVERY_MS: Final = 3600 * 1000

_SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS preau_guard_evidence (
        event_id TEXT PRIMARY KEY, room_id TEXT NOT NULL, sender TEXT NOT NULL,
        kept_at BIGINT NOT NULL, why TEXT NOT NULL, event_json TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS preau_guard_evidence_kept_at ON preau_guard_evidence (kept_at)",
)


class Evidence:
    """The sealed copies, for every part of the guard that lets or makes an event's content disappear."""

    def __init__(self, api: ModuleApi) -> None:
        self._api = api
        if api.should_run_background_tasks():
            api.looping_background_call(self._prune, _PRUNE_EVERY_MS, desc="preau_guard_evidence_prune")

    async def seal(self, event: EventBase, why: str) -> None:
        """Keeps a copy of the event as it is now. The first copy stays: a second call for the same event does nothing.

        Args:
            event: with its content still there.
            why: the reason in one word, for whoever reads the table (``redaction``, or a rule's code).
        """
        await self._api.run_db_interaction("preau_guard_seal", insert, event, why, self._api.get_current_time_msec())

    async def _prune(self) -> None:
        now = self._api.get_current_time_msec()
        await self._api.run_db_interaction("preau_guard_evidence_prune", prune, now - KEPT_MS)


def create(txn: LoggingTransaction) -> None:
    """Makes the table if it is missing."""
    for statement in _SCHEMA:
        txn.execute(statement)


def insert(txn: LoggingTransaction, event: EventBase, why: str, now: int) -> None:
    """One copy, within a transaction of the caller; see `Evidence.seal`."""
    txn.execute(
        "INSERT INTO preau_guard_evidence (event_id, room_id, sender, kept_at, why, event_json) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING",
        # ASCII only: PostgreSQL takes no NUL character, but takes it spelled out.
        (event.event_id, event.room_id, event.sender, now, why, json.dumps(event.get_pdu_json())),
    )


def prune(txn: LoggingTransaction, before: int) -> None:
    """Forgets what was sealed before that time, in milliseconds since 1970."""
    txn.execute("DELETE FROM preau_guard_evidence WHERE kept_at < ?", (before,))
