"""How long a call may last and how often it is tried again: numbers and arithmetic, no waiting."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """The bounds of every call. Nothing lasts longer than ``attempts * (call_seconds + longest_wait_seconds)``.

    Args:
        call_seconds: time limit of one attempt, answer included.
        attempts: how often a call is sent at most.
        first_wait_seconds: the wait after the first failure; it doubles with each further one.
        longest_wait_seconds: no wait is longer; a homeserver that asks for more is too busy.
    """

    call_seconds: float = 30
    attempts: int = 5
    first_wait_seconds: float = 0.2
    longest_wait_seconds: float = 30

    def wait_after(self, failures: int, draw: float) -> float:
        """Seconds to wait after so many failures (1 or more), with ``draw`` in [0, 1) as the jitter.

        Half is fixed and half is drawn, so that callers who failed together do not come back together and none comes
        back at once.
        """
        whole = min(self.longest_wait_seconds, self.first_wait_seconds * 2.0 ** (failures - 1))
        return whole * (1 + draw) / 2

    def wait_as_asked(self, asked_seconds: float, draw: float) -> float | None:
        """Seconds to wait when the homeserver named a time, or None if it asks for more than the longest wait."""
        if asked_seconds > self.longest_wait_seconds:
            return None
        return asked_seconds + self.first_wait_seconds * draw
