"""Staff by function, whether a register or direction says what they are."""

# ruff: noqa: E501 — one row of a table is one line

from __future__ import annotations

import pytest

from preau.model.people import Function
from preau.model.rooms import RoomKind
from tests.builders import Decided, Placed, appoint, guardian, places, pupil, school, staff, user, want, went

READ, WRITE, MODERATE = 0, 50, 75
NOWHERE: dict[str, int] = {}
STAFF_ONLY = {"announce_school": READ, "staff": READ}
OFFICE = {"direction": READ}
WRITES_TO_ALL = {
    "announce_school": WRITE,
    "announce_division 5 A": WRITE,
    "announce_division 4 B": WRITE,
    "staff": READ,
}
PRINCIPAL = {
    "announce_school": MODERATE,
    "announce_division 5 A": MODERATE,
    "announce_division 4 B": MODERATE,
    "division_parents_staff 5 A": MODERATE,
    "division_parents_staff 4 B": MODERATE,
    "staff": MODERATE,
    "direction": MODERATE,
}
TEACHER_A = STAFF_ONLY | {"announce_division 5 A": WRITE, "division_parents_staff 5 A": READ}
HEAD_A = STAFF_ONLY | {"announce_division 5 A": WRITE, "division_parents_staff 5 A": MODERATE}

REGISTERED: list[tuple[Function | None, dict[str, int], str]] = [
    (Function.DIRECTION, PRINCIPAL, "direction"),
    (Function.DIRECTION_DELEGATE, WRITES_TO_ALL, "délégation de direction"),
    (Function.ADMINISTRATION, WRITES_TO_ALL | OFFICE, "administration"),
    (Function.SCHOOL_LIFE, STAFF_ONLY | OFFICE, "vie scolaire"),
    (Function.TEACHER, STAFF_ONLY, "professeur"),
    (Function.HEAD_TEACHER, STAFF_ONLY, "professeur"),
    (Function.ASSISTANT, STAFF_ONLY, "AESH"),
    (Function.HEALTH, STAFF_ONLY, "santé et social"),
    (Function.INSPECTOR, NOWHERE, "inspection"),
    (Function.ACADEMY_ADMIN, NOWHERE, "rectorat"),
    (None, NOWHERE, ""),
]
OTHERS: tuple[Placed, ...] = (
    pupil("ali", "5 A"),
    pupil("zoe", "4 B"),
    guardian("paz", "ali"),
    guardian("max", "zoe"),
    staff("dir", Function.DIRECTION),
)


@pytest.mark.parametrize(("function", "expected", "label"), REGISTERED)
def test_a_function_in_the_register_gives_these_places(
    function: Function | None, expected: dict[str, int], label: str
) -> None:
    found = want(school(*OTHERS, staff("lou", function)))
    assert places(found, "lou") == expected
    assert found.accounts.get(user("lou")) == (f"Camille LOU · {label}" if label else None)


@pytest.mark.parametrize(("function", "expected", "label"), [row for row in REGISTERED if row[0] is not None], ids=str)
def test_a_function_given_by_hand_gives_the_same_places(
    function: Function, expected: dict[str, int], label: str
) -> None:
    found = want(school(*OTHERS), appoint("lou", function, name="Lou"))
    assert places(found, "lou") == expected
    assert found.accounts[user("lou")] == f"Dominique LOU · {label}"


TEACHING: list[tuple[str, list[Placed], list[Decided], dict[str, int]]] = [
    ("teaches the division", [staff("lou", Function.TEACHER, teaches=["5 A"])], [], TEACHER_A),
    ("is its head teacher", [staff("lou", Function.TEACHER, teaches=["5 A"], heads=["5 A"])], [], HEAD_A),
    ("heads it without a service", [staff("lou", Function.TEACHER, heads=["5 A"])], [], HEAD_A),
    ("has services, but nobody knows as what", [staff("lou", None, teaches=["5 A"], heads=["5 A"])], [], NOWHERE),
    ("and then is appointed teacher", [staff("lou", None, teaches=["5 A"])], [appoint("lou", Function.TEACHER)], TEACHER_A),
    ("or inspector, who teaches nobody", [staff("lou", None, teaches=["5 A"])], [appoint("lou", Function.INSPECTOR)], NOWHERE),
    ("substitute with a division", [], [appoint("lou", Function.TEACHER, division="5 A", name="Lou")], TEACHER_A),
    ("substitute head teacher", [], [appoint("lou", Function.HEAD_TEACHER, division="5 A", name="Lou")], HEAD_A),
    ("AESH of one division, which is no teacher", [], [appoint("lou", Function.ASSISTANT, division="5 A", name="Lou")], STAFF_ONLY),
    ("supervisor of one division, same", [], [appoint("lou", Function.SCHOOL_LIFE, division="5 A", name="Lou")], STAFF_ONLY | OFFICE),
    ("school life that teaches", [staff("lou", Function.SCHOOL_LIFE, teaches=["5 A"])], [], TEACHER_A | OFFICE),
    ("teacher made delegate", [staff("lou", Function.TEACHER, teaches=["5 A"])], [appoint("lou", Function.DIRECTION_DELEGATE)],
     WRITES_TO_ALL | {"division_parents_staff 5 A": READ}),
    ("left the class room, which they may", [staff("lou", Function.TEACHER, teaches=["5 A"])],
     [went("lou", RoomKind.DIVISION_PARENTS_STAFF, "5 A")], STAFF_ONLY | {"announce_division 5 A": WRITE}),
    ("left the staff room, which they may not", [staff("lou", Function.TEACHER)], [went("lou", RoomKind.STAFF)], STAFF_ONLY),
    ("entered by hand, name unknown", [], [appoint("lou", Function.TEACHER, division="5 A")], TEACHER_A),
]  # fmt: skip


@pytest.mark.parametrize(("how", "placed", "decided", "expected"), TEACHING, ids=[row[0] for row in TEACHING])
def test_whoever_teaches_a_division_is_in_its_rooms(
    how: str, placed: list[Placed], decided: list[Decided], expected: dict[str, int]
) -> None:
    assert places(want(school(*OTHERS, *placed), *decided), "lou") == expected


def test_nobody_has_an_account_without_a_name() -> None:
    found = want(school(*OTHERS), appoint("lou", Function.TEACHER))
    assert user("lou") not in found.accounts


def test_an_unread_function_can_be_told_by_hand_and_the_heads_count() -> None:
    found = want(school(*OTHERS, staff("lou", None, heads=["5 A"])), appoint("lou", Function.TEACHER))
    assert places(found, "lou") == HEAD_A


def test_direction_is_in_no_parents_association_health_or_pupils_room() -> None:
    kinds = {name.split()[0] for name in places(want(school(*OTHERS)), "dir")}
    assert kinds == {"announce_school", "announce_division", "division_parents_staff", "staff", "direction"}
