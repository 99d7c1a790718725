"""The table of room kinds (DESIGN 3): who is in, who writes, who moderates, what history newcomers see.

Kinds are data. To add one, add a row here, its words in `preau.policy.names`, and its line in the decision table of the
tests; nothing else in the code names a kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from preau.model.rooms import RoomKind


class Scope(Enum):
    """What one room of a kind belongs to."""

    ACADEMY = "académie"
    SCHOOL = "school"
    LEVEL = "level"
    DIVISION = "division"
    ASSOCIATION = "association"
    NAMED = "name given by an appointment"
    ON_DEMAND = "made when somebody asks"


class Circle(Enum):
    """A set of people, seen from one room: of its school, or of its division or association where it has one."""

    DIRECTION = "direction of the school"
    DELEGATES = "people to whom direction delegates"
    ADMINISTRATION = "administration of the school"
    SCHOOL_LIFE = "CPE and AED of the school"
    STAFF = "all staff of the school"
    TEACHERS = "teachers of the division"
    HEAD_TEACHERS = "head teachers of the division"
    INFORMED = "guardians, those a court lets read only included"
    GUARDIANS = "guardians who take part"
    AGREED = "guardians who take part and opted in"
    PUPILS = "pupils, where the school gives them accounts"
    PARENT_DELEGATES = "parent delegates of the division"
    ASSOCIATION_MODERATORS = "moderators of the association, or of all the school's associations"
    ASSOCIATION_MEMBERS = "members of the association"
    VISITORS = "people appointed into this one room"
    INSIDE = "whoever is in a room of this space"


class History(StrEnum):
    """What a newcomer sees of the past (``m.room.history_visibility``)."""

    SHARED = "shared"
    JOINED = "joined"


class Leaving(Enum):
    """What it means when a member leaves."""

    BROUGHT_BACK = "the room is part of school life: the service brings them back"
    OPTS_OUT = "they are free to go and are not put back"


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRules:
    """One row of the table.

    A room of the kind exists where one of its ``members`` circles has anybody; writers and moderators are in it too.
    """

    scope: Scope
    parent: RoomKind | None
    members: frozenset[Circle]
    writers: frozenset[Circle] = frozenset()
    moderators: frozenset[Circle] = frozenset()
    everybody_writes: bool = False
    history: History = History.SHARED
    leaving: Leaving = Leaving.BROUGHT_BACK

    @property
    def is_space(self) -> bool:
        """Is it a space: a room that holds rooms, in which nobody writes?"""
        return Circle.INSIDE in self.members or self.scope is Scope.ACADEMY


RULES: Final = {
    RoomKind.ANNOUNCE_SCHOOL: KindRules(
        scope=Scope.SCHOOL,
        parent=RoomKind.SPACE_SCHOOL,
        members=frozenset({Circle.STAFF, Circle.INFORMED, Circle.PUPILS}),
        writers=frozenset({Circle.DIRECTION, Circle.DELEGATES, Circle.ADMINISTRATION}),
        moderators=frozenset({Circle.DIRECTION}),
    ),
    RoomKind.ANNOUNCE_DIVISION: KindRules(
        scope=Scope.DIVISION,
        parent=RoomKind.SPACE_DIVISION,
        members=frozenset({Circle.INFORMED, Circle.PUPILS}),
        writers=frozenset({Circle.DIRECTION, Circle.DELEGATES, Circle.ADMINISTRATION, Circle.TEACHERS}),
        moderators=frozenset({Circle.DIRECTION}),
    ),
    RoomKind.DIVISION_PARENTS_STAFF: KindRules(
        scope=Scope.DIVISION,
        parent=RoomKind.SPACE_DIVISION,
        members=frozenset({Circle.GUARDIANS, Circle.TEACHERS}),
        moderators=frozenset({Circle.HEAD_TEACHERS, Circle.DIRECTION}),
        everybody_writes=True,
        history=History.JOINED,
        leaving=Leaving.OPTS_OUT,
    ),
    RoomKind.PARENTS_DIVISION: KindRules(
        scope=Scope.DIVISION,
        parent=RoomKind.SPACE_DIVISION,
        members=frozenset({Circle.AGREED}),
        moderators=frozenset({Circle.ASSOCIATION_MODERATORS, Circle.PARENT_DELEGATES}),
        everybody_writes=True,
        history=History.JOINED,
        leaving=Leaving.OPTS_OUT,
    ),
    RoomKind.PARENTS_SCHOOL: KindRules(
        scope=Scope.SCHOOL,
        parent=RoomKind.SPACE_SCHOOL,
        members=frozenset({Circle.AGREED}),
        moderators=frozenset({Circle.ASSOCIATION_MODERATORS}),
        everybody_writes=True,
        history=History.JOINED,
        leaving=Leaving.OPTS_OUT,
    ),
    RoomKind.ASSOCIATION: KindRules(
        scope=Scope.ASSOCIATION,
        parent=RoomKind.SPACE_ASSOCIATION,
        members=frozenset({Circle.ASSOCIATION_MEMBERS}),
        moderators=frozenset({Circle.ASSOCIATION_MODERATORS}),
        everybody_writes=True,
        history=History.JOINED,
        leaving=Leaving.OPTS_OUT,
    ),
    RoomKind.STAFF: KindRules(
        scope=Scope.SCHOOL,
        parent=RoomKind.SPACE_SCHOOL,
        members=frozenset({Circle.STAFF}),
        moderators=frozenset({Circle.DIRECTION}),
        everybody_writes=True,
    ),
    RoomKind.DIRECTION: KindRules(
        scope=Scope.SCHOOL,
        parent=RoomKind.SPACE_SCHOOL,
        members=frozenset({Circle.DIRECTION, Circle.ADMINISTRATION, Circle.SCHOOL_LIFE}),
        moderators=frozenset({Circle.DIRECTION}),
        everybody_writes=True,
        history=History.JOINED,
    ),
    RoomKind.HEALTH: KindRules(
        scope=Scope.ON_DEMAND,
        parent=RoomKind.SPACE_SCHOOL,
        members=frozenset(),
        everybody_writes=True,
        history=History.JOINED,
        leaving=Leaving.OPTS_OUT,
    ),
    RoomKind.PUPILS_DIVISION: KindRules(
        scope=Scope.DIVISION,
        parent=RoomKind.SPACE_DIVISION,
        members=frozenset({Circle.PUPILS}),
        moderators=frozenset({Circle.TEACHERS}),
        everybody_writes=True,
        history=History.JOINED,
    ),
    RoomKind.MODERATION: KindRules(
        scope=Scope.ASSOCIATION,
        parent=RoomKind.SPACE_ASSOCIATION,
        members=frozenset({Circle.ASSOCIATION_MODERATORS}),
        everybody_writes=True,
        history=History.JOINED,
    ),
    RoomKind.INTER_ACADEMY: KindRules(
        scope=Scope.NAMED,
        parent=RoomKind.SPACE_SCHOOL,
        members=frozenset({Circle.VISITORS}),
        moderators=frozenset({Circle.DIRECTION}),
        everybody_writes=True,
        history=History.JOINED,
        leaving=Leaving.OPTS_OUT,
    ),
    RoomKind.SPACE_ACADEMY: KindRules(scope=Scope.ACADEMY, parent=None, members=frozenset()),
    RoomKind.SPACE_SCHOOL: KindRules(
        scope=Scope.SCHOOL, parent=RoomKind.SPACE_ACADEMY, members=frozenset({Circle.INSIDE})
    ),
    RoomKind.SPACE_LEVEL: KindRules(
        scope=Scope.LEVEL, parent=RoomKind.SPACE_SCHOOL, members=frozenset({Circle.INSIDE})
    ),
    RoomKind.SPACE_DIVISION: KindRules(
        scope=Scope.DIVISION, parent=RoomKind.SPACE_SCHOOL, members=frozenset({Circle.INSIDE})
    ),
    RoomKind.SPACE_ASSOCIATION: KindRules(
        scope=Scope.ASSOCIATION, parent=RoomKind.SPACE_SCHOOL, members=frozenset({Circle.INSIDE})
    ),
}
"""Every kind and its rules."""
