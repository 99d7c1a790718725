"""Who may enter a managed room at all, by what the guard knows of them: derived from the room table, row by row::

    PersonFacts ─► the place in the room's school ─┐
                                                   ├─► a circle of the room's row that this place can belong to? ─► in
    RoomFacts ─► the row of its kind ──────────────┘

The facts say less than the rosters: not who agreed to parents' rooms, nor which association somebody belongs to. So
this is the outer fence, and `preau.policy.wanted` stands inside it: whoever it seats may enter, and more might, but the
bot invites those alone. Functions and divisions are known exactly, and no invitation leads around them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from preau.model.facts import Party, PersonFacts, RoomFacts
from preau.model.people import STAFF, Function
from preau.model.rooms import RoomKind
from preau.policy.refusals import Rule
from preau.policy.rooms import RULES, Circle, KindRules, Scope

_ADULTS: Final = frozenset(Function) - {Function.PUPIL}
_GUARDIAN: Final = frozenset({Function.GUARDIAN})

_FUNCTIONS: Final[Mapping[Circle, frozenset[Function]]] = {
    Circle.DIRECTION: frozenset({Function.DIRECTION}),
    Circle.DELEGATES: frozenset({Function.DIRECTION_DELEGATE}),
    Circle.ADMINISTRATION: frozenset({Function.ADMINISTRATION}),
    Circle.SCHOOL_LIFE: frozenset({Function.SCHOOL_LIFE}),
    Circle.STAFF: STAFF,
    Circle.TEACHERS: STAFF,  # whoever the registers say teaches a division, whatever else they are
    Circle.HEAD_TEACHERS: frozenset({Function.HEAD_TEACHER}),
    Circle.INFORMED: frozenset({Function.GUARDIAN, Function.PUPIL}),  # an adult pupil reads what guardians read
    Circle.GUARDIANS: _GUARDIAN,
    Circle.AGREED: _GUARDIAN,
    Circle.PUPILS: frozenset({Function.PUPIL}),
    Circle.PARENT_DELEGATES: _ADULTS,
    Circle.ASSOCIATION_MODERATORS: _ADULTS,
    Circle.ASSOCIATION_MEMBERS: _ADULTS,
    Circle.VISITORS: _ADULTS,
}
"""What somebody of the circle is; `Circle.INSIDE` follows from the rooms below the space."""

_BY_MANDATE: Final = frozenset(
    {Circle.PARENT_DELEGATES, Circle.ASSOCIATION_MODERATORS, Circle.ASSOCIATION_MEMBERS, Circle.VISITORS}
)
"""Circles of people appointed: somebody may be in them without any function in the school."""

_OF_A_DIVISION: Final = frozenset(
    {Circle.TEACHERS, Circle.HEAD_TEACHERS, Circle.INFORMED, Circle.GUARDIANS, Circle.AGREED, Circle.PUPILS}
)
"""Circles that a division's room takes from that division alone."""

_ON_DEMAND: Final = frozenset({Function.HEALTH, Function.GUARDIAN, Function.PUPIL})
"""Health and social staff, and whoever asked to talk with them (DESIGN 3): such rooms are in nobody's circle."""


def why_not_enter(person: PersonFacts | None, room: RoomFacts) -> Rule | None:
    """Why somebody of this académie may not be in a managed room of it; None if they may be asked in.

    Args:
        person: what is known of them; None: nothing.
        room: which room it is.
    """
    if person is None or not person.parties:
        return Rule.UNKNOWN
    return None if any(_fits(party, room) for party in _there(person, room)) else Rule.MEMBERSHIP


def writes_by_function(person: PersonFacts, room: RoomFacts) -> bool:
    """Whether what somebody is may let them write there; where not, an appointment or a decision still may."""
    rules = RULES[room.kind]
    if rules.everybody_writes:
        return True
    division = _division(rules, room)
    circles = rules.writers | rules.moderators
    return any(_belongs(party, circle, division) for party in _there(person, room) for circle in circles)


def functions_that_fit(kind: RoomKind) -> frozenset[Function]:
    """What somebody may be to enter rooms of that kind, the division left aside."""
    functions = {function for circle in _circles(kind) for function in _FUNCTIONS[circle]}
    return frozenset(functions) | (_ON_DEMAND if RULES[kind].scope is Scope.ON_DEMAND else frozenset())


def _there(person: PersonFacts, room: RoomFacts) -> Iterator[Party]:
    """Their places that count for the room: the one in its school; for a room of visitors, any."""
    everywhere = Circle.VISITORS in _circles(room.kind) and not RULES[room.kind].is_space
    return (party for party in person.parties if everywhere or party.school == room.school)


def _fits(party: Party, room: RoomFacts) -> bool:
    rules = RULES[room.kind]
    if rules.scope is Scope.ON_DEMAND:
        return bool(party.functions & _ON_DEMAND)
    return any(_belongs(party, circle, _division(rules, room)) for circle in _circles(room.kind))


def _belongs(party: Party, circle: Circle, division: str | None) -> bool:
    if not party.functions:
        return circle in _BY_MANDATE
    if division is not None and circle in _OF_A_DIVISION and division not in party.divisions:
        return False
    return bool(party.functions & _FUNCTIONS[circle])


def _division(rules: KindRules, room: RoomFacts) -> str | None:
    """The one division that the room belongs to, None if it has none."""
    return room.scope if rules.scope is Scope.DIVISION else None


def _circles(kind: RoomKind) -> frozenset[Circle]:
    """All who have to do with a room of the kind; for a space, with any room below it."""
    rules = RULES[kind]
    own = (rules.members | rules.writers | rules.moderators) - {Circle.INSIDE}
    if Circle.INSIDE not in rules.members:
        return own
    return own.union(*(_circles(below) for below in _BELOW[kind]))


def _below(space: RoomKind) -> frozenset[RoomKind]:
    """The kinds that hang in a space. A level's space holds what a school's holds of divisions (`policy.levels`)."""
    if space is RoomKind.SPACE_LEVEL:
        return frozenset({RoomKind.SPACE_DIVISION})
    return frozenset(kind for kind, rules in RULES.items() if rules.parent is space)


_BELOW: Final = {kind: _below(kind) for kind, rules in RULES.items() if rules.is_space}
