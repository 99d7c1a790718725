"""What should exist (état voulu) and what we know exists; a plan is the difference of the two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from preau.model.ids import PersonId, RoomId, Uai, UserId
from preau.model.rooms import RoomKey

Json: TypeAlias = bool | int | str | list["Json"] | dict[str, "Json"] | None
"""What Matrix event content may hold: canonical JSON knows no floats (spec, appendices 2)."""

Content: TypeAlias = dict[str, Json]
"""The content of one event."""


class StateKey(NamedTuple):
    """Which piece of a room's state: event type and state key."""

    type: str
    key: str = ""


class Seat(NamedTuple):
    """A wanted member's place in a room: their power level, and which circle of people puts them there."""

    level: int
    why: str


@dataclass(frozen=True, slots=True)
class WantedRoom:
    """A room that policy wants. ``members`` maps each wanted member to their seat; the bot is not among them.

    ``parent`` is the space it hangs in. The room's state events follow from this and the kind: `preau.policy.powers`.
    """

    key: RoomKey
    name: str
    topic: str
    parent: RoomKey | None
    members: Mapping[UserId, Seat]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Everything policy wants of one school: display names of those who may have an account, and rooms."""

    school: Uai
    accounts: Mapping[UserId, str]
    rooms: Mapping[RoomKey, WantedRoom]


class Membership(StrEnum):
    """A member event's ``membership`` that we act on (Matrix client-server spec, ``m.room.member``)."""

    JOIN = "join"
    INVITE = "invite"
    KNOCK = "knock"
    LEAVE = "leave"
    BAN = "ban"


@dataclass(frozen=True, slots=True)
class ActualAccount:
    """An account that we made on the homeserver."""

    user: UserId
    person: PersonId
    display_name: str
    active: bool
    activated_at: datetime


@dataclass(frozen=True, slots=True)
class ActualRoom:
    """A room that we made on the homeserver, with the state last seen there and who is in it.

    ``members`` holds joined, invited, knocking and banned users, the bot left out; whoever left is not in it.
    """

    key: RoomKey
    room: RoomId
    version: str
    state: Mapping[StateKey, Content]
    members: Mapping[UserId, Membership]
