"""Facts for the guard, worked out from the store.

Each source answers for its kind of fact, over the schools asked for; `SOURCES` lists them. They are told to the guard
by `preau.sync.push`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import Final, TypeAlias

from preau.model.facts import Fact, FactKey, FactKind
from preau.model.ids import PersonId, Uai
from preau.policy.facts import Standing, person_facts, room_facts, school_facts, standings
from preau.policy.wanted import ACADEMY
from preau.store import actual, decisions, people, snapshots
from preau.store import facts_outbox as outbox
from preau.store.engine import Transaction
from preau.sync.context import Academy
from preau.sync.control import of_others

Found: TypeAlias = dict[FactKey, Fact | None]
"""Facts by key; None for one that is no more."""

Source: TypeAlias = Callable[[Transaction, Academy, Collection[Uai], datetime, Found], Awaitable[None]]
"""Adds what it knows of some schools at a moment to what the sources before it found, or changes it.

The school `ACADEMY` stands for what belongs to no school. Whatever a source once told it must go on telling, with None
in the end: what it passes over stays as it was.
"""


async def derive(db: Transaction, academy: Academy, schools: Collection[Uai], at: datetime) -> Found:
    """All facts about these schools, their people and their rooms, as they should be."""
    found: Found = {}
    for source in SOURCES:
        await source(db, academy, schools, at, found)
    return found


async def of_schools(_db: Transaction, academy: Academy, schools: Collection[Uai], _at: datetime, found: Found) -> None:
    """The schools' own rules."""
    for school in schools:
        if school != ACADEMY:
            found[FactKind.SCHOOL, school] = school_facts(school, academy.choices_of(school))


async def of_people(db: Transaction, academy: Academy, schools: Collection[Uai], at: datetime, found: Found) -> None:
    """Everybody of these schools who has an account, with their places in all their schools.

    A locked account counts: it has a place only while it is about to be opened again, and must be known before.
    """
    accounts = await actual.accounts_in(db, schools)
    holders = {account.person for account in accounts.values()}
    places = await _places(db, academy, holders, at)
    for user, account in accounts.items():
        found[FactKind.PERSON, user] = person_facts(user, places[account.person])


async def _places(
    db: Transaction, academy: Academy, holders: Collection[PersonId], at: datetime
) -> defaultdict[PersonId, list[Standing]]:
    named = await people.schools_of(db, holders)
    touched = {school for schools in named.values() for school in schools}
    in_force = await decisions.in_force_of_all(db, touched, at)
    places: defaultdict[PersonId, list[Standing]] = defaultdict(list)
    for school in sorted(touched):
        snapshot = await snapshots.current(db, school)
        if snapshot is not None:
            here = standings(snapshot, in_force[school], academy.choices_of(school), holders)
            for person, standing in here.items():
                places[person].append(standing)
    return places


async def of_rooms(db: Transaction, _academy: Academy, schools: Collection[Uai], _at: datetime, found: Found) -> None:
    """The schools' rooms that were made; until then the guard knows a room from its first event."""
    found.update({(FactKind.ROOM, room): None for room in await outbox.rooms_told_of(db, schools)})
    for room, key in (await actual.keys_of_rooms(db, schools)).items():
        found[FactKind.ROOM, room] = room_facts(room, key)


SOURCES: Final[tuple[Source, ...]] = (of_schools, of_people, of_rooms, of_others)
"""Where facts come from, in order: a later source may change what an earlier one found."""
