"""From the store: what is wanted of schools, and what we know of their rooms and people."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from preau.model.ids import PersonId, Uai
from preau.model.rooms import RoomKey
from preau.model.snapshot import Snapshot
from preau.model.wanted import ActualRoom, Wanted
from preau.policy.wanted import ACADEMY, wanted
from preau.store import actual, decisions, people, snapshots
from preau.store.engine import Transaction
from preau.store.snapshots import SnapshotId, SnapshotState
from preau.sync.context import Academy
from preau.sync.control import vouched
from preau.sync.plan import Actual


@dataclass(frozen=True, slots=True)
class Pending:
    """A snapshot that waits to be accepted, with its digest, and the one it would replace."""

    id: SnapshotId
    digest: str
    before: Snapshot | None
    after: Snapshot


@dataclass(frozen=True, slots=True)
class Reach:
    """Everything a plan over some schools must know."""

    wanted: tuple[Wanted, ...]
    actual: Actual
    pending: tuple[Pending, ...]


async def all_schools(db: Transaction) -> frozenset[Uai]:
    """Every school that was ever imported."""
    return frozenset(row.school for row in await snapshots.schools(db))


async def bound_together(db: Transaction, schools: Collection[Uai]) -> list[frozenset[Uai]]:
    """The schools in sets that share no person with each other, so that each can be planned by itself, in order."""
    sets = {school: frozenset([school]) for school in schools}
    for shared in await people.schools_with_shared_people(db):
        merged = shared.union(*(sets[school] for school in shared if school in sets))
        sets |= dict.fromkeys(merged, merged)
    return sorted({found for school, found in sets.items() if found & frozenset(schools)}, key=sorted)


async def reach(db: Transaction, academy: Academy, schools: Collection[Uai], at: datetime, *, newest: bool) -> Reach:
    """What is wanted and what is there, for these schools and for the others of the same people.

    Args:
        db: an open transaction.
        academy: the académie.
        schools: the schools asked for.
        at: the moment whose decisions are in force.
        newest: whether a pending snapshot counts (for a plan), or only the current one (for everything else).
    """
    held = await people.people_of(db, schools)
    accounts = await actual.accounts(db, held)
    touched = frozenset(schools) | await _their_schools(db, [account.person for account in accounts.values()])
    pending: list[Pending] = []
    found: list[Wanted] = []
    in_force = await decisions.in_force_of_all(db, touched, at)
    for school in sorted(touched):
        stored = await snapshots.newest(db, school)
        if stored is None:
            continue
        before = stored.snapshot if stored.state is SnapshotState.CURRENT else await snapshots.current(db, school)
        if stored.state is SnapshotState.PENDING and newest:
            pending.append(Pending(stored.id, stored.digest, before, stored.snapshot))
        chosen = stored.snapshot if newest else before
        if chosen is not None:
            found.append(wanted(chosen, in_force[school], academy.choices_of(school), academy.server))
    rooms = await _rooms(db, touched)
    return Reach(tuple(found), Actual(accounts, rooms, await vouched(db, academy)), tuple(pending))


async def _their_schools(db: Transaction, persons: Collection[PersonId]) -> frozenset[Uai]:
    named = await people.schools_of(db, persons)
    return frozenset(school for schools in named.values() for school in schools)


async def _rooms(db: Transaction, schools: Collection[Uai]) -> dict[RoomKey, ActualRoom]:
    rooms: dict[RoomKey, ActualRoom] = {}
    for school in (*sorted(schools), ACADEMY):
        rooms |= await actual.rooms_of_school(db, school)
    return rooms
