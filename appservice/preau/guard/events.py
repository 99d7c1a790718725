"""Every event that this homeserver makes, whoever asked for it and by whatever path: judged before it exists::

    any API, any process ─► Synapse builds the event ─► judge ─┬─ the service's bot? ─► sealed ────► allowed
                                                               ├─ leaves by themselves? ───────────► allowed
                                                               ├─ what room is it? ─► each rule ───► allowed
                                                               └─ facts unreadable, or a rule fails ► refused

Rules are objects with one method; `Events` asks them in order and the first that says why ends it. The bot is held to
one rule only, on whom it invites: neither a mistake of the service nor a stolen token brings in who does not belong.
What it takes back is sealed like what anybody else does.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from synapse.module_api import EventBase
from synapse.module_api.errors import SynapseError

from preau.guard.facts import Unreadable
from preau.guard.inner import Inner, StateBefore
from preau.guard.rooms import Room, Rooms
from preau.guard.settings import Settings
from preau.guard.speech import Speech
from preau.policy.refusals import Rule
from preau.policy.wording import plain

MEMBER: Final = "m.room.member"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Deed:
    """An event about to be made: who, where, what, and the room's state before it."""

    event: EventBase
    room: Room
    state: StateBefore

    @property
    def sender(self) -> str:
        """Who makes it."""
        return str(self.event.sender)

    @property
    def membership(self) -> str:
        """The membership that it sets, of a member event; else empty."""
        return _membership(self.event)

    @property
    def target(self) -> str:
        """Whom a member event is about."""
        return str(self.event.state_key)

    @property
    def about_oneself(self) -> bool:
        """Whether a member event is about its own sender."""
        return bool(self.event.state_key == self.event.sender)


class EventRule(Protocol):
    """One rule over events."""

    async def why_not(self, deed: Deed) -> Rule | None:
        """The rule that the deed breaks; None if this one has nothing against it.

        Raises:
            Unreadable: the facts that decide cannot be read.
        """


Keep: TypeAlias = Callable[[EventBase], Awaitable[None]]
"""Seals what an event of the bot takes back, before it is made; raises if it cannot."""


class Events:
    """The judge of every event made here."""

    def __init__(  # noqa: PLR0913, PLR0917 -- rules for everybody, and the two of the bot
        self,
        settings: Settings,
        rooms: Rooms,
        speech: Speech,
        rules: Sequence[EventRule],
        of_bot: EventRule,
        keep: Keep,
    ) -> None:
        self._settings = settings
        self._rooms = rooms
        self._speech = speech
        self._rules = rules
        self._of_bot = of_bot
        self._keep = keep

    def register(self, inner: Inner) -> None:
        """From now on nothing is made that was not judged."""
        inner.judge_events(self.judge)

    async def judge(self, event: EventBase, state: StateBefore) -> None:
        """Passes if the event may be.

        Raises:
            SynapseError: it may not; what the sender reads.
        """
        broken = await self._broken(event, state)
        if broken is not None:
            raise await self._speech.refusal(broken, str(event.sender))

    async def _broken(self, event: EventBase, state: StateBefore) -> Rule | None:
        """The rule that the event breaks. A rule that cannot be asked, or fails, refuses."""
        try:
            return await self._first_broken(event, state)
        except (Unreadable, SynapseError):
            return Rule.NOT_READY
        except Exception:
            log.exception("A rule failed over an event of type %s in %s", event.type, event.room_id)
            return Rule.NOT_READY

    async def _first_broken(self, event: EventBase, state: StateBefore) -> Rule | None:
        by_bot = event.sender == self._settings.bot
        if by_bot:
            await self._keep(event)
        if _leaves(event) or (by_bot and _membership(event) != "invite"):
            return None
        deed = Deed(event, await self._room_of(event, state), state)
        for rule in [self._of_bot] if by_bot else self._rules:
            broken = await rule.why_not(deed)
            if broken is not None:
                return broken
        return None

    async def _room_of(self, event: EventBase, state: StateBefore) -> Room:
        """What room it is in; a room's first event says so itself."""
        if event.type == "m.room.create":
            return self._rooms.created_by(event)
        return await self._rooms.room(event.room_id, state)


def _membership(event: EventBase) -> str:
    value = event.content.get("membership") if event.type == MEMBER else None
    return value if isinstance(value, str) else ""


def _leaves(event: EventBase) -> bool:
    """Whoever wants to leave a room, or turn down an invitation to it, may: nobody is kept anywhere.

    A leave that says more than that is judged first (`preau.policy.wording`); it may be repeated without a word.
    """
    own = event.type == MEMBER and event.state_key == event.sender
    return bool(own and event.content.get("membership") == "leave" and plain(event.content))
