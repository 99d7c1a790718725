"""What members may change about a room: in a managed room nothing, in a direct one only its first state, once.

Power levels say the same to clients, so that they show the right buttons (`preau.policy.powers`). But in room version
12 the creator of a direct conversation has endless power: levels hold nobody back there, and this table does.

No state is left to members on purpose: pinned messages, widgets, live locations and group calls
(``im.vector.modular.widgets``, ``org.matrix.msc3672.beacon_info``, ``org.matrix.msc3401.call.member``) would put words
and links of one member above a room for everybody, outlast the message that brought them, and escape moderation. What a
client remembers for its own person (favourites, colours, drafts) is account data and no event.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from preau.policy.refusals import Rule

_SETTINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "m.room.join_rules": {"join_rule": "invite"},
    "m.room.history_visibility": {"history_visibility": "invited"},
    "m.room.guest_access": {"guest_access": "forbidden"},
}
"""A direct conversation's settings, as the guard has them made (`preau.guard.creation`), and no others."""

_LEVELS: Final = "m.room.power_levels"

_ELSEWHERE: Final = frozenset({"m.room.create", "m.room.member"})
"""State that has rules of its own: who may make rooms, and who may be in them."""


def why_not_set_managed(event_type: str) -> Rule | None:
    """Why a member may not set that state in a managed room; None if other rules decide."""
    return None if event_type in _ELSEWHERE else Rule.MANAGED_ROOM


def why_not_set_unruled(event_type: str) -> Rule | None:
    """Why nobody may set that state in a room that no rule knows; None if other rules decide."""
    return None if event_type in _ELSEWHERE else Rule.ROOM_CREATION


def why_not_set_direct(
    event_type: str, state_key: str, content: Mapping[str, Any], people: Collection[str], *, new: bool
) -> Rule | None:
    """Why one of the two may not set that state in their conversation; None if it belongs to its beginning.

    Args:
        event_type: what it is.
        state_key: which of its kind.
        content: what it says.
        people: the two.
        new: whether the room has no such state yet.
    """
    if event_type in _ELSEWHERE:
        return None
    if not new or state_key or not _first(event_type, content, people):
        return Rule.DIRECT_ROOM
    return None


def _first(event_type: str, content: Mapping[str, Any], people: Collection[str]) -> bool:
    if event_type == _LEVELS:
        named = content.get("users", {})
        return isinstance(named, Mapping) and set(named) <= set(people)
    expected = _SETTINGS.get(event_type)
    return expected is not None and {key: content[key] for key in content} == expected
