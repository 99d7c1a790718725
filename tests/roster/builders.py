"""Small rosters in the ministry's formats, built a record at a time. Every person is invented."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from preau.model.findings import Finding
from preau.model.ids import Uai
from preau.roster.reader import Expectation, Reading, read

SCHOOL: Final = Uai("0990001N")
OTHER_SCHOOL: Final = Uai("0990002P")
YEAR: Final = 2025


def tag(name: str, value: object) -> str:
    """``<NAME>value</NAME>``; nothing for None, an empty tag for empty text: both occur."""
    return "" if value is None else f"<{name}>{escape(str(value))}</{name}>"


def tags(fields: dict[str, object]) -> str:
    return "".join(tag(name, value) for name, value in fields.items())


def head(
    school: str = SCHOOL, year: object = YEAR, stamp: str | None = "15/09/2025 19:02:11", day: str | None = "15/09/2025"
) -> str:
    fields = {"UAJ": school, "ANNEE_SCOLAIRE": year, "DATE_EXPORT": day, "HORODATAGE": stamp}
    return f"<PARAMETRES>{tags(fields)}</PARAMETRES>"


def pupil(key: object, family: str | None = None, given: str | None = "Zoé", **fields: object) -> str:
    family = f"ÉLÈVE{key}" if family is None else family
    known = {"NOM_DE_FAMILLE": family, "PRENOM": given, "DATE_NAISS": "03/02/2013", "CODE_MEF": "10110001110"}
    return f'<ELEVE ELEVE_ID="{key}">{tags(known | fields)}</ELEVE>\n'


def placed(key: object, *divisions: str, groups: Iterable[str] = ()) -> str:
    structures = [*((code, "D") for code in divisions), *((code, "G") for code in groups)]
    inner = "".join(
        f"<STRUCTURE>{tags({'CODE_STRUCTURE': code, 'TYPE_STRUCTURE': kind})}</STRUCTURE>" for code, kind in structures
    )
    return f'<STRUCTURES_ELEVE ELEVE_ID="{key}">{inner}</STRUCTURES_ELEVE>\n'


def pupils_file(pupils: Iterable[str], placements: Iterable[str] = (), top: str | None = None) -> str:
    data = f"<ELEVES>\n{''.join(pupils)}</ELEVES><STRUCTURES>\n{''.join(placements)}</STRUCTURES><BOURSES/><ADRESSES/>"
    return f'<BEE_ELEVES VERSION="3.0">{head() if top is None else top}\n<DONNEES>{data}</DONNEES></BEE_ELEVES>'


def person(key: object, family: str | None = None, given: str | None = "Alix", **fields: object) -> str:
    known: dict[str, object] = {"NOM_DE_FAMILLE": f"PARENT{key}" if family is None else family, "PRENOM": given}
    return f'<PERSONNE PERSONNE_ID="{key}">{tags(known | fields)}</PERSONNE>\n'


def link(person_key: object, pupil_key: object, level: object = 1, kinship: object = 10, **fields: object) -> str:
    """A link of the new generation."""
    known = {"ELEVE_ID": pupil_key, "PERSONNE_ID": person_key, "NIVEAU_RESPONSABILITE": level, "CODE_PARENTE": kinship}
    return f"<RESPONSABLE_ELEVE>{tags(known | fields)}</RESPONSABLE_ELEVE>\n"


def old_link(person_key: object, pupil_key: object, legal: object = 1, kinship: object = 2, contact: object = 0) -> str:
    """A link of the old generation."""
    fields = {
        "ELEVE_ID": pupil_key,
        "PERSONNE_ID": person_key,
        "RESP_LEGAL": legal,
        "CODE_PARENTE": kinship,
        "PERS_CONTACT": contact,
    }
    return f"<RESPONSABLE_ELEVE>{tags(fields)}</RESPONSABLE_ELEVE>\n"


def guardians_file(persons: Iterable[str], links: Iterable[str] = (), top: str | None = None) -> str:
    data = f"<PERSONNES>\n{''.join(persons)}</PERSONNES><RESPONSABLES>\n{''.join(links)}</RESPONSABLES>"
    start = head() if top is None else top
    return f'<BEE_RESPONSABLES VERSION="2.1">{start}\n<DONNEES>{data}</DONNEES></BEE_RESPONSABLES>'


def structures_file(
    divisions: dict[str, str], groups: dict[str, Sequence[str]] | None = None, top: str | None = None
) -> str:
    made = "".join(
        f"<DIVISION CODE_STRUCTURE={quoteattr(code)}>{tag('LIBELLE_LONG', label)}</DIVISION>\n"
        for code, label in divisions.items()
    )
    spans = "".join(
        f"<GROUPE CODE_STRUCTURE={quoteattr(code)}><DIVISIONS_APPARTENANCE>"
        + "".join(f"<DIVISION_APPARTENANCE>{tag('CODE_STRUCTURE', part)}</DIVISION_APPARTENANCE>" for part in parts)
        + "</DIVISIONS_APPARTENANCE></GROUPE>\n"
        for code, parts in (groups or {}).items()
    )
    data = f"<DIVISIONS>\n{made}</DIVISIONS><GROUPES>\n{spans}</GROUPES>"
    return f'<BEE_STRUCTURES VERSION="2.0">{head() if top is None else top}<DONNEES>{data}</DONNEES></BEE_STRUCTURES>'


def staff(
    key: object,
    family: str = "GABARIT",
    given: str = "NOUR",
    function: str | None = "ENS",
    *,
    kind: str = "epp",
    heads: str = "",
) -> str:
    """``heads`` holds the PROF_PRINC elements, see `head_teacher`."""
    fields = tags({"NOM_USAGE": family, "NOM_PATRONYMIQUE": family, "PRENOM": given, "FONCTION": function})
    return f'<INDIVIDU ID="{key}" TYPE="{kind}">{fields}<PROFS_PRINC>{heads}</PROFS_PRINC></INDIVIDU>\n'


def head_teacher(division: str, start: str | None = "2025-09-01", end: str | None = "2026-08-31") -> str:
    return f"<PROF_PRINC>{tags({'CODE_STRUCTURE': division, 'DATE_DEBUT': start, 'DATE_FIN': end})}</PROF_PRINC>"


def _services(teachers: Iterable[str]) -> str:
    """Teachers are written ``epp/30001``."""
    inner = "".join(
        '<SERVICE CODE_MATIERE="030201" CODE_MOD_COURS="CG"><ENSEIGNANTS>'
        f'<ENSEIGNANT ID="{teacher.partition("/")[2]}" TYPE="{teacher.partition("/")[0]}"/></ENSEIGNANTS></SERVICE>'
        for teacher in teachers
    )
    return f"<SERVICES>{inner}</SERVICES>"


def sts_division(code: str, *teachers: str) -> str:
    return f"<DIVISION CODE={quoteattr(code)}>{tag('LIBELLE_LONG', 'CLASSE ' + code)}{_services(teachers)}</DIVISION>\n"


def sts_group(code: str, divisions: Sequence[str], *teachers: str) -> str:
    parts = "".join(f"<DIVISION_APPARTENANCE CODE={quoteattr(part)}/>" for part in divisions)
    return (
        f"<GROUPE CODE={quoteattr(code)}><DIVISIONS_APPARTENANCE>{parts}</DIVISIONS_APPARTENANCE>"
        f"{_services(teachers)}</GROUPE>\n"
    )


def sts_file(
    people: Iterable[str],
    divisions: Iterable[str] = (),
    groups: Iterable[str] = (),
    *,
    school: str = SCHOOL,
    year: object = YEAR,
    root: str = "STS_EDT",
    parameters: str = "",
) -> str:
    names = tags({"SIGLE": "CLG", "DENOM_PRINC": "COLLEGE", "DENOM_COMPL": "IMAGINAIRE"})
    dates = tags({"DATE_DEBUT": f"{year}-09-01", "DATE_FIN": f"{YEAR + 1}-08-31"})
    top = (
        f'<PARAMETRES><UAJ CODE="{school}">{names}</UAJ>'
        f'<ANNEE_SCOLAIRE ANNEE="{year}">{dates}</ANNEE_SCOLAIRE>{parameters}</PARAMETRES>'
    )
    structure = f"<DIVISIONS>\n{''.join(divisions)}</DIVISIONS><GROUPES>\n{''.join(groups)}</GROUPES>"
    data = f"<INDIVIDUS>\n{''.join(people)}</INDIVIDUS><STRUCTURE>{structure}</STRUCTURE>"
    return f"<{root}>{top}<NOMENCLATURES/>\n<DONNEES>{data}</DONNEES></{root}>"


def encoded(xml: str, encoding: str = "ISO-8859-15") -> bytes:
    """The bytes of the file, its encoding declared as in the ministry's exports."""
    return f'<?xml version="1.0" encoding="{encoding}"?>\n{xml}\n'.encode(encoding)


def read_all(folder: Path, *files: str | bytes, expected: Expectation | None = None) -> Reading:
    """Write the files and read them; they are named 0.xml, 1.xml …"""
    paths = []
    for number, content in enumerate(files):
        path = folder / f"{number}.xml"
        path.write_bytes(content if isinstance(content, bytes) else encoded(content))
        paths.append(path)
    return read(paths, expected=expected or Expectation())


def found(reading: Reading, code: str) -> list[Finding]:
    return [finding for finding in reading.findings if finding.code == code]


def codes(reading: Reading) -> list[str]:
    return sorted(finding.code for finding in reading.findings)
