"""How much a person may upload: one table, by function. And under which names no file is passed on.

A file reaches everybody of a room at once, so that whoever speaks to many may send more; a stolen account of a family
can do little. Synapse's own ``max_upload_size`` bounds everybody, the service included.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from preau.model.facts import Party, PersonFacts, SchoolFacts
from preau.model.ids import Uai
from preau.model.people import Function
from preau.policy.refusals import Rule

_MIB: Final = 2**20


@dataclass(frozen=True, slots=True, order=True)
class Allowance:
    """The largest file, and everything within 24 hours; bytes."""

    file: int
    day: int


NOTHING: Final = Allowance(0, 0)
_SCHOOL: Final = Allowance(50 * _MIB, 1000 * _MIB)
_STAFF: Final = Allowance(20 * _MIB, 500 * _MIB)
_FAMILY: Final = Allowance(10 * _MIB, 100 * _MIB)
_PUPIL: Final = Allowance(5 * _MIB, 25 * _MIB)

ALLOWANCES: Final[Mapping[Function, Allowance]] = {
    Function.DIRECTION: _SCHOOL,
    Function.DIRECTION_DELEGATE: _SCHOOL,
    Function.ADMINISTRATION: _SCHOOL,
    Function.SCHOOL_LIFE: _STAFF,
    Function.HEAD_TEACHER: _STAFF,
    Function.TEACHER: _STAFF,
    Function.ASSISTANT: _STAFF,
    Function.HEALTH: _STAFF,
    Function.INSPECTOR: _STAFF,
    Function.ACADEMY_ADMIN: _STAFF,
    Function.GUARDIAN: _FAMILY,
    Function.PUPIL: _PUPIL,
}
"""A pupil's row counts only in a school that lets its pupils send files."""

BY_MANDATE: Final = _FAMILY
"""For somebody who has a place by a mandate alone, such as a moderator of a parents' association."""


def allowance(person: PersonFacts | None, schools: Mapping[Uai, SchoolFacts]) -> Allowance:
    """What that person may upload: the most that any of their schools gives them. Nothing for somebody unknown.

    Args:
        person: who, None if no fact is held of them.
        schools: what is known of their schools; one that is missing has not let its pupils send files.
    """
    parties = person.parties if person is not None else ()
    return max((_in_school(party, schools.get(party.school)) for party in parties), default=NOTHING)


def why_no_upload(allowed: Allowance, size: int, sent_today: int) -> Rule | None:
    """Why a file may not be uploaded; None if it may.

    Args:
        allowed: see `allowance`.
        size: of the file, bytes.
        sent_today: what the person uploaded in the last 24 hours, bytes.
    """
    fits = 0 <= size <= allowed.file and sent_today + size <= allowed.day
    return None if allowed.file and fits else Rule.MEDIA


RUNNABLE: Final = frozenset(
    {
        *("app", "application", "bat", "bin", "chm", "cmd", "com", "cpl", "dll", "exe", "gadget", "hta", "inf", "lnk"),
        *("msc", "msi", "msp", "pif", "ps1", "psm1", "reg", "scf", "scr", "sys", "url", "vhd", "vhdx", "iso", "tmp"),
        *("js", "jse", "vb", "vbe", "vbs", "wsc", "wsf", "wsh", "ws", "py", "sh", "jar"),
        *("htm", "html", "shtml", "xhtml", "mht", "mhtml", "svg", "svgz", "xml"),
        *("docm", "dotm", "xlsm", "xltm", "xlam", "xll", "pptm", "potm", "ppsm", "ppam", "sldm"),
        *("apk", "aab", "xapk", "ipa", "deb", "rpm", "dmg", "pkg", "run"),
    }
)
"""Endings on which a click runs something, on the systems that families and staff have."""


def why_not_called(name: str) -> Rule | None:
    """Why a file may not be passed on under that name; None if it may.

    Plain text is text to us, whatever it says, and a program to whoever clicks on it if its name ends in ``.bat``.
    """
    seen = "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in name)
    _, point, ending = seen.rstrip(" .").rpartition(".")  # systems drop these from the end of a name
    return Rule.MEDIA_TYPE if point and ending.strip().casefold() in RUNNABLE else None


def _in_school(party: Party, school: SchoolFacts | None) -> Allowance:
    """Where somebody is a pupil, what the school decided for its pupils holds, whatever else they are there.

    (An adult pupil who is their own guardian shares rooms with the other pupils.)
    """
    if Function.PUPIL in party.functions:
        return ALLOWANCES[Function.PUPIL] if school is not None and school.pupil_media else NOTHING
    return max((ALLOWANCES[function] for function in party.functions), default=BY_MANDATE)
