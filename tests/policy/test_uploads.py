"""How much people may upload: the table, the choice of a school for its pupils, and what holds for any facts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preau.model.facts import Party, PersonFacts, SchoolFacts
from preau.model.ids import PersonId, UserId
from preau.model.people import Function
from preau.policy.refusals import Rule
from preau.policy.uploads import ALLOWANCES, NOTHING, Allowance, allowance, why_no_upload, why_not_called
from tests.builders import NORTH, SOUTH
from tests.fact_strategies import persons

MIB = 2**20
OPEN = {NORTH: SchoolFacts(NORTH, pupil_media=True)}
ME = PersonId("me")


def _person(*parties: Party) -> PersonFacts:
    return PersonFacts(UserId("@me:nord.example"), "Camille ESSAI", parties)


def _in(school: str, *functions: Function) -> Party:
    return Party(ME, NORTH if school == "north" else SOUTH, frozenset(functions))


@pytest.mark.parametrize(
    ("parties", "closed", "opened"),
    [
        ([_in("north", Function.DIRECTION)], 50, 50),
        ([_in("north", Function.TEACHER)], 20, 20),
        ([_in("north", Function.GUARDIAN)], 10, 10),
        ([_in("north", Function.PUPIL)], 0, 5),
        ([_in("north", Function.GUARDIAN, Function.TEACHER)], 20, 20),
        ([_in("north", Function.GUARDIAN, Function.PUPIL)], 0, 5),  # an adult pupil who answers for themselves
        ([_in("south", Function.PUPIL)], 0, 0),  # the other school opened it to its own pupils
        ([_in("south", Function.TEACHER), _in("north", Function.PUPIL)], 20, 20),
        ([_in("north")], 10, 10),  # by a mandate alone
        ([], 0, 0),
    ],
)
def test_the_largest_file_follows_from_functions_and_schools(parties: list[Party], closed: int, opened: int) -> None:
    person = _person(*parties)
    assert (allowance(person, {}).file, allowance(person, OPEN).file) == (closed * MIB, opened * MIB)


def test_nobody_known_uploads_nothing() -> None:
    assert allowance(None, OPEN) == NOTHING
    assert why_no_upload(NOTHING, 0, 0) is Rule.MEDIA


def test_every_function_has_a_row_that_a_day_can_hold() -> None:
    assert ALLOWANCES.keys() == set(Function)
    assert all(0 < row.file <= row.day for row in ALLOWANCES.values())


@pytest.mark.parametrize(
    ("size", "sent_today", "broken"),
    [
        (0, 0, None),
        (10, 0, None),
        (11, 0, Rule.MEDIA),
        (10, 15, None),
        (10, 16, Rule.MEDIA),
        (-1, 0, Rule.MEDIA),  # a Content-Length that no client sends
    ],
)
def test_a_file_passes_within_size_and_day(size: int, sent_today: int, broken: Rule | None) -> None:
    assert why_no_upload(Allowance(10, 25), size, sent_today) is broken


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        ("photo.jpg", True),
        ("Compte rendu du 3.pdf", True),
        ("exe", True),
        ("README", True),
        ("", True),
        ("devis.exe.pdf", True),
        ("devis.pdf.exe", False),
        ("SETUP.EXE", False),
        ("jeu.bat", False),
        ("jeu.bat ", False),
        ("jeu.bat...", False),
        ("jeu.bat\u200b", False),
        ("jeu. bat", False),
        ("photo\u202egnp.exe", False),
        (".bat", False),
        ("page.html", False),
        ("notes.docm", False),
        ("jeu.apk", False),
    ],
)
def test_no_file_is_passed_on_under_a_name_that_runs(name: str, passes: bool) -> None:
    assert why_not_called(name) is (None if passes else Rule.MEDIA_TYPE)


@given(person=persons(), media=st.booleans())
def test_a_school_that_opens_files_to_pupils_takes_nothing_from_anybody(person: PersonFacts, *, media: bool) -> None:
    schools = {NORTH: SchoolFacts(NORTH, pupil_media=media)}
    assert allowance(person, {}) <= allowance(person, schools)
