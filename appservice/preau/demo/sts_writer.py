"""The STS-web export of an invented school, ``STS_EDT``, as text (``school-data.md`` section 5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from preau.demo.school import DemoSchool, DemoService, DemoStaff
from preau.demo.staffroom import SUBJECTS
from preau.demo.xml_text import close, element, elements, opening, prolog


def staff_document(school: DemoSchool) -> Iterator[str]:
    """STS_EDT: persons, head teachers, services of divisions and groups. It has no time of export, as real ones."""
    services: defaultdict[str, list[DemoService]] = defaultdict(list)
    for service in school.services:
        services[service.structure].append(service)
    yield prolog() + opening("STS_EDT") + _parameters(school) + _subjects() + opening("DONNEES") + opening("INDIVIDUS")
    yield from (_person(person, school.year) for person in school.staff)
    yield close("INDIVIDUS") + opening("STRUCTURE") + opening("DIVISIONS")
    for division in school.divisions:
        fields = element("LIBELLE_LONG", division.label) + _services(services[division.code])
        yield opening("DIVISION", CODE=division.code) + fields + close("DIVISION")
    yield close("DIVISIONS") + opening("GROUPES")
    for group in school.groups:
        members = "".join(
            opening("DIVISION_APPARTENANCE", CODE=code) + close("DIVISION_APPARTENANCE") for code in group.divisions
        )
        fields = element("LIBELLE_LONG", group.label) + _wrap("DIVISIONS_APPARTENANCE", members)
        yield opening("GROUPE", CODE=group.code) + fields + _services(services[group.code]) + close("GROUPE")
    yield close("GROUPES") + close("STRUCTURE") + close("DONNEES") + close("STS_EDT")


def _parameters(school: DemoSchool) -> str:
    kind, _, complement = school.name.partition(" ")
    plain_kind = kind.upper().replace("È", "E")
    about = elements(("SIGLE", "CLG"), ("DENOM_PRINC", plain_kind), ("DENOM_COMPL", complement.upper()))
    academy = _wrap("ACADEMIE", elements(("CODE", "99"), ("LIBELLE", "EXEMPLE")))
    dates = elements(("DATE_DEBUT", f"{school.year}-09-01"), ("DATE_FIN", f"{school.year + 1}-08-31"))
    uaj = opening("UAJ", CODE=school.uai) + about + academy + close("UAJ")
    return _wrap("PARAMETRES", uaj + opening("ANNEE_SCOLAIRE", ANNEE=school.year) + dates + close("ANNEE_SCOLAIRE"))


def _subjects() -> str:
    subjects = "".join(
        opening("MATIERE", CODE=code) + elements(("LIBELLE_COURT", label), ("LIBELLE_LONG", label)) + close("MATIERE")
        for code, label in SUBJECTS.items()
    )
    return _wrap("NOMENCLATURES", _wrap("MATIERES", subjects))


def _person(person: DemoStaff, year: int) -> str:
    """One INDIVIDU; given names stand in capitals here."""
    fields = elements(
        ("SEXE", person.title),
        ("CIVILITE", person.title),
        ("NOM_USAGE", person.family),
        ("NOM_PATRONYMIQUE", person.family),
        ("PRENOM", person.given.upper()),
        ("DATE_NAISSANCE", f"{person.born:%Y-%m-%d}" if person.born else None),
        ("FONCTION", person.function or None),
    )
    dates = elements(("DATE_DEBUT", f"{year}-09-01"), ("DATE_FIN", f"{year + 1}-08-31"))
    heads = "".join(_wrap("PROF_PRINC", element("CODE_STRUCTURE", code) + dates) for code in person.heads)
    register, number = person.key
    attributes = opening("INDIVIDU", ID=number, TYPE=register)
    return attributes + fields + (_wrap("PROFS_PRINC", heads) if heads else "") + close("INDIVIDU")


def _services(services: list[DemoService]) -> str:
    return _wrap("SERVICES", "".join(map(_service, services)))


def _service(service: DemoService) -> str:
    register, number = service.teacher
    teacher = opening("ENSEIGNANT", ID=number, TYPE=register) + close("ENSEIGNANT")
    start = opening("SERVICE", CODE_MATIERE=service.subject, CODE_MOD_COURS="CG")
    return start + _wrap("ENSEIGNANTS", teacher) + close("SERVICE")


def _wrap(tag: str, inner: str) -> str:
    return opening(tag) + inner + close(tag)
