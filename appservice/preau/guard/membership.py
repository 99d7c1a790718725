"""Who may be in which room of this académie::

                       managed room                         direct conversation             anything else
    join, own          as policy.entrance says              one of the two                  refused
    invite             the bot's, of whoever may enter      one of the two, of the other    refused
    leave, own         always, before any rule is asked
    kick, ban, knock   the bot's                            refused                         refused

Rooms of other académies, and people of theirs in ours, have rules of their own: `preau.guard.abroad`.

Facts count at once: an invitation is worth nothing once its person no longer fits, and a member who no longer fits says
nothing more (`preau.guard.writing`) until the service has taken them out.

Invitations need no hook of their own: each one made here is an event, judged with its room's state at hand, while the
hook is asked at a moment when another process may not know a new room yet. Joins need theirs for the rooms of other
homeservers: no event of ours precedes them.
"""

from __future__ import annotations

from typing import Any

from synapse.module_api import NOT_SPAM, ModuleApi
from synapse.module_api.errors import Codes

from preau.guard.abroad import Abroad
from preau.guard.callbacks import Callbacks
from preau.guard.creation import why_not_talk
from preau.guard.events import MEMBER, Deed
from preau.guard.facts import Facts
from preau.guard.inner.people import PeopleParts
from preau.guard.rooms import Direct, Foreign, Managed, Room, Rooms, Unruled
from preau.guard.settings import Settings
from preau.guard.speech import Speech
from preau.policy.entrance import why_not_enter
from preau.policy.refusals import Rule


class Entrance:
    """Who may enter a managed room; also the one rule that the service's bot is held to."""

    def __init__(self, api: ModuleApi, facts: Facts, abroad: Abroad) -> None:
        self._api = api
        self._facts = facts
        self._abroad = abroad

    async def why_not_enter(self, user: str, room: Managed) -> Rule | None:
        """Why somebody of ours may not be in that room; None if they may."""
        if room.facts is None:
            return Rule.MEMBERSHIP
        return why_not_enter(await self._facts.person(user), room.facts)

    async def why_not(self, deed: Deed) -> Rule | None:
        """Judges the bot's own invitations: of people of ours, where it is known what room it is; of others, always."""
        room = deed.room
        if deed.membership != "invite":
            return None
        if not self._api.is_mine(deed.target):
            return await self._abroad.why_not_come(deed.target, room)
        if not isinstance(room, Managed) or room.facts is None:
            return None
        return await self.why_not_enter(deed.target, room)


class Membership:
    """The rules on who is in a room."""

    def __init__(  # noqa: PLR0913, PLR0917 -- the parts it asks
        self,
        settings: Settings,
        api: ModuleApi,
        facts: Facts,
        rooms: Rooms,
        speech: Speech,
        entrance: Entrance,
        abroad: Abroad,
    ) -> None:
        self._settings = settings
        self._api = api
        self._facts = facts
        self._rooms = rooms
        self._speech = speech
        self._entrance = entrance
        self._abroad = abroad

    def register(self, callbacks: Callbacks, inner: PeopleParts) -> None:
        """Sets the hooks, and stands before the one that would refuse in Synapse's words."""
        inner.judge_addresses(callbacks.refusing(self.judge_address))
        callbacks.register(
            user_may_join_room=self.user_may_join_room,
            check_threepid_can_be_invited=self.check_threepid_can_be_invited,
        )

    async def user_may_join_room(self, user: str, room: str, is_invited: bool) -> Any:  # noqa: ARG002, FBT001 -- Synapse's signature
        """Asked before anything is done about a join, on another homeserver too."""
        if user == self._settings.bot:
            return NOT_SPAM
        broken = await self._why_not_join(user, await self._rooms.room(room))
        if broken is None:
            return NOT_SPAM
        code, fields = await self._speech.answer(broken, user)
        return Codes(code), fields

    async def judge_address(self, inviter: str) -> None:
        """Nobody is invited by their address."""
        raise await self._speech.refusal(Rule.MEMBERSHIP, inviter)

    async def check_threepid_can_be_invited(self, _medium: str, _address: str, _room_state: Any) -> bool:
        """The same, should the inner part not be as expected; asked before the member's identity server is."""
        return False

    async def why_not(self, deed: Deed) -> Rule | None:
        """Judges member events of people of ours, and whatever crosses between académies."""
        if deed.membership == "leave" and deed.about_oneself:
            return None
        if not self._api.is_mine(deed.sender):
            return await self._abroad.why_not_ask(deed)
        if isinstance(deed.room, Foreign):
            return await self._abroad.why_not_act(deed, deed.room)
        return await self._why_not_member(deed) if deed.event.type == MEMBER else None

    async def _why_not_member(self, deed: Deed) -> Rule | None:
        if deed.membership == "join" and deed.about_oneself:
            return await self._why_not_join(deed.sender, deed.room)
        match deed.room:
            case Direct(people) if deed.membership == "invite" and {deed.sender, deed.target} == people:
                return await why_not_talk(self._facts, deed.sender, deed.target)
            case Direct():
                return Rule.DIRECT_ROOM
            case Managed():
                return Rule.MEMBERSHIP
            case Foreign():
                return Rule.BETWEEN_ACADEMIES
            case Unruled():
                return Rule.ROOM_CREATION

    async def _why_not_join(self, user: str, room: Room) -> Rule | None:
        match room:
            case Managed():
                return await self._entrance.why_not_enter(user, room)
            case Direct():
                return await self._why_not_meet(user, room)
            case Foreign() as room:
                return await self._abroad.why_not_go(user, room)
            case Unruled():
                return Rule.BETWEEN_ACADEMIES

    async def _why_not_meet(self, user: str, room: Direct) -> Rule | None:
        """One of the two may be there while either may still address the other."""
        other = room.other(user)
        if user not in room.people or other is None:
            return Rule.DIRECT_ROOM
        broken = await why_not_talk(self._facts, user, other)
        if broken is not Rule.CONTACT:
            return broken
        return await why_not_talk(self._facts, other, user)
