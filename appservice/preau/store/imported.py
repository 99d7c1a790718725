"""The files that a school's newest snapshot was read from, so that the same files need not be read again.

``inputs`` is a digest of everything that the reading depended on; what was told of the files is kept beside it, since
people who import them again are told the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from preau.model.ids import Uai
from preau.store import tables
from preau.store.bulk import upsert
from preau.store.snapshots import SnapshotId

_FILES = tables.imported_files.c
_SNAP = tables.snapshot.c


async def told_of(db: AsyncConnection, school: Uai, inputs: str) -> dict[str, Any] | None:
    """What was told of these files, if the school's newest snapshot is the one read from them; else None."""
    newest = select(func.max(_SNAP.id)).where(_SNAP.school == school).scalar_subquery()
    query = select(_FILES.report).where(_FILES.school == school, _FILES.inputs == inputs, _FILES.snapshot == newest)
    found: dict[str, Any] | None = await db.scalar(query)
    return found


async def note(db: AsyncConnection, school: Uai, inputs: str, number: SnapshotId, report: Mapping[str, Any]) -> None:
    """That snapshot was read from these files."""
    row = {"school": school, "snapshot": number, "inputs": inputs, "report": dict(report)}
    await upsert(db, tables.imported_files, [row])
