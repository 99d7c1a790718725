"""Every kind of finding the readers can make, in one table, and the notebook they write them into.

A finding's message says what is wrong, of which record (by key, never by name) and what to do. Its weight belongs to
its code: the same mistake never counts as an error in one place and as a warning in another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import Enum
from typing import Final

from preau.errors import RosterRefused
from preau.model.findings import Finding, Severity

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


class Code(Enum):
    """A kind of finding: its stable name, its weight, what it means, and whether it refuses all that was given."""

    # The files as a whole: one of these and nothing is taken.
    UNREADABLE_FILE = ("unreadable-file", _ERROR, "the file cannot be opened", True)
    UNREADABLE_XML = ("unreadable-xml", _ERROR, "the file is no complete, well-formed XML", True)
    FORBIDDEN_XML = ("forbidden-xml", _ERROR, "the file declares entities, which no ministry export does", True)
    TOO_LARGE = ("too-large", _ERROR, "the file is beyond what any school exports", True)
    UNREADABLE_ZIP = ("unreadable-zip", _ERROR, "the zip is damaged, encrypted or packed in an unusual way", True)
    UNSAFE_ZIP = ("unsafe-zip", _ERROR, "the zip holds links, other zips or names that leave its folder", True)
    UNKNOWN_FILE = ("unknown-file", _ERROR, "the file is none of the exports Préau reads", True)
    REVERSE_STS = ("reverse-sts", _ERROR, "the file goes from a timetable program to STS-web, not from STS-web", True)
    DUPLICATE_FILE = ("duplicate-file", _ERROR, "two files of one kind were given", True)
    NO_ROSTER = ("no-roster", _ERROR, "no file with people or classes was given", True)
    BAD_UAI = ("bad-uai", _ERROR, "the school's code is missing or wrong", True)
    BAD_YEAR = ("bad-year", _ERROR, "the school year is missing or wrong", True)
    OTHER_SCHOOL = ("other-school", _ERROR, "the file is of another school", True)
    WRONG_YEAR = ("wrong-year", _ERROR, "the file is of another school year", True)
    OLDER_FILE = ("older-file", _ERROR, "the file is older than the one imported last", True)
    MIXED_GENERATIONS = ("mixed-generations", _ERROR, "old and new responsibility levels stand in one file", True)

    # Records that are left out; the rest is taken.
    BAD_KEY = ("bad-key", _ERROR, "a record has no usable key")
    NO_NAME = ("no-name", _ERROR, "a person has no family name")
    DUPLICATE_KEY = ("duplicate-key", _ERROR, "two records with one key say different things")
    UNKNOWN_PUPIL = ("unknown-pupil", _ERROR, "a record points to a pupil who is not in the files")
    UNKNOWN_PERSON = ("unknown-person", _ERROR, "a link points to a guardian who is not in the file")
    UNKNOWN_TEACHER = ("unknown-teacher", _ERROR, "a service points to a member of staff who is not in the file")
    MISSING_LEVEL = ("missing-level", _ERROR, "a link says no level of responsibility that exists")
    CONTRADICTORY_LEVEL = ("contradictory-level", _ERROR, "links say different levels for one guardian and pupil")
    ONESELF_TWICE = ("oneself-twice", _ERROR, "one person is declared to be two pupils")
    TWO_DIVISIONS = ("two-divisions", _ERROR, "a pupil is in two divisions at once")
    BAD_CODE = ("bad-code", _ERROR, "a division or group has no usable code")

    # Records that are taken, and should be looked at.
    MISSING_SIDE = ("missing-side", _WARNING, "pupils were given without guardians, or guardians without pupils")
    NO_EXPORT_DATE = ("no-export-date", _WARNING, "the file does not say when it was exported")
    MORE_OF_THE_SAME = ("more-of-the-same", _WARNING, "further findings of one code are not listed")
    REPEATED_RECORD = ("repeated-record", _WARNING, "a record stands in the file twice, word for word")
    BAD_DATE = ("bad-date", _WARNING, "a date cannot be read")
    BAD_BOOLEAN = ("bad-boolean", _WARNING, "a yes-or-no value cannot be read and counts as no")
    REPLACED_CHARACTER = ("replaced-character", _WARNING, "a name holds the `?` put where a character was lost")
    ODD_CHARACTER = ("odd-character", _WARNING, "a text held invisible characters or was too long")
    NO_GIVEN_NAME = ("no-given-name", _WARNING, "a person has no given name")
    NO_LEGAL_GUARDIAN = ("no-legal-guardian", _WARNING, "a pupil has no legal guardian")
    MANY_LEGAL_GUARDIANS = ("many-legal-guardians", _WARNING, "a pupil has more than two legal guardians")
    SAME_INE = ("same-ine", _WARNING, "two pupils share a national number")
    HOMONYMS = ("homonyms", _WARNING, "two pupils of one division have the same name")
    INSTITUTION_AND_FAMILY = ("institution-and-family", _WARNING, "an institution to one child, a relative to another")
    ONESELF_OTHER_NAME = ("oneself-other-name", _WARNING, "a pupil's own record as guardian has another name")
    UNKNOWN_DIVISION = ("unknown-division", _WARNING, "a division is used but declared nowhere")
    UNKNOWN_GROUP = ("unknown-group", _WARNING, "a group is used but declared nowhere")
    UNKNOWN_STRUCTURE = ("unknown-structure", _WARNING, "a pupil's structure is neither division nor group")
    REPEATED_STRUCTURE = ("repeated-structure", _WARNING, "a division or group is declared twice")
    UNKNOWN_FUNCTION = ("unknown-function", _WARNING, "a member of staff has a function code Préau does not know")

    # For information.
    NOT_NEEDED = ("not-needed", _INFO, "the file is a ministry export that Préau has no use for")
    IGNORED_MEMBER = ("ignored-member", _INFO, "the zip holds a file that is no XML")
    NOT_ENROLLED = ("not-enrolled", _INFO, "a pupil is enrolled in no formation")
    NO_DIVISION = ("no-division", _INFO, "a pupil is in no division")
    LEAVES_LATER = ("leaves-later", _INFO, "a pupil leaves after the day of the export and attends until then")
    UNKNOWN_KINSHIP = ("unknown-kinship", _INFO, "a link has a kinship code Préau does not know")
    NO_FUNCTION = ("no-function", _INFO, "the register says of a member of staff neither function nor service")
    SIMILAR_CODES = ("similar-codes", _INFO, "codes differ only in capitals or spaces")

    def __init__(self, slug: str, severity: Severity, meaning: str, refuses: bool = False) -> None:  # noqa: FBT001, FBT002 — a column of the table above
        self.slug = slug
        self.severity = severity
        self.meaning = meaning
        self.refuses = refuses


FINDING_CODES: Final[Mapping[str, Code]] = {code.slug: code for code in Code}
"""Every code by its stable name: for the docs and for programs that read the findings."""

_LISTED: Final = 1000
"""How many findings of one code are listed per file: a file broken throughout must not fill the memory."""


class Refusal(RosterRefused):
    """A file is refused whole while it is being read; the reader turns it into a finding.

    Args:
        code: which kind of finding; one that refuses.
        line: where, counted from 1; 0 for the whole file.
        happened: what is wrong.
        advice: what to do.
    """

    def __init__(self, code: Code, line: int, happened: str, *, advice: str) -> None:
        super().__init__(happened, advice=advice)
        self.code = code
        self.line = line


class Notes:
    """The findings on one file, in the order they were made."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._findings: list[Finding] = []
        self._made: Counter[Code] = Counter()
        self._refused = False

    @property
    def refused(self) -> bool:
        """Whether one of the findings refuses the file whole."""
        return self._refused

    def add(self, code: Code, line: int, message: str) -> None:
        """Note one finding; beyond a thousand of one code they are only counted."""
        self._refused = self._refused or code.refuses
        self._made[code] += 1
        if self._made[code] <= _LISTED:
            self._findings.append(Finding(code.severity, code.slug, self.file, line, message))

    def refuse(self, refusal: Refusal) -> None:
        """Note why the file is refused whole."""
        self.add(refusal.code, refusal.line, f"{refusal.happened} {refusal.advice}".strip())

    def findings(self) -> tuple[Finding, ...]:
        """All findings by line, the long tails summed up at the end."""
        tails = [
            self._tail(code, number - _LISTED)
            for code, number in sorted(self._made.items(), key=_slug)
            if number > _LISTED
        ]
        return (*sorted(self._findings, key=lambda finding: (finding.line, finding.code, finding.message)), *tails)

    def _tail(self, code: Code, number: int) -> Finding:
        message = f"{number} more findings '{code.slug}' are not listed. Correct those above and check again."
        return Finding(Code.MORE_OF_THE_SAME.severity, Code.MORE_OF_THE_SAME.slug, self.file, 0, message)


def _slug(item: tuple[Code, int]) -> str:
    return item[0].slug
