"""Pupils are nowhere unless their school says so, and never in a parents' or staff room."""

from __future__ import annotations

import pytest

from preau.model.choices import SchoolChoices
from preau.model.decisions import Mandate
from preau.model.people import Function
from tests.builders import ACCOUNTS, ROOMS, STRICT, appoint, guardian, places, pupil, school, staff, user, want

READ, MODERATE = 0, 75
NEWS = {"announce_school": READ, "announce_division 5 A": READ}
AMONG_PUPILS = {"pupils_division 5 A": READ}
ROOMS_ALONE = SchoolChoices(pupil_rooms=True)
ROLL = school(
    pupil("ali"), pupil("eve", None), guardian("paz", "ali"), staff("lou", Function.TEACHER, teaches=["5 A", "4 B"])
)


@pytest.mark.parametrize(
    ("who", "choices", "expected"),
    [
        ("ali", STRICT, {}),
        ("ali", ROOMS_ALONE, {}),
        ("ali", ACCOUNTS, NEWS),
        ("ali", ROOMS, NEWS | AMONG_PUPILS),
        ("eve", STRICT, {}),
        ("eve", ACCOUNTS, {"announce_school": READ}),
        ("eve", ROOMS, {"announce_school": READ}),
    ],
)
def test_a_pupil_is_where_the_school_lets_pupils_be(who: str, choices: SchoolChoices, expected: dict[str, int]) -> None:
    found = want(ROLL, choices=choices)
    assert places(found, who) == expected
    assert (user(who) in found.accounts) is choices.pupil_accounts


@pytest.mark.parametrize(
    ("choices", "there"), [(STRICT, False), (ROOMS_ALONE, False), (ACCOUNTS, False), (ROOMS, True)]
)
def test_teachers_moderate_the_pupils_room_where_there_is_one(choices: SchoolChoices, there: bool) -> None:
    rooms = places(want(ROLL, choices=choices), "lou")
    assert rooms.get("pupils_division 5 A") == (MODERATE if there else None)
    assert "pupils_division 4 B" not in rooms, "no pupil of that division, no room"


@pytest.mark.parametrize("choices", [STRICT, ACCOUNTS, ROOMS])
def test_no_guardian_is_in_a_pupils_room(choices: SchoolChoices) -> None:
    assert not [room for room in places(want(ROLL, choices=choices), "paz") if room.startswith("pupils")]


@pytest.mark.parametrize("role", [Function.PUPIL, Function.GUARDIAN])
def test_nobody_becomes_pupil_or_guardian_by_appointment(role: Function) -> None:
    found = want(ROLL, appoint("sam", role, division="5 A", name="Sam"), appoint("ali", role))
    assert places(found, "sam") == places(found, "ali") == {}
    assert not {user("sam"), user("ali")} & found.accounts.keys()


def test_a_pupil_without_an_account_holds_no_mandate() -> None:
    given = appoint("ali", Mandate.ASSOCIATION_MEMBER, scope="fcpe")
    assert user("ali") not in want(ROLL, given).accounts
    assert places(want(ROLL, given), "ali") == {}
