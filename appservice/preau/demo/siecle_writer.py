"""The three SIECLE exports of an invented school, as text (``school-data.md`` sections 1 to 4).

Each function yields pieces of one XML document, so that a hundred thousand people are never held as one string.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal, TypeAlias

from preau.demo.school import DemoDivision, DemoGroup, DemoGuardian, DemoLink, DemoPupil, DemoSchool
from preau.demo.xml_text import close, element, elements, opening, prolog
from preau.model.people import GuardianLevel

Generation: TypeAlias = Literal["new", "old"]
"""Which BEE_RESPONSABLES: ``new`` writes NIVEAU_RESPONSABILITE, ``old`` (before about 2018) RESP_LEGAL."""

_MEF: Final = {"6": "10010012110", "5": "10110001110", "4": "10210001110", "3": "10310019110"}
_LEVEL: Final = {
    GuardianLevel.LEGAL: "1",
    GuardianLevel.ONESELF: "1",
    GuardianLevel.IN_CHARGE: "2",
    GuardianLevel.CONTACT: "3",
}
_OLD_KINSHIP: Final = {"10": "2", "20": "1", "50": "3", "38": "4", "39": "4", "51": "5", "70": "7"}
_OLD_OTHER_KINSHIP: Final = "6"


def pupils_document(school: DemoSchool, taken_at: datetime) -> Iterator[str]:
    """BEE_ELEVES: pupils, those who left included, and their divisions and groups."""
    levels = {division.code: division.level for division in school.divisions}
    yield _head("BEE_ELEVES", "3.0", school, taken_at)
    yield opening("ELEVES")
    for pupil in school.pupils:
        level = levels.get(pupil.division, "6") if pupil.division else "6"
        yield _pupil(pupil, school, mef=_MEF[level])
    yield close("ELEVES") + element("OPTIONS", "") + opening("STRUCTURES")
    yield from (_places(pupil) for pupil in school.pupils if pupil.division or pupil.groups)
    yield close("STRUCTURES") + element("BOURSES", "") + element("ADRESSES", "") + _foot("BEE_ELEVES")


def guardians_document(school: DemoSchool, taken_at: datetime, generation: Generation) -> Iterator[str]:
    """BEE_RESPONSABLES: persons, then their links to pupils."""
    yield _head("BEE_RESPONSABLES", "2.1" if generation == "new" else "2.0", school, taken_at)
    yield opening("PERSONNES")
    yield from map(_person, school.guardians)
    yield close("PERSONNES") + opening("RESPONSABLES")
    yield from map(_new_link, school.links) if generation == "new" else _old_links(school.links)
    yield close("RESPONSABLES") + element("ADRESSES", "") + _foot("BEE_RESPONSABLES")


def structures_document(school: DemoSchool, taken_at: datetime) -> Iterator[str]:
    """BEE_STRUCTURES: divisions and groups."""
    yield _head("BEE_STRUCTURES", "2.0", school, taken_at)
    yield opening("DIVISIONS")
    yield from map(_division, school.divisions)
    yield close("DIVISIONS") + opening("GROUPES")
    yield from map(_group, school.groups)
    yield close("GROUPES") + _foot("BEE_STRUCTURES")


def _head(root: str, version: str, school: DemoSchool, taken_at: datetime) -> str:
    parameters = elements(
        ("UAJ", school.uai),
        ("ANNEE_SCOLAIRE", school.year),
        ("DATE_EXPORT", f"{taken_at:%d/%m/%Y}"),
        ("HORODATAGE", f"{taken_at:%d/%m/%Y %H:%M:%S}"),
    )
    start = prolog() + opening(root, VERSION=version)
    return start + opening("PARAMETRES") + parameters + close("PARAMETRES") + opening("DONNEES")


def _foot(root: str) -> str:
    return close("DONNEES") + close(root)


def _pupil(pupil: DemoPupil, school: DemoSchool, *, mef: str) -> str:
    """One ELEVE. Every seventh has neither INE nor ELENOET, as pupils who have just come."""
    number = pupil.key % 900_000
    settled = number % 7 != 0
    letters = "ABCDEFGHJK"
    ine = f"99{number:07d}{letters[number % 10]}{letters[number // 10 % 10]}" if settled else None
    noet = str(number) if settled and number < 100_000 else None
    fields = elements(
        ("ID_NATIONAL", ine),
        ("INE_RNIE", ine),
        ("ELENOET", noet),
        ("ID_ELEVE_ETAB", f"{number:05d}{school.uai[:7]}"),
        ("NOM_DE_FAMILLE", pupil.family),
        ("NOM_USAGE", pupil.usage or None),
        ("PRENOM", pupil.given),
        ("DATE_NAISS", f"{pupil.born:%d/%m/%Y}"),
        ("DOUBLEMENT", 0),
        ("DATE_ENTREE", f"01/09/{school.year}"),
        ("DATE_SORTIE", f"{pupil.left:%d/%m/%Y}" if pupil.left else None),
        ("VILLE_NAISS", ""),
        ("CODE_SEXE", 1 + number % 2),
        ("CODE_STATUT", "ST"),
        ("CODE_MEF", None if pupil.left else mef),
    )
    return opening("ELEVE", ELEVE_ID=pupil.key, ELENOET=noet) + fields + close("ELEVE")


def _places(pupil: DemoPupil) -> str:
    codes = [(pupil.division, "D")] if pupil.division else []
    places = "".join(
        opening("STRUCTURE") + elements(("CODE_STRUCTURE", code), ("TYPE_STRUCTURE", kind)) + close("STRUCTURE")
        for code, kind in (*codes, *((group, "G") for group in pupil.groups))
    )
    return opening("STRUCTURES_ELEVE", ELEVE_ID=pupil.key) + places + close("STRUCTURES_ELEVE")


def _person(person: DemoGuardian) -> str:
    fields = elements(
        ("LC_CIVILITE", person.title or None),
        ("LL_CIVILITE", {"M.": "MONSIEUR", "MME": "MADAME"}.get(person.title)),
        ("NOM_DE_FAMILLE", person.family),
        ("NOM_USAGE", person.usage or None),
        ("PRENOM", person.given),
        ("TEL_PERSONNEL", ""),
        ("TEL_PORTABLE", person.phone),
        ("ACCEPTE_SMS", int(bool(person.phone))),
        ("MEL", person.mail or None),
        ("COMMUNICATION_ADRESSE", None if person.shares_address is None else int(person.shares_address)),
        ("ADRESSE_ID", person.address),
    )
    return opening("PERSONNE", PERSONNE_ID=person.key) + fields + close("PERSONNE")


def _new_link(link: DemoLink) -> str:
    """One link. Its booleans are mixed, ``0/1`` beside ``true/false``, as in real files."""
    legal = link.level is GuardianLevel.LEGAL
    fields = elements(
        ("ELEVE_ID", link.pupil),
        ("PERSONNE_ID", link.guardian),
        ("NIVEAU_RESPONSABILITE", _LEVEL[link.level]),
        ("CODE_PARENTE", link.kinship),
        ("PAIE_FRAIS_SCOLAIRES", int(legal)),
        ("PERCOIT_LES_AIDES", "false"),
        ("HEBERGE_ELEVE", "true" if legal else "false"),
        ("A_CONTACTER_EN_PRIORITE", "true" if legal else "false"),
    )
    return opening("RESPONSABLE_ELEVE") + fields + close("RESPONSABLE_ELEVE")


def _old_links(links: tuple[DemoLink, ...]) -> Iterator[str]:
    """The links as RESP_LEGAL tells them: 1 for a pupil's first legal guardian, 2 for any other, 0 for the rest."""
    started: set[int] = set()
    for link in links:
        legal = link.level in {GuardianLevel.LEGAL, GuardianLevel.ONESELF}
        rank = (2 if link.pupil in started else 1) if legal else 0
        if legal:
            started.add(link.pupil)
        fields = elements(
            ("ELEVE_ID", link.pupil),
            ("PERSONNE_ID", link.guardian),
            ("RESP_LEGAL", rank),
            ("CODE_PARENTE", _OLD_KINSHIP.get(link.kinship, _OLD_OTHER_KINSHIP)),
            ("RESP_FINANCIER", int(rank == 1)),
            ("PERS_PAIEMENT", 0),
            ("PERS_CONTACT", int(rank == 0)),
        )
        yield opening("RESPONSABLE_ELEVE") + fields + close("RESPONSABLE_ELEVE")


def _division(division: DemoDivision) -> str:
    mefs = opening("MEF_APPARTENANCE") + element("CODE_MEF", _MEF[division.level]) + close("MEF_APPARTENANCE")
    return (
        opening("DIVISION", CODE_STRUCTURE=division.code)
        + element("LIBELLE_LONG", division.label)
        + opening("MEFS_APPARTENANCE")
        + mefs
        + close("MEFS_APPARTENANCE")
        + close("DIVISION")
    )


def _group(group: DemoGroup) -> str:
    divisions = "".join(
        opening("DIVISION_APPARTENANCE") + element("CODE_STRUCTURE", code) + close("DIVISION_APPARTENANCE")
        for code in group.divisions
    )
    return (
        opening("GROUPE", CODE_STRUCTURE=group.code)
        + element("LIBELLE_LONG", group.label)
        + opening("DIVISIONS_APPARTENANCE")
        + divisions
        + close("DIVISIONS_APPARTENANCE")
        + close("GROUPE")
    )
