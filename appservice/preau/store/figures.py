"""How much waits, and since when: a few numbers for those who watch over the service. One short query each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from preau.store import facts_outbox, inbox, snapshots, tables

_EVENT = tables.inbox_event.c
_SNAP = tables.snapshot.c


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits, and since when the oldest of it; None while nothing does.

    ``accepted_at`` is when a plan last took a new snapshot over, ``entries`` how many the journal holds.
    """

    events: int
    events_since: datetime | None
    events_stuck: int
    pushes: int
    pushes_since: datetime | None
    snapshots: int
    snapshots_since: datetime | None
    accepted_at: datetime | None
    entries: int


async def waiting(db: AsyncConnection) -> Waiting:
    """What waits at this moment."""
    events, stuck = await inbox.counts(db)
    pushes, pushes_since = await facts_outbox.lag(db)
    pending = select(func.count(), func.min(_SNAP.imported_at)).where(
        _SNAP.state == snapshots.SnapshotState.PENDING.value
    )
    imported, imported_since = (await db.execute(pending)).one()
    return Waiting(
        events=events,
        events_since=await db.scalar(
            select(_EVENT.received_at).where(_EVENT.state == "pending").order_by(_EVENT.seq).limit(1)
        ),
        events_stuck=stuck,
        pushes=pushes,
        pushes_since=pushes_since,
        snapshots=imported,
        snapshots_since=imported_since,
        accepted_at=await db.scalar(select(func.max(_SNAP.accepted_at))),
        entries=await db.scalar(select(tables.journal_head.c.seq)) or 0,
    )
