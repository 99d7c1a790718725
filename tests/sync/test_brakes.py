"""Which readings of a school stop a plan until somebody has looked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from preau.model.people import Function, GuardianLevel
from preau.model.snapshot import Snapshot
from preau.sync.brakes import Limits, brakes
from tests.builders import Placed, guardian, pupil, school, staff


def of(pupils: int, guardians: int | None = None, teachers: int = 10, *, first: int = 0) -> Snapshot:
    """A school with so many of each; ``first`` is the number of the first pupil, so that others are others."""
    numbers = range(first, first + pupils)
    placed: list[Placed] = [pupil(f"p{number}", f"5 {number % 2}") for number in numbers]
    tied = pupils if guardians is None else guardians
    placed += [guardian(f"g{number}", f"p{number}") for number in numbers[:tied]]
    placed += [staff(f"t{number}", Function.TEACHER) for number in range(teachers)]
    return school(*placed)


def without_functions(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, posts=tuple(replace(post, function=None) for post in snapshot.posts))


def without_divisions(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, enrolments=tuple(replace(each, division=None) for each in snapshot.enrolments))


def as_contacts(snapshot: Snapshot) -> Snapshot:
    """What a snapshot holds of guardians who became contacts: nothing."""
    assert all(link.level is GuardianLevel.LEGAL for link in snapshot.guardianships)
    return replace(snapshot, guardianships=())


PEOPLE, EMPTIED, YEAR_ = "people_removed", "division_emptied", "year_changed"
TABLE: list[tuple[str, Snapshot | None, Snapshot, list[str]]] = [
    ("a school's first reading", None, of(100), []),
    ("the same again", of(100), of(100), []),
    ("more people", of(100), of(150, teachers=20), []),
    ("exactly a tenth gone", of(100), of(90), []),
    ("one more than a tenth gone: pupils and guardians", of(100), of(89), [PEOPLE, PEOPLE]),
    ("30 % missing", of(100), of(70), [PEOPLE, PEOPLE]),
    ("30 % of the guardians missing", of(100), of(100, 70), [PEOPLE]),
    ("as many people, but other ones", of(100), of(100, first=50), [PEOPLE, PEOPLE]),
    ("exactly three of a few staff gone", of(100), of(100, teachers=7), []),
    ("four of a few staff gone", of(100), of(100, teachers=6), [PEOPLE]),
    ("no staff at all", of(100), of(100, teachers=0), [PEOPLE]),
    ("the last two of the staff", of(100, teachers=2), of(100, teachers=0), [PEOPLE]),
    ("a tiny school loses three of eight pupils", of(8), of(5), []),
    ("a tiny school loses four of eight pupils", of(8), of(4), [PEOPLE, PEOPLE]),
    ("nobody was on the staff and nobody is", of(8, teachers=0), of(8, teachers=0), []),
    ("every function unread", of(100), without_functions(of(100)), [PEOPLE]),
    ("every guardian a contact", of(100), as_contacts(of(100)), [PEOPLE]),
    ("nobody in a division", of(100), without_divisions(of(100)), [EMPTIED, EMPTIED]),
    ("the next school year", of(100), replace(of(100), year=2026), [YEAR_]),
    ("the next year, with a third of the school gone", of(99), replace(of(66), year=2026), [YEAR_, PEOPLE, PEOPLE]),
    ("last year's files again", of(100), replace(of(100), year=2024), [YEAR_]),
]


@pytest.mark.parametrize(("what", "before", "after", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_a_reading_is_held(what: str, before: Snapshot | None, after: Snapshot, expected: list[str]) -> None:
    assert [brake.code for brake in brakes(before, after, Limits())] == expected


def test_one_division_emptied_stops_though_few_pupils_moved() -> None:
    two = [pupil("ali", "5 A"), pupil("zoe", "4 B")]
    (brake,) = brakes(school(*two), school(pupil("ali", "5 A"), pupil("zoe", "5 A"), divisions=["4 B"]), Limits())
    assert (brake.code, brake.message) == (EMPTIED, "division '4 B' has no pupil any more")


@pytest.mark.parametrize(
    ("limits", "held"),
    [(Limits(share=0.3), False), (Limits(share=0.29), True), (Limits(people=30), False), (Limits(people=29), True)],
)
def test_an_academy_may_set_its_own_limits(limits: Limits, held: bool) -> None:
    assert bool(brakes(of(100), of(70), limits)) is held


def test_a_brake_says_how_many_of_whom_and_names_nobody() -> None:
    message = brakes(of(100), of(100, 70), Limits())[0].message
    assert message == "30 of 100 guardians have no place in the new rosters (30%)"
