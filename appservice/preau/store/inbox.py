"""The homeserver's transactions, taken exactly once::

    PUT /transactions/ID ──receive──► pending ──done──► done ──forget──► gone
           │                             └──failed, too often──► stuck ──retry──► pending
           └─ 200 only after the commit: a transaction is there with all its events, or not at all

The homeserver repeats a transaction until it gets a 200, with the same id: a known id is answered and nothing is added.
An event that comes in two transactions is kept once, by its event id.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import case, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from preau.store import tables
from preau.store.bulk import chunks, insert_missing, is_first

ATTEMPTS: Final = 5
"""How often an event is tried before it is set aside."""

_LEGIBLE: Final = 500
_LINE: Final = 0x496E626F  # "Inbo": the lock that keeps order among writers
_EVENT = tables.inbox_event.c
_TRANSACTION = tables.inbox_transaction.c


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """An event as it came, its place in line, how often it was tried, and why it failed last (``""``: it did not)."""

    seq: int
    event: dict[str, Any]
    attempts: int
    reason: str = ""


async def receive(db: AsyncConnection, txn_id: str, events: Sequence[Mapping[str, Any]], at: datetime) -> bool:
    """Keep a transaction with its events, in order. False when that transaction is known already."""
    if db.dialect.name == "postgresql":  # numbers are given before the commit: without a turn, 5 could appear after 6
        await db.execute(text("SELECT pg_advisory_xact_lock(:line)"), {"line": _LINE})
    if not await is_first(db, tables.inbox_transaction, {"id": txn_id, "received_at": at}):
        return False
    rows = [
        {"event_id": event.get("event_id"), "body": dict(event), "received_at": at, "state": "pending"}
        for event in events
    ]
    await insert_missing(db, tables.inbox_event, rows)
    return True


async def pending(db: AsyncConnection, limit: int) -> tuple[InboxEvent, ...]:
    """The next events to handle, in the order they came, at most ``limit``."""
    query = select(tables.inbox_event).where(_EVENT.state == "pending").order_by(_EVENT.seq).limit(limit)
    return tuple(InboxEvent(row.seq, row.body, row.attempts, row.reason) for row in await db.execute(query))


async def stuck(db: AsyncConnection) -> tuple[InboxEvent, ...]:
    """The events that failed too often: a person must look."""
    query = select(tables.inbox_event).where(_EVENT.state == "stuck").order_by(_EVENT.seq)
    return tuple(InboxEvent(row.seq, row.body, row.attempts, row.reason) for row in await db.execute(query))


async def kept(db: AsyncConnection, event_ids: Collection[str]) -> tuple[str, ...]:
    """Which of these events came, as often as each is kept (once), in the order they came; until `forget`."""
    found: list[tuple[int, str]] = []
    for chunk in chunks(event_ids):
        query = select(_EVENT.seq, _EVENT.event_id).where(_EVENT.event_id.in_(chunk))
        found += [(row.seq, row.event_id) for row in await db.execute(query)]
    return tuple(event_id for _, event_id in sorted(found))


async def counts(db: AsyncConnection) -> tuple[int, int]:
    """How many events wait to be handled, and how many are stuck."""
    query = select(_EVENT.state, func.count()).where(_EVENT.state != "done").group_by(_EVENT.state)
    found: dict[str, int] = {row[0]: row[1] for row in await db.execute(query)}
    return found.get("pending", 0), found.get("stuck", 0)


async def done(db: AsyncConnection, seqs: Collection[int], at: datetime) -> None:
    """Mark events as handled, in the transaction that holds the effects of handling them."""
    for chunk in chunks(seqs):
        await db.execute(
            tables.inbox_event.update().where(_EVENT.seq.in_(chunk)).values(state="done", settled_at=at, reason="")
        )


async def failed(db: AsyncConnection, seq: int, reason: str, at: datetime) -> bool:
    """Count a failed attempt; True when it was the last one and the event is set aside.

    ``reason`` is for the operator: ids, no names.
    """
    tries = _EVENT.attempts + 1
    gives_up = tries >= ATTEMPTS
    state: str | None = await db.scalar(
        tables.inbox_event.update()
        .where(_EVENT.seq == seq, _EVENT.state == "pending")
        .values(
            attempts=tries,
            reason=_legible(reason),
            state=case((gives_up, "stuck"), else_="pending"),
            settled_at=case((gives_up, at)),
        )
        .returning(_EVENT.state)
    )
    return state == "stuck"


async def retry(db: AsyncConnection, seqs: Collection[int]) -> int:
    """Put events that were set aside back in line, at their old place; how many."""
    put_back = 0
    for chunk in chunks(seqs):
        statement = tables.inbox_event.update().where(_EVENT.seq.in_(chunk), _EVENT.state == "stuck")
        put_back += (await db.execute(statement.values(state="pending", attempts=0, settled_at=None))).rowcount
    return put_back


async def forget(db: AsyncConnection, before: datetime) -> None:
    """Delete events handled before that moment, and the ids of transactions received before it.

    Leave the homeserver some days to repeat itself: what is forgotten would be taken for new.
    """
    await db.execute(tables.inbox_event.delete().where(_EVENT.state == "done", _EVENT.settled_at < before))
    await db.execute(tables.inbox_transaction.delete().where(_TRANSACTION.received_at < before))


def _legible(reason: str) -> str:
    """What every database can keep: an exception's text may hold whatever an event held."""
    return reason.encode("utf-8", "replace").decode("utf-8").replace("\0", "?")[:_LEGIBLE]
