"""What accounts have used of their allowances, in Synapse's own database, and every statement on it.

::

    preau_guard_turn   one row per user: its lock makes the uses of one account wait for each other
    preau_guard_use    (user, for what, thing) → when it was last noted

`note` must run where each statement sees what others have committed before it (READ COMMITTED; SQLite has one writer at
a time anyway): whoever waited for the turn then counts what the one before has noted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from synapse.module_api import LoggingTransaction

from preau.policy.fan_out import Allowance, Spending, may_spend

_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS preau_guard_turn (user_id TEXT PRIMARY KEY, at BIGINT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS preau_guard_use (
        user_id TEXT NOT NULL, spending TEXT NOT NULL, thing TEXT NOT NULL, at BIGINT NOT NULL,
        PRIMARY KEY (user_id, spending, thing))""",
    "CREATE INDEX IF NOT EXISTS preau_guard_use_at ON preau_guard_use (at)",
)


def create(txn: LoggingTransaction) -> None:
    """Makes the tables that are missing."""
    for statement in _SCHEMA:
        txn.execute(statement)


@dataclass(frozen=True, slots=True)
class Use:
    """An account wants to use one more thing, now (milliseconds since 1970), of what it is allowed."""

    user: str
    spending: Spending
    thing: str
    now: int
    allowance: Allowance


def note(txn: LoggingTransaction, use: Use) -> bool:
    """Notes the use of a thing if the allowance holds it.

    Returns:
        whether it does.
    """
    txn.execute(
        "INSERT INTO preau_guard_turn (user_id, at) VALUES (?, ?) ON CONFLICT (user_id) DO UPDATE SET at = EXCLUDED.at",
        (use.user, use.now),
    )
    txn.execute(
        "SELECT thing, at FROM preau_guard_use WHERE user_id = ? AND spending = ?", (use.user, use.spending.value)
    )
    noted = {name: at for name, at in txn}  # noqa: C416 -- a cursor is no mapping
    if not may_spend(noted, use.thing, use.now, use.allowance):
        return False
    txn.execute(
        "INSERT INTO preau_guard_use (user_id, spending, thing, at) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (user_id, spending, thing) DO UPDATE SET at = EXCLUDED.at",
        (use.user, use.spending.value, use.thing, max(use.now, noted.get(use.thing, 0))),
    )
    return True


def prune(txn: LoggingTransaction, before: int) -> None:
    """Forgets uses noted before that time, and the turns of accounts that have not used anything since."""
    txn.execute("DELETE FROM preau_guard_use WHERE at < ?", (before,))
    txn.execute("DELETE FROM preau_guard_turn WHERE at < ?", (before,))
