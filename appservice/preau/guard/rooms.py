"""What a room is, by what no member can change: the facts of the service, or the room's own first event.

::

    a fact of ours ─► Managed          another académie's list ─► Foreign
    otherwise the create event:
        sent by our bot ─► Managed, even before its fact arrives         sent by a peer's bot ─► Foreign, not open
        names two people of ours ─► Direct                               anything else, or none ─► Unruled
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from synapse.module_api import EventBase, ModuleApi

from preau.guard.facts import Facts
from preau.guard.inner import Loaded, StateBefore
from preau.guard.settings import Settings
from preau.model.facts import RoomFacts, SharedRoomFacts
from preau.model.ids import RoomId, UserId
from preau.model.rooms import RoomKey

MANAGED_FIELD: Final = "fr.preau.room"
"""The field of ``m.room.create`` that says which room of ours it is; written by the service, see `preau.sync.rooms`."""

DIRECT_FIELD: Final = "fr.preau.direct"
"""The field of ``m.room.create`` that holds the two people of a direct conversation; written by the guard."""

CREATE: Final = ("m.room.create", "")
"""A room's first piece of state, which never changes."""

_KEPT: Final = 20_000


@dataclass(frozen=True, slots=True)
class Managed:
    """A room of this académie's service. ``facts`` None: the bot made it, and we cannot tell which it is yet."""

    facts: RoomFacts | None


@dataclass(frozen=True, slots=True)
class Direct:
    """A conversation between two people of this académie."""

    people: frozenset[UserId]

    def other(self, user: str) -> UserId | None:
        """Whom that person talks with; None if the person is not one of the two."""
        others = self.people - {user}
        return next(iter(others)) if len(others) == 1 else None


@dataclass(frozen=True, slots=True)
class Foreign:
    """A room of another académie; ``facts`` None: that académie has not opened it to us."""

    facts: SharedRoomFacts | None


@dataclass(frozen=True, slots=True)
class Unruled:
    """A room that no rule knows: nobody may do anything in it but leave."""


Room: TypeAlias = Managed | Direct | Foreign | Unruled


class Rooms:
    """Tells what rooms are."""

    def __init__(self, api: ModuleApi, facts: Facts, settings: Settings) -> None:
        self._api = api
        self._facts = facts
        self._settings = settings
        self._by_creation: OrderedDict[str, Room] = OrderedDict()

    async def room(self, room: str, state: StateBefore | None = None) -> Room:
        """What that room is.

        Args:
            room: its id.
            state: its state, where somebody holds it; in the middle of a room's creation nobody else can tell it.

        Raises:
            Unreadable: the facts cannot be read.
        """
        ours = await self._facts.room(room)
        if ours is not None:
            return Managed(ours)
        theirs = await self._facts.shared_room(room)
        if theirs is not None:
            return Foreign(theirs)
        if room not in self._by_creation:
            create = await (state or Loaded(await self._api.get_room_state(room, [CREATE]))).get(*CREATE)
            if create is None:
                return Unruled()
            self._remember(room, self.created_by(create))
        return self._by_creation[room]

    def created_by(self, create: EventBase) -> Room:
        """What a room is by its first event alone."""
        if create.sender == self._settings.bot:
            return Managed(_named_by(create.room_id, create.content))
        if create.sender in self._settings.peers.values():
            return Foreign(None)
        pair = self._pair(create.content.get(DIRECT_FIELD))
        return Direct(pair) if create.sender in pair else Unruled()

    def _pair(self, raw: Any) -> frozenset[UserId]:
        """Two users of ours; empty if it is anything else."""
        if not isinstance(raw, list | tuple) or not all(isinstance(user, str) for user in raw):
            return frozenset()
        pair = frozenset(UserId(user) for user in raw if self._api.is_mine(user))
        return pair if len(pair) == len(raw) == 2 else frozenset()

    def _remember(self, room: str, what: Room) -> None:
        self._by_creation[room] = what
        if len(self._by_creation) > _KEPT:
            self._by_creation.popitem(last=False)


def _named_by(room: str, content: Mapping[str, Any]) -> RoomFacts | None:
    """Which room the service says that it made; None if the words are not ours."""
    named = content.get(MANAGED_FIELD)
    try:
        key = RoomKey.parse(named) if isinstance(named, str) else None
    except ValueError:
        return None
    return RoomFacts(RoomId(room), key.kind, key.school, key.scope) if key is not None else None
