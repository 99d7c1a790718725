"""What the database drivers say, in words for the person who must act."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from preau.errors import StoreError

_KNOWN: Final = (
    (
        ("database is locked", "lock timeout", "deadlock detected"),
        "is held by another process for too long",
        "Wait until the other `preau` command has ended, then run this again; nothing of it was kept.",
    ),
    (
        ("unable to open database file", "not a directory"),
        "cannot be opened",
        "Check that its folder exists and that this user may write in it.",
    ),
    (("file is not a database",), "is no SQLite database", "Check the database URL."),
    (
        ("readonly database", "read-only transaction"),
        "may only be read here",
        "Check that this user may write to the database.",
    ),
    (
        ("database or disk is full", "no space left"),
        "has no room left on its disk",
        "Make room, then run this again; nothing of it was kept.",
    ),
    (
        ("no such table", "no such column", "undefinedtable", "undefinedcolumn"),
        "lacks tables that this version needs",
        "Start `preau serve` once with this version: it brings the schema up to date.",
    ),
    (
        ("password authentication failed", "no password supplied", "role ", "permission denied"),
        "refuses this user",
        "Check the user and the password in the database URL.",
    ),
    (
        ("connection failed", "connection refused", "connection timeout", "failed to resolve", "server closed"),
        "cannot be reached",
        "Check that PostgreSQL runs and that host, port and name in the database URL are right.",
    ),
)


@contextmanager
def in_plain_words(url: URL) -> Iterator[None]:
    """Turn every error of the database into a `StoreError`; the password never shows.

    Raises:
        StoreError: whatever the database refused.
    """
    shown = url.render_as_string(hide_password=True)
    try:
        yield
    except IntegrityError as error:
        raise StoreError(
            f"The database {shown} refused rows that contradict what it holds: {_first_line(error)}",
            advice="If another `preau` command ran at the same time, run this again; else it is a fault: report it.",
        ) from error
    except PoolTimeout as error:
        raise StoreError(
            f"The database {shown} had no free connection.", advice="Look for a command or a query that hangs."
        ) from error
    except DBAPIError as error:
        raise _explained(error, shown) from error


def _explained(error: DBAPIError, shown: str) -> StoreError:
    said = f"{type(error.orig).__name__} {error.orig}".lower()
    for signs, happened, advice in _KNOWN:
        if any(sign in said for sign in signs):
            return StoreError(f"The database {shown} {happened} ({_first_line(error)}).", advice=advice)
    return StoreError(f"The database {shown} failed: {_first_line(error)}", advice="Look in the database's own log.")


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]
