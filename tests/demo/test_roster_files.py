"""The files of an invented school, read by hand: what the ministry writes, and what the school is."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from preau.demo.cast import DEMO_SCHOOLS, invent_demo_school
from preau.demo.changes import as_old_files_tell_it
from preau.demo.rosters import write_rosters
from preau.demo.school import DemoSchool
from preau.model.people import GuardianLevel
from tests.demo import siecle_by_hand as by_hand

TAKEN_AT = datetime(2025, 9, 15, 19, 2, 11)  # noqa: DTZ001 — HORODATAGE is a wall time without a zone
SCHOOLS = [invent_demo_school(spec) for spec in DEMO_SCHOOLS]
every_school = pytest.mark.parametrize("school", SCHOOLS, ids=lambda school: school.uai)


@every_school
def test_files_have_the_ministry_s_names_roots_and_encoding(school: DemoSchool, tmp_path: Path) -> None:
    files = write_rosters(school, tmp_path / "made" / "on the way", taken_at=TAKEN_AT)
    assert [file.name for file in files] == [
        "ExportXML_ElevesSansAdresses.zip",
        "ExportXML_ResponsablesSansAdresses.zip",
        "ExportXML_Structures.zip",
        f"sts_emp_{school.uai}_2025.xml",
    ]
    assert [by_hand.root(file).tag for file in files] == [
        "BEE_ELEVES",
        "BEE_RESPONSABLES",
        "BEE_STRUCTURES",
        "STS_EDT",
    ]
    documents = [by_hand.raw(file) for file in files]
    assert {by_hand.declared_encoding(document) for document in documents} == {"ISO-8859-15"}
    for with_names in (documents[0], documents[1], documents[3]):
        with pytest.raises(UnicodeDecodeError):
            with_names.decode("utf-8")


@every_school
def test_every_head_tells_school_year_and_time(school: DemoSchool, tmp_path: Path) -> None:
    *siecle, sts = write_rosters(school, tmp_path, taken_at=TAKEN_AT)
    for file in siecle:
        head = by_hand.root(file).find("PARAMETRES")
        assert head is not None
        assert [(field.tag, field.text) for field in head] == [
            ("UAJ", school.uai),
            ("ANNEE_SCOLAIRE", "2025"),
            ("DATE_EXPORT", "15/09/2025"),
            ("HORODATAGE", "15/09/2025 19:02:11"),
        ]
    staff = by_hand.root(sts)
    assert [uaj.get("CODE") for uaj in staff.iterfind("PARAMETRES/UAJ")] == [school.uai]
    assert [year.get("ANNEE") for year in staff.iterfind("PARAMETRES/ANNEE_SCOLAIRE")] == ["2025"]


@every_school
def test_pupils_stand_in_their_divisions_and_those_who_left_in_none(school: DemoSchool, tmp_path: Path) -> None:
    root = by_hand.root(write_rosters(school, tmp_path, taken_at=TAKEN_AT)[0])
    pupils = {int(pupil.attrib["ELEVE_ID"]): pupil for pupil in root.iterfind("DONNEES/ELEVES/ELEVE")}
    places = {
        int(entry.attrib["ELEVE_ID"]): set(
            zip(
                by_hand.texts(entry, "STRUCTURE/TYPE_STRUCTURE"),
                by_hand.texts(entry, "STRUCTURE/CODE_STRUCTURE"),
                strict=True,
            )
        )
        for entry in root.iterfind("DONNEES/STRUCTURES/STRUCTURES_ELEVE")
    }
    assert list(pupils) == [pupil.key for pupil in school.pupils]
    for pupil in school.pupils:
        written = pupils[pupil.key]
        assert written.findtext("NOM_DE_FAMILLE") == pupil.family
        assert written.findtext("PRENOM") == pupil.given
        assert written.findtext("DATE_NAISS") == f"{pupil.born:%d/%m/%Y}"
        assert (written.find("DATE_SORTIE") is not None) == (pupil.left is not None)
        assert (written.find("CODE_MEF") is None) == (pupil.left is not None)
        expected = {("D", pupil.division)} if pupil.division else set()
        assert places.get(pupil.key, set()) == expected | {("G", code) for code in pupil.groups}


@every_school
def test_the_new_generation_tells_the_level_of_every_link(school: DemoSchool, tmp_path: Path) -> None:
    root = by_hand.root(write_rosters(school, tmp_path, taken_at=TAKEN_AT)[1])
    levels = Counter(by_hand.texts(root, "DONNEES/RESPONSABLES/RESPONSABLE_ELEVE/NIVEAU_RESPONSABILITE"))
    truth = Counter(link.level for link in school.links)
    assert levels == {
        "1": truth[GuardianLevel.LEGAL] + truth[GuardianLevel.ONESELF],
        "2": truth[GuardianLevel.IN_CHARGE],
        "3": truth[GuardianLevel.CONTACT],
    }
    assert not by_hand.texts(root, ".//RESP_LEGAL")
    consents = Counter(
        person.findtext("COMMUNICATION_ADRESSE") for person in root.iterfind("DONNEES/PERSONNES/PERSONNE")
    )
    assert consents == Counter(
        None if guardian.shares_address is None else str(int(guardian.shares_address)) for guardian in school.guardians
    )


@every_school
def test_the_old_generation_numbers_legal_guardians_and_knows_nothing_else(school: DemoSchool, tmp_path: Path) -> None:
    root = by_hand.root(write_rosters(school, tmp_path, taken_at=TAKEN_AT, generation="old")[1])
    ranks = Counter(by_hand.texts(root, "DONNEES/RESPONSABLES/RESPONSABLE_ELEVE/RESP_LEGAL"))
    told = Counter(link.level for link in as_old_files_tell_it(school).links)
    assert ranks["0"] == told[GuardianLevel.CONTACT]
    assert ranks["1"] + ranks["2"] == told[GuardianLevel.LEGAL] + told[GuardianLevel.ONESELF]
    assert set(map(len, by_hand.texts(root, ".//CODE_PARENTE"))) == {1}
    assert not by_hand.texts(root, ".//NIVEAU_RESPONSABILITE")


@every_school
def test_structures_and_staff_agree_on_divisions_and_groups(school: DemoSchool, tmp_path: Path) -> None:
    _, _, structures, staff = map(by_hand.root, write_rosters(school, tmp_path, taken_at=TAKEN_AT))
    for kind, things in (("DIVISIONS/DIVISION", school.divisions), ("GROUPES/GROUPE", school.groups)):
        codes = [thing.code for thing in things]
        assert [found.get("CODE_STRUCTURE") for found in structures.iterfind(f"DONNEES/{kind}")] == codes
        assert [found.get("CODE") for found in staff.iterfind(f"DONNEES/STRUCTURE/{kind}")] == codes
    heads = by_hand.texts(staff, "DONNEES/INDIVIDUS/INDIVIDU/PROFS_PRINC/PROF_PRINC/CODE_STRUCTURE")
    assert Counter(heads) == Counter(code for person in school.staff for code in person.heads)
    taught = {
        (structure.get("CODE"), teacher.get("TYPE"), teacher.get("ID"))
        for structure in staff.iterfind("DONNEES/STRUCTURE/*/*")
        for teacher in structure.iterfind("SERVICES/SERVICE/ENSEIGNANTS/ENSEIGNANT")
    }
    assert taught == {
        (service.structure, service.teacher.register, str(service.teacher.number)) for service in school.services
    }


def test_names_with_letters_that_latin_1_lacks_survive_the_file(tmp_path: Path) -> None:
    school = SCHOOLS[-1]
    root = by_hand.root(write_rosters(school, tmp_path, taken_at=TAKEN_AT)[0])
    names = "".join([*by_hand.texts(root, ".//NOM_DE_FAMILLE"), *by_hand.texts(root, ".//PRENOM")])
    assert set("ŒŸ' -éÊ") <= set(names)


def test_what_a_name_may_hold_is_escaped(tmp_path: Path) -> None:
    school = SCHOOLS[1]
    odd = school.__class__(**{f: getattr(school, f) for f in school.__slots__} | {"name": "Collège <&\"> l'Autre"})
    staff = by_hand.root(write_rosters(odd, tmp_path, taken_at=TAKEN_AT)[3])
    assert by_hand.texts(staff, "PARAMETRES/UAJ/DENOM_COMPL") == ["<&\"> L'AUTRE"]


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    first, again = (
        write_rosters(invent_demo_school(DEMO_SCHOOLS[1]), tmp_path / name, taken_at=TAKEN_AT)
        for name in ("first", "again")
    )
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in again]
