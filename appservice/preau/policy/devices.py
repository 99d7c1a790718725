"""New-device quarantine: whose new devices are limited until confirmed, and what they may not do (DESIGN 6).

A password is stolen far from the devices it is used on. So the accounts that reach many, from a device that nobody has
confirmed, reach few. Who reaches many is read from the contact table: to whom it opens the families of more than one
division. Of the default table and the school's own the looser counts, cell by cell: a school that tightens its table
would otherwise free devices, and so allow more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from preau.model.facts import Cell, Party, PersonFacts, SchoolFacts
from preau.model.ids import Uai
from preau.model.people import Function
from preau.model.rooms import RoomKind
from preau.policy.contact import DEFAULT
from preau.policy.rooms import RULES

ANNOUNCEMENTS: Final = frozenset(kind for kind, rules in RULES.items() if rules.writers and not rules.everybody_writes)
"""The kinds in which a few write to many. Whoever writes in one is staff, to whom the default table opens everybody."""

_FAMILIES: Final = (Function.GUARDIAN, Function.PUPIL)


def needs_confirmation(person: PersonFacts, schools: Mapping[Uai, SchoolFacts]) -> bool:
    """Whether this person's new devices are limited: the person may write to more than one division.

    Args:
        person: somebody of this académie.
        schools: what is known of their schools; a school that is missing has the default contact table.
    """
    divisions = 0
    for party in person.parties:
        cells = _cells_to_families(party, schools.get(party.school))
        if Cell.YES in cells:
            return True
        if Cell.SAME_DIVISION in cells:
            divisions += len(party.divisions)
    return divisions > 1


def may_announce(kind: RoomKind | None) -> bool:
    """Whether an unconfirmed device may write in a room of that kind (None: a room of no kind)."""
    return kind not in ANNOUNCEMENTS


def _cells_to_families(party: Party, school: SchoolFacts | None) -> set[Cell]:
    """What both tables say of this person's writing to families; looked up cell by cell, as this path is hot."""
    pairs = [(function, reader) for function in party.functions for reader in _FAMILIES]
    own = school.cells if school is not None else {}
    return {table.get(pair, Cell.NO) for pair in pairs for table in (DEFAULT, own)}
