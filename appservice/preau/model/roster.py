"""A school's rosters as read, in the registers' own keys: what `preau.roster` makes.

Only what rooms and rights need is kept (``school-data.md`` 12.7): no sex, birthplace, address, INE, regime.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from preau.model.ids import DivisionCode, GroupCode, Uai
from preau.model.people import Function, GuardianLevel, PersonName, RosterKey


class FileKind(StrEnum):
    """Which export a file is, told by its root element."""

    PUPILS = "BEE_ELEVES"
    GUARDIANS = "BEE_RESPONSABLES"
    STRUCTURES = "BEE_STRUCTURES"
    STAFF = "STS_EDT"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file that a roster was read from.

    ``taken_at`` is its HORODATAGE, the wall time as written, where it has one.
    """

    kind: FileKind
    name: str
    version: str
    taken_at: datetime | None
    sha256: str


@dataclass(frozen=True, slots=True)
class Division:
    """A class (classe)."""

    code: DivisionCode
    label: str


@dataclass(frozen=True, slots=True)
class Group:
    """A teaching group (groupe) and the divisions its pupils come from."""

    code: GroupCode
    label: str
    divisions: frozenset[DivisionCode]


@dataclass(frozen=True, slots=True)
class RosterPupil:
    """A pupil who attends. ``division`` is None between two classes; ``born`` decides the rules of age."""

    key: RosterKey
    name: PersonName
    born: date | None
    division: DivisionCode | None
    groups: frozenset[GroupCode]


@dataclass(frozen=True, slots=True)
class RosterGuardian:
    """A person tied to at least one attending pupil, contacts included.

    ``shares_address`` is COMMUNICATION_ADRESSE: may associations be given the address (D111-8)? Absent means no.
    ``institution`` marks the child welfare service (ASE): a legal person, never a personal account.
    """

    key: RosterKey
    name: PersonName
    shares_address: bool
    institution: bool


@dataclass(frozen=True, slots=True)
class RosterLink:
    """One guardianship (responsabilité) as the register writes it."""

    guardian: RosterKey
    pupil: RosterKey
    level: GuardianLevel


@dataclass(frozen=True, slots=True)
class RosterStaff:
    """A member of staff. ``function`` is None when the register gives none and no service points to the person.

    ``teaches`` holds every division reached by a service of the division or of one of its groups; ``heads`` those of
    which the person is head teacher (professeur principal).
    """

    key: RosterKey
    name: PersonName
    function: Function | None
    teaches: frozenset[DivisionCode]
    heads: frozenset[DivisionCode]


@dataclass(frozen=True, slots=True)
class SchoolRoster:
    """Everything the given files say of one school in one school year (``year`` 2025 means 2025-2026).

    A side that no file spoke of is None, which is not the same as empty: ``pupils``, ``guardians`` and ``links`` come
    from BEE_ELEVES with BEE_RESPONSABLES, ``staff`` from STS_EDT. ``departed`` counts the pupils who left.
    """

    school: Uai
    school_name: str
    year: int
    sources: tuple[SourceFile, ...]
    divisions: tuple[Division, ...]
    groups: tuple[Group, ...]
    pupils: tuple[RosterPupil, ...] | None
    guardians: tuple[RosterGuardian, ...] | None
    links: tuple[RosterLink, ...] | None
    staff: tuple[RosterStaff, ...] | None
    departed: int
