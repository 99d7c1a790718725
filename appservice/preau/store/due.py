"""Of whom and of what the guard must be told again, and from when::

    a change ─► mark, in its own transaction ─► taken once it is due ─► facts worked out, queued, mark lifted: one more

A decision that begins or ends by a date leaves a mark for that date. A mark too many tells nothing; one too few would
leave the guard with what is over: so every function of the store that changes what facts follow from leaves its own,
and from time to time a school is worked out whole (`preau.sync.push.agree`).

A mark that is made again while it is being worked on counts as another, and is not lifted with the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from preau.model.facts import FactKind
from preau.store import tables
from preau.store.bulk import upsert

AT_ONCE: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Due however the clock stands."""

_DUE = tables.guard_due.c


class Mark(NamedTuple):
    """One mark: a person (of elsewhere by their user id), a room, or a school of which anything may have moved."""

    kind: FactKind
    id: str
    at: datetime
    version: int


async def mark(db: AsyncConnection, kind: FactKind, ids: Iterable[str], at: Iterable[datetime | None] = ()) -> None:
    """Facts about these must be told again: at these moments, None being no moment; at once if there is none."""
    moments = {moment for moment in at if moment is not None} or {AT_ONCE}
    each = sorted((one, moment) for one in set(ids) for moment in moments)  # so that no two markers wait crosswise
    rows = ({"kind": kind.value, "id": one, "at": moment, "version": 1} for one, moment in each)
    await upsert(db, tables.guard_due, rows, version=_DUE.version + 1)


async def due(db: AsyncConnection, now: datetime, limit: int) -> tuple[Mark, ...]:
    """The marks that are due by now, at most so many of them."""
    query = select(tables.guard_due).where(_DUE.at <= now).order_by(_DUE.kind, _DUE.id, _DUE.at).limit(limit)
    return tuple(Mark(FactKind(row.kind), row.id, row.at, row.version) for row in await db.execute(query))


async def lift(db: AsyncConnection, done: Iterable[Mark]) -> None:
    """These marks were worked on; those that were made again since they were read stay."""
    rows = [
        {"its_kind": mark.kind.value, "its_id": mark.id, "its_at": mark.at, "its_version": mark.version}
        for mark in done
    ]
    if rows:
        one = tables.guard_due.delete().where(
            _DUE.kind == bindparam("its_kind"),
            _DUE.id == bindparam("its_id"),
            _DUE.at == bindparam("its_at"),
            _DUE.version == bindparam("its_version"),
        )
        await db.execute(one, rows)
