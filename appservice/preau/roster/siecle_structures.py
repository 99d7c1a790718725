"""BEE_STRUCTURES: the divisions and groups a school declares (``school-data.md`` 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from preau.model.ids import DivisionCode, GroupCode
from preau.roster.fields import clean, code
from preau.roster.findings import Code, Notes
from preau.roster.head import Head, siecle_head
from preau.roster.xml_safe import line_of

STRUCTURE_RECORDS: Final[Mapping[str, str]] = {"DIVISION": "DIVISIONS", "GROUPE": "GROUPES"}


@dataclass(slots=True)
class Declared:
    """Divisions and groups as one file declares them: labels by code, and the divisions of each group."""

    divisions: dict[DivisionCode, str] = field(default_factory=dict)
    groups: dict[GroupCode, str] = field(default_factory=dict)
    members: dict[GroupCode, frozenset[DivisionCode]] = field(default_factory=dict)

    def add_division(self, written: DivisionCode, label: str, notes: Notes, line: int) -> None:
        """Take a division; of two labels the first in the alphabet stays, whatever their order."""
        if written in self.divisions:
            _note_repeated(f"Division '{written}'", notes, line)
        self.divisions[written] = min(label, self.divisions.get(written, label))

    def add_group(
        self, written: GroupCode, label: str, divisions: Iterable[DivisionCode], notes: Notes, line: int
    ) -> None:
        """Take a group; declared twice, it spans the divisions of both."""
        if written in self.groups:
            _note_repeated(f"Group '{written}'", notes, line)
        self.groups[written] = min(label, self.groups.get(written, label))
        self.members[written] = self.members.get(written, frozenset()) | frozenset(divisions)


@dataclass(frozen=True, slots=True)
class StructuresFile:
    """BEE_STRUCTURES as read."""

    head: Head
    declared: Declared


class StructuresReader:
    """Takes the records of one BEE_STRUCTURES."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._head = Head()
        self._declared = Declared()

    def take(self, record: etree._Element) -> None:
        """One PARAMETRES, DIVISION or GROUPE."""
        if record.tag == "PARAMETRES":
            self._head = siecle_head(record, self._notes)
            return
        notes, line = self._notes, line_of(record)
        what = "A division" if record.tag == "DIVISION" else "A group"
        written = code(record.get("CODE_STRUCTURE"), notes, line, what)
        if written is None:
            return
        label = clean(record.findtext("LIBELLE_LONG"), notes, line, f"The label of '{written}'")
        if record.tag == "DIVISION":
            self._declared.add_division(DivisionCode(written), label, notes, line)
        else:
            path = "DIVISIONS_APPARTENANCE/DIVISION_APPARTENANCE/CODE_STRUCTURE"
            parts = (code(part.text, notes, line, f"A division of group '{written}'") for part in record.iterfind(path))
            divisions = [DivisionCode(part) for part in parts if part]
            self._declared.add_group(GroupCode(written), label, divisions, notes, line)

    def finish(self) -> StructuresFile:
        """Everything taken."""
        return StructuresFile(self._head, self._declared)


def _note_repeated(what: str, notes: Notes, line: int) -> None:
    notes.add(Code.REPEATED_STRUCTURE, line, f"{what} is declared twice; both count as one. Check it in the register.")
