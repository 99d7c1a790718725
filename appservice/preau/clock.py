"""Time as a value that is passed in, so that no rule and no test waits for a real clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class Clock(Protocol):
    """Whatever can tell the time."""

    def now(self) -> datetime:
        """The present moment, with its time zone (UTC)."""
        ...


@dataclass(slots=True)
class SystemClock:
    """The machine's own clock, but for its steps back.

    A machine's clock is set back now and then; what one flow of this process noted must be in force for the next.
    """

    latest: datetime = _NEVER

    def now(self) -> datetime:
        """The present moment, UTC; never before one that this clock told already."""
        self.latest = max(self.latest, datetime.now(UTC))
        return self.latest


@dataclass(slots=True)
class FixedClock:
    """A clock that stands still until it is set."""

    moment: datetime

    def now(self) -> datetime:
        """The moment it was set to."""
        return self.moment
