"""The page for the help desk says what the policy says."""

from __future__ import annotations

from tests.guard_page import PAGE, with_tables


def test_the_page_states_the_rules_and_limits_that_hold() -> None:
    page = PAGE.read_text("utf-8")
    assert page == with_tables(page)
