"""What time it is, for flows that follow each other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from preau.clock import SystemClock


def test_a_clock_that_is_set_back_tells_no_moment_before_one_it_told() -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    assert SystemClock(latest=ahead).now() == ahead


def test_a_clock_goes_on() -> None:
    behind = datetime.now(UTC) - timedelta(hours=1)
    clock = SystemClock(latest=behind)
    assert clock.now() > behind
    assert clock.now() >= clock.latest
