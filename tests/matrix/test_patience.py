from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preau.matrix.patience import Patience

DRAWS = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("failures", "draw", "seconds"),
    [(1, 0.0, 0.1), (1, 0.5, 0.15), (2, 0.0, 0.2), (3, 0.0, 0.4), (8, 0.0, 12.8), (9, 0.0, 15.0), (100, 0.0, 15.0)],
)
def test_waits_double_up_to_the_longest(failures: int, draw: float, seconds: float) -> None:
    assert Patience().wait_after(failures, draw) == pytest.approx(seconds)


@given(st.integers(1, 1000), DRAWS)
def test_no_wait_is_longer_than_the_longest_or_shorter_than_half_the_first(failures: int, draw: float) -> None:
    patience = Patience()
    assert patience.first_wait_seconds / 2 <= patience.wait_after(failures, draw) <= patience.longest_wait_seconds


@given(st.floats(0, 30), DRAWS)
def test_an_asked_wait_is_never_cut_short(asked: float, draw: float) -> None:
    wait = Patience().wait_as_asked(asked, draw)
    assert wait is not None
    assert asked <= wait < asked + 0.21


@given(st.floats(30, exclude_min=True), DRAWS)
def test_an_asked_wait_beyond_the_longest_is_refused(asked: float, draw: float) -> None:
    assert Patience().wait_as_asked(asked, draw) is None
