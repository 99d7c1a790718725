"""What every export says of itself: school, year, and when it was made (``school-data.md`` 1.1 and 5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from lxml import etree

from preau.model.ids import Uai, parse_uai
from preau.roster.fields import clean, day_or_none, fields_of, moment, school_title, value
from preau.roster.findings import Code, Notes
from preau.roster.xml_safe import line_of


@dataclass(frozen=True, slots=True)
class Head:
    """A file's PARAMETRES. ``starts`` is the first day of the school year, which only STS-web writes."""

    school: Uai | None = None
    school_name: str = ""
    year: int | None = None
    taken_at: datetime | None = None
    exported_on: date | None = None
    starts: date | None = None

    @property
    def reference_day(self) -> date | None:
        """The day the file describes."""
        return self.taken_at.date() if self.taken_at else self.exported_on


def siecle_head(parameters: etree._Element, notes: Notes) -> Head:
    """The head of a BEE file."""
    fields, line = fields_of(parameters), line_of(parameters)
    return Head(
        school=_school(fields.get("UAJ"), notes, line),
        year=_year(fields.get("ANNEE_SCOLAIRE"), notes, line),
        taken_at=_taken_at(fields.get("HORODATAGE"), notes, line),
        exported_on=day_or_none(fields.get("DATE_EXPORT"), notes, line, "DATE_EXPORT"),
    )


def sts_head(parameters: etree._Element, notes: Notes) -> Head:
    """The head of an STS_EDT file, which has no HORODATAGE."""
    line = line_of(parameters)
    school, year = parameters.find("UAJ"), parameters.find("ANNEE_SCOLAIRE")
    words = () if school is None else (school.findtext("DENOM_PRINC"), school.findtext("DENOM_COMPL"))
    name = " ".join(clean(word, notes, line, "The name of the school") for word in words)
    return Head(
        school=_school(None if school is None else school.get("CODE"), notes, line),
        school_name=school_title(name.strip()),
        year=_year(None if year is None else year.get("ANNEE"), notes, line),
        starts=None
        if year is None
        else day_or_none(year.findtext("DATE_DEBUT"), notes, line, "DATE_DEBUT of the year"),
    )


def _school(text: str | None, notes: Notes, line: int) -> Uai | None:
    try:
        return parse_uai(value(text)[:20])
    except ValueError as error:
        notes.add(Code.BAD_UAI, line, f"The school cannot be told: {error}. Export the file again.")
        return None


def _year(text: str | None, notes: Notes, line: int) -> int | None:
    written = value(text)
    if written.isascii() and written.isdigit() and len(written) == 4:
        return int(written)
    notes.add(Code.BAD_YEAR, line, "ANNEE_SCOLAIRE is missing or no year. Export the file again.")
    return None


def _taken_at(text: str | None, notes: Notes, line: int) -> datetime | None:
    written = value(text)
    try:
        return moment(written) if written else None
    except ValueError:
        notes.add(Code.BAD_DATE, line, "HORODATAGE cannot be read; DATE_EXPORT is used instead. Export the file again.")
        return None
