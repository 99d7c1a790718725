"""How widely one account may write: a stolen one then does little before anybody notices (DESIGN 6).

An allowance is a number of different things in a length of time: rooms written to, conversations begun, messages taken
back. Spending works with passes, so that ordinary writing asks no database::

    a thing ─► a pass younger than PASS_SECONDS? ─ yes ─► allowed, nothing is noted
                      │ no
                      ▼  one transaction over all processes
              does it count already, or is there room for one more? ─► noted with the time ─► a new pass

What was noted counts for the allowance's time and the length of a pass, since it may have been used until then. So
in no stretch of the allowance's time are more things used than it says, wherever the stretch begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from preau.model.people import Function

PASS_SECONDS: Final = 600
_MS: Final = 1000
_HOUR: Final = 3600
_DAY: Final = 24 * _HOUR


class Spending(StrEnum):
    """What allowances are for. Each is spent on its own."""

    ROOMS = "rooms"
    ROOMS_NEW_DEVICE = "rooms_new_device"
    CONVERSATIONS = "conversations"
    TAKEBACKS = "takebacks"


@dataclass(frozen=True, slots=True)
class Allowance:
    """At most so many different things within so many seconds."""

    things: int
    seconds: int

    def since(self, now: int) -> int:
        """What was noted after this still counts; times are milliseconds since 1970."""
        return now - (self.seconds + PASS_SECONDS) * _MS


def passes(noted: int, now: int) -> bool:
    """Whether what was noted then may be used now without asking again."""
    return now - noted < PASS_SECONDS * _MS


def may_spend(noted: Mapping[str, int], thing: str, now: int, allowance: Allowance) -> bool:
    """Whether the allowance holds one more use of that thing.

    Args:
        noted: when each thing was last noted; older ones than count do no harm.
        thing: a room, a conversation or an event.
        now: in milliseconds since 1970, as all times here.
        allowance: what the account has.
    """
    since = allowance.since(now)
    counting = {name for name, at in noted.items() if at > since}
    return thing in counting or len(counting) < allowance.things


ROOMS_IN_AN_HOUR: Final[Mapping[Function, int]] = {
    Function.DIRECTION: 150,
    Function.DIRECTION_DELEGATE: 150,
    Function.ADMINISTRATION: 150,
    Function.SCHOOL_LIFE: 80,
    Function.HEAD_TEACHER: 60,
    Function.TEACHER: 60,
    Function.ASSISTANT: 30,
    Function.HEALTH: 40,
    Function.INSPECTOR: 30,
    Function.ACADEMY_ADMIN: 30,
    Function.GUARDIAN: 25,
    Function.PUPIL: 10,
}
"""Different rooms in one hour. Direction of a school of forty divisions writes to the announcements and to the room
with parents of each; a teacher of music has twenty divisions with three rooms each; a guardian of four children answers
in their rooms and settles a parents' evening with a dozen teachers; a pupil has a handful of rooms and teachers."""

CONVERSATIONS_IN_A_DAY: Final[Mapping[Function, int]] = {
    Function.DIRECTION: 100,
    Function.DIRECTION_DELEGATE: 100,
    Function.ADMINISTRATION: 100,
    Function.SCHOOL_LIFE: 60,
    Function.HEAD_TEACHER: 40,
    Function.TEACHER: 40,
    Function.ASSISTANT: 20,
    Function.HEALTH: 40,
    Function.INSPECTOR: 20,
    Function.ACADEMY_ADMIN: 20,
    Function.GUARDIAN: 15,
    Function.PUPIL: 5,
}
"""Direct conversations begun in one day: a head teacher writes to the parents of a whole division, a guardian to all
teachers of a child; an existing conversation costs nothing here."""

FROM_A_NEW_DEVICE: Final = Allowance(3, _DAY)
"""Rooms that all the unconfirmed devices of one account may write to in a day, together."""


def rooms(functions: Iterable[Function]) -> Allowance:
    """The rooms that somebody with these functions may write to: the highest number counts."""
    return Allowance(highest(ROOMS_IN_AN_HOUR, functions), _HOUR)


def conversations(functions: Iterable[Function]) -> Allowance:
    """The direct conversations that somebody with these functions may begin."""
    return Allowance(highest(CONVERSATIONS_IN_A_DAY, functions), _DAY)


def highest(table: Mapping[Function, int], functions: Iterable[Function]) -> int:
    """The highest number of a person's functions; who is there by a mandate alone has the table's lowest."""
    return max((table[function] for function in functions), default=min(table.values()))
