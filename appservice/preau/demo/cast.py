"""The invented schools: `invent_school` makes one from a seed, `DEMO_SCHOOLS` are those of ``make demo``.

The same seed makes the same school, to the byte of its files::

    seed, UAI ─► divisions, groups (structures) ─► desks ─► families ─► staff (staffroom) ─► DemoSchool
                                                                                               │
                                            changes: a pupil moves, leaves … ◄─────────────────┤
                                            rosters: the ministry's files on disk ◄────────────┘

Nobody here exists: département 099 is none, telephone numbers are of the range that ARCEP keeps for fiction.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from preau.demo.families import Desk, Families
from preau.demo.school import DemoDivision, DemoGroup, DemoSchool
from preau.demo.staffroom import invent_staff
from preau.demo.structures import invent_divisions, invent_groups
from preau.model.ids import AcademyName, Uai

SMALLEST_SCHOOL: Final = 20
"""Fewer pupils do not hold every kind of family that a school must have."""

_CHECK_LETTERS: Final = "ABCDEFGHJKLMNPRSTUVWXYZ"
_INVENTED_DEPARTMENT: Final = 990_000
_BETWEEN_DIVISIONS: Final = range(19, 1_000_000, 97)  # a desk in a hundred, the first early enough for every school


@dataclass(frozen=True, slots=True)
class SchoolSpec:
    """What tells one demo school from another."""

    academy: AcademyName
    uai: Uai
    name: str
    pupils: int


def invented_uai(number: int) -> Uai:
    """The ``number``-th code (1 to 9999) of the invented département 099, with its check letter.

    Raises:
        ValueError: the number leaves the département.
    """
    if not 1 <= number <= 9_999:
        raise ValueError(f"the invented département has schools 1 to 9999, not {number}")
    digits = _INVENTED_DEPARTMENT + number
    return Uai(f"{digits:07d}{_CHECK_LETTERS[digits % len(_CHECK_LETTERS)]}")


NORD: Final = AcademyName("nord")
SUD: Final = AcademyName("sud")

DEMO_SEED: Final = 2025
DEMO_YEAR: Final = 2025
DEMO_SCHOOLS: Final = (
    SchoolSpec(NORD, invented_uai(1), "Collège Imaginaire", 180),
    SchoolSpec(NORD, invented_uai(2), "Collège de l'Exemple", 60),
    SchoolSpec(SUD, invented_uai(3), "Collège des Œillets-Inventés", 600),
)

SCHOOLS_WITH_PUPILS: Final = frozenset({DEMO_SCHOOLS[-1].uai})
"""The schools that chose to give their pupils accounts."""


def invent_school(seed: int, uai: Uai, name: str, *, pupils: int, year: int = DEMO_YEAR) -> DemoSchool:
    """A school where so many pupils attend, made from the seed and the UAI alone.

    Keys are the registers' own, so two schools use the same numbers for different people, as real ones do.

    Raises:
        ValueError: fewer pupils than `SMALLEST_SCHOOL`.
    """
    if pupils < SMALLEST_SCHOOL:
        raise ValueError(f"a school needs {SMALLEST_SCHOOL} pupils to hold every kind of family, not {pupils}")
    rng = Random(f"{seed}/{uai}")
    divisions = invent_divisions(pupils)
    groups = invent_groups(rng, divisions)
    families = Families(rng, year, _desks(pupils, divisions, groups))
    families.enrol_all()
    room = invent_staff(rng, pupils, divisions, groups, parent=families.guardians[0])
    return DemoSchool(
        uai=uai,
        name=name,
        year=year,
        divisions=tuple(sorted(divisions, key=lambda division: division.code)),
        groups=groups,
        pupils=tuple(families.pupils),
        guardians=tuple(families.guardians),
        links=tuple(families.links),
        staff=room.staff,
        services=room.services,
    )


def invent_demo_school(spec: SchoolSpec, *, seed: int = DEMO_SEED) -> DemoSchool:
    """One of the demo's schools."""
    return invent_school(seed, spec.uai, spec.name, pupils=spec.pupils)


def _desks(pupils: int, divisions: tuple[DemoDivision, ...], groups: tuple[DemoGroup, ...]) -> list[Desk]:
    """Desks dealt out to the divisions like cards."""
    of_division: dict[str, list[DemoGroup]] = {division.code: [] for division in divisions}
    for group in groups:
        for code in group.divisions:
            of_division[code].append(group)
    hands = [(division, tuple(of_division[division.code])) for division in divisions]
    return [Desk(*hands[number % len(hands)], number not in _BETWEEN_DIVISIONS) for number in range(pupils)]
