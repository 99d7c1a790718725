"""Which human is meant by a register's key: rosters in the registers' keys → snapshots in our own person ids.

A key that is known keeps its person for ever; a new key is a new person. Nobody is merged because two names, two
birthdays or two addresses are alike (``school-data.md`` 1.2): that takes the person's own login or a human decision.
The one exception is written in the roster itself: an adult pupil entered as their own guardian.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol, TypeAlias, TypeVar

from preau.model.ids import PersonId
from preau.model.people import GuardianLevel, PersonName, RosterKey
from preau.model.roster import (
    FileKind,
    RosterGuardian,
    RosterPupil,
    RosterStaff,
    SchoolRoster,
    SourceFile,
)
from preau.model.snapshot import Enrolment, Guardianship, Post, Snapshot

Mint: TypeAlias = Callable[[], PersonId]
"""Makes a fresh random person id."""

_ALPHABET: Final = "bcdfghjkmnpqrstvwxz23456789"
"""No vowels, so that chance spells no word; no 0 1 l o, which are misread from paper."""

_LENGTH: Final = 8


def minter(source: random.Random) -> Mint:
    """Person ids from a source of randomness (`random.SystemRandom` outside tests)."""
    return lambda: PersonId("".join(source.choices(_ALPHABET, k=_LENGTH)))


def fresh_ids(count: int, mint: Mint, taken: Collection[PersonId]) -> list[PersonId]:
    """That many ids, different from each other and from those taken."""
    seen = set(taken)
    fresh: list[PersonId] = []
    while len(fresh) < count:
        candidate = mint()
        if candidate not in seen:
            seen.add(candidate)
            fresh.append(candidate)
    return fresh


def keys_that_matter(roster: SchoolRoster) -> frozenset[RosterKey]:
    """The keys of everybody who takes part: contacts and institutions are not remembered at all."""
    persons = {guardian.key for guardian in roster.guardians or () if not guardian.institution}
    keys = {pupil.key for pupil in roster.pupils or ()} | {member.key for member in roster.staff or ()}
    taking_part = {link.guardian for link in roster.links or () if link.level is not GuardianLevel.CONTACT}
    return frozenset(keys | (taking_part & persons))


def same_people(roster: SchoolRoster) -> dict[RosterKey, RosterKey]:
    """Guardian keys that point to a pupil: adults who answer for themselves."""
    return {link.guardian: link.pupil for link in roster.links or () if link.level is GuardianLevel.ONESELF}


def complete(
    known: Mapping[RosterKey, PersonId], roster: SchoolRoster, ids: Sequence[PersonId]
) -> dict[RosterKey, PersonId]:
    """A person for every key that matters and is not known yet.

    Args:
        known: the keys recognised already.
        roster: the reading.
        ids: fresh person ids, at least as many as keys are missing.

    Returns:
        The missing keys alone. An adult pupil and the guardian who they are themselves share one person, whichever of
        the two keys was known first.

    Raises:
        ValueError: too few ids were given.
    """
    oneself = same_people(roster)
    found = {pupil: known[guardian] for guardian, pupil in oneself.items() if guardian in known and pupil not in known}
    missing = sorted(keys_that_matter(roster) - known.keys() - oneself.keys() - found.keys())
    found |= zip(missing, ids[: len(missing)], strict=True)
    everybody = {**known, **found}
    return found | {
        guardian: everybody[pupil]
        for guardian, pupil in oneself.items()
        if guardian not in known and pupil in everybody
    }


def snapshot_of(roster: SchoolRoster, people: Mapping[RosterKey, PersonId], before: Snapshot | None) -> Snapshot:
    """The snapshot that a reading makes.

    Families (pupils, guardians) and staff are exported apart, often on other days: a side that these files do not speak
    of is taken over from the snapshot before.

    Args:
        roster: the reading.
        people: a person for every key that matters.
        before: the newest snapshot of the school in the same school year, if there is one.
    """
    matter = keys_that_matter(roster) | same_people(roster).keys()
    read = _read(roster, {key: person for key, person in people.items() if key in matter})
    if before is None:
        return read
    families, staff = roster.pupils is not None, roster.staff is not None
    chosen = replace(
        read,
        school_name=read.school_name or before.school_name,
        sources=_sources(read.sources, before.sources),
        divisions=_by_code(before.divisions, read.divisions),
        groups=_by_code(before.groups, read.groups),
        enrolments=read.enrolments if families else before.enrolments,
        guardianships=read.guardianships if families else before.guardianships,
        shares_address=read.shares_address if families else before.shares_address,
        posts=read.posts if staff else before.posts,
    )
    if families and staff:
        chosen = replace(chosen, divisions=read.divisions, groups=read.groups)
    return replace(chosen, names=_named(chosen, {**before.names, **read.names}))


def _read(roster: SchoolRoster, people: Mapping[RosterKey, PersonId]) -> Snapshot:
    """The reading alone, in person ids."""
    enrolments = tuple(
        Enrolment(people[pupil.key], pupil.born, pupil.division, pupil.groups) for pupil in roster.pupils or ()
    )
    links = (
        Guardianship(people[link.guardian], people[link.pupil], link.level)
        for link in roster.links or ()
        if link.level is not GuardianLevel.CONTACT and link.guardian in people
    )
    posts = (Post(people[member.key], member.function, member.teaches, member.heads) for member in roster.staff or ())
    named: list[RosterGuardian | RosterStaff | RosterPupil] = [
        *(roster.guardians or ()),
        *(roster.staff or ()),
        *(roster.pupils or ()),
    ]
    return Snapshot(
        school=roster.school,
        school_name=roster.school_name,
        year=roster.year,
        sources=roster.sources,
        names={people[found.key]: found.name for found in named if found.key in people},
        divisions=_by_code((), roster.divisions),
        groups=_by_code((), roster.groups),
        enrolments=tuple(sorted(enrolments, key=lambda enrolment: enrolment.pupil)),
        guardianships=tuple(sorted(links, key=lambda link: (link.guardian, link.pupil))),
        posts=tuple(sorted(posts, key=lambda post: post.person)),
        shares_address=frozenset(
            people[guardian.key]
            for guardian in roster.guardians or ()
            if guardian.shares_address and guardian.key in people
        ),
    )


def _named(snapshot: Snapshot, names: Mapping[PersonId, PersonName]) -> dict[PersonId, PersonName]:
    """The names of those who are in the snapshot, and of nobody else."""
    present = {enrolment.pupil for enrolment in snapshot.enrolments}
    present |= {link.guardian for link in snapshot.guardianships}
    present |= {post.person for post in snapshot.posts}
    return {person: names[person] for person in sorted(present)}


def _sources(read: tuple[SourceFile, ...], before: tuple[SourceFile, ...]) -> tuple[SourceFile, ...]:
    """The newest file of each kind."""
    newest = {source.kind: source for source in (*before, *read)}
    return tuple(newest[kind] for kind in FileKind if kind in newest)


class _Coded(Protocol):
    @property
    def code(self) -> str: ...


_Item = TypeVar("_Item", bound=_Coded)


def _by_code(before: Iterable[_Item], read: Iterable[_Item]) -> tuple[_Item, ...]:
    """What was read, over what was known before, sorted by code."""
    found = {item.code: item for item in (*before, *read)}
    return tuple(found[code] for code in sorted(found))
