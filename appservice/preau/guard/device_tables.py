"""The devices of accounts, in Synapse's own database, and every statement on them.

::

    preau_guard_account   one row per account that ever logged in: the first login is noted once, for ever
    preau_guard_device    (user, device) → since when we know it, when and by whom it was confirmed (NULL: not yet)
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from synapse.module_api import LoggingTransaction

_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS preau_guard_account (user_id TEXT PRIMARY KEY, first_login_at BIGINT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS preau_guard_device (
        user_id TEXT NOT NULL, device_id TEXT NOT NULL, seen_at BIGINT NOT NULL,
        confirmed_at BIGINT, confirmed_by TEXT, PRIMARY KEY (user_id, device_id))""",
)

FIRST: Final = "first login"
"""Who confirmed an account's first device: nobody had to."""


@dataclass(frozen=True, slots=True)
class Known:
    """What we know of a device; times are milliseconds since 1970."""

    seen_at: int
    confirmed_at: int | None
    confirmed_by: str | None


def create(txn: LoggingTransaction) -> None:
    """Makes the tables that are missing."""
    for statement in _SCHEMA:
        txn.execute(statement)


def logged_in(txn: LoggingTransaction, user: str, devices: Collection[str], now: int) -> None:
    """Notes a login that just succeeded. The device of the account's very first one is confirmed.

    Args:
        txn: the transaction.
        user: who logged in.
        devices: all devices that the account has now; only a single one can be the first login's for certain.
        now: the time.
    """
    txn.execute(
        "INSERT INTO preau_guard_account (user_id, first_login_at) VALUES (?, ?) ON CONFLICT (user_id) DO NOTHING",
        (user, now),
    )
    first = txn.rowcount == 1 and len(devices) == 1
    known = set(of(txn, user))
    txn.execute_batch(
        "DELETE FROM preau_guard_device WHERE user_id = ? AND device_id = ?",
        [(user, device) for device in known.difference(devices)],
    )
    txn.execute_batch(
        "INSERT INTO preau_guard_device (user_id, device_id, seen_at, confirmed_at, confirmed_by) "
        "VALUES (?, ?, ?, ?, ?) ON CONFLICT (user_id, device_id) DO NOTHING",
        [(user, device, now, now if first else None, FIRST if first else None) for device in devices],
    )


def forget(txn: LoggingTransaction, user: str, device: str) -> None:
    """Somebody logs in under that device's name: whatever was confirmed of it counts no more."""
    txn.execute("DELETE FROM preau_guard_device WHERE user_id = ? AND device_id = ?", (user, device))


def confirm(txn: LoggingTransaction, user: str, device: str, by: str, now: int) -> None:
    """From now on the device is not limited."""
    txn.execute(
        "INSERT INTO preau_guard_device (user_id, device_id, seen_at, confirmed_at, confirmed_by) "
        "VALUES (?, ?, ?, ?, ?) ON CONFLICT (user_id, device_id) "
        "DO UPDATE SET confirmed_at = EXCLUDED.confirmed_at, confirmed_by = EXCLUDED.confirmed_by",
        (user, device, now, now, by),
    )


def is_confirmed(txn: LoggingTransaction, user: str, device: str) -> bool:
    """Whether it was confirmed."""
    txn.execute("SELECT confirmed_at FROM preau_guard_device WHERE user_id = ? AND device_id = ?", (user, device))
    row = txn.fetchone()
    return row is not None and row[0] is not None


def of(txn: LoggingTransaction, user: str) -> dict[str, Known]:
    """The devices of an account that we know of."""
    txn.execute(
        "SELECT device_id, seen_at, confirmed_at, confirmed_by FROM preau_guard_device WHERE user_id = ?", (user,)
    )
    return {device: Known(seen, confirmed, by) for device, seen, confirmed, by in txn}
