"""Which files are taken at all, and how they are given."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from preau.model.roster import FileKind
from preau.roster.findings import FINDING_CODES
from preau.roster.reader import Expectation, check_report, read, school_of
from tests.roster import builders as b

PUPILS = b.pupils_file([b.pupil(1)], [b.placed(1, "5A")])
GUARDIANS = b.guardians_file([b.person(7)], [b.link(7, 1)])
STAMP = datetime(2025, 9, 15, 19, 2, 11)  # noqa: DTZ001 — as in the file, without a zone


def expect(last: datetime) -> Expectation:
    return Expectation(newer_than={FileKind.PUPILS: last, FileKind.STAFF: last})


@pytest.mark.parametrize(
    ("expected", "code"),
    [
        (Expectation(), None),
        (Expectation(school=b.SCHOOL, year=2025), None),
        (Expectation(school=b.OTHER_SCHOOL), "other-school"),
        (Expectation(year=2026), "wrong-year"),
        (expect(STAMP), None),
        (expect(STAMP - timedelta(seconds=1)), None),
        (expect(STAMP + timedelta(seconds=1)), "older-file"),
        (expect(STAMP.replace(tzinfo=UTC)), None),
    ],
)
def test_a_file_that_is_not_the_expected_one_is_refused(
    tmp_path: Path, expected: Expectation, code: str | None
) -> None:
    reading = b.read_all(tmp_path, PUPILS, GUARDIANS, expected=expected)
    assert (reading.roster is None) == (code is not None)
    assert set(b.codes(reading)) == ({code} if code else set())
    assert reading.ok == (code is None)


@pytest.mark.parametrize(
    ("top", "code"),
    [
        (b.head(school=b.OTHER_SCHOOL), "other-school"),
        (b.head(school="0990001A"), "bad-uai"),
        (b.head(school=""), "bad-uai"),
        (b.head(year=2026), "wrong-year"),
        (b.head(year="next"), "bad-year"),
        ("", "bad-uai"),
    ],
)
def test_one_file_that_does_not_fit_refuses_all(tmp_path: Path, top: str, code: str) -> None:
    reading = b.read_all(tmp_path, PUPILS, b.guardians_file([b.person(7)], [b.link(7, 1)], top=top))
    assert reading.roster is None
    assert b.found(reading, code)


def test_a_staff_file_of_another_school_refuses_all(tmp_path: Path) -> None:
    assert b.read_all(tmp_path, PUPILS, GUARDIANS, b.sts_file([], school=b.OTHER_SCHOOL)).roster is None


def test_without_a_stamp_the_day_of_export_tells_the_age(tmp_path: Path) -> None:
    top = b.head(stamp=None)
    pupils = b.pupils_file([b.pupil(1)], top=top)
    assert b.read_all(tmp_path, pupils, expected=expect(STAMP)).roster is not None
    assert b.read_all(tmp_path, pupils, expected=expect(STAMP + timedelta(days=1))).roster is None


def test_two_files_of_one_kind_are_refused(tmp_path: Path) -> None:
    reading = b.read_all(tmp_path, PUPILS, PUPILS, GUARDIANS)
    assert reading.roster is None
    assert len(b.found(reading, "duplicate-file")) == 2


@pytest.mark.parametrize("root", ["BEE_NOMENCLATURES", "BEE_COMMUN", "BEE_GEOGRAPHIQUE"])
def test_an_export_that_is_not_needed_is_no_error(tmp_path: Path, root: str) -> None:
    reading = b.read_all(tmp_path, PUPILS, GUARDIANS, f"<{root}><DONNEES/></{root}>")
    assert reading.roster is not None
    assert b.codes(reading) == ["not-needed"]


@pytest.mark.parametrize("root", ["IMPORT_ELEVES", "ficAlimMENESR", "html"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, root: str) -> None:
    reading = b.read_all(tmp_path, PUPILS, GUARDIANS, f"<{root}/>")
    assert reading.roster is None
    assert b.codes(reading) == ["unknown-file"]


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    assert b.codes(read([])) == ["no-roster"]
    assert b.codes(b.read_all(tmp_path, "<BEE_COMMUN/>")) == ["no-roster", "not-needed"]


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    reading = read([tmp_path / "absent.xml", tmp_path])
    assert b.codes(reading) == ["unreadable-file", "unreadable-file"]


def test_private_schools_without_contract_are_read(tmp_path: Path) -> None:
    pupils = PUPILS.replace("BEE_ELEVES", "BEE_EPHC_ELEVES")
    guardians = GUARDIANS.replace("BEE_RESPONSABLES", "BEE_EPHC_RESPONSABLES")
    assert b.read_all(tmp_path, pupils, guardians).counts.guardians_legal == 1


@pytest.mark.parametrize("encoding", ["ISO-8859-15", "UTF-8", "UTF-16"])
def test_the_declared_encoding_counts(tmp_path: Path, encoding: str) -> None:
    reading = b.read_all(tmp_path, b.encoded(b.pupils_file([b.pupil(1, "CŒUR")]), encoding))
    assert reading.roster is not None
    assert [pupil.name.family for pupil in reading.roster.pupils or ()] == ["CŒUR"]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_ministrys_zip_is_read_whatever_its_name(tmp_path: Path, method: int) -> None:
    path = tmp_path / "export.dat"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("dossier/ElevesAvecAdresses.xml", b.encoded(PUPILS))
        archive.writestr("ResponsablesAvecAdresses.XML", b.encoded(GUARDIANS))
        archive.writestr("lisezmoi.txt", "rien")
    reading = read([path])
    assert reading.roster is not None
    assert reading.counts.guardians_legal == 1
    assert b.codes(reading) == ["ignored-member"]
    assert reading.roster.sources[0].name == f"{path}!dossier/ElevesAvecAdresses.xml"


def test_the_sources_say_what_was_read(tmp_path: Path) -> None:
    reading = b.read_all(tmp_path, GUARDIANS, PUPILS)
    assert reading.roster is not None
    pupils, guardians = reading.roster.sources
    assert (pupils.kind, pupils.version, pupils.taken_at) == (FileKind.PUPILS, "3.0", STAMP)
    assert (guardians.kind, guardians.version) == (FileKind.GUARDIANS, "2.1")
    assert len(pupils.sha256) == 64


def test_the_order_of_the_files_means_nothing(tmp_path: Path) -> None:
    one, two = b.read_all(tmp_path, PUPILS, GUARDIANS), b.read_all(tmp_path, GUARDIANS, PUPILS)
    assert one.counts == two.counts
    assert one.roster is not None
    assert two.roster is not None
    assert one.roster.pupils == two.roster.pupils
    assert one.roster.links == two.roster.links


def test_the_report_has_the_promised_shape(tmp_path: Path) -> None:
    reading = b.read_all(tmp_path, b.pupils_file([b.pupil(1)]), GUARDIANS)
    assert check_report(reading) == {
        "school": "0990001N",
        "year": 2025,
        "counts": {
            "pupils": 1,
            "pupils_left": 0,
            "guardians_legal": 1,
            "guardians_in_charge": 0,
            "contacts": 0,
            "institutions": 0,
            "staff": 0,
            "divisions": 0,
            "groups": 0,
            "association_consent": 0,
        },
        "findings": [
            {
                "severity": "info",
                "code": "no-division",
                "file": str(tmp_path / "0.xml"),
                "line": 4,
                "message": ("Pupil 1 is in no division: only the school's own rooms are open. Assign one in SIECLE."),
            }
        ],
    }


def test_a_refused_file_still_tells_school_and_year(tmp_path: Path) -> None:
    report = check_report(b.read_all(tmp_path, PUPILS, expected=Expectation(year=2026)))
    assert (report["school"], report["year"]) == (b.SCHOOL, 2025)


def test_nothing_read_tells_neither() -> None:
    report = check_report(read([]))
    assert (report["school"], report["year"]) == (None, None)


def test_every_code_has_a_stable_name_and_a_meaning() -> None:
    for slug, code in FINDING_CODES.items():
        assert slug == code.name.lower().replace("_", "-")
        assert code.meaning
        assert code.severity == "error" or not code.refuses


def test_a_thousand_findings_of_one_kind_are_enough(tmp_path: Path) -> None:
    reading = b.read_all(tmp_path, b.pupils_file([b.pupil("x")] * 1_500))
    assert len(b.found(reading, "bad-key")) == 1_000
    assert "500 more" in b.found(reading, "more-of-the-same")[0].message


def test_the_school_can_be_told_from_the_heads_alone(tmp_path: Path) -> None:
    for number, content in enumerate([PUPILS, b.sts_file([], school=b.OTHER_SCHOOL), "<BEE_COMMUN/>", "<not-xml"]):
        (tmp_path / f"{number}.xml").write_bytes(b.encoded(content))
    pupils, staff, other, broken = (tmp_path / f"{number}.xml" for number in range(4))
    assert school_of([pupils, other, broken, tmp_path / "absent.xml"]) == b.SCHOOL
    assert school_of([staff]) == b.OTHER_SCHOOL
    assert school_of([pupils, staff]) is None
    assert school_of([broken]) is None


def test_a_broken_file_is_told_in_plain_words_with_its_line(tmp_path: Path) -> None:
    reading = b.read_all(tmp_path, PUPILS.replace("</ELEVES>", "</ELEVE>"))
    (finding,) = reading.findings
    assert (finding.code, finding.line) == ("unreadable-xml", 5)
    assert "Export it again" in finding.message
    assert "column" not in finding.message
