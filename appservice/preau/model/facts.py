"""What the guard knows: facts that the service pushes into the homeserver, each small and about one thing.

::

    PersonFacts ──► one Party per school     who somebody is, for the contact table and the room table
    SchoolFacts                              a school's own cells of the contact table, and its choices
    RoomFacts                                a managed room of ours: kind, school, scope, who of elsewhere may enter
    SharedRoomFacts                          a room of another académie that our people may enter
    VouchFacts                               somebody of another académie, as their own service describes them

A fact is stored under its `FactKind` and key. A fact that is missing allows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import TypeAlias

from preau.model.ids import DivisionCode, PersonId, RoomId, ServerName, Uai, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind


class Cell(Enum):
    """The condition under which the writer may address the reader, both in the same school."""

    NO = "no"
    YES = "yes"
    SAME_DIVISION = "same division"
    OWN_CHILD = "own child"
    BOTH_OPTED_IN = "both opted in"


ContactTable: TypeAlias = Mapping[tuple[Function, Function], Cell]
"""Who may write to whom: writer's function, reader's function. A pair that is missing means no."""


@dataclass(frozen=True, slots=True)
class Party:
    """What the rules need to know of one person in one school.

    ``divisions`` are the ones taught, attended, or attended by one's children; ``children`` only a guardian has.
    Without ``functions`` the person is there by a mandate alone: nobody writes to them directly.
    """

    person: PersonId
    school: Uai
    functions: frozenset[Function]
    divisions: frozenset[DivisionCode] = frozenset()
    children: frozenset[PersonId] = frozenset()
    opted_in: bool = False


class Language(StrEnum):
    """The language in which a person reads what the guard refuses."""

    FRENCH = "fr"
    ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """A person of this académie with an account: display name as the service set it, and their place in each school."""

    user: UserId
    name: str
    parties: tuple[Party, ...]
    language: Language = Language.FRENCH

    def in_school(self, school: Uai) -> Party | None:
        """Their place in that school, if any."""
        return next((party for party in self.parties if party.school == school), None)

    @property
    def functions(self) -> frozenset[Function]:
        """Everything they are, anywhere."""
        return frozenset(function for party in self.parties for function in party.functions)


@dataclass(frozen=True, slots=True)
class SchoolFacts:
    """A school's own rules: cells that replace the default contact table's, and whether pupils may send media."""

    school: Uai
    cells: ContactTable = field(default_factory=dict)
    pupil_media: bool = False


@dataclass(frozen=True, slots=True)
class RoomFacts:
    """A managed room of this académie. ``admits`` says which functions of which other académies may enter."""

    room: RoomId
    kind: RoomKind
    school: Uai
    scope: str = ""
    admits: Mapping[ServerName, frozenset[Function]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SharedRoomFacts:
    """A room of another académie into which that académie asks people of ours with these functions."""

    room: RoomId
    owner: ServerName
    functions: frozenset[Function]


@dataclass(frozen=True, slots=True)
class VouchFacts:
    """The word of another académie about somebody of its own."""

    user: UserId
    functions: frozenset[Function]


Fact: TypeAlias = PersonFacts | SchoolFacts | RoomFacts | SharedRoomFacts | VouchFacts


class FactKind(StrEnum):
    """What a fact is about; together with the key it names the fact."""

    PERSON = "person"
    SCHOOL = "school"
    ROOM = "room"
    SHARED_ROOM = "shared_room"
    VOUCH = "vouch"


FactKey: TypeAlias = tuple[FactKind, str]


def key_of(fact: Fact) -> FactKey:
    """Under which kind and key a fact is kept."""
    match fact:
        case PersonFacts():
            return FactKind.PERSON, fact.user
        case SchoolFacts():
            return FactKind.SCHOOL, fact.school
        case RoomFacts():
            return FactKind.ROOM, fact.room
        case SharedRoomFacts():
            return FactKind.SHARED_ROOM, fact.room
        case VouchFacts():
            return FactKind.VOUCH, fact.user
