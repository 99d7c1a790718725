"""New-device quarantine: whose new devices are limited until confirmed, and what they may not do (DESIGN 6).

A password is stolen far from the devices it is used on. So the accounts that reach many, from a device that nobody has
confirmed, reach few. Who reaches many is read from the tables: who writes in announcements of a school or of several
divisions (`preau.policy.rooms`), and to whom the contact table opens the families of more than one division.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from preau.model.facts import Cell, Party, PersonFacts, SchoolFacts
from preau.model.ids import Uai
from preau.model.people import Function
from preau.model.rooms import RoomKind
from preau.policy.contact import DEFAULT
from preau.policy.rooms import RULES, Circle, Scope

ANNOUNCEMENTS: Final = frozenset(kind for kind, rules in RULES.items() if rules.writers and not rules.everybody_writes)
"""The kinds in which a few write to many."""

WRITING_CIRCLES: Final[Mapping[Circle, frozenset[Function]]] = {
    Circle.DIRECTION: frozenset({Function.DIRECTION}),
    Circle.DELEGATES: frozenset({Function.DIRECTION_DELEGATE}),
    Circle.ADMINISTRATION: frozenset({Function.ADMINISTRATION}),
    Circle.TEACHERS: frozenset({Function.TEACHER, Function.HEAD_TEACHER}),
}
"""The functions of the circles that write announcements (`preau.policy.circles` says the same of a snapshot)."""

_OF_A_DIVISION: Final = frozenset({Circle.TEACHERS})
"""The circles that are another one in each division; the others are the whole school's."""

_FAMILIES: Final = (Function.GUARDIAN, Function.PUPIL)


def _announcing(*, in_divisions: bool) -> frozenset[Function]:
    return frozenset(
        function
        for kind in ANNOUNCEMENTS
        for circle in RULES[kind].writers
        if (RULES[kind].scope is Scope.DIVISION and circle in _OF_A_DIVISION) is in_divisions
        for function in WRITING_CIRCLES[circle]
    )


_EVERYWHERE: Final = _announcing(in_divisions=False)
_IN_DIVISIONS: Final = _announcing(in_divisions=True)


def needs_confirmation(person: PersonFacts, schools: Mapping[Uai, SchoolFacts]) -> bool:
    """Whether this person's new devices are limited: the person may write to more than one division.

    Args:
        person: somebody of this académie.
        schools: what is known of their schools; a school that is missing has the default contact table.
    """
    divisions = 0
    for party in person.parties:
        cells = _cells_to_families(party, schools.get(party.school))
        if party.functions & _EVERYWHERE or Cell.YES in cells:
            return True
        if party.functions & _IN_DIVISIONS or Cell.SAME_DIVISION in cells:
            divisions += len(party.divisions)
    return divisions > 1


def may_announce(kind: RoomKind | None) -> bool:
    """Whether an unconfirmed device may write in a room of that kind (None: a room of no kind)."""
    return kind not in ANNOUNCEMENTS


def _cells_to_families(party: Party, school: SchoolFacts | None) -> set[Cell]:
    """What the contact table says of this person's writing to families; looked up cell by cell, as this path is hot."""
    own = school.cells if school is not None else {}
    pairs = [(function, reader) for function in party.functions for reader in _FAMILIES]
    return {own.get(pair) or DEFAULT.get(pair, Cell.NO) for pair in pairs}
