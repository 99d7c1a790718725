"""An invented school as plain data, and the truth about it: what a reader of its files must count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple

from preau.model.ids import DivisionCode, GroupCode, Uai
from preau.model.people import GuardianLevel

INSTITUTION = "51"
"""The CODE_PARENTE of the child welfare service, ASE (``school-data.md`` 3.2)."""


class StaffKey(NamedTuple):
    """STS-web's key of a person: a number alone is not unique across the two registers."""

    register: Literal["epp", "local"]
    number: int


@dataclass(frozen=True, slots=True)
class DemoDivision:
    """A class; ``level`` is the first digit of its code, ``"6"`` to ``"3"``."""

    code: DivisionCode
    label: str
    level: str


@dataclass(frozen=True, slots=True)
class DemoGroup:
    """A teaching group and the divisions whose pupils come to it."""

    code: GroupCode
    label: str
    subject: str
    divisions: tuple[DivisionCode, ...]


@dataclass(frozen=True, slots=True)
class DemoPupil:
    """A pupil; ``key`` is the ELEVE_ID, ``usage`` the NOM_USAGE or empty, ``left`` the day of departure."""

    key: int
    family: str
    usage: str
    given: str
    born: date
    division: DivisionCode | None
    groups: tuple[GroupCode, ...]
    left: date | None


@dataclass(frozen=True, slots=True)
class DemoGuardian:
    """A person of BEE_RESPONSABLES; ``shares_address`` None leaves COMMUNICATION_ADRESSE out of the file."""

    key: int
    title: Literal["M.", "MME", ""]
    family: str
    usage: str
    given: str
    phone: str
    mail: str
    shares_address: bool | None
    address: int


@dataclass(frozen=True, slots=True)
class DemoLink:
    """A guardianship; ``kinship`` is the two-digit CODE_PARENTE."""

    pupil: int
    guardian: int
    level: GuardianLevel
    kinship: str


@dataclass(frozen=True, slots=True)
class DemoStaff:
    """A person of STS-web; ``function`` is the FONCTION or empty, ``heads`` the divisions of a head teacher."""

    key: StaffKey
    title: Literal["1", "2"]
    family: str
    given: str
    born: date | None
    function: str
    heads: tuple[DivisionCode, ...]


@dataclass(frozen=True, slots=True)
class DemoService:
    """Who teaches what to a division or a group."""

    structure: DivisionCode | GroupCode
    subject: str
    teacher: StaffKey


@dataclass(frozen=True, slots=True)
class DemoSchool:
    """A whole invented school in one school year (2025 means 2025-2026)."""

    uai: Uai
    name: str
    year: int
    divisions: tuple[DemoDivision, ...]
    groups: tuple[DemoGroup, ...]
    pupils: tuple[DemoPupil, ...]
    guardians: tuple[DemoGuardian, ...]
    links: tuple[DemoLink, ...]
    staff: tuple[DemoStaff, ...]
    services: tuple[DemoService, ...]

    @property
    def attending(self) -> Iterator[DemoPupil]:
        """The pupils who have not left."""
        return (pupil for pupil in self.pupils if pupil.left is None)

    @property
    def truth(self) -> dict[str, int]:
        """The ten counts that ``preau roster check --json`` must print for this school's files."""
        ties = self._ties()
        institutions = {link.guardian for link in self.links if link.kinship == INSTITUTION}
        humans = {key: levels for key, levels in ties.items() if key not in institutions}
        responsible = {key for key, levels in humans.items() if levels & {GuardianLevel.LEGAL, GuardianLevel.IN_CHARGE}}
        return {
            "pupils": sum(1 for _ in self.attending),
            "pupils_left": sum(pupil.left is not None for pupil in self.pupils),
            "guardians_legal": sum(GuardianLevel.LEGAL in levels for levels in humans.values()),
            "guardians_in_charge": sum(GuardianLevel.IN_CHARGE in levels for levels in humans.values()),
            "contacts": sum(levels == {GuardianLevel.CONTACT} for levels in humans.values()),
            "institutions": len(institutions & ties.keys()),
            "staff": len(self.staff),
            "divisions": len(self.divisions),
            "groups": len(self.groups),
            "association_consent": sum(bool(g.shares_address) for g in self.guardians if g.key in responsible),
        }

    def _ties(self) -> Mapping[int, set[GuardianLevel]]:
        """By guardian: the levels at which they are tied to pupils who attend."""
        attending = {pupil.key for pupil in self.attending}
        ties: dict[int, set[GuardianLevel]] = {}
        for link in self.links:
            if link.pupil in attending:
                ties.setdefault(link.guardian, set()).add(link.level)
        return ties
