"""Readings of schools, each immutable and whole::

    save ──► pending ──accept──► current ──the next accept──► past ──forget_past──► gone
               └──a newer save replaces it

At most one pending and one current per school; the database itself holds to that.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NewType

from sqlalchemy import Row, Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from preau.errors import StoreError, UnknownSubject
from preau.model.facts import FactKind
from preau.model.ids import PersonId, Uai
from preau.model.roster import SourceFile
from preau.model.snapshot import Snapshot
from preau.store import tables
from preau.store.codec import Packed, decode, decode_sources, encode
from preau.store.due import mark
from preau.store.facts import facts_changed

SnapshotId = NewType("SnapshotId", int)
"""The number of one stored snapshot; later ones are higher, none is given twice."""

_FEW: Final = 1_000
"""People who move one by one; of more, the whole school is looked at, which costs less than as many marks."""

_TABLE = tables.snapshot
_SNAP = tables.snapshot.c


class SnapshotState(StrEnum):
    """Where a snapshot stands."""

    PENDING = "pending"
    """Imported, not accepted: nothing follows from it yet."""

    CURRENT = "current"
    """What the homeserver is brought to."""

    PAST = "past"


@dataclass(frozen=True, slots=True)
class Saved:
    """The outcome of saving: ``new`` is False when the newest snapshot of the school already said the same."""

    id: SnapshotId
    new: bool


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A snapshot with what the store knows of it."""

    id: SnapshotId
    state: SnapshotState
    digest: str
    imported_at: datetime
    accepted_at: datetime | None
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class SchoolRow:
    """A school of which there is a snapshot: its name as last accepted, else as last imported."""

    school: Uai
    name: str
    current: SnapshotId | None
    pending: SnapshotId | None


async def save(db: AsyncConnection, snapshot: Snapshot, at: datetime) -> Saved:
    """Keep a reading as pending, in place of an older pending one of that school."""
    packed = encode(snapshot)
    newest_row = (await db.execute(_newest(snapshot.school, _SNAP.id, _SNAP.digest))).first()
    if newest_row is not None and newest_row.digest == packed.digest:
        return Saved(SnapshotId(newest_row.id), new=False)
    await db.execute(_TABLE.delete().where(_SNAP.school == snapshot.school, _SNAP.state == SnapshotState.PENDING.value))
    number = await db.scalar(
        _TABLE.insert().returning(_SNAP.id),
        {
            "school": snapshot.school,
            "school_name": snapshot.school_name,
            "year": snapshot.year,
            "state": SnapshotState.PENDING.value,
            "imported_at": at,
            "digest": packed.digest,
            "body": packed.body,
        },
    )
    return Saved(SnapshotId(number), new=True)


async def accept(
    db: AsyncConnection, number: SnapshotId, at: datetime, moved: Collection[PersonId] | None = None
) -> None:
    """Make a pending snapshot the current one of its school; the current one becomes past.

    Accepting the current one again changes nothing.

    Args:
        db: a writing transaction.
        number: the pending snapshot.
        at: now.
        moved: everybody who has another place in it than in the current one; None where that is not known.

    Raises:
        UnknownSubject: there is no such snapshot.
        StoreError: it is past.
    """
    row = (await db.execute(select(_SNAP.school, _SNAP.state).where(_SNAP.id == number))).first()
    if row is None:
        raise UnknownSubject(
            f"There is no snapshot {number}.", advice="A newer import replaced it: make the plan again."
        )
    if row.state == SnapshotState.PAST:
        raise StoreError(
            f"Snapshot {number} of school {row.school} is past.",
            advice="To go back to it, import the roster files it was read from again.",
        )
    if row.state == SnapshotState.CURRENT:
        return
    was_current = (_SNAP.school == row.school, _SNAP.state == SnapshotState.CURRENT.value)
    await db.execute(_TABLE.update().where(*was_current).values(state=SnapshotState.PAST.value))
    now_current = _TABLE.update().where(_SNAP.id == number)
    await db.execute(now_current.values(state=SnapshotState.CURRENT.value, accepted_at=at))
    await facts_changed(db, [Uai(row.school)])
    if moved is None or len(moved) > _FEW:
        await mark(db, FactKind.SCHOOL, [row.school])
    else:
        await mark(db, FactKind.PERSON, moved)


async def current(db: AsyncConnection, school: Uai) -> Snapshot | None:
    """What the homeserver is brought to for this school.

    Raises:
        StoreError: the stored bytes are damaged.
    """
    query = select(_SNAP.body, _SNAP.digest).where(_SNAP.school == school, _SNAP.state == SnapshotState.CURRENT.value)
    row = (await db.execute(query)).first()
    return None if row is None else decode(Packed(row.body, row.digest))


async def newest(db: AsyncConnection, school: Uai) -> StoredSnapshot | None:
    """The snapshot of this school imported last, whatever its state.

    Raises:
        StoreError: the stored bytes are damaged.
    """
    row = (await db.execute(_newest(school, *_SNAP))).first()
    return None if row is None else _stored(row)


async def newest_sources(db: AsyncConnection, school: Uai) -> tuple[SourceFile, ...]:
    """The files of the snapshot imported last, to tell a file that is older; empty when there is none."""
    row = (await db.execute(_newest(school, _SNAP.body, _SNAP.digest))).first()
    return () if row is None else decode_sources(Packed(row.body, row.digest))


async def schools(db: AsyncConnection) -> tuple[SchoolRow, ...]:
    """Every school of which there is a pending or a current snapshot, by its code."""
    query = select(_SNAP.id, _SNAP.school, _SNAP.school_name, _SNAP.state).where(
        _SNAP.state != SnapshotState.PAST.value
    )
    found: dict[str, dict[str, tuple[SnapshotId, str]]] = {}
    for row in await db.execute(query):
        found.setdefault(row.school, {})[row.state] = (SnapshotId(row.id), row.school_name)
    return tuple(_school(school, found[school]) for school in sorted(found))


async def forget_past(db: AsyncConnection, keep: int) -> int:
    """Delete past snapshots but the ``keep`` newest of each school; the number deleted."""
    query = select(_SNAP.id, _SNAP.school).where(_SNAP.state == SnapshotState.PAST.value).order_by(_SNAP.id.desc())
    seen: dict[str, int] = {}
    too_old = []
    for number, school in await db.execute(query):
        seen[school] = seen.get(school, 0) + 1
        if seen[school] > keep:
            too_old.append({"number": number})
    if too_old:
        await db.execute(_TABLE.delete().where(_SNAP.id == bindparam("number")), too_old)
    return len(too_old)


def _newest(school: Uai, *columns: Any) -> Select[Any]:
    return select(*columns).where(_SNAP.school == school).order_by(_SNAP.id.desc()).limit(1)


def _stored(row: Row[Any]) -> StoredSnapshot:
    return StoredSnapshot(
        id=SnapshotId(row.id),
        state=SnapshotState(row.state),
        digest=row.digest,
        imported_at=row.imported_at,
        accepted_at=row.accepted_at,
        snapshot=decode(Packed(row.body, row.digest)),
    )


def _school(school: str, found: dict[str, tuple[SnapshotId, str]]) -> SchoolRow:
    current_id, name = found.get(SnapshotState.CURRENT, (None, ""))
    pending_id, pending_name = found.get(SnapshotState.PENDING, (None, ""))
    return SchoolRow(Uai(school), name or pending_name, current_id, pending_id)
