"""Reads the roster files of one school::

    paths ─ archive ─► streams ─ xml_safe ─► records ─ siecle_*, sts ─► files
                                                                          │ admission
        findings ◄── notes ◄── review ◄── SchoolRoster ◄── assemble ◄─────┘

A bad record is noted and left out; a wrong file is noted and refuses everything: half a roster is worse than none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol, TypeVar

from lxml import etree

from preau.model.ids import Uai
from preau.model.roster import FileKind, SourceFile
from preau.roster.admission import Content, ReadFile, admit
from preau.roster.archive import RosterFile, xml_files
from preau.roster.assemble import Parts, assemble
from preau.roster.findings import Code, Notes, Refusal
from preau.roster.reading import Counts, Expectation, Reading, check_report, count
from preau.roster.review import review
from preau.roster.siecle_guardians import GUARDIAN_RECORDS, GuardiansFile, GuardiansReader
from preau.roster.siecle_pupils import PUPIL_RECORDS, PupilsFile, PupilsReader
from preau.roster.siecle_structures import STRUCTURE_RECORDS, StructuresFile, StructuresReader
from preau.roster.sts import STAFF_RECORDS, StaffFile, StaffReader, reverse_sts
from preau.roster.xml_safe import XmlDocument

__all__ = ["Counts", "Expectation", "Reading", "check_report", "read", "school_of"]

T = TypeVar("T")


class Reader(Protocol):
    """What each file kind's reader can do."""

    def take(self, record: etree._Element, /) -> None:
        """One record."""
        ...

    def finish(self) -> Content:
        """Everything taken."""
        ...


@dataclass(frozen=True, slots=True)
class _Kind:
    kind: FileKind
    records: Mapping[str, str]
    reader: type[PupilsReader | GuardiansReader | StructuresReader | StaffReader]


_PUPILS: Final = _Kind(FileKind.PUPILS, PUPIL_RECORDS, PupilsReader)
_GUARDIANS: Final = _Kind(FileKind.GUARDIANS, GUARDIAN_RECORDS, GuardiansReader)

_KINDS: Final[Mapping[str, _Kind]] = {
    "BEE_ELEVES": _PUPILS,
    "BEE_RESPONSABLES": _GUARDIANS,
    # Private schools without contract, same inner shape (`school-data.md` 1.1).
    "BEE_EPHC_ELEVES": _PUPILS,
    "BEE_EPHC_RESPONSABLES": _GUARDIANS,
    "BEE_STRUCTURES": _Kind(FileKind.STRUCTURES, STRUCTURE_RECORDS, StructuresReader),
    "STS_EDT": _Kind(FileKind.STAFF, STAFF_RECORDS, StaffReader),
}


def read(paths: Sequence[Path], *, expected: Expectation = Expectation()) -> Reading:  # noqa: B008 — frozen
    """Read the files of one school, in any order, as ``.xml`` or inside ``.zip``.

    Never raises for what a file holds: everything wrong becomes a finding.

    Args:
        paths: the files.
        expected: school, year and age the files must have.
    """
    notes: list[Notes] = []
    files = [file for path in paths for file in _read_path(path, notes)]
    admit(files, expected)
    if not files and not any(note.refused for note in notes):
        notes.append(Notes(str(paths[0]) if paths else ""))
        message = (
            "No file with people or classes was given. Give BEE_ELEVES, BEE_RESPONSABLES, BEE_STRUCTURES, STS_EDT."
        )
        notes[-1].add(Code.NO_ROSTER, 0, message)
    reading = _join(files, refused=any(note.refused for note in notes))
    return replace(reading, findings=tuple(finding for note in notes for finding in note.findings()))


def school_of(paths: Sequence[Path]) -> Uai | None:
    """The school that the files say they are of; None where they do not agree or none can be read.

    Only the heads are read, so that what is known of the school can be looked up before `read` judges the files.
    """
    return _only(school for path in paths for school in _schools_in(path))


def _schools_in(path: Path) -> Iterator[Uai]:
    notes = Notes(str(path))  # `read` tells what is wrong
    try:
        for file in xml_files(path, notes):
            document = XmlDocument(file.stream)
            if kind := _kind_of(document.root, notes):
                reader: Reader = kind.reader(notes)
                for record in document.records({"PARAMETRES": document.root}):
                    reader.take(record)
                    break
                if school := reader.finish().head.school:
                    yield school
    except Refusal:
        return


def _read_path(path: Path, notes: list[Notes]) -> list[ReadFile]:
    """The files at one path that Préau reads; one `Notes` is added for the path and one for each XML in it."""
    about_path = Notes(str(path))
    notes.append(about_path)
    files = []
    try:
        for file in xml_files(path, about_path):
            notes.append(Notes(file.name))
            if found := _read_file(file, notes[-1]):
                files.append(found)
    except Refusal as refusal:
        about_path.refuse(refusal)
    return files


def _read_file(file: RosterFile, notes: Notes) -> ReadFile | None:
    try:
        document = XmlDocument(file.stream)
        kind = _kind_of(document.root, notes)
        return _read_document(document, kind, notes) if kind else None
    except Refusal as refusal:
        notes.refuse(refusal)
        return None


def _kind_of(root: str, notes: Notes) -> _Kind | None:
    """What to read it with; None for an export that is not needed.

    Raises:
        Refusal: the file is no export that Préau knows, or goes the other way.
    """
    if root == "EDT_STS":
        raise reverse_sts(1)
    if root in _KINDS:
        return _KINDS[root]
    if not root.startswith("BEE_"):
        raise Refusal(
            Code.UNKNOWN_FILE,
            1,
            f"The file's root element '{root[:40]}' is of no export that Préau reads.",
            advice="Give the XML exports of SIECLE (élèves, responsables, structures) and sts_emp_…xml of STS-web.",
        )
    notes.add(Code.NOT_NEEDED, 1, f"{root[:40]} is a SIECLE export that Préau does not need; leave it out if you like.")
    return None


def _read_document(document: XmlDocument, kind: _Kind, notes: Notes) -> ReadFile:
    reader: Reader = kind.reader(notes)
    for record in document.records({**kind.records, "PARAMETRES": document.root}):
        reader.take(record)
    content = reader.finish()
    taken_at = content.head.taken_at
    source = SourceFile(kind.kind, notes.file, document.version[:20], taken_at, document.sha256)
    return ReadFile(source, content, notes)


def _join(files: Sequence[ReadFile], *, refused: bool) -> Reading:
    """The roster of files that were read; without one when they are refused. School and year are said if all agree."""
    school = _only(file.head.school for file in files)
    year = _only(file.head.year for file in files)
    if refused or school is None or year is None:
        return Reading(None, (), Counts(), school, year)
    parts = _parts(files)
    sources = tuple(sorted((file.source for file in files), key=lambda source: source.kind))
    roster = assemble(school, year, parts, sources)
    review(roster, parts)
    return Reading(roster, (), count(roster), school, year)


def _parts(files: Sequence[ReadFile]) -> Parts:
    parts = Parts()
    for file in files:
        match file.content:
            case PupilsFile():
                parts = replace(parts, pupils=(file.content, file.notes))
            case GuardiansFile():
                parts = replace(parts, guardians=(file.content, file.notes))
            case StructuresFile():
                parts = replace(parts, structures=(file.content, file.notes))
            case StaffFile():
                parts = replace(parts, staff=(file.content, file.notes))
    return parts


def _only(values: Iterable[T | None]) -> T | None:
    found = set(values)
    return found.pop() if len(found) == 1 else None
