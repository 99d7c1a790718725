"""The product's readers find in the files of an invented school what the school knows of itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import pytest

from preau.demo.cast import DEMO_SCHOOLS, SMALLEST_SCHOOL, invent_demo_school, invent_school, invented_uai
from preau.demo.changes import as_old_files_tell_it, move_pupil, pupil_leaves
from preau.demo.rosters import write_rosters
from preau.demo.school import DemoSchool, StaffKey
from preau.model.findings import Severity
from preau.model.people import RosterKey, RosterSource
from preau.roster.reader import read

TAKEN_AT = datetime(2025, 9, 15, 19, 2, 11)  # noqa: DTZ001 — HORODATAGE is a wall time without a zone
SCHOOLS = [invent_demo_school(spec) for spec in DEMO_SCHOOLS]
every_school = pytest.mark.parametrize("school", SCHOOLS, ids=lambda school: school.uai)


def staff_key(key: RosterKey) -> StaffKey:
    return StaffKey("epp" if key.source is RosterSource.STS_STATE else "local", int(key.number))


@every_school
def test_readers_count_what_the_school_counts_and_find_no_error(school: DemoSchool, tmp_path: Path) -> None:
    reading = read(write_rosters(school, tmp_path, taken_at=TAKEN_AT))
    assert [finding for finding in reading.findings if finding.severity is Severity.ERROR] == []
    assert asdict(reading.counts) == school.truth
    assert (reading.school, reading.year) == (school.uai, school.year)


@pytest.mark.parametrize("pupils", [SMALLEST_SCHOOL, 45, 330])
@pytest.mark.parametrize("seed", range(4))
def test_no_seed_and_no_size_leads_the_readers_astray(seed: int, pupils: int, tmp_path: Path) -> None:
    school = invent_school(seed, invented_uai(100 + seed), "Collège du Hasard", pupils=pupils)
    reading = read(write_rosters(school, tmp_path, taken_at=TAKEN_AT))
    assert reading.ok
    assert asdict(reading.counts) == school.truth


@every_school
def test_readers_count_the_old_generation_as_it_can_be_told(school: DemoSchool, tmp_path: Path) -> None:
    reading = read(write_rosters(school, tmp_path, taken_at=TAKEN_AT, generation="old"))
    assert asdict(reading.counts) == as_old_files_tell_it(school).truth


@every_school
def test_readers_remark_on_the_awkward_cases_and_on_nothing_else(school: DemoSchool, tmp_path: Path) -> None:
    found = Counter(finding.code for finding in read(write_rosters(school, tmp_path, taken_at=TAKEN_AT)).findings)
    expected = {"no-division": sum(pupil.division is None for pupil in school.attending)}
    if school.truth["pupils"] >= 300:
        expected |= {"many-legal-guardians": 1, "no-legal-guardian": 1}
    assert found == expected


@every_school
def test_head_teachers_and_teachers_by_group_are_read_into_their_divisions(school: DemoSchool, tmp_path: Path) -> None:
    roster = read(write_rosters(school, tmp_path, taken_at=TAKEN_AT)).roster
    assert roster is not None
    assert roster.staff is not None
    spans: dict[str, set[str]] = {group.code: set(group.divisions) for group in school.groups}
    expected: dict[StaffKey, set[str]] = {person.key: set() for person in school.staff}
    for service in school.services:
        expected[service.teacher] |= spans.get(service.structure, {service.structure})
    read_back = {staff_key(member.key): member for member in roster.staff}
    assert {key: set(member.teaches) for key, member in read_back.items()} == expected
    assert {key: set(member.heads) for key, member in read_back.items()} == {
        person.key: set(person.heads) for person in school.staff
    }


def test_changes_of_a_school_arrive_through_its_files(tmp_path: Path) -> None:
    school = SCHOOLS[0]
    first, second = [pupil for pupil in school.attending if pupil.division == "6 A"][:2]
    division = next(division.code for division in school.divisions if division.code == "6 B")
    after = pupil_leaves(move_pupil(school, first.key, division), second.key, TAKEN_AT.date())
    roster = read(write_rosters(after, tmp_path, taken_at=TAKEN_AT)).roster
    assert roster is not None
    places = {int(pupil.key.number): pupil.division for pupil in roster.pupils or ()}
    assert places[first.key] == "6 B"
    assert second.key not in places
