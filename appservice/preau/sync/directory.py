"""Who is who in a school, as commands and letters show it: ids, functions, children, divisions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from preau.errors import UnknownSubject
from preau.model.decisions import Decisions, Restriction
from preau.model.ids import DivisionCode, PersonId, Uai, UserId, split_user_id, user_id
from preau.model.people import Function, RosterKey, RosterSource
from preau.model.snapshot import Snapshot
from preau.policy.circles import circles, restrictions
from preau.policy.facts import divisions_by_person
from preau.policy.wanted import wanted
from preau.store import actual, decisions, people, snapshots
from preau.store.engine import Transaction
from preau.sync.context import Academy, Context


@dataclass(frozen=True, slots=True)
class Place:
    """One person's place in one school.

    ``divisions`` are the ones taught, attended, or attended by one's children; ``active`` tells whether the account
    exists and is open.
    """

    school: Uai
    person: PersonId
    user: UserId
    name: str
    functions: tuple[Function, ...]
    guardian_of: tuple[PersonId, ...]
    divisions: tuple[DivisionCode, ...]
    active: bool


async def places(context: Context, schools: Collection[Uai]) -> tuple[Place, ...]:
    """Everybody who may have an account in these schools, by school and id, as the current snapshots say."""
    found: list[Place] = []
    async with context.store.reading() as db:
        in_force = await decisions.in_force_of_all(db, schools, context.clock.now())
        accounts = await actual.accounts(db, await people.people_of(db, schools))
        open_to = {user for user, account in accounts.items() if account.active}
        for school in sorted(schools):
            snapshot = await snapshots.current(db, school)
            if snapshot is not None:
                found += _of_school(snapshot, in_force[school], context.academy, open_to)
    return tuple(found)


def _of_school(
    snapshot: Snapshot, in_force: Decisions, academy: Academy, open_to: Collection[UserId]
) -> Iterator[Place]:
    choices = academy.choices_of(snapshot.school)
    here = circles(snapshot, in_force, choices)
    names = wanted(snapshot, in_force, choices, academy.server).accounts
    children, divisions = _children(snapshot, in_force), divisions_by_person(snapshot, here)
    for person in sorted(here.functions):
        user = user_id(person, academy.server)
        yield Place(
            school=snapshot.school,
            person=person,
            user=user,
            name=names.get(user, ""),
            functions=tuple(sorted(here.functions[person])),
            guardian_of=tuple(sorted(children[person])),
            divisions=tuple(sorted(divisions.get(person, ()))),
            active=user in open_to,
        )


def _children(snapshot: Snapshot, in_force: Decisions) -> defaultdict[PersonId, set[PersonId]]:
    """Whom everybody is guardian of, but for those whom a court keeps them from."""
    children: defaultdict[PersonId, set[PersonId]] = defaultdict(set)
    kept_away = restrictions(in_force)
    for link in snapshot.guardianships:
        if kept_away.get((link.guardian, link.pupil)) is not Restriction.NO_ACCESS:
            children[link.guardian].add(link.pupil)
    return children


async def find_person(db: Transaction, academy: Academy, said: str) -> PersonId:
    """The person meant by an id, a user id, or a register's key such as ``siecle.personne/0990001N/700001``.

    Raises:
        UnknownSubject: nobody is meant by it.
    """
    if said.startswith("@"):
        localpart, server = split_user_id(UserId(said))
        said = localpart if server == academy.server else said
    if "/" in said:
        return await _by_key(db, said)
    if await people.taken(db, [PersonId(said)]):
        return PersonId(said)
    raise UnknownSubject(f"Nobody is known as {said!r}.", advice="`preau status --people` lists everybody's id.")


async def _by_key(db: Transaction, said: str) -> PersonId:
    try:
        source, school, number = said.split("/", 2)
        key = RosterKey(RosterSource(source), Uai(school), number)
    except ValueError:
        known = ", ".join(RosterSource)
        raise UnknownSubject(
            f"{said!r} is no register's key.", advice=f"Write SOURCE/UAI/NUMBER; the sources are {known}."
        ) from None
    found = await people.recognised(db, [key])
    if key not in found:
        raise UnknownSubject(f"No roster that was imported holds {said}.", advice="Contacts are not kept.")
    return found[key]
