"""STS_EDT and BEE_STRUCTURES: staff, what they teach, which divisions they head."""

from __future__ import annotations

from pathlib import Path

import pytest

from preau.model.people import Function
from preau.model.roster import RosterStaff
from preau.roster.reader import Reading
from tests.roster import builders as b


def staff(reading: Reading) -> dict[str, RosterStaff]:
    assert reading.roster is not None
    return {person.key.number: person for person in reading.roster.staff or ()}


def test_the_same_number_in_both_registers_is_two_people(tmp_path: Path) -> None:
    reading = b.read_all(tmp_path, b.sts_file([b.staff(12), b.staff(12, "PATRON", "LOU", kind="local")]))
    assert reading.roster is not None
    assert [str(person.key) for person in reading.roster.staff or ()] == [
        "sts.epp/0990001N/12",
        "sts.local/0990001N/12",
    ]
    assert reading.counts.staff == 2


def test_given_names_in_capitals_become_readable(tmp_path: Path) -> None:
    assert str(staff(b.read_all(tmp_path, b.sts_file([b.staff(1)])))["1"].name) == "Nour GABARIT"


def test_the_school_is_named_by_sts(tmp_path: Path) -> None:
    roster = b.read_all(tmp_path, b.sts_file([b.staff(1)])).roster
    assert roster is not None
    assert roster.school_name == "Collège Imaginaire"


def test_a_teacher_teaches_by_services_of_divisions_and_of_groups(tmp_path: Path) -> None:
    divisions = [b.sts_division("5A", "epp/1"), b.sts_division("5B"), b.sts_division("5C")]
    reading = b.read_all(tmp_path, b.sts_file([b.staff(1)], divisions, [b.sts_group("G", ["5B"], "epp/1")]))
    assert staff(reading)["1"].teaches == {"5A", "5B"}
    assert reading.findings == ()
    assert (reading.counts.divisions, reading.counts.groups) == (3, 1)


@pytest.mark.parametrize(
    ("sts", "structures", "expected"),
    [
        (["5A"], ["5B"], {"5A"}),
        ([], ["5B"], {"5B"}),
        ([], [], {"5C"}),
    ],
)
def test_the_divisions_of_a_group_come_from_sts_then_structures_then_pupils(
    tmp_path: Path, sts: list[str], structures: list[str], expected: set[str]
) -> None:
    reading = b.read_all(
        tmp_path,
        b.sts_file([b.staff(1)], [], [b.sts_group("G", sts, "epp/1")]),
        b.structures_file({"5A": "", "5B": "", "5C": ""}, {"G": structures}),
        b.pupils_file([b.pupil(1)], [b.placed(1, "5C", groups=["G"])]),
    )
    assert staff(reading)["1"].teaches == expected
    assert reading.roster is not None
    assert [set(group.divisions) for group in reading.roster.groups] == [expected]


@pytest.mark.parametrize(
    ("end", "heads"),
    [(None, True), ("2026-08-31", True), ("31/08/2026", True), ("2025-08-31", False), ("2025-09-10", False)],
)
def test_a_head_teacher_whose_time_is_over_heads_nothing(tmp_path: Path, end: str | None, heads: bool) -> None:
    """The year began on 1 September and the pupils were exported on the 15th."""
    person = b.staff(1, heads=b.head_teacher("5A", end=end))
    reading = b.read_all(tmp_path, b.sts_file([person], [b.sts_division("5A")]), b.pupils_file([]))
    assert bool(staff(reading)["1"].heads) is heads


def test_two_may_head_one_division_and_one_may_head_two(tmp_path: Path) -> None:
    people = [b.staff(1, heads=b.head_teacher("5A") + b.head_teacher("5B")), b.staff(2, heads=b.head_teacher("5A"))]
    reading = b.read_all(tmp_path, b.sts_file(people, [b.sts_division("5A"), b.sts_division("5B")]))
    assert staff(reading)["1"].heads == {"5A", "5B"}
    assert staff(reading)["2"].heads == {"5A"}


def test_heading_an_unknown_division_is_noted_and_dropped(tmp_path: Path) -> None:
    reading = b.read_all(tmp_path, b.sts_file([b.staff(1, heads=b.head_teacher("9Z"))], [b.sts_division("5A")]))
    assert staff(reading)["1"].heads == frozenset()
    assert b.found(reading, "unknown-division")


@pytest.mark.parametrize(
    ("code", "serves", "heads", "function", "finding"),
    [
        ("ENS", False, False, Function.TEACHER, None),
        ("DIR", False, False, Function.DIRECTION, None),
        ("EDU", False, False, Function.SCHOOL_LIFE, None),
        (None, True, False, Function.TEACHER, None),
        (None, False, True, Function.TEACHER, None),
        (None, False, False, None, "no-function"),
        ("", False, False, None, "no-function"),
        ("ZZZ", False, False, None, "unknown-function"),
        ("ZZZ", True, False, None, "unknown-function"),
    ],
)
def test_a_function_is_what_the_code_says_or_what_the_services_show(
    tmp_path: Path, code: str | None, serves: bool, heads: bool, function: Function | None, finding: str | None
) -> None:
    person = b.staff(1, function=code, heads=b.head_teacher("5A") if heads else "")
    division = b.sts_division("5A", *["epp/1"] * serves)
    reading = b.read_all(tmp_path, b.sts_file([person], [division]))
    assert staff(reading)["1"].function is function
    assert b.codes(reading) == ([finding] if finding else [])
    assert reading.ok


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b.sts_file([b.staff(1), b.staff("x")]), "bad-key"),
        (b.sts_file([b.staff(1), b.staff(2, kind="other")]), "bad-key"),
        (b.sts_file([b.staff(1), b.staff(2, "")]), "no-name"),
        (b.sts_file([b.staff(1), b.staff(2, "UN"), b.staff(2, "DEUX")]), "duplicate-key"),
        (b.sts_file([b.staff(1)], [b.sts_division("5A", "epp/99")]), "unknown-teacher"),
        (b.sts_file([b.staff(1)], [b.sts_division("5A", "local/1")]), "unknown-teacher"),
        (b.sts_file([b.staff(1)], [b.sts_division("5A", "what/1")]), "bad-key"),
        (b.sts_file([b.staff(1)], [b.sts_division("")]), "bad-code"),
    ],
)
def test_a_bad_record_is_left_out_and_the_rest_is_read(tmp_path: Path, content: str, code: str) -> None:
    reading = b.read_all(tmp_path, content)
    assert list(staff(reading)) == ["1"]
    assert [finding.code for finding in reading.findings if finding.severity == "error"] == [code]


@pytest.mark.parametrize(
    "content",
    [
        b.sts_file([b.staff(1)], root="EDT_STS"),
        b.sts_file([b.staff(1)], parameters="<APPLICATION_SOURCE>un logiciel</APPLICATION_SOURCE>"),
        b.sts_file([b.staff(1)], parameters="<APPLICATION_SOURCE/>"),
    ],
)
def test_what_a_timetable_program_wrote_is_refused(tmp_path: Path, content: str) -> None:
    reading = b.read_all(tmp_path, content)
    assert reading.roster is None
    (finding,) = reading.findings
    assert finding.code == "reverse-sts"
    assert "sts_emp" in finding.message


def test_a_teacher_who_is_also_a_parent_has_two_keys(tmp_path: Path) -> None:
    reading = b.read_all(
        tmp_path,
        b.sts_file([b.staff(7, "DOUBLE", "ALIX")]),
        b.pupils_file([b.pupil(1)]),
        b.guardians_file([b.person(7, "DOUBLE", "Alix")], [b.link(7, 1)]),
    )
    assert reading.roster is not None
    keys = [str(person.key) for person in (*(reading.roster.staff or ()), *(reading.roster.guardians or ()))]
    assert keys == ["sts.epp/0990001N/7", "siecle.personne/0990001N/7"]


def test_declared_structures_are_there_without_pupils(tmp_path: Path) -> None:
    reading = b.read_all(tmp_path, b.structures_file({"5 A": "CINQUIEME A", "5 B": ""}, {"G": ["5 A", "5 B"]}))
    assert reading.roster is not None
    assert [(division.code, division.label) for division in reading.roster.divisions] == [
        ("5 A", "CINQUIEME A"),
        ("5 B", "5 B"),
    ]
    assert reading.roster.groups[0].divisions == {"5 A", "5 B"}
    assert reading.roster.pupils is None


def test_a_structure_declared_twice_is_one(tmp_path: Path) -> None:
    twice = b.structures_file({"5A": "B"}).replace("</DIVISIONS>", '<DIVISION CODE_STRUCTURE="5A"/></DIVISIONS>')
    reading = b.read_all(tmp_path, twice)
    assert reading.counts.divisions == 1
    assert b.found(reading, "repeated-structure")


def test_a_group_declared_twice_spans_the_divisions_of_both(tmp_path: Path) -> None:
    groups = [b.sts_group("G", ["5A"], "epp/1"), b.sts_group("G", ["5B"])]
    reading = b.read_all(tmp_path, b.sts_file([b.staff(1)], [], groups))
    assert staff(reading)["1"].teaches == {"5A", "5B"}
    assert len(b.found(reading, "repeated-structure")) == 1


def test_a_structure_without_a_code_is_left_out(tmp_path: Path) -> None:
    reading = b.read_all(tmp_path, b.structures_file({"": "SANS CODE", "5A": "CINQUIEME A"}))
    assert reading.counts.divisions == 1
    assert b.found(reading, "bad-code")
