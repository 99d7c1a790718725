"""A counter per school that moves with every accepted snapshot and every decision.

Whoever worked something out from a school's facts keeps the number beside it, and works it out again when the number
moved. It does not move when an appointment ends by its own date: see `preau.store.decisions.next_change`.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from preau.model.ids import Uai
from preau.store import tables
from preau.store.bulk import chunks, insert_missing

_FACTS = tables.facts.c


async def facts_version(db: AsyncConnection, school: Uai) -> int:
    """The school's counter; 0 while nothing was ever decided."""
    return await db.scalar(select(_FACTS.version).where(_FACTS.school == school)) or 0


async def facts_versions(db: AsyncConnection) -> dict[Uai, int]:
    """Every school's counter; schools of which nothing was ever decided are left out."""
    return {Uai(row.school): row.version for row in await db.execute(select(tables.facts))}


async def facts_changed(db: AsyncConnection, schools: Collection[Uai]) -> None:
    """Move the counters of these schools."""
    await insert_missing(db, tables.facts, [{"school": school, "version": 0} for school in sorted(set(schools))])
    for chunk in chunks(sorted(set(schools))):
        statement = tables.facts.update().where(_FACTS.school.in_(chunk))
        await db.execute(statement.values(version=_FACTS.version + 1))
