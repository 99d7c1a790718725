"""How widely one account may write: the tables by hand, and the law that no sequence of writes gets round them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from preau.model.people import STAFF, Function
from preau.policy.fan_out import (
    CONVERSATIONS_IN_A_DAY,
    FROM_A_NEW_DEVICE,
    PASS_SECONDS,
    ROOMS_IN_AN_HOUR,
    Allowance,
    conversations,
    may_spend,
    passes,
    rooms,
)

F = Function
SECOND = 1000

ROOMS = [
    ({F.DIRECTION}, 150),
    ({F.DIRECTION_DELEGATE}, 150),
    ({F.ADMINISTRATION}, 150),
    ({F.SCHOOL_LIFE}, 80),
    ({F.HEAD_TEACHER}, 60),
    ({F.TEACHER}, 60),
    ({F.ASSISTANT}, 30),
    ({F.HEALTH}, 40),
    ({F.INSPECTOR}, 30),
    ({F.ACADEMY_ADMIN}, 30),
    ({F.GUARDIAN}, 25),
    ({F.PUPIL}, 10),
    ({F.TEACHER, F.GUARDIAN}, 60),
    ({F.PUPIL, F.GUARDIAN}, 25),
    (set(), 10),
]


@pytest.mark.parametrize(
    ("functions", "things"),
    ROOMS,
    ids=lambda value: "-".join(sorted(value)) or "mandate" if isinstance(value, set) else "",
)
def test_so_many_rooms_in_an_hour(functions: set[Function], things: int) -> None:
    assert rooms(functions) == Allowance(things, 3600)


@pytest.mark.parametrize(
    ("functions", "things"),
    [
        ({F.DIRECTION}, 100),
        ({F.TEACHER}, 40),
        ({F.GUARDIAN}, 15),
        ({F.PUPIL}, 5),
        ({F.PUPIL, F.HEALTH}, 40),
        (set(), 5),
    ],
)
def test_so_many_conversations_in_a_day(functions: set[Function], things: int) -> None:
    assert conversations(functions) == Allowance(things, 24 * 3600)


def test_every_function_has_its_numbers() -> None:
    assert set(ROOMS_IN_AN_HOUR) == set(CONVERSATIONS_IN_A_DAY) == set(Function)


def test_direction_writes_to_the_whole_of_a_school_of_forty_divisions() -> None:
    announcements, with_parents, of_the_school = 40, 40, 5
    assert rooms({F.DIRECTION}).things >= announcements + with_parents + of_the_school


def test_a_stolen_account_of_a_family_reaches_less_than_any_of_the_staff() -> None:
    families = max(rooms({F.GUARDIAN}).things, rooms({F.PUPIL}).things)
    assert all(rooms({function}).things > families for function in STAFF)
    assert rooms({F.PUPIL}).things > FROM_A_NEW_DEVICE.things


@pytest.mark.parametrize(
    ("age", "passing", "counting"),
    [
        (0, True, True),
        (PASS_SECONDS - 1, True, True),
        (PASS_SECONDS, False, True),
        (3600 + PASS_SECONDS - 1, False, True),
        (3600 + PASS_SECONDS, False, False),
        (-5, True, True),  # noted by a process whose clock is ahead
    ],
)
def test_what_was_noted_passes_for_a_while_and_counts_for_longer(age: int, passing: bool, counting: bool) -> None:
    noted, now = 10**12, 10**12 + age * SECOND
    assert passes(noted, now) is passing
    assert may_spend({"one": noted}, "other", now, Allowance(1, 3600)) is not counting
    assert may_spend({"one": noted}, "one", now, Allowance(1, 3600)) is True


class Processes:
    """Some processes with passes of their own and one table, as `preau.guard.allowances` and its tables are."""

    def __init__(self, allowance: Allowance) -> None:
        self.allowance = allowance
        self.table: dict[str, int] = {}
        self.held: dict[tuple[int, str], int] = {}

    def write(self, process: int, room: str, now: int) -> bool:
        noted = self.held.get((process, room))
        if noted is not None and passes(noted, now):
            return True
        if not may_spend(self.table, room, now, self.allowance):
            return False
        self.table[room] = max(now, self.table.get(room, 0))
        self.held[process, room] = now
        return True


writes = st.lists(
    st.tuples(
        st.integers(0, 2),  # which process
        st.sampled_from("abc"),  # which room
        st.sampled_from([0, 1, 30, PASS_SECONDS - 1, PASS_SECONDS, 1500, 3599, 3600, 3600 + PASS_SECONDS]),
    ),
    max_size=60,
)


def _done(allowance: Allowance, steps: Sequence[tuple[int, str, int]]) -> list[tuple[int, str]]:
    """When which room was written to, of what was tried after each pause."""
    processes, now, found = Processes(allowance), 10**12, []
    for process, room, pause in steps:
        now += pause * SECOND
        if processes.write(process, room, now):
            found.append((now, room))
    return found


@given(writes, st.integers(1, 2))
@example([(0, "a", 0), (0, "a", PASS_SECONDS - 1), (0, "b", 3599)], 1)  # a pass used to its last second
def test_no_stretch_of_the_time_holds_more_rooms_than_allowed(steps: list[tuple[int, str, int]], things: int) -> None:
    allowance = Allowance(things, 3600)
    done = _done(allowance, steps)
    for begin, _ in done:
        within = {room for at, room in done if begin <= at < begin + allowance.seconds * SECOND}
        assert len(within) <= things


@given(writes)
def test_whoever_stays_below_the_number_is_never_refused(steps: list[tuple[int, str, int]]) -> None:
    assert len(_done(Allowance(3, 3600), steps)) == len(steps)
