"""The readers and the writer of invented schools were made apart: what one writes, the other counts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import pytest

from preau.demo.cast import DEMO_SCHOOLS, invent_demo_school
from preau.demo.changes import as_old_files_tell_it
from preau.demo.rosters import write_rosters
from preau.demo.school import DemoSchool
from preau.roster.reader import Expectation, read

TAKEN_AT = datetime(2025, 9, 15, 19, 2, 11)  # noqa: DTZ001 — HORODATAGE is a wall time without a zone
SCHOOLS = [invent_demo_school(spec) for spec in DEMO_SCHOOLS]
every_school = pytest.mark.parametrize("school", SCHOOLS, ids=lambda school: school.uai)


@every_school
def test_an_invented_school_is_counted_as_it_was_invented(school: DemoSchool, tmp_path: Path) -> None:
    files = write_rosters(school, tmp_path, taken_at=TAKEN_AT)
    reading = read(files, expected=Expectation(school=school.uai, year=school.year))
    assert asdict(reading.counts) == school.truth
    assert reading.ok


@every_school
def test_the_same_school_in_the_old_generation_is_counted_as_those_files_tell_it(
    school: DemoSchool, tmp_path: Path
) -> None:
    old = as_old_files_tell_it(school)
    reading = read(write_rosters(old, tmp_path, taken_at=TAKEN_AT, generation="old"))
    assert asdict(reading.counts) == old.truth
    assert reading.ok


@every_school
def test_teachers_and_head_teachers_are_those_invented(school: DemoSchool, tmp_path: Path) -> None:
    roster = read(write_rosters(school, tmp_path, taken_at=TAKEN_AT)).roster
    assert roster is not None
    spans = {division.code: {division.code} for division in school.divisions}
    spans |= {group.code: set(group.divisions) for group in school.groups}
    for member in school.staff:
        (found,) = [
            person
            for person in roster.staff or ()
            if (person.key.source, person.key.number) == (f"sts.{member.key.register}", str(member.key.number))
        ]
        taught = [spans[service.structure] for service in school.services if service.teacher == member.key]
        assert found.teaches == set().union(*taught)
        assert found.heads == set(member.heads)
