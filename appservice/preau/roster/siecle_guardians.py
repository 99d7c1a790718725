"""BEE_RESPONSABLES: guardians and their links to pupils, in both generations (``school-data.md`` 3).

The generation is told by the tag, never by the version::

    NIVEAU_RESPONSABILITE   1 legal   2 in charge   3 contact          (since about 2018)
    RESP_LEGAL              1, 2 legal              0 contact          (before)

The digit 2 changed its meaning, so a file that holds links of both kinds is refused whole, and a link that holds both
tags is taken only where they agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from preau.model.people import GuardianLevel, PersonName
from preau.roster.fields import Fields, family_and_given, fields_of, flag, number, value
from preau.roster.findings import Code, Notes, Refusal
from preau.roster.head import Head, siecle_head
from preau.roster.unique import Unique
from preau.roster.xml_safe import line_of

GUARDIAN_RECORDS: Final[Mapping[str, str]] = {"PERSONNE": "PERSONNES", "RESPONSABLE_ELEVE": "RESPONSABLES"}

NEW_LEVELS: Final[Mapping[str, GuardianLevel]] = {
    "1": GuardianLevel.LEGAL,
    "2": GuardianLevel.IN_CHARGE,
    "3": GuardianLevel.CONTACT,
}
"""NIVEAU_RESPONSABILITE → level (``school-data.md`` 3.2)."""

OLD_LEVELS: Final[Mapping[str, GuardianLevel]] = {
    "0": GuardianLevel.CONTACT,
    "1": GuardianLevel.LEGAL,
    "2": GuardianLevel.LEGAL,
}
"""RESP_LEGAL → level (``school-data.md`` 3.3)."""

_INSTITUTION: Final = frozenset({"5", "51"})
_ONESELF: Final = frozenset({"7", "70"})
_KINSHIPS: Final = frozenset(
    {*"1234567", "10", "20", "37", "38", "39", "41", "42", "43", "50", "51", "70", "90"},
)


@dataclass(frozen=True, slots=True)
class GuardianRecord:
    """One PERSONNE; ``shares_address`` is COMMUNICATION_ADRESSE, no when absent."""

    name: PersonName
    shares_address: bool
    line: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """One RESPONSABLE_ELEVE; ``institution`` when the kinship is the child welfare service (ASE)."""

    level: GuardianLevel
    institution: bool
    line: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class GuardiansFile:
    """BEE_RESPONSABLES as read: persons by PERSONNE_ID, links by (PERSONNE_ID, ELEVE_ID)."""

    head: Head
    persons: Mapping[str, GuardianRecord]
    links: Mapping[tuple[str, str], LinkRecord]


class GuardiansReader:
    """Takes the records of one BEE_RESPONSABLES in any order; `finish` puts them together."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._head = Head()
        self._persons: Unique[str, GuardianRecord] = Unique(notes)
        self._links: Unique[tuple[str, str], LinkRecord] = Unique(notes, Code.CONTRADICTORY_LEVEL)
        self._unusable: set[str] = set()
        self._generations: dict[str, int] = {}

    def take(self, record: etree._Element) -> None:
        """One PARAMETRES, PERSONNE or RESPONSABLE_ELEVE.

        Raises:
            Refusal: the file mixes the two generations.
        """
        if record.tag == "RESPONSABLE_ELEVE":
            self._link(fields_of(record), line_of(record))
        elif record.tag == "PERSONNE":
            self._person(record)
        else:
            self._head = siecle_head(record, self._notes)

    def finish(self) -> GuardiansFile:
        """Everything taken, contradictions left out and noted."""
        known_bad = self._persons.left_out() | self._unusable
        persons = self._persons.settled()
        links = {
            key: link for key, link in self._links.settled().items() if self._is_known(key, link, persons, known_bad)
        }
        return GuardiansFile(self._head, persons, links)

    def _is_known(
        self, key: tuple[str, str], link: LinkRecord, persons: Mapping[str, GuardianRecord], known_bad: frozenset[str]
    ) -> bool:
        person, pupil = key
        if person not in persons and person not in known_bad:
            message = f"A link of pupil {pupil} points to person {person}, who is not in the file. Export again."
            self._notes.add(Code.UNKNOWN_PERSON, link.line, message)
        return person in persons

    def _person(self, record: etree._Element) -> None:
        fields, line = fields_of(record), line_of(record)
        key = number(record.get("PERSONNE_ID"))
        if key is None:
            message = "A PERSONNE has no usable PERSONNE_ID and is left out. Correct it in SIECLE and export again."
            self._notes.add(Code.BAD_KEY, line, message)
            return
        what = f"Person {key}"
        family = fields.get("NOM_USAGE"), fields.get("NOM_DE_FAMILLE"), fields.get("NOM")
        name = family_and_given(next(filter(value, family), None), fields.get("PRENOM"), self._notes, line, what)
        if name is None:
            self._unusable.add(key)
            return
        shares = flag(fields.get("COMMUNICATION_ADRESSE"), self._notes, line, f"COMMUNICATION_ADRESSE of person {key}")
        self._persons.add(key, GuardianRecord(name, shares, line), what)

    def _link(self, fields: Fields, line: int) -> None:
        person, pupil = number(fields.get("PERSONNE_ID")), number(fields.get("ELEVE_ID"))
        self._remember_generation(fields, line)
        if person is None or pupil is None:
            message = "A RESPONSABLE_ELEVE has no usable PERSONNE_ID or ELEVE_ID and is left out. Correct it in SIECLE."
            self._notes.add(Code.BAD_KEY, line, message)
            return
        what = f"The link of person {person} to pupil {pupil}"
        level = self._level(fields, line, what)
        if level is None:
            return
        kinship = value(fields.get("CODE_PARENTE"))
        if kinship and kinship not in _KINSHIPS:
            message = f"{what} has an unknown CODE_PARENTE; its level counts all the same. Check it in SIECLE."
            self._notes.add(Code.UNKNOWN_KINSHIP, line, message)
        if kinship in _ONESELF:
            level = GuardianLevel.ONESELF
        self._links.add((person, pupil), LinkRecord(level, kinship in _INSTITUTION, line), what)

    def _remember_generation(self, fields: Fields, line: int) -> None:
        """A link with one tag only tells the generation; the first of the second kind refuses the file."""
        old, new = value(fields.get("RESP_LEGAL")), value(fields.get("NIVEAU_RESPONSABILITE"))
        if bool(old) == bool(new):
            return
        self._generations.setdefault("old" if old else "new", line)
        if len(self._generations) == 2:
            raise Refusal(
                Code.MIXED_GENERATIONS,
                line,
                "Links with RESP_LEGAL and with NIVEAU_RESPONSABILITE stand in one file; 2 would mean two things.",
                advice="Do not join exports by hand: export BEE_RESPONSABLES again from SIECLE.",
            )

    def _level(self, fields: Fields, line: int, what: str) -> GuardianLevel | None:
        old, new = value(fields.get("RESP_LEGAL")), value(fields.get("NIVEAU_RESPONSABILITE"))
        level = NEW_LEVELS.get(new) if new else OLD_LEVELS.get(old)
        if level is None:
            message = f"{what} has no known level of responsibility and is left out. Correct it in SIECLE."
            self._notes.add(Code.MISSING_LEVEL, line, message)
        elif old and new and (level is GuardianLevel.LEGAL) != (OLD_LEVELS.get(old) is GuardianLevel.LEGAL):
            message = f"{what} has levels that contradict each other and is left out. Correct it in SIECLE."
            self._notes.add(Code.CONTRADICTORY_LEVEL, line, message)
            return None
        return level
