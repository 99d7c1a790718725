"""Single values as the ministry writes them: dates, yes-or-no, names, codes.

An absent tag and an empty one mean the same, no value (``school-data.md`` 1.1), so both come in as None or blank text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

from lxml import etree

from preau.model.people import PersonName
from preau.roster.findings import Code, Notes

Fields = Mapping[str, str | None]
"""A record's direct children, tag → text."""

_DAY: Final = re.compile(r"([0-9]{2})/([0-9]{2})/([0-9]{4})|([0-9]{4})-([0-9]{2})-([0-9]{2})")
_YES: Final = frozenset({"1", "true", "o", "oui"})
_NO: Final = frozenset({"0", "false", "n", "non", ""})
_LONGEST_NAME: Final = 100
_LONGEST_CODE: Final = 32
_PARTICLES: Final = frozenset({"de", "du", "des", "la", "le", "les", "et", "von", "van"})
_SCHOOL_WORDS: Final = {
    "College": "Collège",
    "Lycee": "Lycée",
    "Ecole": "École",
    "Elementaire": "élémentaire",
    "General": "général",
    "Polyvalent": "polyvalent",
    "Prive": "privé",
    "Professionnel": "professionnel",
    "Technologique": "technologique",
}
_ELIDED: Final = re.compile(r"^[DL](?=')")
_WORDS: Final = re.compile(r"[^\W\d_]+")


def fields_of(record: etree._Element) -> Fields:
    """The record's direct children, tag → text."""
    return {str(child.tag): child.text for child in record}


def value(text: str | None) -> str:
    """The text without the blanks around it; empty when there is none."""
    return text.strip() if text else ""


def day(text: str) -> date:
    """A date, JJ/MM/AAAA in SIECLE, ISO in STS-web.

    Raises:
        ValueError: it is neither, or no day of the calendar.
    """
    found = _DAY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no date")
    day_, month, year, iso_year, iso_month, iso_day = found.groups()
    return date(int(year or iso_year), int(month or iso_month), int(day_ or iso_day))


def day_or_none(text: str | None, notes: Notes, line: int, what: str) -> date | None:
    """The date, or None when there is none or when it cannot be read, which is noted; ``what`` names the field."""
    written = value(text)
    if not written:
        return None
    try:
        return day(written)
    except ValueError:
        message = f"{what} cannot be read as a date and is left out. Correct it in the register (DD/MM/YYYY)."
        notes.add(Code.BAD_DATE, line, message)
        return None


def moment(text: str) -> datetime:
    """A HORODATAGE, ``15/09/2025 19:02:11``: wall time, without a zone.

    Raises:
        ValueError: it is none.
    """
    return datetime.strptime(text, "%d/%m/%Y %H:%M:%S")  # noqa: DTZ007 — the register writes no zone


def flag(text: str | None, notes: Notes, line: int, what: str) -> bool:
    """A yes-or-no value; SIECLE mixes ``0 1 true false O N Oui Non`` in one file. Absent or unreadable means no."""
    written = value(text).lower()
    if written not in _YES and written not in _NO:
        notes.add(Code.BAD_BOOLEAN, line, f"{what} cannot be read as yes or no and counts as no. Correct it in SIECLE.")
    return written in _YES


def clean(text: str | None, notes: Notes, line: int, what: str) -> str:
    """A text fit for a display name: one blank between words, nothing invisible, at most 100 characters."""
    written = " ".join(text.split()) if text else ""
    if written.isprintable() and len(written) <= _LONGEST_NAME:
        return written
    notes.add(Code.ODD_CHARACTER, line, f"{what} holds invisible characters or is too long; they are left out.")
    return "".join(sign for sign in written if sign.isprintable())[:_LONGEST_NAME].strip()


def code(text: str | None, notes: Notes, line: int, what: str) -> str | None:
    """A division's or group's code exactly as written but for the blanks around it, or None, which is noted."""
    written = value(text)
    if written and written.isprintable() and len(written) <= _LONGEST_CODE:
        return written
    notes.add(Code.BAD_CODE, line, f"{what} has no usable code and is left out. Correct it in the register.")
    return None


def number(text: str | None) -> str | None:
    """A register's key, digits only, or None."""
    written = value(text)
    return written if written.isascii() and written.isdigit() and len(written) <= _LONGEST_CODE else None


def family_and_given(family: str | None, given: str | None, notes: Notes, line: int, what: str) -> PersonName | None:
    """The name people read, or None when there is no family name, which is noted; ``what`` is the record's key."""
    family_name = clean(family, notes, line, f"The family name of {what}").upper()
    given_name = title(clean(given, notes, line, f"The given name of {what}"))
    if not family_name:
        notes.add(Code.NO_NAME, line, f"{what} has no family name and is left out. Complete it in the register.")
        return None
    if not given_name:
        notes.add(Code.NO_GIVEN_NAME, line, f"{what} has no given name. Complete it in the register.")
    if "?" in family_name or "?" in given_name:
        message = f"The name of {what} holds a `?`, put where a character was lost. Correct it in the register."
        notes.add(Code.REPLACED_CHARACTER, line, message)
    return PersonName(family_name, given_name)


def title(name: str) -> str:
    """A name in title case when it is written all in capitals or all in small letters; else as it is.

    ``JEAN-MARC`` → ``Jean-Marc``, ``N'DEYE`` → ``N'Deye``, ``MARIE DE LA PAIX`` → ``Marie de la Paix``.
    """
    if name != name.upper() and name != name.lower():
        return name
    titled = _WORDS.sub(lambda word: word[0].capitalize(), name)
    first, *others = titled.split(" ")
    return " ".join((first, *(word.lower() if word.lower() in _PARTICLES else word for word in others)))


def school_title(name: str) -> str:
    """A school's name as people write it: ``COLLEGE DE L'EXEMPLE`` → ``Collège de l'Exemple``.

    STS-web writes capitals without accents; only the words that say what kind of school it is get theirs back.
    """
    titled = title(name)
    if titled == name:
        return name
    words = (_SCHOOL_WORDS.get(word, word) for word in titled.split(" "))
    return " ".join(_ELIDED.sub(lambda letter: letter[0].lower(), word) for word in words)
