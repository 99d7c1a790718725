"""Snapshot + decisions + choices → what the guard must know of a school's people, of the school, and of its rooms.

Who has no account has no facts: the guard is told of nobody who cannot be met on the homeserver (data minimisation).
Whoever calls this says who has one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from preau.model.choices import SchoolChoices
from preau.model.decisions import ConsentTopic, Decisions
from preau.model.facts import Language, Party, PersonFacts, RoomFacts, SchoolFacts
from preau.model.ids import DivisionCode, PersonId, RoomId, Uai, UserId
from preau.model.rooms import RoomKey
from preau.model.snapshot import Snapshot
from preau.policy.circles import Circles, circles, restrictions
from preau.policy.names import display_name, foremost
from preau.policy.rooms import Circle
from preau.policy.wanted import people_names

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Standing:
    """A person's place in one school, the display name that it would give them, and the school's language."""

    name: str
    party: Party
    language: Language = Language.FRENCH


def standings(
    snapshot: Snapshot, decisions: Decisions, choices: SchoolChoices, persons: Collection[PersonId]
) -> dict[PersonId, Standing]:
    """The places in one school of those of these persons who have one.

    Whoever holds a mandate here and is known by another school alone has a place too, which gives them no name.

    Args:
        snapshot: the school as its rosters describe it.
        decisions: those in force, at least all that are about these persons.
        choices: the school's own.
        persons: whom to tell of: those with an account.
    """
    persons = frozenset(persons)
    snapshot = _about(snapshot, persons)
    here = circles(snapshot, decisions, choices)
    names = people_names(snapshot, decisions)
    children, divisions = children_by_guardian(snapshot, decisions), divisions_by_person(snapshot, here)
    agreed = {consent.person for consent in decisions.consents if consent.topic is ConsentTopic.DIRECT_MESSAGES}
    guardians = here.of(Circle.GUARDIANS)
    found: dict[PersonId, Standing] = {}
    for person in (here.functions.keys() | here.mandated) & persons:
        functions = here.functions.get(person, frozenset())
        found[person] = Standing(
            name=display_name(names[person], functions, legal_guardian=person in here.legal) if person in names else "",
            party=Party(
                person=person,
                school=snapshot.school,
                functions=functions,
                divisions=frozenset(divisions.get(person, ())),
                children=frozenset(children.get(person, ())),
                opted_in=person in agreed and person in guardians,
            ),
            language=choices.language,
        )
    return found


def _about(snapshot: Snapshot, persons: frozenset[PersonId]) -> Snapshot:
    """As much of a school as these persons' places follow from: what the rosters say of them and of their children.

    Nobody's place follows from anybody else's, which keeps the work as small as the number of persons.
    """
    links = tuple(link for link in snapshot.guardianships if link.guardian in persons)
    pupils = persons.union(link.pupil for link in links)
    return replace(
        snapshot,
        names={person: snapshot.names[person] for person in persons if person in snapshot.names},
        enrolments=tuple(enrolment for enrolment in snapshot.enrolments if enrolment.pupil in pupils),
        guardianships=links,
        posts=tuple(post for post in snapshot.posts if post.person in persons),
    )


def moved(before: Snapshot, after: Snapshot) -> frozenset[PersonId] | None:
    """Everybody whose place may be another in the later reading of a school; None, with other divisions: anybody's."""
    if {division.code for division in before.divisions} != {division.code for division in after.divisions}:
        return None
    enrolled = {enrolment.pupil for enrolment in _differing(before.enrolments, after.enrolments)}
    found = set(enrolled)
    found.update(link.guardian for link in _differing(before.guardianships, after.guardianships))
    found.update(link.guardian for link in after.guardianships if link.pupil in enrolled)
    found.update(post.person for post in _differing(before.posts, after.posts))
    either = before.names.keys() | after.names.keys()
    found.update(person for person in either if before.names.get(person) != after.names.get(person))
    return frozenset(found)


def _differing(before: Iterable[T], after: Iterable[T]) -> set[T]:
    return set(before) ^ set(after)


def children_by_guardian(snapshot: Snapshot, decisions: Decisions) -> Mapping[PersonId, set[PersonId]]:
    """Whom everybody answers for, but for those from whom a court keeps them.

    A court that leaves a parent the right to be informed, and no more, gives them no right to address the child, nor
    the child's contacts (``school-data.md`` 12.3): both restrictions count here.
    """
    children: defaultdict[PersonId, set[PersonId]] = defaultdict(set)
    kept_away = restrictions(decisions)
    for link in snapshot.guardianships:
        if (link.guardian, link.pupil) not in kept_away and link.guardian != link.pupil:
            children[link.guardian].add(link.pupil)
    return children


def divisions_by_person(snapshot: Snapshot, here: Circles) -> Mapping[str, set[DivisionCode]]:
    """Everybody's divisions: taught, attended, or attended by the children of whose school life they are told."""
    divisions: defaultdict[str, set[DivisionCode]] = defaultdict(set)
    for division in snapshot.divisions:
        for circle in (Circle.TEACHERS, Circle.INFORMED, Circle.PUPILS):
            for holder in here.of(circle, division.code):
                divisions[holder].add(division.code)
    return divisions


def person_facts(user: UserId, places: Iterable[Standing]) -> PersonFacts | None:
    """Somebody with an account, by their places in all schools; None if there is none any more.

    The name is the one wanted, which the guard must know before the homeserver is asked to show it.
    """
    found = sorted(places, key=lambda place: place.party.school)
    if not found:
        return None
    return PersonFacts(
        user=user,
        name=foremost([place.name for place in found]),
        parties=tuple(place.party for place in found),
        language=_language({place.language for place in found}),
    )


def _language(languages: set[Language]) -> Language:
    """The one language of all their schools; French where the schools differ."""
    return next(iter(languages)) if len(languages) == 1 else Language.FRENCH


def school_facts(school: Uai, choices: SchoolChoices) -> SchoolFacts | None:
    """A school's own rules; None if it keeps to the default ones, by which the guard judges a school without a fact."""
    if not choices.contact and not choices.pupil_media:
        return None
    return SchoolFacts(school, dict(choices.contact), choices.pupil_media)


def room_facts(room: RoomId, key: RoomKey) -> RoomFacts:
    """A room that the service made."""
    return RoomFacts(room, key.kind, key.school, key.scope)
