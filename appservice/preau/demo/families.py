"""The families of an invented collège: who lives where, who answers for whom, who has left.

The shapes of families are data. Each school has every shape of `ALWAYS` once, large ones those of `LARGE` as well, and
the rest is drawn from `USUAL` by weight; so that no reader, rule or demonstration lacks its awkward case.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from random import Random
from typing import Final, Literal, NamedTuple

from preau.demo.names import family_name, given_name, given_names
from preau.demo.school import INSTITUTION, DemoDivision, DemoGroup, DemoGuardian, DemoLink, DemoPupil
from preau.model.ids import GroupCode
from preau.model.people import GuardianLevel

LARGE_SCHOOL: Final = 300
"""From so many pupils on, a school has an adjoint head and the shapes of `LARGE`."""

_FIRST_PUPIL, _FIRST_PERSON, _FIRST_ADDRESS = 900_001, 700_001, 5_001
_MOTHER, _FATHER, _GRANDPARENT, _OTHER_KIN, _FOSTER_FAMILY, _SITTER, _TUTOR, _ONESELF, _OTHER = (
    "10", "20", "38", "39", "42", "43", "50", "70", "90",
)  # fmt: skip


class Adult(NamedTuple):
    """A grown-up's place in a family; ``home`` 0 is where the children live, other numbers are elsewhere.

    ``known`` means that no new person is made: a legal guardian of another family takes the place.
    """

    level: GuardianLevel
    kinship: str
    home: int = 0
    known: bool = False


class Shape(NamedTuple):
    """A kind of family; ``children`` None lets their number be drawn, ``gone`` more have left the school."""

    adults: tuple[Adult, ...]
    children: int | None = None
    gone: int = 0


_MUM, _DAD = Adult(GuardianLevel.LEGAL, _MOTHER), Adult(GuardianLevel.LEGAL, _FATHER)
_DAD_ELSEWHERE = Adult(GuardianLevel.LEGAL, _FATHER, home=1)
_STEP_PARENT = Adult(GuardianLevel.IN_CHARGE, _OTHER)

ALWAYS: Final = (
    Shape((_MUM, _DAD_ELSEWHERE), children=2),
    Shape((_MUM, _DAD), children=1, gone=1),
    Shape((_MUM, _DAD), children=0, gone=1),
    Shape((_MUM, _STEP_PARENT), children=1),
    Shape((_MUM, _DAD, Adult(GuardianLevel.CONTACT, _GRANDPARENT, home=2)), children=1),
    Shape((_DAD, Adult(GuardianLevel.CONTACT, _OTHER, known=True)), children=1),
    Shape(
        (
            Adult(GuardianLevel.LEGAL, INSTITUTION, home=1),
            Adult(GuardianLevel.IN_CHARGE, _FOSTER_FAMILY),
        ),
        children=1,
    ),
)
LARGE: Final = (
    Shape((Adult(GuardianLevel.ONESELF, _ONESELF),), children=1),
    Shape((_MUM, _DAD_ELSEWHERE, Adult(GuardianLevel.LEGAL, _TUTOR, home=2)), children=1),
    Shape((Adult(GuardianLevel.IN_CHARGE, _GRANDPARENT),), children=1),
)
USUAL: Final = {
    Shape((_MUM, _DAD)): 53,
    Shape((_MUM, _DAD_ELSEWHERE)): 18,
    Shape((_MUM,)): 10,
    Shape((_DAD,)): 3,
    Shape((_MUM, Adult(GuardianLevel.LEGAL, _MOTHER))): 2,
    Shape((_MUM, _DAD_ELSEWHERE, _STEP_PARENT)): 3,
    Shape((_MUM, _DAD, Adult(GuardianLevel.CONTACT, _GRANDPARENT, home=2))): 6,
    Shape((_MUM, _DAD, Adult(GuardianLevel.CONTACT, _SITTER, home=2))): 3,
    Shape((_MUM, Adult(GuardianLevel.CONTACT, _OTHER_KIN, home=2))): 3,
    Shape((_MUM, _DAD), gone=1): 1,
}


@dataclass(frozen=True, slots=True)
class Desk:
    """A place in the school; ``assigned`` is false for a pupil between two divisions."""

    division: DemoDivision
    groups: tuple[DemoGroup, ...]
    assigned: bool


class Families:
    """Families enrolled one after the other; ``pupils``, ``guardians`` and ``links`` grow with each.

    Args:
        rng: where chance comes from.
        year: the school year.
        desks: one for each pupil who attends, in the order in which they are taken.
    """

    def __init__(self, rng: Random, year: int, desks: list[Desk]) -> None:
        self._rng = rng
        self._year = year
        self._desks = desks
        self._taken = 0
        self._pupil_keys = count(_FIRST_PUPIL)
        self._person_keys = count(_FIRST_PERSON)
        self._addresses = count(_FIRST_ADDRESS)
        self._legal: list[DemoGuardian] = []
        self.pupils: list[DemoPupil] = []
        self.guardians: list[DemoGuardian] = []
        self.links: list[DemoLink] = []

    def enrol_all(self) -> None:
        """Fills every desk: the families that each school must have first, then usual ones."""
        large = LARGE if len(self._desks) >= LARGE_SCHOOL else ()
        for shape in (*ALWAYS, *large):
            self._enrol(shape)
        shapes, weights = list(USUAL), list(USUAL.values())
        while self._taken < len(self._desks):
            self._enrol(self._rng.choices(shapes, weights)[0])

    def _enrol(self, shape: Shape) -> None:
        family = family_name(self._rng)
        stay = self._family_size(shape)
        given = given_names(self._rng, stay + shape.gone)
        children = [self._pupil(shape, family, name, gone=n >= stay) for n, name in enumerate(given)]
        homes = [next(self._addresses) for _ in range(1 + max(adult.home for adult in shape.adults))]
        adults = [self._adult(adult, children[0], homes[adult.home]) for adult in shape.adults]
        self.links += [
            DemoLink(child.key, person.key, adult.level, adult.kinship)
            for child in children
            for adult, person in zip(shape.adults, adults, strict=True)
        ]
        self._legal += [
            person
            for adult, person in zip(shape.adults, adults, strict=True)
            if adult.level is GuardianLevel.LEGAL and adult.kinship != INSTITUTION
        ]

    def _family_size(self, shape: Shape) -> int:
        if shape.children is not None:
            return shape.children
        return min(self._rng.choices((1, 2, 3), (72, 23, 5))[0], len(self._desks) - self._taken)

    def _pupil(self, shape: Shape, family: str, given: str, *, gone: bool) -> DemoPupil:
        rng = self._rng
        desk = self._desks[self._taken % len(self._desks)]
        self._taken += not gone
        in_class = desk.assigned and not gone
        of_age = shape.adults[0].level is GuardianLevel.ONESELF
        pupil = DemoPupil(
            key=next(self._pupil_keys),
            family=family,
            usage=f"{family}-{family_name(rng)}" if rng.random() < 1 / 20 else "",
            given=given,
            born=_birthday(rng, self._year - (19 if of_age else 17 - int(desk.division.level))),
            division=desk.division.code if in_class else None,
            groups=tuple(_choose_groups(rng, desk.groups)) if in_class else (),
            left=date(self._year, 9, 1) + timedelta(days=rng.randrange(10)) if gone else None,
        )
        self.pupils.append(pupil)
        return pupil

    def _adult(self, adult: Adult, child: DemoPupil, address: int) -> DemoGuardian:
        if adult.known:
            return self._rng.choice(self._legal)
        key = next(self._person_keys)
        family, given = self._adult_name(adult, child)
        human = adult.kinship != INSTITUTION
        person = DemoGuardian(
            key=key,
            title=self._title(adult),
            family=family,
            usage=child.family if human and family != child.family and self._rng.random() < 1 / 4 else "",
            given=given,
            phone=f"+336399{80_000 + key % 10_000}" if human and self._rng.random() < 0.9 else "",
            mail=f"{_plain(given)}.{_plain(family)}.{key}@example.org" if human and self._rng.random() < 0.85 else "",
            shares_address=self._agreement(adult),
            address=address,
        )
        self.guardians.append(person)
        return person

    def _adult_name(self, adult: Adult, child: DemoPupil) -> tuple[str, str]:
        if adult.level is GuardianLevel.ONESELF:
            return child.family, child.given
        if adult.kinship == INSTITUTION:
            return "AIDE SOCIALE À L'ENFANCE", "Service"
        same = adult.kinship == _FATHER or (adult.kinship == _MOTHER and self._rng.random() < 0.5)
        return child.family if same else family_name(self._rng), given_name(self._rng)

    def _title(self, adult: Adult) -> Literal["M.", "MME", ""]:
        if adult.kinship in {_MOTHER, _FATHER}:
            return "MME" if adult.kinship == _MOTHER else "M."
        return "" if adult.kinship == INSTITUTION else self._rng.choice(("M.", "MME"))

    def _agreement(self, adult: Adult) -> bool | None:
        if adult.level is GuardianLevel.CONTACT or adult.kinship == INSTITUTION:
            return None
        return self._rng.choices((True, False, None), (45, 35, 20))[0]


def _choose_groups(rng: Random, groups: tuple[DemoGroup, ...]) -> Iterator[GroupCode]:
    """One language group for most pupils; Latin, which draws on several divisions, for one in five."""
    languages = [group for group in groups if len(group.divisions) == 1]
    if languages and rng.random() < 0.85:
        yield rng.choice(languages).code
    yield from (group.code for group in groups if len(group.divisions) > 1 and rng.random() < 1 / 5)


def _birthday(rng: Random, year: int) -> date:
    return date(year, 1, 1) + timedelta(days=rng.randrange(365))


def _plain(name: str) -> str:
    """A name as it may stand in a mail address: ``Chloë`` becomes ``chloe``."""
    spelled = name.lower().replace("œ", "oe")
    return "".join(letter for letter in unicodedata.normalize("NFD", spelled) if letter.isascii() and letter.isalpha())
