"""Taking messages back: one's own, and as a moderator those of others, but never what the school must answer for.

::

    what is taken back          by its author     by a moderator     by direction of the school
    state of the room           no                no                 no
    a member's message          yes               yes                yes
    the service's message       –                 no                 yes
    direction's message         yes               no                 yes
    in a direct conversation    yes               no                 no
    in another académie's room  yes               no                 no

Whoever moderates has the room's own power for it; that is checked by Synapse too, but only after our copy was sealed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from preau.model.people import Function
from preau.policy.fan_out import Allowance, highest
from preau.policy.refusals import Rule

_HOUR: Final = 3600

_SPEAKING_FOR_THE_SCHOOL: Final = frozenset({Function.DIRECTION, Function.DIRECTION_DELEGATE})

IN_AN_HOUR: Final[Mapping[Function, int]] = {
    Function.DIRECTION: 120,
    Function.DIRECTION_DELEGATE: 60,
    Function.ADMINISTRATION: 60,
    Function.SCHOOL_LIFE: 60,
    Function.HEAD_TEACHER: 60,
    Function.TEACHER: 60,
    Function.ASSISTANT: 30,
    Function.HEALTH: 30,
    Function.INSPECTOR: 30,
    Function.ACADEMY_ADMIN: 30,
    Function.GUARDIAN: 30,
    Function.PUPIL: 15,
}
"""Messages, reactions and votes taken back in one hour. Guardians moderate the parents' rooms. What an account that was
stolen sent in great number is removed by the service, which has no limit."""


class Author(Enum):
    """Who wrote what is to be taken back."""

    ONESELF = "oneself"
    MEMBER = "another member"
    SCHOOL = "direction, or the service"


class Place(Enum):
    """Where it stands."""

    MANAGED = "a room of this académie's service"
    DIRECT = "a direct conversation"
    FOREIGN = "a room of another académie"


@dataclass(frozen=True, slots=True)
class Takeback:
    """Somebody wants to take an event back.

    Args:
        author: who wrote it.
        place: where it stands.
        state: whether it is a piece of the room's state.
        moderates: whether the room's power levels let this person take away others' messages.
        functions: what this person is in the room's school.
    """

    author: Author
    place: Place
    state: bool
    moderates: bool
    functions: frozenset[Function]


def why_not_taken_back(takeback: Takeback) -> Rule | None:
    """The rule that it breaks; None if it may be."""
    if takeback.state:
        return Rule.REDACTION
    if takeback.author is Author.ONESELF:
        return None
    if takeback.place is not Place.MANAGED or not takeback.moderates:
        return Rule.REDACTION
    if takeback.author is Author.SCHOOL and Function.DIRECTION not in takeback.functions:
        return Rule.REDACTION
    return None


def speaks_for_the_school(functions: Iterable[Function]) -> bool:
    """Whether what somebody with these functions wrote is direction's."""
    return not _SPEAKING_FOR_THE_SCHOOL.isdisjoint(functions)


def takebacks(functions: Iterable[Function]) -> Allowance:
    """How much somebody with these functions may take back."""
    return Allowance(highest(IN_AN_HOUR, functions), _HOUR)
