"""What may be taken back: the decision table of `preau.policy.takebacks`, by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preau.model.people import Function
from preau.policy.fan_out import Allowance
from preau.policy.refusals import Rule
from preau.policy.takebacks import (
    IN_AN_HOUR,
    Author,
    Place,
    Takeback,
    speaks_for_the_school,
    takebacks,
    why_not_taken_back,
)

F = Function
ONESELF, MEMBER, SCHOOL = Author.ONESELF, Author.MEMBER, Author.SCHOOL
MANAGED, DIRECT, FOREIGN = Place.MANAGED, Place.DIRECT, Place.FOREIGN
NOBODY: frozenset[Function] = frozenset()
TEACHER, HEAD = frozenset({F.TEACHER}), frozenset({F.HEAD_TEACHER})
DIRECTION, DELEGATE = frozenset({F.DIRECTION}), frozenset({F.DIRECTION_DELEGATE})

TABLE = [
    # author, place, state, moderates, functions ─► may
    (ONESELF, MANAGED, False, False, NOBODY, True),
    (ONESELF, DIRECT, False, False, NOBODY, True),
    (ONESELF, FOREIGN, False, False, NOBODY, True),
    (ONESELF, MANAGED, True, True, DIRECTION, False),
    (ONESELF, DIRECT, True, True, DIRECTION, False),
    (MEMBER, MANAGED, False, True, HEAD, True),
    (MEMBER, MANAGED, False, True, NOBODY, True),  # moderators of associations have no function of their own
    (MEMBER, MANAGED, False, True, DIRECTION, True),
    (MEMBER, MANAGED, False, False, DIRECTION, False),
    (MEMBER, MANAGED, False, False, TEACHER, False),
    (MEMBER, MANAGED, True, True, DIRECTION, False),
    (MEMBER, DIRECT, False, True, DIRECTION, False),  # who begins a conversation has endless power in it
    (MEMBER, FOREIGN, False, True, DIRECTION, False),
    (SCHOOL, MANAGED, False, True, HEAD, False),
    (SCHOOL, MANAGED, False, True, DELEGATE, False),
    (SCHOOL, MANAGED, False, True, NOBODY, False),
    (SCHOOL, MANAGED, False, True, DIRECTION, True),
    (SCHOOL, MANAGED, False, False, DIRECTION, False),
    (SCHOOL, MANAGED, True, True, DIRECTION, False),
    (SCHOOL, DIRECT, False, True, DIRECTION, False),
    (SCHOOL, FOREIGN, False, True, DIRECTION, False),
]


@pytest.mark.parametrize(("author", "place", "state", "moderates", "functions", "may"), TABLE)
def test_the_table(
    author: Author, place: Place, state: bool, moderates: bool, functions: frozenset[Function], may: bool
) -> None:
    broken = why_not_taken_back(Takeback(author, place, state, moderates, functions))
    assert broken is (None if may else Rule.REDACTION)


@given(
    st.builds(
        Takeback,
        st.sampled_from(Author),
        st.sampled_from(Place),
        st.booleans(),
        st.booleans(),
        st.frozensets(st.sampled_from(Function)),
    )
)
def test_whatever_is_taken_back_is_ones_own_or_moderated_in_a_room_of_ours(takeback: Takeback) -> None:
    if why_not_taken_back(takeback) is None:
        assert not takeback.state
        own = takeback.author is ONESELF
        assert own or (takeback.moderates and takeback.place is MANAGED)
        assert takeback.author is not SCHOOL or F.DIRECTION in takeback.functions


@pytest.mark.parametrize("function", Function)
def test_direction_and_its_delegates_speak_for_the_school(function: Function) -> None:
    assert speaks_for_the_school({function}) is (function in {F.DIRECTION, F.DIRECTION_DELEGATE})


@pytest.mark.parametrize(
    ("functions", "things"),
    [({F.PUPIL}, 15), ({F.GUARDIAN}, 30), ({F.TEACHER}, 60), ({F.DIRECTION}, 120), ({F.PUPIL, F.TEACHER}, 60)],
)
def test_so_much_in_an_hour(functions: set[Function], things: int) -> None:
    assert takebacks(functions) == Allowance(things, 3600)
    assert set(IN_AN_HOUR) == set(Function)
