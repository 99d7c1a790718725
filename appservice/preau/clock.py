"""Time as a value that is passed in, so that no rule and no test waits for a real clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Whatever can tell the time."""

    def now(self) -> datetime:
        """The present moment, with its time zone (UTC)."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present moment, UTC."""
        return datetime.now(UTC)


@dataclass(slots=True)
class FixedClock:
    """A clock that stands still until it is set."""

    moment: datetime

    def now(self) -> datetime:
        """The moment it was set to."""
        return self.moment
