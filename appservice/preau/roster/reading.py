"""What is asked of the readers and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TypeAlias

from preau.model.findings import Finding, Severity
from preau.model.ids import Uai
from preau.model.people import GuardianLevel
from preau.model.roster import FileKind, SchoolRoster

Report: TypeAlias = dict[str, str | int | dict[str, int] | list[dict[str, str | int]] | None]
"""What ``preau roster check --json`` prints."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the files must be; None and missing kinds are not checked.

    ``newer_than`` holds, by kind, the HORODATAGE of the import before: a file older than it is refused, an equally old
    one is allowed.
    """

    school: Uai | None = None
    year: int | None = None
    newer_than: Mapping[FileKind, datetime] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Counts:
    """Distinct persons who take part, and what they take part in.

    Departed pupils stand only under ``pupils_left``; persons tied only to them, or to nobody, nowhere. A guardian who
    is legal for one child and in charge of another stands under both; ``contacts`` are contacts and nothing more. An
    institution (ASE) stands only under ``institutions``, and a pupil who is their own guardian only under ``pupils``.
    ``association_consent`` counts legal and in-charge guardians with COMMUNICATION_ADRESSE.
    """

    pupils: int = 0
    pupils_left: int = 0
    guardians_legal: int = 0
    guardians_in_charge: int = 0
    contacts: int = 0
    institutions: int = 0
    staff: int = 0
    divisions: int = 0
    groups: int = 0
    association_consent: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """A roster as far as it could be read.

    ``roster`` is None when anything was refused whole; ``school`` and ``year`` are what the files say, even then.
    """

    roster: SchoolRoster | None
    findings: tuple[Finding, ...]
    counts: Counts
    school: Uai | None = None
    year: int | None = None

    @property
    def ok(self) -> bool:
        """Whether no finding is an error."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)


def count(roster: SchoolRoster) -> Counts:
    """The counts of one roster. Where pupils were not given, every pupil that a link names is taken to attend."""
    guardians = {guardian.key: guardian for guardian in roster.guardians or ()}
    people = {key for key, guardian in guardians.items() if not guardian.institution}
    tied = {level: {link.guardian for link in roster.links or () if link.level is level} for level in GuardianLevel}
    legal, in_charge = tied[GuardianLevel.LEGAL] & people, tied[GuardianLevel.IN_CHARGE] & people
    contacts = (tied[GuardianLevel.CONTACT] & people) - legal - in_charge - tied[GuardianLevel.ONESELF]
    return Counts(
        pupils=len(roster.pupils or ()),
        pupils_left=roster.departed,
        guardians_legal=len(legal),
        guardians_in_charge=len(in_charge),
        contacts=len(contacts),
        institutions=len(guardians) - len(people),
        staff=len(roster.staff or ()),
        divisions=len(roster.divisions),
        groups=len(roster.groups),
        association_consent=sum(guardians[key].shares_address for key in legal | in_charge),
    )


def check_report(reading: Reading) -> Report:
    """The object that ``preau roster check --json`` prints."""
    return {
        "school": reading.school,
        "year": reading.year,
        "counts": asdict(reading.counts),
        "findings": [
            {
                "severity": str(finding.severity),
                "code": finding.code,
                "file": finding.file,
                "line": finding.line,
                "message": finding.message,
            }
            for finding in reading.findings
        ],
    }
