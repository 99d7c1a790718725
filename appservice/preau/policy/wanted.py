"""Snapshot + decisions + choices → what should exist in one school (état voulu)::

    Snapshot ─┐
    Decisions ┼─► circles ─► per kind: members, levels ─► rooms ─► spaces around them ─┐
    Choices  ─┘        └───► functions ─► display names ──────────────────────────────┴─► Wanted

Pure: the same values always give the same `Wanted`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from preau.model.choices import SchoolChoices
from preau.model.decisions import Decisions
from preau.model.ids import DivisionCode, PersonId, ServerName, Uai, UserId, split_user_id, user_id
from preau.model.people import PersonName
from preau.model.rooms import RoomKey, RoomKind
from preau.model.snapshot import Snapshot
from preau.model.wanted import Seat, Wanted, WantedRoom
from preau.policy.circles import Circles, Holder, circles
from preau.policy.levels import Levels, levels
from preau.policy.names import display_name, room_name, room_topic
from preau.policy.powers import MODERATOR, READER, WRITER
from preau.policy.rooms import RULES, Circle, Leaving, Scope

ACADEMY = Uai("")
"""Stands where a room belongs to the whole académie."""

_PASSER_BY = Seat(READER, Circle.INSIDE.value)


def wanted(snapshot: Snapshot, decisions: Decisions, choices: SchoolChoices, server: ServerName) -> Wanted:
    """What should exist for one school.

    Args:
        snapshot: the school as its rosters describe it.
        decisions: consents, opt-outs, appointments and overrides in force.
        choices: what the school chose for itself.
        server: the académie's homeserver, to name its people's users.
    """
    found = circles(snapshot, decisions, choices)
    left = {
        (opt_out.room, user_id(opt_out.person, server))
        for opt_out in decisions.opt_outs
        if RULES[opt_out.room.kind].leaving is Leaving.OPTS_OUT
    }
    level_of = levels(division.code for division in snapshot.divisions)
    rooms: dict[RoomKey, WantedRoom] = {}
    for key in _keys(snapshot, found, choices):
        seats = {_user(holder, server): seat for holder, seat in _seats(key, found).items()}
        members = {user: seat for user, seat in seats.items() if (key, user) not in left}
        if members:
            rooms[key] = _room(key, snapshot.school_name, members, level_of)
    for space in _spaces(snapshot.school_name, rooms, level_of, server):
        rooms[space.key] = space
    names = people_names(snapshot, decisions)
    return Wanted(school=snapshot.school, accounts=_accounts(names, found, server), rooms=rooms)


def people_names(snapshot: Snapshot, decisions: Decisions) -> dict[PersonId, PersonName]:
    """Everybody's names: the rosters', and of those whom no roster names (AED, AESH, substitutes) as given by hand."""
    by_hand = {PersonId(given.holder): given.name for given in decisions.appointments if given.name is not None}
    return by_hand | dict(snapshot.names)


def _accounts(names: Mapping[PersonId, PersonName], found: Circles, server: ServerName) -> dict[UserId, str]:
    """Whoever has a function here, and whoever holds a mandate without one: a moderator entered by hand."""
    return {
        user_id(person, server): display_name(
            names[person], found.functions.get(person, frozenset()), legal_guardian=person in found.legal
        )
        for person in found.functions.keys() | found.mandated
        if person in names
    }


def _keys(snapshot: Snapshot, found: Circles, choices: SchoolChoices) -> Iterator[RoomKey]:
    school = snapshot.school
    divisions = sorted({division.code for division in snapshot.divisions})
    associations = sorted(found.scopes(Circle.ASSOCIATION_MEMBERS))
    for kind, rules in RULES.items():
        if rules.is_space or (kind is RoomKind.PUPILS_DIVISION and not choices.pupil_rooms):
            continue
        match rules.scope:
            case Scope.SCHOOL:
                yield RoomKey(kind, school)
            case Scope.DIVISION:
                yield from (RoomKey(kind, school, code) for code in divisions)
            case Scope.ASSOCIATION:
                yield from (RoomKey(kind, school, name) for name in associations)
            case Scope.NAMED:
                yield from (RoomKey(kind, school, name) for name in sorted(found.scopes(Circle.VISITORS)))
            case Scope.ACADEMY | Scope.LEVEL | Scope.ON_DEMAND:
                pass


def _seats(key: RoomKey, found: Circles) -> dict[Holder, Seat]:
    """Who is in a room, with which power and why: the highest power that any of their circles gives."""
    rules = RULES[key.kind]
    seats: dict[Holder, Seat] = {}
    for level, circles_ in ((READER, rules.members), (WRITER, rules.writers), (MODERATOR, rules.moderators)):
        if level > READER and not seats:
            return {}
        for circle in sorted(circles_, key=_BREADTH.__getitem__):
            seats |= dict.fromkeys(_seen_from(key, circle, found), Seat(level, circle.value))
    return seats


_BREADTH = {circle: place for place, circle in enumerate(Circle)}
"""Circles in the order in which they are declared, so that the same person always gets the same reason."""

_OF_THE_SCHOOL = frozenset(
    {
        Circle.DIRECTION,
        Circle.DELEGATES,
        Circle.ADMINISTRATION,
        Circle.SCHOOL_LIFE,
        Circle.STAFF,
    }
)


def _seen_from(key: RoomKey, circle: Circle, found: Circles) -> frozenset[Holder]:
    """A circle as seen from a room: school-wide functions are the same from everywhere, the rest follow the scope."""
    if circle in _OF_THE_SCHOOL:
        return found.of(circle)
    if circle is Circle.ASSOCIATION_MODERATORS and RULES[key.kind].scope is Scope.DIVISION:
        return found.of(circle) - found.kept_away.get(DivisionCode(key.scope), frozenset())
    return found.of(circle, key.scope)


def _room(key: RoomKey, school_name: str, members: Mapping[UserId, Seat], level_of: Levels) -> WantedRoom:
    return WantedRoom(
        key=key,
        name=room_name(key, school_name),
        topic=room_topic(key),
        parent=_parent(key, level_of),
        members=members,
    )


def _parent(key: RoomKey, level_of: Levels) -> RoomKey | None:
    kind = RULES[key.kind].parent
    if kind is None:
        return None
    if key.kind is RoomKind.SPACE_DIVISION and key.scope in level_of:
        return RoomKey(RoomKind.SPACE_LEVEL, key.school, level_of[DivisionCode(key.scope)])
    match RULES[kind].scope:
        case Scope.ACADEMY:
            return RoomKey(kind, ACADEMY)
        case Scope.SCHOOL:
            return RoomKey(kind, key.school)
        case _:
            return RoomKey(kind, key.school, key.scope)


def academy_space() -> Wanted:
    """The académie's own space, of which no school is the owner."""
    key = RoomKey(RoomKind.SPACE_ACADEMY, ACADEMY)
    room = WantedRoom(key=key, name=room_name(key, ""), topic=room_topic(key), parent=None, members={})
    return Wanted(school=ACADEMY, accounts={}, rooms={key: room})


def _spaces(
    school_name: str, rooms: Mapping[RoomKey, WantedRoom], level_of: Levels, server: ServerName
) -> list[WantedRoom]:
    """The spaces above the rooms, bottom up: whoever is in a room is in the spaces it hangs in, as a reader.

    Nobody is in the académie's own space: it is a directory for operators, and no school may look into another. Nor are
    visitors from other académies in any: a space shows all its rooms, and they were asked into one.
    """
    inside: dict[RoomKey, set[UserId]] = {}
    for room in rooms.values():
        parent = room.parent
        while parent is not None:
            members = inside.setdefault(parent, set())
            if parent.kind is not RoomKind.SPACE_ACADEMY:
                members.update(user for user in room.members if split_user_id(user)[1] == server)
            parent = _parent(parent, level_of)
    return [_room(key, school_name, dict.fromkeys(members, _PASSER_BY), level_of) for key, members in inside.items()]


def _user(holder: Holder, server: ServerName) -> UserId:
    return UserId(holder) if holder.startswith("@") else user_id(PersonId(holder), server)
