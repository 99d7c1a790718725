"""How a step of the story says that something is not as it should be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from preau.errors import PreauError

_PATIENCE: Final = 30.0
"""Seconds until something that must happen by itself counts as not happening."""
_POLL: Final = 0.1


class StoryBroken(PreauError):
    """A line of the story does not hold; the message says what was seen instead."""


def expect(holds: object, otherwise: str) -> None:
    """Passes when it holds.

    Raises:
        StoryBroken: it does not.
    """
    if not holds:
        raise StoryBroken(otherwise)


def expect_same(what: str, found: frozenset[str], expected: frozenset[str]) -> None:
    """Passes when two sets are equal.

    Raises:
        StoryBroken: they are not; the message names the difference.
    """
    missing, surplus = sorted(expected - found), sorted(found - expected)
    expect(not missing and not surplus, f"{what}: missing {missing}, too many {surplus}")


async def eventually(what: str, holds: Callable[[], Awaitable[bool]]) -> None:
    """Asks until it holds.

    Raises:
        StoryBroken: it did not come to hold in half a minute.
    """
    try:
        async with asyncio.timeout(_PATIENCE):
            while not await holds():  # noqa: ASYNC110 -- what is asked is another process
                await asyncio.sleep(_POLL)
    except TimeoutError:
        raise StoryBroken(f"{what}: not within {_PATIENCE:.0f} s") from None
