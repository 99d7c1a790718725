"""Who of an invented school gets an account in the demo: one person for each thing that can be tried.

Chosen by what the school's own data say of them, so that any seed finds its people::

    DemoSchool ─► home: the division of the first child of a guardian with children in two divisions
               ├─► staff: direction, office, school life; head teacher and teachers of home, one by a group only
               └─► guardians: of two children, living apart, in charge, of a sibling who stays, opted in or not
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from preau.demo.school import INSTITUTION, DemoSchool, DemoStaff, StaffKey
from preau.model.ids import DivisionCode, Uai
from preau.model.people import GuardianLevel, RosterKey, RosterSource

_PARENTS: Final = 8
"""Guardians with an account in each school: enough for a conversation, few enough to start in seconds."""


class Part(StrEnum):
    """What somebody is there to show."""

    PRINCIPAL = "principal"
    DEPUTY = "deputy head"
    OFFICE = "school office"
    COUNSELLOR = "counsellor (CPE)"
    HEAD_TEACHER = "head teacher"
    TEACHER = "teacher of the division"
    GROUP_TEACHER = "teacher of a group of the division"
    PARENT_OF_TWO = "parent with children in two divisions, opted in"
    APART = "the other parent of both, lives apart, not opted in"
    OPTED_IN = "parent, opted in"
    OPTED_IN_TOO = "one more parent, opted in"
    NOT_OPTED_IN = "parent, not opted in"
    IN_CHARGE = "person in charge of a child, no legal guardian"
    SIBLING_STAYS = "parent, one child has left the school, one stays"
    PARENT = "one more parent"
    PUPIL = "pupil, where the school gives pupils accounts"
    PUPIL_TOO = "one more pupil, where the school gives pupils accounts"


OPTED_IN: Final = frozenset({Part.PARENT_OF_TWO, Part.OPTED_IN, Part.OPTED_IN_TOO})
"""Those who agreed to be in the parents' own rooms."""


@dataclass(frozen=True, slots=True)
class Cast:
    """The people of one school who get accounts.

    ``home`` is the division that the story is set in, ``players`` maps register keys to parts, each once but
    `Part.PARENT`; ``contact`` and ``departed`` are people who must not get an account: somebody who is a contact and
    nothing more, and a guardian of a departed pupil alone.
    """

    school: Uai
    home: DivisionCode
    players: Mapping[RosterKey, Part]
    contact: RosterKey
    departed: RosterKey


def cast(school: DemoSchool, *, pupils: bool = False) -> Cast:
    """The people of an invented school who get accounts; with ``pupils`` the children of `Part.PARENT_OF_TWO`."""
    ties = _Ties(school)
    two = ties.parent_of_two()
    home = ties.division_of[ties.children[two][0]]
    assert home is not None
    players: dict[RosterKey, Part] = dict(_staff(school, home))
    families = _families(ties, two, home)
    players |= {_person(school, key): part for key, part in families.items()}
    if pupils:
        for child, part in zip(ties.children[two], (Part.PUPIL, Part.PUPIL_TOO), strict=False):
            players[RosterKey(RosterSource.SIECLE_PUPIL, school.uai, str(child))] = part
    contact = next(key for key, levels in ties.levels.items() if levels == {GuardianLevel.CONTACT})
    gone = next(link.guardian for link in school.links if link.guardian not in ties.levels)
    return Cast(school.uai, home, players, _person(school, contact), _person(school, gone))


class _Ties:
    """By guardian of attending pupils, in the order of the register: levels, children, and the children's divisions."""

    def __init__(self, school: DemoSchool) -> None:
        self.address = {guardian.key: guardian.address for guardian in school.guardians}
        self.division_of = {pupil.key: pupil.division for pupil in school.attending}
        self.institutions = {link.guardian for link in school.links if link.kinship == INSTITUTION}
        self.levels: defaultdict[int, set[GuardianLevel]] = defaultdict(set)
        self.children: defaultdict[int, list[int]] = defaultdict(list)
        self.divisions: defaultdict[int, set[DivisionCode]] = defaultdict(set)
        self.of_departed = {link.guardian for link in school.links if link.pupil not in self.division_of}
        for link in school.links:
            if link.pupil in self.division_of:
                self._tie(link.guardian, link.pupil, link.level)

    def _tie(self, guardian: int, pupil: int, level: GuardianLevel) -> None:
        self.levels[guardian].add(level)
        if level is GuardianLevel.CONTACT:
            return
        self.children[guardian].append(pupil)
        if (division := self.division_of[pupil]) is not None:
            self.divisions[guardian].add(division)

    def is_parent(self, guardian: int) -> bool:
        """A legal guardian of one pupil or more, and no institution; perhaps the contact of another besides."""
        return GuardianLevel.LEGAL in self.levels[guardian] and guardian not in self.institutions

    def live_apart(self, one: int, other: int) -> bool:
        """Two parents of the same children, at two addresses."""
        same = self.is_parent(one) and self.is_parent(other) and self.children[one] == self.children[other]
        return same and self.address[one] != self.address[other]

    def parent_of_two(self) -> int:
        """A parent of children in two divisions; the other parent lives apart."""
        return next(
            one
            for one, divisions in self.divisions.items()
            if len(divisions) > 1 and any(self.live_apart(one, other) for other in list(self.levels))
        )

    def of(self, fits: Callable[[int], bool]) -> Iterator[int]:
        """The guardians who fit, in the order of the register."""
        return (guardian for guardian in list(self.levels) if fits(guardian))


def _families(ties: _Ties, two: int, home: DivisionCode) -> dict[int, Part]:
    """The guardians with an account, by their keys in the register."""
    chosen = {two: Part.PARENT_OF_TWO}

    def take(part: Part, fits: Callable[[int], bool]) -> None:
        found = next(ties.of(lambda guardian: guardian not in chosen and fits(guardian)), None)
        if found is not None:
            chosen[found] = part

    def of_home(guardian: int) -> bool:
        one_child = len(ties.children[guardian]) == 1 and guardian not in ties.of_departed
        return ties.is_parent(guardian) and one_child and ties.divisions[guardian] == {home}

    take(Part.APART, lambda guardian: ties.live_apart(two, guardian))
    take(Part.IN_CHARGE, lambda guardian: ties.levels[guardian] == {GuardianLevel.IN_CHARGE})
    take(Part.SIBLING_STAYS, lambda guardian: ties.is_parent(guardian) and guardian in ties.of_departed)
    for part in (Part.OPTED_IN, Part.OPTED_IN_TOO, Part.NOT_OPTED_IN):
        taken = {child for guardian in chosen for child in ties.children[guardian]}
        take(part, lambda guardian, taken=taken: of_home(guardian) and not taken & set(ties.children[guardian]))  # type: ignore[misc]
    while len(chosen) < _PARENTS:
        take(Part.PARENT, ties.is_parent)
    return chosen


def _staff(school: DemoSchool, home: DivisionCode) -> Iterator[tuple[RosterKey, Part]]:
    heads = [person for person in school.staff if person.function == "DIR"]
    yield _member(school, heads[0].key), Part.PRINCIPAL
    if len(heads) > 1:
        yield _member(school, heads[1].key), Part.DEPUTY
    for function, part in (("ADF", Part.OFFICE), ("EDU", Part.COUNSELLOR)):
        yield _member(school, next(person.key for person in school.staff if person.function == function)), part
    yield _member(school, next(person.key for person in school.staff if home in person.heads)), Part.HEAD_TEACHER
    yield _member(school, _by_service(school, home)), Part.TEACHER
    yield _member(school, _by_group(school, home)), Part.GROUP_TEACHER


def _by_service(school: DemoSchool, home: DivisionCode) -> StaffKey:
    """A teacher of the division itself who is no head teacher and has a FONCTION."""
    teaches = {service.teacher for service in school.services if service.structure == home}
    return next(person.key for person in _plain_teachers(school.staff) if person.key in teaches)


def _by_group(school: DemoSchool, home: DivisionCode) -> StaffKey:
    """A teacher who meets pupils of the division in a group only, and teaches no whole division at all."""
    groups = {group.code for group in school.groups if home in group.divisions}
    divisions = {division.code for division in school.divisions}
    whole = {service.teacher for service in school.services if service.structure in divisions}
    return next(
        service.teacher for service in school.services if service.structure in groups and service.teacher not in whole
    )


def _plain_teachers(staff: Iterable[DemoStaff]) -> Iterator[DemoStaff]:
    return (person for person in staff if person.function == "ENS" and not person.heads)


def _person(school: DemoSchool, key: int) -> RosterKey:
    return RosterKey(RosterSource.SIECLE_PERSON, school.uai, str(key))


def _member(school: DemoSchool, key: StaffKey) -> RosterKey:
    source = RosterSource.STS_STATE if key.register == "epp" else RosterSource.STS_LOCAL
    return RosterKey(source, school.uai, str(key.number))
