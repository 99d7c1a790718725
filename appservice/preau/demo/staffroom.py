"""The staff of an invented collège, and who teaches what.

Every awkward case of STS-web is there once: a teacher without FONCTION whom services still point to, a ``local`` person
with the number of an ``epp`` one, teachers of groups only, divisions with two head teachers, a teacher who is a parent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import count
from random import Random
from typing import Final, Literal

from preau.demo.families import LARGE_SCHOOL
from preau.demo.names import family_name, given_name
from preau.demo.school import DemoDivision, DemoGroup, DemoGuardian, DemoService, DemoStaff, StaffKey
from preau.demo.structures import GERMAN, LATIN, SPANISH
from preau.model.ids import DivisionCode

_FIRST_NUMBER: Final = 30_001
_PUPILS_PER_COUNSELLOR: Final = 250
_GROUPS_PER_TEACHER: Final = 8
_DIVISIONS_WITH_TWO_HEADS: Final = 4  # every fourth

SUBJECTS: Final = {
    "020700": "FRANCAIS",
    "061300": "MATHEMATIQUES",
    "043700": "HIST.-GEO.-EMC",
    "030201": "ANGLAIS LV1",
    GERMAN: "ALLEMAND LV2",
    SPANISH: "ESPAGNOL LV2",
    LATIN: "LATIN",
    "062900": "SC. VIE ET TERRE",
    "062300": "PHYSIQUE-CHIMIE",
    "100100": "ED. PHYS. & SPORT",
    "090100": "ARTS PLASTIQUES",
    "080100": "EDUC. MUSICALE",
    "070400": "TECHNOLOGIE",
}
"""Subjects (MATIERE) by code; the codes have the ministry's shape, nothing is read from them."""

_DIVISIONS_PER_TEACHER: Final = {
    "020700": 4,
    "061300": 5,
    "043700": 5,
    "030201": 5,
    "062900": 9,
    "062300": 9,
    "100100": 6,
    "090100": 18,
    "080100": 18,
    "070400": 12,
}


@dataclass(frozen=True, slots=True)
class Staffroom:
    """The staff of a school and their services."""

    staff: tuple[DemoStaff, ...]
    services: tuple[DemoService, ...]


def invent_staff(
    rng: Random, pupils: int, divisions: tuple[DemoDivision, ...], groups: tuple[DemoGroup, ...], parent: DemoGuardian
) -> Staffroom:
    """The staff of a school of so many pupils; ``parent`` is a guardian who teaches there as well."""
    hiring = _Hiring(rng)
    for function, posts in _offices(pupils).items():
        for _ in range(posts):
            hiring.engage(function)
    services = [*_division_services(hiring, divisions), *_group_services(hiring, groups)]
    room = _with_local(rng, hiring.staff, services)
    staff = _with_odd_cases(room, parent)
    return replace(room, staff=tuple(_with_head_teachers(staff, room.services, divisions)))


def _offices(pupils: int) -> dict[str, int]:
    """Posts that are not for teaching, by FONCTION."""
    return {
        "DIR": 2 if pupils > LARGE_SCHOOL else 1,
        "ADF": 1,
        "EDU": 1 + pupils // _PUPILS_PER_COUNSELLOR,
        "DOC": 1,
    }


class _Hiring:
    """The register of staff while it grows."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._numbers = count(_FIRST_NUMBER)
        self.staff: list[DemoStaff] = []

    def engage(self, function: str) -> StaffKey:
        """A new person of the State's register, with that FONCTION."""
        person = _person(self._rng, StaffKey("epp", next(self._numbers)), function)
        self.staff.append(person)
        return person.key


def _person(rng: Random, key: StaffKey, function: str) -> DemoStaff:
    return DemoStaff(
        key=key,
        title=rng.choice(("1", "2")),
        family=family_name(rng),
        given=given_name(rng),
        born=date(rng.randrange(1962, 2000), 1, 1) + timedelta(days=rng.randrange(365)),
        function=function,
        heads=(),
    )


def _division_services(hiring: _Hiring, divisions: tuple[DemoDivision, ...]) -> Iterator[DemoService]:
    for subject, load in _DIVISIONS_PER_TEACHER.items():
        for start in range(0, len(divisions), load):
            teacher = hiring.engage("ENS")
            for division in divisions[start : start + load]:
                yield DemoService(division.code, subject, teacher)


def _group_services(hiring: _Hiring, groups: tuple[DemoGroup, ...]) -> Iterator[DemoService]:
    """Languages that start later and Latin: their teachers meet groups only."""
    for subject in (GERMAN, SPANISH, LATIN):
        theirs = [group for group in groups if group.subject == subject]
        for start in range(0, len(theirs), _GROUPS_PER_TEACHER):
            teacher = hiring.engage("ENS")
            for group in theirs[start : start + _GROUPS_PER_TEACHER]:
                yield DemoService(group.code, subject, teacher)


def _with_local(rng: Random, staff: list[DemoStaff], services: list[DemoService]) -> Staffroom:
    """One more teacher, added by the school itself to the last group, with the number of the first ENS of the State."""
    taken = next(person.key.number for person in staff if person.function == "ENS")
    local = replace(_person(rng, StaffKey("local", taken), ""), born=None)
    return Staffroom((*staff, local), (*services, replace(services[-1], teacher=local.key)))


def _with_odd_cases(room: Staffroom, parent: DemoGuardian) -> Iterator[DemoStaff]:
    """The same staff, where the first teacher is a parent of the school and the last of the State lacks FONCTION."""
    first, *_, last = [person.key for person in room.staff if person.function == "ENS"]
    for person in room.staff:
        if person.key == first:
            title: Literal["1", "2"] = "2" if parent.title == "MME" else "1"
            yield replace(person, family=parent.family, given=parent.given, title=title)
        else:
            yield replace(person, function="") if person.key == last else person


def _with_head_teachers(
    staff: Iterable[DemoStaff], services: tuple[DemoService, ...], divisions: tuple[DemoDivision, ...]
) -> Iterator[DemoStaff]:
    """The same staff, where each division has one head teacher among its own teachers, every fourth has two."""
    teachers: dict[str, list[StaffKey]] = {}
    for service in services:
        teachers.setdefault(service.structure, []).append(service.teacher)
    heads: dict[StaffKey, list[DivisionCode]] = {}
    for number, division in enumerate(divisions):
        candidates = teachers[division.code]
        first = number % len(candidates)
        chosen = candidates[first : first + 1]
        if number % _DIVISIONS_WITH_TWO_HEADS == 0:
            chosen = [*chosen, candidates[first - 1]]
        for key in chosen:
            heads.setdefault(key, []).append(division.code)
    return (replace(person, heads=tuple(heads.get(person.key, ()))) for person in staff)
