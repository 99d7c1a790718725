"""What stays as it is: rooms' settings, addresses, publication::

    PUT state, upgrade, anything that makes state ─► an event ─► policy.upkeep: not a member's to set ─► refused
    PUT directory/room/ALIAS, directory/list/room ─► hooks ─► refused

An upgrade begins with a tombstone, which is state, or to version 12 with the new room's first event, which is not a
member's to make either (`preau.guard.creation`).
The bot's alias of a managed room needs no hook: application services are held to their namespaces by Synapse.
"""

from __future__ import annotations

from typing import Any

from synapse.module_api import RoomAlias
from synapse.module_api.errors import Codes

from preau.guard.callbacks import Callbacks
from preau.guard.events import Deed
from preau.guard.rooms import Direct, Foreign, Managed, Unruled
from preau.guard.speech import Speech
from preau.policy.refusals import Rule
from preau.policy.upkeep import why_not_set_direct, why_not_set_managed, why_not_set_unruled


class Upkeep:
    """The rules on state, aliases and the public room list."""

    def __init__(self, speech: Speech) -> None:
        self._speech = speech

    def register(self, callbacks: Callbacks) -> None:
        """Sets the hooks. `check_visibility_can_be_modified` would load all state of each new room, to say the same."""
        callbacks.register(
            user_may_create_room_alias=self.user_may_create_room_alias,
            user_may_publish_room=self.user_may_publish_room,
        )

    async def why_not(self, deed: Deed) -> Rule | None:
        """Judges state; events without it are not this part's."""
        event = deed.event
        if not event.is_state():
            return None
        match deed.room:
            case Managed():
                return why_not_set_managed(event.type)
            case Direct(people):
                new = await deed.state.get(event.type, event.state_key) is None
                return why_not_set_direct(event.type, event.state_key, event.content, people, new=new)
            case Unruled():
                return why_not_set_unruled(event.type)
            case Foreign():
                return None  # `preau.guard.abroad`

    async def user_may_create_room_alias(self, user: str, _alias: RoomAlias) -> Any:
        """Nobody gives a room an address."""
        return await self._no(user)

    async def user_may_publish_room(self, user: str, _room: str) -> Any:
        """No room is public, the bot's no more than another."""
        return await self._no(user)

    async def _no(self, user: str) -> Any:
        code, fields = await self._speech.answer(Rule.PUBLIC, user)
        return Codes(code), fields
