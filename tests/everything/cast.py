"""The people of the matrix: every function in two divisions, and those on whom a condition of the tables turns.

A part may be played by several accounts with the same facts, since one account has only so many conversations a day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from preau.model.facts import Cell, ContactTable, Party, PersonFacts, SchoolFacts
from preau.model.ids import DivisionCode, PersonId, Uai, UserId, split_user_id
from preau.model.people import Function
from preau.policy.contact import tighten
from tests.builders import NORTH, SOUTH

STRICT: Final = Uai("0990009W")
"""A school that tightened its table."""

DIVISIONS: Final = ("5 A", "4 B")

_CELLS: Final[ContactTable] = {
    (Function.TEACHER, Function.GUARDIAN): Cell.SAME_DIVISION,
    (Function.GUARDIAN, Function.TEACHER): Cell.SAME_DIVISION,
    (Function.GUARDIAN, Function.GUARDIAN): Cell.NO,
    (Function.TEACHER, Function.PUPIL): Cell.SAME_DIVISION,
    (Function.PUPIL, Function.TEACHER): Cell.NO,
    (Function.PUPIL, Function.GUARDIAN): Cell.NO,
}

SCHOOLS: Final[Mapping[Uai, SchoolFacts]] = {
    NORTH: SchoolFacts(NORTH),
    SOUTH: SchoolFacts(SOUTH, pupil_media=True),
    STRICT: SchoolFacts(STRICT, {pair: tighten(_CELLS)[pair] for pair in _CELLS}),
}
"""The default, one that lets pupils send files, and the strict one."""


@dataclass(frozen=True, slots=True)
class Part:
    """What somebody is. ``schools`` empty: known, without a place; ``known`` False: no fact is held."""

    name: str
    functions: frozenset[Function] = frozenset()
    schools: tuple[Uai, ...] = (NORTH,)
    division: str = ""
    opted_in: bool = False
    child: str = ""
    known: bool = True

    def __str__(self) -> str:
        return self.name

    @property
    def function(self) -> str:
        """What the table's row is called: the function, or the part itself for those without one."""
        return ", ".join(sorted(self.functions)) or self.name


def _part(name: str, *functions: Function, **more: object) -> Part:
    return Part(name, frozenset(functions), **more)  # type: ignore[arg-type]  # passed on as they are


def _ordinary() -> Iterable[Part]:
    for function in Function:
        for letter, division in zip("AB", DIVISIONS, strict=True):
            child = f"pupil {letter}" if function is Function.GUARDIAN else ""
            opted_in = function is Function.GUARDIAN and letter == "A"
            yield _part(f"{function} {letter}", function, division=division, child=child, opted_in=opted_in)


PARTS: Final = (
    *_ordinary(),
    _part("guardian A, another", Function.GUARDIAN, division="5 A", opted_in=True),
    _part("guardian in two schools", Function.GUARDIAN, schools=(NORTH, SOUTH), division="5 A", opted_in=True),
    _part("teacher and guardian", Function.TEACHER, Function.GUARDIAN, division="4 B", child="pupil B"),
    _part("pupil of age, own guardian", Function.PUPIL, Function.GUARDIAN, division="4 B"),
    _part("by a mandate alone"),
    _part("elsewhere: teacher", Function.TEACHER, schools=(SOUTH,), division="5 A"),
    _part("elsewhere: pupil", Function.PUPIL, schools=(SOUTH,), division="5 A"),
    _part("strict: teacher A", Function.TEACHER, schools=(STRICT,), division="5 A"),
    _part(
        "strict: guardian A", Function.GUARDIAN, schools=(STRICT,), division="5 A", opted_in=True, child="strict: pupil"
    ),
    _part("strict: guardian B", Function.GUARDIAN, schools=(STRICT,), division="4 B", opted_in=True),
    _part("strict: pupil", Function.PUPIL, schools=(STRICT,), division="5 A"),
    Part("without a place", schools=()),
    Part("unknown", known=False),
)
"""Everybody."""


@dataclass(frozen=True, slots=True)
class Actor:
    """An account that plays a part; ``facts`` None: nothing is known of it."""

    part: Part
    user: UserId
    facts: PersonFacts | None

    def __str__(self) -> str:
        return self.part.name


def actors(accounts: Mapping[Part, Iterable[UserId]]) -> dict[Part, list[Actor]]:
    """Those accounts as actors. A guardian's children are all who play the child."""
    ids = {part.name: frozenset(PersonId(split_user_id(user)[0]) for user in users) for part, users in accounts.items()}
    return {
        part: [
            Actor(part, user, _facts(part, user, ids.get(part.child, frozenset()), "SUIVANT" if number else "PREMIER"))
            for number, user in enumerate(users)
        ]
        for part, users in accounts.items()
    }


def _facts(part: Part, user: UserId, children: frozenset[PersonId], family: str) -> PersonFacts | None:
    if not part.known:
        return None
    person, divisions = (
        PersonId(split_user_id(user)[0]),
        frozenset({DivisionCode(part.division)} if part.division else ()),
    )
    parties = (Party(person, school, part.functions, divisions, children, part.opted_in) for school in part.schools)
    return PersonFacts(user, f"Camille {family} · {part.name}", tuple(parties))
