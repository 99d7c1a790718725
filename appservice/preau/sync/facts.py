"""Facts for the guard, worked out from the store: of whole schools, or of those alone of whom something moved::

    schools ─► everybody there with an account, every room ─┐
    persons, rooms (`preau.store.due`) ─────────────────────┴─► of each what the store says now ─► facts

One derivation for both, so that neither can tell what the other does not. Each source answers for its kind of fact;
`SOURCES` lists them. They are told to the guard by `preau.sync.push`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from preau.model.facts import Fact, FactKey, FactKind
from preau.model.ids import PersonId, Uai, user_id
from preau.policy.abroad import VISITING
from preau.policy.facts import Standing, person_facts, room_facts, school_facts, standings
from preau.policy.wanted import ACADEMY
from preau.store import actual, control, decisions, people, snapshots
from preau.store import facts_outbox as outbox
from preau.store.engine import Transaction
from preau.sync.context import Academy
from preau.sync.control import of_others

Found: TypeAlias = dict[FactKey, Fact | None]
"""Facts by key; None for one that is no more."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What facts are asked for: these schools' with their people and rooms, these persons', these rooms'.

    The school `ACADEMY` stands for what belongs to no school. Among the persons may be users of other académies: of
    them follows whom rooms of ours admit.
    """

    schools: Collection[Uai] = ()
    persons: Collection[str] = ()
    rooms: Collection[str] = ()
    at: datetime = field(kw_only=True)


Source: TypeAlias = Callable[[Transaction, Academy, Asked, Found], Awaitable[None]]
"""Adds what it knows of what was asked for to what the sources before it found, or changes it.

Whatever a source once told it must go on telling, with None in the end: what it passes over stays as it was.
"""


async def derive(db: Transaction, academy: Academy, asked: Asked) -> Found:
    """All facts that were asked for, as they should be."""
    found: Found = {}
    for source in SOURCES:
        await source(db, academy, asked, found)
    return found


async def of_schools(_db: Transaction, academy: Academy, asked: Asked, found: Found) -> None:
    """The schools' own rules."""
    for school in asked.schools:
        if school != ACADEMY:
            found[FactKind.SCHOOL, school] = school_facts(school, academy.choices_of(school))


async def of_people(db: Transaction, academy: Academy, asked: Asked, found: Found) -> None:
    """Whoever has an account, with their places in all their schools.

    A locked account counts: it has a place only while it is about to be opened again, and must be known before.
    """
    ours = [PersonId(person) for person in asked.persons if not person.startswith("@")]
    found.update({(FactKind.PERSON, user_id(person, academy.server)): None for person in ours})
    accounts = {**await actual.accounts_in(db, asked.schools), **await actual.accounts(db, ours)}
    holders = {account.person for account in accounts.values()}
    places = await _places(db, academy, holders, asked.at)
    for user, account in accounts.items():
        found[FactKind.PERSON, user] = person_facts(user, places[account.person])


async def _places(
    db: Transaction, academy: Academy, holders: Collection[PersonId], at: datetime
) -> defaultdict[PersonId, list[Standing]]:
    named = await people.schools_of(db, holders)
    touched = {school for schools in named.values() for school in schools}
    in_force = await decisions.in_force_of_all(db, touched, at, about=holders)
    places: defaultdict[PersonId, list[Standing]] = defaultdict(list)
    for school in sorted(touched):
        snapshot = await snapshots.current(db, school)
        if snapshot is not None:
            here = standings(snapshot, in_force[school], academy.choices_of(school), holders)
            for person, standing in here.items():
                places[person].append(standing)
    return places


async def of_rooms(db: Transaction, _academy: Academy, asked: Asked, found: Found) -> None:
    """The rooms that were made; until they are told of, the guard knows them from their first events."""
    rooms = {*asked.rooms}
    if any(person.startswith("@") for person in asked.persons):
        rooms.update(await control.rooms_of_kinds(db, VISITING))
    told = rooms | await outbox.rooms_told_of(db, asked.schools)
    found.update({(FactKind.ROOM, room): None for room in told})
    for room, key in (await actual.keys_of_rooms(db, asked.schools, rooms)).items():
        found[FactKind.ROOM, room] = room_facts(room, key)


async def of_visits(db: Transaction, academy: Academy, asked: Asked, found: Found) -> None:
    """What is known of others: whom rooms of ours admit, what is open to us, for whom they answer."""
    await of_others(db, academy, asked.schools, asked.at, found)


SOURCES: Final[tuple[Source, ...]] = (of_schools, of_people, of_rooms, of_visits)
"""Where facts come from, in order: a later source may change what an earlier one found."""
