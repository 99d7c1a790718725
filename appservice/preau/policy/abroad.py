"""Between académies: whose people may enter which rooms, and whose messages are taken.

Each académie answers for its own people and believes the others' word about theirs, no further (DESIGN 7). So every
rule has two halves, and either one is enough to keep the door shut::

    at home      our person, another académie's room:  that académie lists the room, and the function fits
    in our room  another académie's person:            the room admits that académie's functions, and it vouched

Pupils never go abroad, whatever a list says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from preau.model.facts import PersonFacts, RoomFacts, SharedRoomFacts, VouchFacts
from preau.model.ids import ServerName, UserId, split_user_id
from preau.model.people import STAFF, Function
from preau.model.rooms import RoomKind
from preau.policy.refusals import Rule

VISITING: Final[Mapping[RoomKind, frozenset[Function]]] = {
    RoomKind.INTER_ACADEMY: STAFF | {Function.INSPECTOR, Function.ACADEMY_ADMIN, Function.GUARDIAN},
}
"""Which functions of other académies may be in a room of ours, by its kind. A kind that is missing admits nobody.

Guardians: a family with children in two académies keeps its one account (DESIGN 7). Pupils may not be added.
"""

ENCRYPTED: Final = "m.room.encrypted"


def may_visit(functions: Collection[Function], admitted: Collection[Function]) -> bool:
    """Do these functions of one person open a room that admits those? Whoever is a pupil anywhere stays at home."""
    return Function.PUPIL not in functions and not set(functions).isdisjoint(admitted)


def visiting(kind: RoomKind) -> frozenset[Function]:
    """The functions of other académies that a room of that kind admits."""
    return VISITING.get(kind, frozenset())


def admits(kind: RoomKind, members: Iterable[UserId], server: ServerName) -> dict[ServerName, frozenset[Function]]:
    """What a room of ours admits: its kind's functions, of each académie from which somebody was appointed into it.

    Args:
        kind: the room's.
        members: who is wanted in it.
        server: ours.
    """
    found = visiting(kind)
    abroad = {split_user_id(user)[1] for user in members} - {server}
    return dict.fromkeys(sorted(abroad), found) if found else {}


def why_not_go(person: PersonFacts | None, room: SharedRoomFacts | None) -> Rule | None:
    """Why somebody of ours may not be, nor write, in another académie's room; None if they may.

    Args:
        person: what is known of them.
        room: what that académie said of the room to us; None if it said nothing.
    """
    if person is None or not person.parties:
        return Rule.UNKNOWN
    asked = room.functions & visiting(RoomKind.INTER_ACADEMY) if room is not None else frozenset[Function]()
    return None if may_visit(person.functions, asked) else Rule.BETWEEN_ACADEMIES


def why_not_come(vouch: VouchFacts | None, server: ServerName, room: RoomFacts | None) -> Rule | None:
    """Why somebody of another académie may not be, nor write, in a room of ours; None if they may.

    Args:
        vouch: their own académie's word about them.
        server: that académie's homeserver.
        room: the room; None if it is none of the service's, or the service has not yet said which.
    """
    if vouch is None or room is None:
        return Rule.BETWEEN_ACADEMIES
    admitted = room.admits.get(server, frozenset()) & visiting(room.kind)
    return None if may_visit(vouch.functions, admitted) else Rule.BETWEEN_ACADEMIES


def why_not_heard_abroad(vouch: VouchFacts | None, server: ServerName, room: SharedRoomFacts | None) -> Rule | None:
    """Why a message in another académie's room is not taken in; None if it is.

    The room's own académie answers for its people there; those of a third need its word.

    Args:
        vouch: the word of the writer's académie about them.
        server: that académie's homeserver.
        room: what the room's académie said of it to us; None if it said nothing.
    """
    if room is None:
        return Rule.BETWEEN_ACADEMIES
    if server == room.owner:
        return None
    return None if vouch is not None and may_visit(vouch.functions, frozenset(Function)) else Rule.BETWEEN_ACADEMIES
