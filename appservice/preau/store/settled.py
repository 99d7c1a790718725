"""Schools in which nothing is left to do, so that the next plan need not read them::

    a change of anything that a plan is made from ─ trigger ─► touched: the school's version moves
    a plan of nothing ─► settled: at which version, of the school and of what belongs to none; by which settings and
                         which program (``basis``); from when until which date of a decision
    all of that still so? ─► still nothing to do

The triggers stand in the migration that made these tables (``0003``), one for each table that a plan reads: snapshots,
decisions, register keys, accounts, rooms, their state, their members. They are part of the transaction that writes, so
that nobody can forget them, and a mark that was worked out from what a plan saw is never good for what came after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from preau.model.ids import Uai
from preau.policy.wanted import ACADEMY
from preau.store import decisions, tables
from preau.store.bulk import upsert

_TOUCHED = tables.touched.c
_SETTLED = tables.settled.c


@dataclass(frozen=True, slots=True)
class Mark:
    """There was nothing to do in a school, as it then was; ``until`` is when a decision begins or ends by its date."""

    version: int
    academy_version: int
    basis: str
    since: datetime
    until: datetime | None


async def marks_for(db: AsyncConnection, bases: Mapping[Uai, str], at: datetime) -> dict[Uai, Mark]:
    """The marks that a plan of nothing earns these schools.

    Args:
        db: the transaction in which the plan is worked out.
        bases: the schools, each with what else the plan depends on.
        at: the moment whose decisions the plan takes.
    """
    versions = await _versions(db)
    academy = versions.get(ACADEMY, 0)
    return {
        school: Mark(versions.get(school, 0), academy, basis, at, await decisions.next_change(db, school, at))
        for school, basis in bases.items()
    }


async def settled(db: AsyncConnection, bases: Mapping[Uai, str], at: datetime) -> frozenset[Uai]:
    """Those of these schools whose mark is still good."""
    versions = await _versions(db)
    academy = versions.get(ACADEMY, 0)
    return frozenset(
        Uai(row.school)
        for row in await db.execute(select(tables.settled))
        if (row.version, row.academy_version) == (versions.get(row.school, 0), academy)
        and row.basis == bases.get(row.school)
        and row.since <= at
        and (row.until is None or at < row.until)
    )


async def note(db: AsyncConnection, marks: Mapping[Uai, Mark]) -> None:
    """Keeps marks. One that something has overtaken in the meantime is kept, too, and never good."""
    await upsert(
        db,
        tables.settled,
        (
            {
                "school": school,
                "version": mark.version,
                "academy_version": mark.academy_version,
                "basis": mark.basis,
                "since": mark.since,
                "until": mark.until,
            }
            for school, mark in marks.items()
        ),
    )


async def _versions(db: AsyncConnection) -> dict[Uai, int]:
    return {Uai(row.school): row.version for row in await db.execute(select(_TOUCHED.school, _TOUCHED.version))}
