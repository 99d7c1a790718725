"""Which human is behind a register's key. No names here: keys and Préau's own opaque ids only.

A person is never forgotten by this table, so that an id is never given twice; their keys are kept beside, and several
keys (two children's schools, a teacher who is a parent) may lead to one person.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from preau.errors import StoreError
from preau.model.ids import PersonId, Uai
from preau.model.people import RosterKey, RosterSource
from preau.store import tables
from preau.store.bulk import chunks, insert, insert_missing

_KEYS = tables.roster_key.c


async def recognised(db: AsyncConnection, keys: Collection[RosterKey]) -> dict[RosterKey, PersonId]:
    """Those of the keys that lead to a person already, and to whom."""
    numbers: defaultdict[tuple[RosterSource, Uai], list[str]] = defaultdict(list)
    for key in keys:
        numbers[key.source, key.school].append(key.number)
    found: dict[RosterKey, PersonId] = {}
    for (source, school), wanted in numbers.items():
        for chunk in chunks(wanted):
            rows = await db.execute(
                select(_KEYS.number, _KEYS.person).where(
                    _KEYS.school == school, _KEYS.source == source, _KEYS.number.in_(chunk)
                )
            )
            found.update((RosterKey(source, school, number), PersonId(person)) for number, person in rows)
    return found


async def introduce(db: AsyncConnection, pairs: Mapping[RosterKey, PersonId], at: datetime) -> None:
    """Tie keys to persons: new persons are made, known ones get one key more, what is tied already stays.

    Raises:
        StoreError: a key leads to somebody else already; nothing was written.
    """
    known = await recognised(db, pairs)
    for key, person in known.items():
        if pairs[key] != person:
            raise StoreError(
                f"The key {key} already leads to {person}; it cannot lead to {pairs[key]} as well.",
                advice="Read the rosters again; if the key was given to another human, report it: nothing was written.",
            )
    fresh = {key: person for key, person in pairs.items() if key not in known}
    persons = [{"id": person, "introduced_at": at} for person in dict.fromkeys(fresh.values())]
    await insert_missing(db, tables.person, persons)
    await insert(db, tables.roster_key, [_row(key, person, at) for key, person in fresh.items()])


async def taken(db: AsyncConnection, ids: Collection[PersonId]) -> set[PersonId]:
    """Those of the ids that were ever given to a person."""
    found: set[PersonId] = set()
    for chunk in chunks(ids):
        found.update(map(PersonId, await db.scalars(select(tables.person.c.id).where(tables.person.c.id.in_(chunk)))))
    return found


async def keys_of(db: AsyncConnection, person: PersonId) -> frozenset[RosterKey]:
    """Every key that leads to that person."""
    rows = await db.execute(select(_KEYS.source, _KEYS.school, _KEYS.number).where(_KEYS.person == person))
    return frozenset(RosterKey(RosterSource(source), Uai(school), number) for source, school, number in rows)


async def schools_of(db: AsyncConnection, persons: Collection[PersonId]) -> dict[PersonId, frozenset[Uai]]:
    """The schools whose registers ever named each person; persons named by none are left out."""
    schools: defaultdict[PersonId, set[Uai]] = defaultdict(set)
    for chunk in chunks(persons):
        rows = await db.execute(select(_KEYS.person, _KEYS.school).where(_KEYS.person.in_(chunk)).distinct())
        for person, school in rows:
            schools[PersonId(person)].add(Uai(school))
    return {person: frozenset(found) for person, found in schools.items()}


async def schools_with_shared_people(db: AsyncConnection) -> tuple[frozenset[Uai], ...]:
    """For each set of schools that some person is known to together: that set. Most people are known to one school."""
    several = select(_KEYS.person).group_by(_KEYS.person).having(func.count(_KEYS.school.distinct()) > 1)
    schools: defaultdict[str, set[Uai]] = defaultdict(set)
    for person, school in await db.execute(select(_KEYS.person, _KEYS.school).where(_KEYS.person.in_(several))):
        schools[person].add(Uai(school))
    return tuple({frozenset(found) for found in schools.values()})


async def people_of(db: AsyncConnection, schools: Collection[Uai]) -> frozenset[PersonId]:
    """Everybody whom the registers of these schools ever named."""
    found: set[PersonId] = set()
    for chunk in chunks(schools):
        found.update(map(PersonId, await db.scalars(select(_KEYS.person).where(_KEYS.school.in_(chunk)))))
    return frozenset(found)


def _row(key: RosterKey, person: PersonId, at: datetime) -> dict[str, object]:
    return {
        "school": key.school,
        "source": key.source.value,
        "number": key.number,
        "person": person,
        "introduced_at": at,
    }
