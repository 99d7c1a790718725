"""Joins the files of one school into a `SchoolRoster`, leaving out what points to nothing.

Departed pupils, persons tied only to them or to nobody, and their links are dropped here, once for all above.
Everything is sorted by key, so that the order of records in a file means nothing.

The divisions of a group come from STS_EDT; where it names none, from BEE_STRUCTURES; where that names none either,
from the divisions of the pupils who are in the group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from preau.model.ids import DivisionCode, GroupCode, Uai
from preau.model.people import Function, GuardianLevel, RosterKey, RosterSource
from preau.model.roster import (
    Division,
    Group,
    RosterGuardian,
    RosterLink,
    RosterPupil,
    RosterStaff,
    SchoolRoster,
    SourceFile,
)
from preau.policy.functions import function_of
from preau.roster.findings import Code, Notes
from preau.roster.siecle_guardians import GuardiansFile, LinkRecord
from preau.roster.siecle_pupils import PupilsFile
from preau.roster.siecle_structures import Declared, StructuresFile
from preau.roster.sts import StaffFile, StaffKey, StaffRecord

K = TypeVar("K")

Links = Mapping[tuple[str, str], LinkRecord]
Spans = Mapping[GroupCode, frozenset[DivisionCode]]


@dataclass(frozen=True, slots=True)
class Parts:
    """The files of one school, at most one of each kind, each with the notes its findings go to."""

    pupils: tuple[PupilsFile, Notes] | None = None
    guardians: tuple[GuardiansFile, Notes] | None = None
    structures: tuple[StructuresFile, Notes] | None = None
    staff: tuple[StaffFile, Notes] | None = None

    @property
    def declared(self) -> list[Declared]:
        """What the files declare of divisions and groups, STS_EDT first."""
        sts = [self.staff[0].declared] if self.staff else []
        return [*sts, self.structures[0].declared] if self.structures else sts


def assemble(school: Uai, year: int, parts: Parts, sources: tuple[SourceFile, ...]) -> SchoolRoster:
    """The roster that the files make up together; what does not fit is noted and left out."""
    links = _links(parts)
    spans = _spans(parts)
    return SchoolRoster(
        school=school,
        school_name=(parts.staff[0].head.school_name if parts.staff else "") or school,
        year=year,
        sources=sources,
        divisions=_divisions(parts),
        groups=_groups(parts, spans),
        pupils=_pupils(school, parts.pupils[0]) if parts.pupils else None,
        guardians=_guardians(school, parts.guardians[0], links) if parts.guardians else None,
        links=_roster_links(school, links) if parts.guardians else None,
        staff=_staff(school, parts.staff, parts, spans) if parts.staff else None,
        departed=len(parts.pupils[0].departed) if parts.pupils else 0,
    )


def _pupils(school: Uai, file: PupilsFile) -> tuple[RosterPupil, ...]:
    return tuple(
        RosterPupil(
            RosterKey(RosterSource.SIECLE_PUPIL, school, key),
            pupil.name,
            pupil.born,
            file.placements[key].division,
            file.placements[key].groups,
        )
        for key, pupil in sorted(file.attending.items(), key=_first)
    )


def _links(parts: Parts) -> Links:
    """The links to attending pupils; to every pupil where pupils were not given."""
    if parts.guardians is None:
        return {}
    file, notes = parts.guardians
    links = _without_double_selves(file.links, notes)
    if parts.pupils is None:
        return links
    pupils = parts.pupils[0]
    kept = {}
    for (person, pupil), link in links.items():
        if pupil in pupils.attending:
            kept[person, pupil] = link
        elif pupil not in pupils.departed and pupil not in pupils.left_out:
            message = f"A link of person {person} points to pupil {pupil}, who is in no file. Export both again."
            notes.add(Code.UNKNOWN_PUPIL, link.line, message)
    return kept


def _without_double_selves(links: Links, notes: Notes) -> Links:
    """Nobody is two pupils: such links are left out."""
    selves: dict[str, list[str]] = defaultdict(list)
    for (person, pupil), link in links.items():
        if link.level is GuardianLevel.ONESELF:
            selves[person].append(pupil)
    double = {(person, pupil) for person, pupils in selves.items() if len(pupils) > 1 for pupil in pupils}
    for person, pupil in sorted(double):
        message = (
            f"Person {person} is said to be pupil {pupil} and another; the link is left out. Correct it in SIECLE."
        )
        notes.add(Code.ONESELF_TWICE, links[person, pupil].line, message)
    return {key: link for key, link in links.items() if key not in double} if double else links


def _guardians(school: Uai, file: GuardiansFile, links: Links) -> tuple[RosterGuardian, ...]:
    tied = {person for person, _pupil in links}
    institutions = {person for (person, _pupil), link in links.items() if link.institution}
    return tuple(
        RosterGuardian(_person(school, key), person.name, person.shares_address, key in institutions)
        for key, person in ((key, file.persons[key]) for key in sorted(tied))
    )


def _roster_links(school: Uai, links: Links) -> tuple[RosterLink, ...]:
    persons = {person: _person(school, person) for person, _ in links}
    pupils = {pupil: RosterKey(RosterSource.SIECLE_PUPIL, school, pupil) for _, pupil in links}
    return tuple(
        RosterLink(persons[person], pupils[pupil], link.level)
        for (person, pupil), link in sorted(links.items(), key=_first)
    )


def _person(school: Uai, key: str) -> RosterKey:
    return RosterKey(RosterSource.SIECLE_PERSON, school, key)


def _divisions(parts: Parts) -> tuple[Division, ...]:
    """The divisions that are declared and those that attending pupils are in."""
    labels: dict[DivisionCode, str] = {}
    for declared in parts.declared:
        for written, label in declared.divisions.items():
            labels[written] = labels.get(written) or label
    used = (
        {place.division for place in parts.pupils[0].placements.values() if place.division} if parts.pupils else set()
    )
    return tuple(Division(written, labels.get(written) or written) for written in sorted(labels.keys() | used))


def _groups(parts: Parts, spans: Spans) -> tuple[Group, ...]:
    labels: dict[GroupCode, str] = {}
    for declared in parts.declared:
        for written, label in declared.groups.items():
            labels[written] = labels.get(written) or label
    used = _group_divisions(parts).keys()
    return tuple(
        Group(written, labels.get(written) or written, spans.get(written, frozenset()))
        for written in sorted(labels.keys() | used)
    )


def _spans(parts: Parts) -> Spans:
    """The divisions of each group, from the first source that names any."""
    spans: dict[GroupCode, frozenset[DivisionCode]] = {}
    sources: list[Spans] = [declared.members for declared in parts.declared]
    for source in (*sources, _group_divisions(parts)):
        for written, divisions in source.items():
            spans[written] = spans.get(written) or divisions
    return spans


def _group_divisions(parts: Parts) -> Spans:
    """The groups that attending pupils are in, with those pupils' divisions."""
    divisions: dict[GroupCode, set[DivisionCode]] = defaultdict(set)
    for place in parts.pupils[0].placements.values() if parts.pupils else ():
        for written in place.groups:
            divisions[written].update([place.division] if place.division else [])
    return {written: frozenset(found) for written, found in divisions.items()}


def _staff(school: Uai, sts: tuple[StaffFile, Notes], parts: Parts, spans: Spans) -> tuple[RosterStaff, ...]:
    file, notes = sts
    known = {division.code for division in _divisions(parts)}
    teaches = _teaches(file, spans)
    today = max((day for day in (*_reference_days(parts), file.head.starts) if day), default=date.min)
    staff = []
    for key, person in sorted(file.staff.items(), key=_first):
        taught, heads = teaches.get(key, set()), _current_heads(person, key, today, known, notes)
        function = _function(key, person, notes, teaches=key in teaches or bool(heads))
        roster_key = RosterKey(key[0], school, key[1])
        staff.append(RosterStaff(roster_key, person.name, function, frozenset(taught), heads))
    return tuple(staff)


def _reference_days(parts: Parts) -> Iterable[date | None]:
    siecle = (parts.pupils, parts.guardians, parts.structures)
    return (part[0].head.reference_day for part in siecle if part)


def _teaches(file: StaffFile, spans: Spans) -> dict[StaffKey, set[DivisionCode]]:
    """The divisions of each teacher, through services of the division and of its groups; a key even when empty."""
    teaches: dict[StaffKey, set[DivisionCode]] = defaultdict(set)
    for division, teachers in file.division_services.items():
        for teacher in teachers:
            teaches[teacher].add(division)
    for group, teachers in file.group_services.items():
        for teacher in teachers:
            teaches[teacher].update(spans.get(group, ()))
    return teaches


def _current_heads(
    person: StaffRecord, key: StaffKey, today: date, known: set[DivisionCode], notes: Notes
) -> frozenset[DivisionCode]:
    current = {division for division, ends in person.heads if ends is None or ends >= today}
    for division in sorted(current - known):
        message = (
            f"Staff {key[0]} {key[1]} heads division '{division}', which is declared nowhere. Correct it in STS-web."
        )
        notes.add(Code.UNKNOWN_DIVISION, person.line, message)
    return frozenset(current & known)


def _function(key: StaffKey, person: StaffRecord, notes: Notes, *, teaches: bool) -> Function | None:
    function, what = function_of(person.function_code, teaches=teaches), f"Staff {key[0]} {key[1]}"
    if function is None and person.function_code:
        message = f"{what} has the unknown function '{person.function_code}'. Say what they are with `preau appoint`."
        notes.add(Code.UNKNOWN_FUNCTION, person.line, message)
    elif function is None:
        message = f"{what} has neither function nor service. Say what they are with `preau appoint`, if they work here."
        notes.add(Code.NO_FUNCTION, person.line, message)
    return function


def _first(item: tuple[K, object]) -> K:
    return item[0]
