"""BEE_ELEVES: the pupils and their divisions and groups (``school-data.md`` 2).

Departed: DATE_SORTIE is present and not after the day the file describes (HORODATAGE, else DATE_EXPORT); a pupil whose
exit lies in the future attends until then. Without either date, and where DATE_SORTIE cannot be read, its mere presence
counts: who may have left is not let into rooms by a typing mistake.

The national number (INE) is compared inside `PupilsReader` only; it is in no value returned and in no message.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from lxml import etree

from preau.model.ids import DivisionCode, GroupCode
from preau.model.people import PersonName
from preau.roster.fields import Fields, code, day_or_none, family_and_given, fields_of, number, value
from preau.roster.findings import Code, Notes
from preau.roster.head import Head, siecle_head
from preau.roster.unique import Unique
from preau.roster.xml_safe import line_of

PUPIL_RECORDS: Final[Mapping[str, str]] = {"ELEVE": "ELEVES", "STRUCTURES_ELEVE": "STRUCTURES"}


@dataclass(frozen=True, slots=True)
class PupilRecord:
    """One ELEVE. ``leaves`` is the day of exit; `date.min` stands for one that cannot be read."""

    name: PersonName
    born: date | None
    enrolled: bool
    leaves: date | None
    line: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a pupil is: at most one division, any number of groups."""

    division: DivisionCode | None
    groups: frozenset[GroupCode]


NOWHERE: Final = Placement(None, frozenset())


@dataclass(frozen=True, slots=True)
class PupilsFile:
    """BEE_ELEVES as read, by ELEVE_ID. ``left_out`` holds the ids whose records could not be taken."""

    head: Head
    attending: Mapping[str, PupilRecord]
    placements: Mapping[str, Placement]
    departed: frozenset[str]
    left_out: frozenset[str]


class PupilsReader:
    """Takes the records of one BEE_ELEVES in any order; `finish` puts them together."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._head = Head()
        self._pupils: Unique[str, PupilRecord] = Unique(notes)
        self._unusable: set[str] = set()
        self._national: dict[str, list[str]] = defaultdict(list)
        self._divisions: dict[str, set[str]] = defaultdict(set)
        self._groups: dict[str, set[GroupCode]] = defaultdict(set)
        self._placed_on: dict[str, int] = {}

    def take(self, record: etree._Element) -> None:
        """One PARAMETRES, ELEVE or STRUCTURES_ELEVE."""
        if record.tag == "ELEVE":
            self._pupil(record)
        elif record.tag == "STRUCTURES_ELEVE":
            self._structures(record)
        else:
            self._head = siecle_head(record, self._notes)

    def finish(self) -> PupilsFile:
        """Everything taken, contradictions left out and noted."""
        left_out = self._pupils.left_out() | self._unusable
        pupils = self._pupils.settled()
        departed = frozenset(key for key, pupil in pupils.items() if self._has_left(pupil))
        attending = {key: pupil for key, pupil in pupils.items() if key not in departed}
        self._check_placements(pupils.keys() | left_out)
        self._compare_national(attending)
        placements = {key: self._placement(key, pupil) for key, pupil in attending.items()}
        for key, pupil in attending.items():
            self._check_attending(key, pupil)
        return PupilsFile(self._head, attending, placements, departed, left_out)

    def _pupil(self, record: etree._Element) -> None:
        fields, line = fields_of(record), line_of(record)
        key = number(record.get("ELEVE_ID"))
        if key is None:
            message = "An ELEVE has no usable ELEVE_ID and is left out. Correct it in SIECLE and export again."
            self._notes.add(Code.BAD_KEY, line, message)
            return
        what = f"Pupil {key}"
        family = fields.get("NOM_USAGE"), fields.get("NOM_DE_FAMILLE"), fields.get("NOM")
        name = family_and_given(next(filter(value, family), None), fields.get("PRENOM"), self._notes, line, what)
        if name is None:
            self._unusable.add(key)
            return
        born = day_or_none(fields.get("DATE_NAISS"), self._notes, line, f"DATE_NAISS of pupil {key}")
        pupil = PupilRecord(name, born, bool(value(fields.get("CODE_MEF"))), self._exit(fields, key, line), line)
        self._pupils.add(key, pupil, what)
        for tag in ("ID_NATIONAL", "INE_RNIE", "INE_BEA"):
            if national := value(fields.get(tag)):
                self._national[national].append(key)

    def _exit(self, fields: Fields, key: str, line: int) -> date | None:
        written = value(fields.get("DATE_SORTIE"))
        if not written:
            return None
        return day_or_none(written, self._notes, line, f"DATE_SORTIE of pupil {key} (counted as left)") or date.min

    def _structures(self, record: etree._Element) -> None:
        line, key = line_of(record), number(record.get("ELEVE_ID"))
        if key is None:
            message = (
                "A STRUCTURES_ELEVE has no usable ELEVE_ID and is left out. Correct it in SIECLE and export again."
            )
            self._notes.add(Code.BAD_KEY, line, message)
            return
        self._placed_on.setdefault(key, line)
        for structure in record.iterfind("STRUCTURE"):
            self._structure(key, fields_of(structure), line)

    def _structure(self, key: str, fields: Fields, line: int) -> None:
        kind = value(fields.get("TYPE_STRUCTURE")).upper()
        if kind not in {"D", "G"}:
            message = f"A structure of pupil {key} is neither division (D) nor group (G). Correct it in SIECLE."
            self._notes.add(Code.UNKNOWN_STRUCTURE, line, message)
            return
        written = code(fields.get("CODE_STRUCTURE"), self._notes, line, f"A structure of pupil {key}")
        if written and kind == "D":
            self._divisions[key].add(written)
        elif written:
            self._groups[key].add(GroupCode(written))

    def _has_left(self, pupil: PupilRecord) -> bool:
        today = self._head.reference_day
        return pupil.leaves is not None and (today is None or pupil.leaves <= today)

    def _placement(self, key: str, pupil: PupilRecord) -> Placement:
        divisions, groups = self._divisions.get(key, ()), self._groups.get(key, ())
        if len(divisions) > 1:
            message = f"Pupil {key} is in {len(divisions)} divisions at once and is put in none. Correct it in SIECLE."
            self._notes.add(Code.TWO_DIVISIONS, self._placed_on.get(key, pupil.line), message)
        division = DivisionCode(next(iter(divisions))) if len(divisions) == 1 else None
        return Placement(division, frozenset(groups)) if division or groups else NOWHERE

    def _check_placements(self, known: set[str]) -> None:
        for key in sorted(self._placed_on.keys() - known):
            message = f"A STRUCTURES_ELEVE points to pupil {key}, who is not in the file. Export the file again."
            self._notes.add(Code.UNKNOWN_PUPIL, self._placed_on[key], message)

    def _check_attending(self, key: str, pupil: PupilRecord) -> None:
        if not pupil.enrolled:
            message = f"Pupil {key} is enrolled in no formation (no CODE_MEF) but counts as attending. Check in SIECLE."
            self._notes.add(Code.NOT_ENROLLED, pupil.line, message)
        if not self._divisions.get(key):
            message = f"Pupil {key} is in no division: only the school's own rooms are open. Assign one in SIECLE."
            self._notes.add(Code.NO_DIVISION, pupil.line, message)
        if pupil.leaves is not None:
            message = f"Pupil {key} leaves after the export and attends until then. Export again after that day."
            self._notes.add(Code.LEAVES_LATER, pupil.line, message)

    def _compare_national(self, attending: Mapping[str, PupilRecord]) -> None:
        """An INE may be given to another pupil later (``school-data.md`` 1.2): pupils are never merged by it."""
        for keys in self._national.values():
            sharing = sorted({key for key in keys if key in attending})
            for key in sharing[1:]:
                first, other = attending[sharing[0]], attending[key]
                same = (first.name, first.born) == (other.name, other.born)
                what = "with the same name and birth date" if same else "with another name or birth date"
                message = f"Pupils {sharing[0]} and {key}, {what}, share one national number. Check both in SIECLE."
                self._notes.add(Code.SAME_INE, other.line, message)
        self._national.clear()
