"""How fast one account may search."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from preau.policy.pace import AT_ONCE, PER_SECOND, Bucket, next_turn

NOW = 1_700_000_000_000


def _granted(moments: list[int]) -> list[int]:
    """The moments at which a search was granted, one attempt at each."""
    bucket: Bucket | None = None
    granted = []
    for moment in moments:
        bucket, wait = next_turn(bucket, moment)
        if not wait:
            granted.append(moment)
    return granted


def test_as_many_as_are_in_a_full_bucket_and_then_one_by_one() -> None:
    assert len(_granted([NOW] * 100)) == AT_ONCE
    assert len(_granted([NOW] * 100 + [NOW + 1000] * 100)) == AT_ONCE + PER_SECOND


def test_whoever_waits_as_long_as_told_may_search() -> None:
    bucket: Bucket | None = None
    for _ in range(AT_ONCE):
        bucket, wait = next_turn(bucket, NOW)
    bucket, wait = next_turn(bucket, NOW)
    assert 0 < wait <= 1000 / PER_SECOND
    assert next_turn(bucket, NOW + wait)[1] == 0


def test_a_clock_set_back_gives_nothing_and_takes_nothing() -> None:
    bucket, _ = next_turn(Bucket(5, NOW), NOW - 60_000)
    assert bucket.turns == 4


@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=200))
def test_nobody_searches_faster_than_the_bucket_fills(pauses: list[int]) -> None:
    granted = _granted(list(accumulate(pauses, initial=NOW)))
    for first, start in enumerate(granted):
        for count, end in enumerate(granted[first:], start=1):
            assert count <= AT_ONCE + 1 + (end - start) * PER_SECOND / 1000
