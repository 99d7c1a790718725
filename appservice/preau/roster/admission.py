"""Whether files that were read belong together and are the ones expected; if not, all are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from preau.model.roster import FileKind, SourceFile
from preau.roster.findings import Code, Notes
from preau.roster.head import Head
from preau.roster.reading import Expectation
from preau.roster.siecle_guardians import GuardiansFile
from preau.roster.siecle_pupils import PupilsFile
from preau.roster.siecle_structures import StructuresFile
from preau.roster.sts import StaffFile

Content = PupilsFile | GuardiansFile | StructuresFile | StaffFile


@dataclass(frozen=True, slots=True)
class ReadFile:
    """One file that was read to its end, with its findings."""

    source: SourceFile
    content: Content
    notes: Notes

    @property
    def head(self) -> Head:
        """What the file says of itself."""
        return self.content.head


def admit(files: Sequence[ReadFile], expected: Expectation) -> None:
    """Note in each file's findings whatever refuses it: kind given twice, other school or year, too old."""
    _refuse_twins(files)
    school = expected.school or next((file.head.school for file in files if file.head.school), None)
    year = expected.year or next((file.head.year for file in files if file.head.year), None)
    for file in files:
        _check_head(file)
        if file.head.school and file.head.school != school:
            whose = "expected" if expected.school else "given with it"
            message = f"The file is of school {file.head.school}, not of {school} ({whose}). Give files of one school."
            file.notes.add(Code.OTHER_SCHOOL, 0, message)
        if file.head.year and file.head.year != year:
            message = (
                f"The file is of the school year {file.head.year}-{file.head.year + 1}, not {year}-{(year or 0) + 1}. "
                "From May on SIECLE holds two years: choose the right one and export again."
            )
            file.notes.add(Code.WRONG_YEAR, 0, message)
        _check_age(file, expected)


def _refuse_twins(files: Sequence[ReadFile]) -> None:
    given = Counter(file.source.kind for file in files)
    for file in files:
        if given[file.source.kind] > 1:
            message = (
                f"{given[file.source.kind]} files of the kind {file.source.kind} were given. Give only the newest."
            )
            file.notes.add(Code.DUPLICATE_FILE, 0, message)


def _check_head(file: ReadFile) -> None:
    """A file without PARAMETRES says nothing of itself."""
    noted = {finding.code for finding in file.notes.findings()}
    if file.head.school is None and Code.BAD_UAI.slug not in noted:
        file.notes.add(Code.BAD_UAI, 0, "The file does not say of which school it is. Export it again.")
    if file.head.year is None and Code.BAD_YEAR.slug not in noted:
        file.notes.add(Code.BAD_YEAR, 0, "The file does not say of which school year it is. Export it again.")


def _check_age(file: ReadFile, expected: Expectation) -> None:
    if file.source.kind is FileKind.STAFF:
        return  # STS-web writes no HORODATAGE
    if file.head.reference_day is None:
        message = "The file does not say when it was exported, so its age cannot be checked. Export it again."
        file.notes.add(Code.NO_EXPORT_DATE, 0, message)
        return
    last = expected.newer_than.get(file.source.kind)
    if last is not None and _is_older(file.head, last.replace(tzinfo=None)):
        message = f"The file is older than the one imported last ({last:%d/%m/%Y %H:%M:%S}). Give a newer export."
        file.notes.add(Code.OLDER_FILE, 0, message)


def _is_older(head: Head, last: datetime) -> bool:
    if head.taken_at is not None:
        return head.taken_at < last
    return head.exported_on is not None and head.exported_on < last.date()
