"""How fast one account may search: as fast as people type, and no faster, so that nobody copies a school's list.

A bucket of turns that fills by itself::

    full (`AT_ONCE` turns) ─ a search takes one ─► empty ─► the next must wait until another turn has come
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

AT_ONCE: Final = 30
"""Turns in a full bucket: a client asks anew with each letter or pause, for a handful of names one after the other."""

PER_SECOND: Final = 1

_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class Bucket:
    """So many turns were left at a time, in milliseconds."""

    turns: float
    at: int


def next_turn(bucket: Bucket | None, now: int) -> tuple[Bucket, int]:
    """What is left after one more search, and how many milliseconds it must wait; 0 if it may be now.

    Args:
        bucket: what was left after the search before; None for somebody who has not searched.
        now: milliseconds, of the same clock. One that was set back takes no turn away and gives none.
    """
    turns = float(AT_ONCE)
    if bucket is not None:
        turns = min(turns, bucket.turns + max(0, now - bucket.at) * PER_SECOND / _MS)
    if turns < 1:
        return Bucket(turns, now), max(1, round((1 - turns) * _MS / PER_SECOND))
    return Bucket(turns - 1, now), 0
