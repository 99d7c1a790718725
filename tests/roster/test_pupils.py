"""BEE_ELEVES: who attends, under which name, in which division."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from preau.model.people import PersonName
from preau.model.roster import RosterPupil
from preau.roster.reader import Reading
from tests.roster import builders as b


def only(reading: Reading) -> RosterPupil:
    assert reading.roster is not None
    assert reading.roster.pupils is not None
    (pupil,) = reading.roster.pupils
    return pupil


def numbers(reading: Reading) -> list[str]:
    assert reading.roster is not None
    return [pupil.key.number for pupil in reading.roster.pupils or ()]


def test_a_pupil_is_read_with_key_name_birth_date_division_and_groups(tmp_path: Path) -> None:
    pupil = only(
        b.read_all(tmp_path, b.pupils_file([b.pupil(1, "EXEMPLE")], [b.placed(1, "5 A", groups=["G1", "G2"])]))
    )
    assert str(pupil.key) == "siecle.eleve/0990001N/1"
    assert pupil.name == PersonName("EXEMPLE", "Zoé")
    assert pupil.born == date(2013, 2, 3)
    assert pupil.division == "5 A"
    assert pupil.groups == {"G1", "G2"}


@pytest.mark.parametrize(
    ("fields", "family"),
    [
        ({"NOM_USAGE": "USAGE"}, "USAGE"),
        ({"NOM_USAGE": ""}, "FAMILLE"),
        ({"NOM_USAGE": None}, "FAMILLE"),
        ({"NOM_DE_FAMILLE": None, "NOM": "ANCIEN"}, "ANCIEN"),
        ({"NOM_DE_FAMILLE": "de la tour"}, "DE LA TOUR"),
        ({"NOM_DE_FAMILLE": "  CŒUR   D'OR "}, "CŒUR D'OR"),
    ],
)
def test_the_name_shown_is_the_used_one_then_the_family_one_then_the_old_tag(
    tmp_path: Path, fields: dict[str, str], family: str
) -> None:
    assert only(b.read_all(tmp_path, b.pupils_file([b.pupil(1, "FAMILLE", **fields)]))).name.family == family


def test_latin_9_letters_survive(tmp_path: Path) -> None:
    pupil = only(b.read_all(tmp_path, b.pupils_file([b.pupil(1, "CŒURDELION-ŸVART", "Œdipe €")])))
    assert pupil.name == PersonName("CŒURDELION-ŸVART", "Œdipe €")


@pytest.mark.parametrize(
    ("leaves", "attends", "codes"),
    [
        (None, True, []),
        ("", True, []),
        ("30/06/2025", False, []),
        ("15/09/2025", False, []),
        ("16/09/2025", True, ["leaves-later"]),
        ("31/02/2025", False, ["bad-date"]),
        ("soon", False, ["bad-date"]),
    ],
)
def test_a_pupil_who_left_by_the_day_of_the_export_does_not_attend(
    tmp_path: Path, leaves: str | None, attends: bool, codes: list[str]
) -> None:
    reading = b.read_all(tmp_path, b.pupils_file([b.pupil(1, DATE_SORTIE=leaves)], [b.placed(1, "5A")]))
    assert (reading.counts.pupils, reading.counts.pupils_left) == (int(attends), int(not attends))
    assert b.codes(reading) == sorted([*codes, "missing-side"])


def test_without_any_export_date_a_date_of_exit_means_gone(tmp_path: Path) -> None:
    top = b.head(stamp=None, day=None)
    reading = b.read_all(tmp_path, b.pupils_file([b.pupil(1, DATE_SORTIE="30/06/2099")], top=top))
    assert reading.counts.pupils_left == 1
    assert b.found(reading, "no-export-date")


def test_a_division_of_a_departed_pupil_alone_is_not_a_division(tmp_path: Path) -> None:
    reading = b.read_all(
        tmp_path, b.pupils_file([b.pupil(1, DATE_SORTIE="30/06/2025")], [b.placed(1, "5A", groups=["G"])])
    )
    assert (reading.counts.divisions, reading.counts.groups) == (0, 0)


@pytest.mark.parametrize("codes", [["3 A", "3A", "3a"], ["1 S2_B", "É/1", "#5"]])
def test_division_codes_are_kept_exactly_and_stay_distinct(tmp_path: Path, codes: list[str]) -> None:
    records = [b.pupil(key) for key in range(len(codes))]
    reading = b.read_all(tmp_path, b.pupils_file(records, [b.placed(key, code) for key, code in enumerate(codes)]))
    assert reading.roster is not None
    assert {division.code for division in reading.roster.divisions} == set(codes)
    assert bool(b.found(reading, "similar-codes")) == ("3A" in codes)


def test_a_bad_record_is_noted_with_its_line_and_the_rest_is_read(tmp_path: Path) -> None:
    records = [b.pupil(1), b.pupil("x"), b.pupil(3, ""), b.pupil(4)]
    reading = b.read_all(tmp_path, b.pupils_file(records))
    assert numbers(reading) == ["1", "4"]
    assert [(f.code, f.line) for f in reading.findings if f.severity == "error"] == [("bad-key", 5), ("no-name", 6)]
    assert not reading.ok


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (b.pupil(1, DATE_NAISS="2013/02/03"), "bad-date"),
        (b.pupil(1, "D?RAND"), "replaced-character"),
        (b.pupil(1, "A\N{RIGHT-TO-LEFT OVERRIDE}B"), "odd-character"),
        (b.pupil(1, "A" * 500), "odd-character"),
        (b.pupil(1, given=None), "no-given-name"),
        (b.pupil(1, CODE_MEF=None), "not-enrolled"),
    ],
)
def test_what_is_odd_is_noted_and_the_pupil_attends(tmp_path: Path, record: str, code: str) -> None:
    reading = b.read_all(tmp_path, b.encoded(b.pupils_file([record], [b.placed(1, "5A")]), "UTF-8"))
    pupil = only(reading)
    assert len(b.found(reading, code)) == 1
    assert str(pupil.name).isprintable()
    assert len(pupil.name.family) <= 100
    assert reading.ok


def test_the_same_record_twice_is_one_pupil(tmp_path: Path) -> None:
    reading = b.read_all(tmp_path, b.pupils_file([b.pupil(1), b.pupil(1)], [b.placed(1, "5A"), b.placed(1, "5A")]))
    assert numbers(reading) == ["1"]
    assert reading.ok
    assert b.found(reading, "repeated-record")


def test_two_different_pupils_with_one_key_are_both_left_out(tmp_path: Path) -> None:
    records = [b.pupil(1, "UN"), b.pupil(1, "DEUX"), b.pupil(1, "UN"), b.pupil(2)]
    reading = b.read_all(tmp_path, b.pupils_file(records, [b.placed(1, "5A"), b.placed(2, "5A")]))
    assert numbers(reading) == ["2"]
    assert b.found(reading, "duplicate-key")
    assert not b.found(reading, "unknown-pupil")


def test_a_pupil_in_two_divisions_is_put_in_none(tmp_path: Path) -> None:
    reading = b.read_all(tmp_path, b.pupils_file([b.pupil(1)], [b.placed(1, "5A", "5B")]))
    assert only(reading).division is None
    assert b.found(reading, "two-divisions")


def test_a_pupil_without_division_attends(tmp_path: Path) -> None:
    reading = b.read_all(tmp_path, b.pupils_file([b.pupil(1)]))
    assert only(reading).division is None
    assert b.found(reading, "no-division")
    assert reading.ok


def test_a_placement_of_nobody_is_noted(tmp_path: Path) -> None:
    reading = b.read_all(tmp_path, b.pupils_file([b.pupil(1)], [b.placed(99, "5A")]))
    assert [finding.line for finding in b.found(reading, "unknown-pupil")] == [6]


@pytest.mark.parametrize("tag", ["ID_NATIONAL", "INE_RNIE", "INE_BEA"])
def test_two_pupils_with_one_national_number_are_noted_and_never_merged(tmp_path: Path, tag: str) -> None:
    first, second = b.pupil(1, **{tag: "999000001AA"}), b.pupil(2, **{tag: "999000001AA"})
    reading = b.read_all(tmp_path, b.pupils_file([first, second]))
    assert numbers(reading) == ["1", "2"]
    assert len(b.found(reading, "same-ine")) == 1
    assert "999000001AA" not in repr(reading)


def test_homonyms_are_noted_within_one_division_only(tmp_path: Path) -> None:
    records = [b.pupil(key, "MÊME") for key in (1, 2, 3)]
    reading = b.read_all(tmp_path, b.pupils_file(records, [b.placed(1, "5A"), b.placed(2, "5A"), b.placed(3, "5B")]))
    (finding,) = b.found(reading, "homonyms")
    assert "1 and 2 of division '5A'" in finding.message


def test_no_finding_ever_names_a_pupil(tmp_path: Path) -> None:
    records = [
        b.pupil(1, "SECRETNOM", "Secretprenom", DATE_NAISS="99/99/9999", CODE_MEF=None, DATE_SORTIE="x"),
        b.pupil(1, "SECRETNOM", "Autre"),
        b.pupil(2, "SECRETNOM?", "Secretprenom"),
        b.pupil(3, "SECRETNOM?", "Secretprenom", DATE_SORTIE="01/01/2030"),
    ]
    reading = b.read_all(tmp_path, b.pupils_file(records, [b.placed(key, "5A") for key in (1, 2, 3)]))
    assert reading.findings
    assert "SECRET" not in " ".join(finding.message for finding in reading.findings).upper()


def test_a_line_beyond_65535_is_told_exactly(tmp_path: Path) -> None:
    padding = "\n" * 70_000
    reading = b.read_all(tmp_path, b.pupils_file([b.pupil(1), padding, b.pupil("x"), b.pupil(2)]))
    assert [finding.line for finding in b.found(reading, "bad-key")] == [70_005]


def test_groups_and_divisions_not_declared_in_structures_are_noted_once(tmp_path: Path) -> None:
    pupils = b.pupils_file([b.pupil(1), b.pupil(2)], [b.placed(1, "5A", groups=["G"]), b.placed(2, "5A", groups=["G"])])
    reading = b.read_all(tmp_path, pupils, b.structures_file({"5B": "CINQUIEME B"}))
    assert len(b.found(reading, "unknown-division")) == 1
    assert len(b.found(reading, "unknown-group")) == 1
    assert (reading.counts.divisions, reading.counts.groups) == (2, 1)


def test_a_structure_that_is_neither_division_nor_group_is_noted(tmp_path: Path) -> None:
    placed = b.placed(1, "5A", groups=["G"]).replace(">G</TYPE_STRUCTURE>", ">X</TYPE_STRUCTURE>")
    reading = b.read_all(tmp_path, b.pupils_file([b.pupil(1)], [placed]))
    assert (only(reading).division, only(reading).groups) == ("5A", frozenset())
    assert len(b.found(reading, "unknown-structure")) == 1


def test_a_placement_without_a_usable_key_is_left_out(tmp_path: Path) -> None:
    reading = b.read_all(tmp_path, b.pupils_file([b.pupil(1)], [b.placed("x", "5B"), b.placed(1, "5A")]))
    assert only(reading).division == "5A"
    assert len(b.found(reading, "bad-key")) == 1


@pytest.mark.parametrize("code", ["", "X" * 33])
def test_a_division_without_a_usable_code_is_no_division(tmp_path: Path, code: str) -> None:
    reading = b.read_all(tmp_path, b.pupils_file([b.pupil(1)], [b.placed(1, code)]))
    assert only(reading).division is None
    assert len(b.found(reading, "bad-code")) == 1
