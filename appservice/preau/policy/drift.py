"""Does an event say that a room is no longer as wanted? A pure judgement; who acts on it reads the room again first.

Judged is what the event says, not who sent it: an administrator's tool that raises a power level does so in the bot's
own name. Only the links between spaces and rooms, which change with every new room, are taken from the bot as they are.
"""

from __future__ import annotations

from enum import Enum

from preau.model.events import Event
from preau.model.ids import UserId
from preau.model.wanted import Content, Membership, StateKey, WantedRoom
from preau.policy.powers import LINKS
from preau.policy.rooms import RULES, Leaving

MEMBER = "m.room.member"


class Drift(Enum):
    """What an event means for the room."""

    NONE = "as wanted, or nothing of ours"
    LEFT = "a member used their right to leave"
    MEMBER = "somebody is in who should not be, or the other way round"
    STATE = "a piece of state is not as wanted"


def judge(event: Event, room: WantedRoom | None, state: dict[StateKey, Content], bot: UserId) -> Drift:
    """What an event in a managed room means.

    Args:
        event: what the homeserver told us.
        room: the room as wanted; None when nobody is wanted in it any more.
        state: the room's wanted state.
        bot: the service's own user.
    """
    if event.state_key is None:
        return Drift.NONE
    if event.type == MEMBER:
        return Drift.NONE if event.state_key == bot else _membership(event, room)
    if event.type in LINKS:
        return Drift.NONE if event.sender == bot else Drift.STATE
    key = StateKey(event.type, event.state_key)
    return Drift.STATE if key in state and event.content != state[key] else Drift.NONE


def _membership(event: Event, room: WantedRoom | None) -> Drift:
    is_wanted = room is not None and event.state_key in room.members
    membership = event.content.get("membership")
    if membership == Membership.BAN:
        return Drift.NONE
    if not is_wanted:
        return Drift.NONE if membership == Membership.LEAVE else Drift.MEMBER
    if membership in {Membership.JOIN, Membership.INVITE}:
        return Drift.NONE
    free_to_go = room is not None and RULES[room.key.kind].leaving is Leaving.OPTS_OUT
    if membership == Membership.LEAVE and event.sender == event.state_key and free_to_go:
        return Drift.LEFT
    return Drift.MEMBER
