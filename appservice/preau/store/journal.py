"""Who did what and why: append-only, each entry holding the hash of the one before.

An entry's hash is the SHA-256 (hexadecimal) of the canonical JSON (`preau.store.canonical`) of::

    {"action", "actor", "at", "detail", "previous", "seq", "subject"}

``at`` as UTC ISO 8601 with microseconds and ``+00:00``; ``detail`` a JSON object; ``previous`` the hash of entry
``seq − 1``, 64 zeros before the first. ``journal_head`` repeats the last number and hash.

What it proves: no entry was changed, taken out, put between or cut off the end by somebody who did not rewrite all that
follows *and* the head. What it cannot prove: that nobody with full rights on the database rewrote everything. So note
the head elsewhere from time to time (``preau journal verify`` prints it); `verify` compares with a head noted before.

Triggers refuse UPDATE and DELETE: they stop accidents and the service's own faults, not the database's owner.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from preau.errors import JournalBroken, StoreError
from preau.model.wanted import Json
from preau.store import tables
from preau.store.bulk import insert
from preau.store.canonical import canonical_json

_NOTHING: Final = "0" * 64
_PAGE: Final = 1000
_CALL: Final = "Keep a copy of the database as it is, compare with the last backup, and find out who had access to it."


@dataclass(frozen=True, slots=True)
class Entry:
    """Who (a person's id, ``preau roster import`` …), what (a noun and a verb), to whom or what, and the rest.

    Ids only, never names: the journal outlives the people in it.
    """

    actor: str
    action: str
    subject: str
    detail: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verified:
    """A chain that holds: how many entries, and the hash of the last (64 zeros when there is none)."""

    entries: int
    head: str


async def append(db: AsyncConnection, entries: Sequence[Entry], at: datetime) -> Verified:
    """Add entries; the new head. Call it last in the transaction: other processes wait from here to the commit.

    Raises:
        StoreError: the head is missing.
    """
    head = await _head(db, lock=True)
    seq, previous = head.entries, head.head
    rows = []
    for entry in entries:
        seq += 1
        row = {
            "seq": seq,
            "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
            "actor": entry.actor,
            "action": entry.action,
            "subject": entry.subject,
            "detail": canonical_json(dict(entry.detail)),
            "previous": previous,
        }
        previous = _hash(row)
        rows.append(row | {"hash": previous})
    if rows:
        await insert(db, tables.journal, rows)
        await db.execute(tables.journal_head.update().values(seq=seq, hash=previous))
    return Verified(seq, previous)


async def verify(db: AsyncConnection, noted: Verified | None = None) -> Verified:
    """Walk the whole chain, a page in memory at a time. ``noted`` is a head that somebody wrote down before.

    Raises:
        JournalBroken: the chain does not hold; the first bad entry and what to do.
        StoreError: the head is missing.
    """
    seq, previous = 0, _NOTHING
    async for row in _in_order(db):
        _check(row, seq + 1, previous)
        seq, previous = row.seq, row.hash
        if noted is not None and seq == noted.entries and previous != noted.head:
            raise JournalBroken(f"Entry {seq} of the journal is not the one whose hash was noted.", advice=_CALL)
    head = await _head(db)
    _check_end(Verified(seq, previous), head)
    if noted is not None and noted.entries > seq:
        raise JournalBroken(f"The journal ends at entry {seq}; entry {noted.entries} was noted before.", advice=_CALL)
    return head


async def export(db: AsyncConnection) -> AsyncIterator[dict[str, Any]]:
    """Every entry in order, as an object to write on a line of JSON; with the hashes, so that anybody can verify it."""
    async for row in _in_order(db):
        yield row._asdict() | {"detail": json.loads(row.detail)}


async def _in_order(db: AsyncConnection) -> AsyncIterator[Row[Any]]:
    seq = tables.journal.c.seq
    page = select(tables.journal).order_by(seq).limit(_PAGE)
    rows = list(await db.execute(page))
    while rows:
        for row in rows:
            yield row
        rows = list(await db.execute(page.where(seq > rows[-1].seq)))


async def _head(db: AsyncConnection, *, lock: bool = False) -> Verified:
    query = select(tables.journal_head.c.seq, tables.journal_head.c.hash)
    row = (await db.execute(query.with_for_update() if lock else query)).first()
    if row is None:
        raise StoreError("The journal's head is gone.", advice=_CALL)
    return Verified(row.seq, row.hash)


def _hash(row: Mapping[str, Any]) -> str:
    hashed: dict[str, Any] = {name: row[name] for name in ("seq", "at", "actor", "action", "subject", "previous")}
    hashed["detail"] = json.loads(row["detail"])
    return hashlib.sha256(canonical_json(hashed).encode("ascii")).hexdigest()


def _check(row: Row[Any], expected: int, previous: str) -> None:
    if row.seq != expected:
        missing = f"entry {expected}" if row.seq == expected + 1 else f"entries {expected} to {row.seq - 1}"
        raise JournalBroken(f"The journal lacks {missing}: after {expected - 1} comes {row.seq}.", advice=_CALL)
    if row.previous != previous:
        raise JournalBroken(f"Entry {row.seq} of the journal does not follow from entry {row.seq - 1}.", advice=_CALL)
    if not _holds(row):
        raise JournalBroken(f"Entry {row.seq} of the journal was changed after it was written.", advice=_CALL)


def _holds(row: Row[Any]) -> bool:
    try:
        kept = row._asdict()
        return bool(kept["detail"] == canonical_json(json.loads(kept["detail"])) and kept["hash"] == _hash(kept))
    except ValueError:  # the detail is no JSON any more
        return False


def _check_end(found: Verified, head: Verified) -> None:
    if found.entries < head.entries:
        raise JournalBroken(
            f"The journal lacks its end: entries {found.entries + 1} to {head.entries} are gone.", advice=_CALL
        )
    if found != head:
        raise JournalBroken(f"Entry {head.entries + 1} of the journal was not written by Préau.", advice=_CALL)
