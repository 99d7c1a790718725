"""One immutable reading of a school (état de la base), in Préau's own person ids: what policy works on.

Contacts, institutions and departed pupils are not in it: whoever is not here has no place in the school's rooms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from preau.model.ids import DivisionCode, GroupCode, PersonId, Uai
from preau.model.people import Function, GuardianLevel, PersonName
from preau.model.roster import Division, Group, SourceFile


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A pupil's place in the school."""

    pupil: PersonId
    born: date | None
    division: DivisionCode | None
    groups: frozenset[GroupCode]


@dataclass(frozen=True, slots=True)
class Guardianship:
    """A responsabilité that counts: legal, in charge, or oneself; never a contact."""

    guardian: PersonId
    pupil: PersonId
    level: GuardianLevel


@dataclass(frozen=True, slots=True)
class Post:
    """A member of staff's place in the school; ``function`` None means that somebody must still say what they are."""

    person: PersonId
    function: Function | None
    teaches: frozenset[DivisionCode]
    heads: frozenset[DivisionCode]


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Snapshot:
    """A school as its rosters describe it at one moment. Tuples are sorted, so that equal schools compare equal."""

    school: Uai
    school_name: str
    year: int
    sources: tuple[SourceFile, ...]
    names: Mapping[PersonId, PersonName]
    divisions: tuple[Division, ...]
    groups: tuple[Group, ...]
    enrolments: tuple[Enrolment, ...]
    guardianships: tuple[Guardianship, ...]
    posts: tuple[Post, ...]
    shares_address: frozenset[PersonId]
