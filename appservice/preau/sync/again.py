"""When to try again what could not be done: soon at first, then ever more seldom, never not at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

FIRST: Final = timedelta(seconds=5)
MOST: Final = timedelta(minutes=5)


@dataclass(slots=True)
class Again:
    """The moment of the next try; at once in the beginning."""

    wait: timedelta = FIRST
    at: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Is it time?"""
        return self.at is None or now >= self.at

    def soon(self) -> None:
        """Something changed: the next try is now."""
        self.at = None

    def tried(self, now: datetime, *, done: bool) -> None:
        """It was tried: after a failure again soon, doubling; what is done is looked at again after a while."""
        self.at = now + (MOST if done else self.wait)
        self.wait = FIRST if done else min(self.wait * 2, MOST)
