"""People: names, what they are in a school, and how a guardian is tied to a pupil."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from preau.model.ids import Uai


class Function(StrEnum):
    """What a person is in one school (fonction). The codes appear in files and JSON."""

    DIRECTION = "direction"
    DIRECTION_DELEGATE = "direction_delegate"
    ADMINISTRATION = "administration"
    SCHOOL_LIFE = "school_life"
    HEAD_TEACHER = "head_teacher"
    TEACHER = "teacher"
    ASSISTANT = "assistant"
    HEALTH = "health"
    INSPECTOR = "inspector"
    ACADEMY_ADMIN = "academy_admin"
    GUARDIAN = "guardian"
    PUPIL = "pupil"


STAFF: Final = frozenset(
    {
        Function.DIRECTION,
        Function.DIRECTION_DELEGATE,
        Function.ADMINISTRATION,
        Function.SCHOOL_LIFE,
        Function.HEAD_TEACHER,
        Function.TEACHER,
        Function.ASSISTANT,
        Function.HEALTH,
    }
)
"""The functions that make up a school's own staff."""


class GuardianLevel(StrEnum):
    """How an adult is tied to a pupil (niveau de responsabilité; ``school-data.md`` 3.2 and 3.3).

    ``ONESELF`` is an adult or emancipated pupil who is their own guardian: the same human as the pupil.
    """

    LEGAL = "legal"
    IN_CHARGE = "in_charge"
    CONTACT = "contact"
    ONESELF = "self"


@dataclass(frozen=True, slots=True, order=True)
class PersonName:
    """A person's names as people read them: ``given`` in title case, ``family`` in capitals."""

    family: str
    given: str

    def __str__(self) -> str:
        """``Alice MARTIN``."""
        return f"{self.given} {self.family}".strip()


class RosterSource(StrEnum):
    """Which register gave the key; the same number in two registers points to two people."""

    SIECLE_PUPIL = "siecle.eleve"
    SIECLE_PERSON = "siecle.personne"
    STS_STATE = "sts.epp"
    STS_LOCAL = "sts.local"
    BY_HAND = "preau.hand"
    """No register at all: entered by direction with an appointment; the number is the person's own id."""


@dataclass(frozen=True, slots=True, order=True)
class RosterKey:
    """A school register's own key of a person (``school-data.md`` 1.2 and 5): unique within one school only."""

    source: RosterSource
    school: Uai
    number: str

    def __str__(self) -> str:
        """``siecle.eleve/0990001N/900001``: for findings and logs, which hold no names."""
        return f"{self.source}/{self.school}/{self.number}"
