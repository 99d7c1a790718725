"""STS_EDT: the staff, what they teach and which divisions they head (``school-data.md`` 5).

Two files look alike and are refused: EDT_STS, the upload from a timetable program to STS-web, and an STS_EDT that such
a program wrote (it has an APPLICATION_SOURCE).

A PROF_PRINC that ended before the school year began, or before the day of the SIECLE export read with it, is over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from lxml import etree

from preau.model.ids import DivisionCode, GroupCode
from preau.model.people import PersonName, RosterSource
from preau.roster.fields import clean, code, day_or_none, family_and_given, number, value
from preau.roster.findings import Code, Notes, Refusal
from preau.roster.head import Head, sts_head
from preau.roster.siecle_structures import Declared
from preau.roster.unique import Unique
from preau.roster.xml_safe import line_of

STAFF_RECORDS: Final[Mapping[str, str]] = {"INDIVIDU": "INDIVIDUS", "DIVISION": "DIVISIONS", "GROUPE": "GROUPES"}

_SOURCES: Final[Mapping[str, RosterSource]] = {"epp": RosterSource.STS_STATE, "local": RosterSource.STS_LOCAL}

StaffKey = tuple[RosterSource, str]
"""TYPE and ID: the same ID in both types is two people."""


@dataclass(frozen=True, slots=True)
class StaffRecord:
    """One INDIVIDU; ``heads`` maps each division headed to the day that ends, None when it is open."""

    name: PersonName
    function_code: str
    heads: tuple[tuple[DivisionCode, date | None], ...]
    line: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class StaffFile:
    """STS_EDT as read; the services by the division or group they are given in, each teacher with a line."""

    head: Head
    staff: Mapping[StaffKey, StaffRecord]
    declared: Declared
    division_services: Mapping[DivisionCode, frozenset[StaffKey]]
    group_services: Mapping[GroupCode, frozenset[StaffKey]]


class StaffReader:
    """Takes the records of one STS_EDT in any order; `finish` puts them together."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._head = Head()
        self._staff: Unique[StaffKey, StaffRecord] = Unique(notes)
        self._unusable: set[StaffKey] = set()
        self._declared = Declared()
        self._in_division: dict[DivisionCode, set[StaffKey]] = defaultdict(set)
        self._in_group: dict[GroupCode, set[StaffKey]] = defaultdict(set)
        self._served_on: dict[StaffKey, int] = {}

    def take(self, record: etree._Element) -> None:
        """One PARAMETRES, INDIVIDU, DIVISION or GROUPE.

        Raises:
            Refusal: a timetable program wrote the file.
        """
        if record.tag == "INDIVIDU":
            self._individual(record)
        elif record.tag == "PARAMETRES":
            self._parameters(record)
        else:
            self._structure(record)

    def finish(self) -> StaffFile:
        """Everything taken, contradictions left out and noted."""
        known_bad = self._staff.left_out() | self._unusable
        staff = self._staff.settled()
        for key in sorted(self._served_on.keys() - staff.keys() - known_bad):
            message = f"A service points to {key[0]} {key[1]}, who is not in the file. Export again from STS-web."
            self._notes.add(Code.UNKNOWN_TEACHER, self._served_on[key], message)
        known = staff.keys()
        return StaffFile(
            self._head,
            staff,
            self._declared,
            {where: frozenset(who & known) for where, who in self._in_division.items()},
            {where: frozenset(who & known) for where, who in self._in_group.items()},
        )

    def _parameters(self, record: etree._Element) -> None:
        if record.find("APPLICATION_SOURCE") is not None:
            raise reverse_sts(line_of(record))
        self._head = sts_head(record, self._notes)

    def _individual(self, record: etree._Element) -> None:
        notes, line = self._notes, line_of(record)
        key = _key(record)
        if key is None:
            message = "An INDIVIDU has no usable ID, or a TYPE other than epp and local; it is left out. Export again."
            notes.add(Code.BAD_KEY, line, message)
            return
        what = f"Staff {key[0]} {key[1]}"
        family = record.findtext("NOM_USAGE"), record.findtext("NOM_PATRONYMIQUE")
        name = family_and_given(next(filter(value, family), None), record.findtext("PRENOM"), notes, line, what)
        if name is None:
            self._unusable.add(key)
            return
        function = clean(record.findtext("FONCTION"), notes, line, f"FONCTION of {what}").upper()
        self._staff.add(key, StaffRecord(name, function, self._heads(record, what), line), what)

    def _heads(self, record: etree._Element, what: str) -> tuple[tuple[DivisionCode, date | None], ...]:
        line, heads = line_of(record), set()
        for headed in record.iterfind("PROFS_PRINC/PROF_PRINC"):
            written = code(headed.findtext("CODE_STRUCTURE"), self._notes, line, f"A division headed by {what}")
            ends = day_or_none(headed.findtext("DATE_FIN"), self._notes, line, f"DATE_FIN of a PROF_PRINC of {what}")
            if written:
                heads.add((DivisionCode(written), ends))
        return tuple(sorted(heads, key=lambda head: (head[0], head[1] or date.max)))

    def _structure(self, record: etree._Element) -> None:
        notes, line = self._notes, line_of(record)
        written = code(record.get("CODE"), notes, line, "A division" if record.tag == "DIVISION" else "A group")
        if written is None:
            return
        label = clean(record.findtext("LIBELLE_LONG"), notes, line, f"The label of '{written}'")
        if record.tag == "DIVISION":
            self._declared.add_division(DivisionCode(written), label, notes, line)
            self._in_division[DivisionCode(written)] |= self._teachers(record, written)
            return
        parts = (
            code(part.get("CODE"), notes, line, f"A division of group '{written}'")
            for part in record.iterfind("DIVISIONS_APPARTENANCE/DIVISION_APPARTENANCE")
        )
        divisions = [DivisionCode(part) for part in parts if part]
        self._declared.add_group(GroupCode(written), label, divisions, notes, line)
        self._in_group[GroupCode(written)] |= self._teachers(record, written)

    def _teachers(self, record: etree._Element, where: str) -> set[StaffKey]:
        teachers, line = set(), line_of(record)
        for teacher in record.iterfind("SERVICES/SERVICE/ENSEIGNANTS/ENSEIGNANT"):
            key = _key(teacher)
            if key is None:
                message = (
                    f"A service of '{where}' names a teacher without usable ID and TYPE. Export again from STS-web."
                )
                self._notes.add(Code.BAD_KEY, line, message)
                continue
            teachers.add(key)
            self._served_on.setdefault(key, line)
        return teachers


def reverse_sts(line: int) -> Refusal:
    """Why a file made by a timetable program is refused."""
    return Refusal(
        Code.REVERSE_STS,
        line,
        "This file was made by a timetable program for STS-web; it is not what STS-web exports.",
        advice="In STS-web take Mise à jour > Exports > Emplois du temps and give sts_emp_<UAI>_<année>.xml.",
    )


def _key(element: etree._Element) -> StaffKey | None:
    source, written = _SOURCES.get(value(element.get("TYPE")).lower()), number(element.get("ID"))
    return (source, written) if source and written else None
