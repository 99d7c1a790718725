"""Between académies, on both sides of the border (the rules: `preau.policy.abroad`)::

                         our person, their room                   their person, our room
    invited              by that académie's bot, into a room      by our bot, into a room that admits their function,
                         it opens to their function               once their académie vouched
    joins                the same, asked before we ask for it     the same, asked when their server asks for the event
    writes               while it stays so; nothing encrypted     see `preau.guard.remote`
    any state            none but their own membership            none: power levels say so

    bots                 ours enters the peers' control rooms     theirs enter ours

Whose room it is, is told by its first event: only the bot of the académie that lists it may have made it.
"""

from __future__ import annotations

from typing import Any

from synapse.module_api import NOT_SPAM, EventBase, ModuleApi
from synapse.module_api.errors import Codes

from preau.guard.callbacks import Callbacks
from preau.guard.events import MEMBER, Deed
from preau.guard.facts import Facts
from preau.guard.rooms import CREATE, Foreign, Managed, Room
from preau.guard.settings import Settings
from preau.guard.speech import Speech
from preau.model.ids import UserId, split_user_id
from preau.policy.abroad import ENCRYPTED, why_not_come, why_not_go
from preau.policy.refusals import Rule


class Abroad:
    """The rules wherever two académies meet in an event, or in an invitation that arrives."""

    def __init__(self, settings: Settings, api: ModuleApi, facts: Facts, speech: Speech) -> None:
        self._settings = settings
        self._api = api
        self._facts = facts
        self._speech = speech

    def register(self, callbacks: Callbacks) -> None:
        """Sets the hook for invitations that arrive."""
        callbacks.register(federated_user_may_invite=self.federated_user_may_invite)

    async def federated_user_may_invite(self, event: EventBase) -> Any:
        """Asked before an invitation of another homeserver is taken; it is refused to that homeserver."""
        broken = await self._why_not_invited(str(event.sender), str(event.state_key), event.room_id)
        if broken is None:
            return NOT_SPAM
        code, fields = await self._speech.answer(broken, str(event.sender))
        return Codes(code), fields

    async def _why_not_invited(self, inviter: str, invited: str, room: str) -> Rule | None:
        if inviter not in self._settings.peers.values():
            return Rule.BETWEEN_ACADEMIES
        if invited == self._settings.bot:
            return None  # into a control room, or else the service leaves again
        opened = await self._facts.shared_room(room)
        if opened is None or self._settings.peers.get(opened.owner) != inviter:
            return Rule.BETWEEN_ACADEMIES
        return why_not_go(await self._facts.person(invited), opened)

    async def why_not_go(self, user: str, room: Foreign) -> Rule | None:
        """Why somebody of ours may not be in another académie's room; None if they may.

        Raises:
            Unreadable: this, and every method below, when the facts cannot be read.
        """
        return why_not_go(await self._facts.person(user), room.facts)

    async def why_not_come(self, user: str, room: Room) -> Rule | None:
        """Why somebody of another académie may not be in a room of this homeserver; None if they may."""
        if not isinstance(room, Managed):
            return Rule.BETWEEN_ACADEMIES
        if user in self._settings.peers.values():
            return None if room.facts is None else Rule.BETWEEN_ACADEMIES  # a control room is no room of the table
        server = split_user_id(UserId(user))[1]
        return why_not_come(await self._facts.vouched(user), server, room.facts)

    async def why_not_ask(self, deed: Deed) -> Rule | None:
        """Judges what another homeserver asks us to prepare for its person: a join, and nothing else."""
        if deed.membership != "join" or not deed.about_oneself:
            return Rule.BETWEEN_ACADEMIES
        return await self.why_not_come(deed.sender, deed.room)

    async def why_not_act(self, deed: Deed, room: Foreign) -> Rule | None:
        """Judges what somebody of ours does in another académie's room."""
        if deed.event.is_state() and not (
            deed.event.type == MEMBER and deed.about_oneself and deed.membership == "join"
        ):
            return Rule.BETWEEN_ACADEMIES
        if deed.event.type == ENCRYPTED:
            return Rule.BETWEEN_ACADEMIES
        create = await deed.state.get(*CREATE)
        if room.facts is None or create is None or create.sender != self._settings.peers.get(room.facts.owner):
            return Rule.BETWEEN_ACADEMIES
        return await self.why_not_go(deed.sender, room)
