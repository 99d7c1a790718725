"""Rooms that people make: a direct conversation between two, as the contact table allows, and nothing else::

    POST createRoom, any prefix ─► on_create_room ─ the bot? ─► as it asks
                                        │ is_direct, one invitation, the table says yes?
                                        ▼
             the request is rewritten: private, unencrypted, ours alone, with the two people in its first event
                                        ▼
    upgrades, and whatever else makes a room ─► the first event itself: the two people, no predecessor

Whatever a client adds (a name, power for the other, encryption, a public address) is left out rather than refused, so
that every client can begin a conversation, and none gets more than that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from synapse.module_api import NOT_SPAM, JsonDict, Requester
from synapse.module_api.errors import Codes

from preau.guard.callbacks import Callbacks
from preau.guard.events import Deed
from preau.guard.facts import Facts
from preau.guard.rooms import DIRECT_FIELD, Direct
from preau.guard.settings import Settings
from preau.guard.speech import Speech
from preau.policy.conversations import may_converse
from preau.policy.refusals import Rule

_FIRST_STATE: Final[list[JsonDict]] = [
    {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "invited"}},
    {"type": "m.room.guest_access", "state_key": "", "content": {"guest_access": "forbidden"}},
]

WhyNotBegin: TypeAlias = Callable[[str, str, str | None], Awaitable[Rule | None]]
"""Why a user may not begin one more conversation with another from a device; `preau.guard.writing` says it."""


class Creation:
    """Rules on making rooms."""

    def __init__(self, settings: Settings, facts: Facts, speech: Speech, why_not_begin: WhyNotBegin) -> None:
        self._settings = settings
        self._facts = facts
        self._speech = speech
        self._why_not_begin = why_not_begin

    def register(self, callbacks: Callbacks) -> None:
        """Sets the hooks."""
        callbacks.register(on_create_room=self.on_create_room, user_may_create_room=self.user_may_create_room)

    async def on_create_room(self, requester: Requester, config: JsonDict, _is_admin: bool) -> None:  # noqa: FBT001 -- Synapse's signature
        """Lets the bot's requests pass, rewrites those for a direct conversation, refuses the rest."""
        user = requester.user.to_string()
        if user == self._settings.bot:
            return
        broken = await self._why_no_room(user, requester.device_id, config)
        if broken is not None:
            raise await self._speech.refusal(broken, user)
        _rewrite(config, user)

    async def user_may_create_room(self, user: str, config: JsonDict) -> Any:
        """Reached by creations that `on_create_room` has rewritten, and by upgrades, which nobody may make."""
        created = config.get("creation_content")
        if user == self._settings.bot or (isinstance(created, dict) and "predecessor" not in created):
            return NOT_SPAM
        code, fields = await self._speech.answer(Rule.ROOM_CREATION, user)
        return Codes(code), fields

    async def why_not(self, deed: Deed) -> Rule | None:
        """The net under both: the first event of a room."""
        if deed.event.type != "m.room.create":
            return None
        content = deed.event.content
        shape = {DIRECT_FIELD, "m.federate", "room_version", "creator"}
        if not isinstance(deed.room, Direct) or not set(content) <= shape or content.get("m.federate") is not False:
            return Rule.ROOM_CREATION
        return await why_not_talk(self._facts, deed.sender, deed.room.other(deed.sender))

    async def _why_no_room(self, user: str, device: str | None, config: JsonDict) -> Rule | None:
        invited: Any = config.get("invite")
        direct = config.get("is_direct") is True and isinstance(invited, list) and len(invited) == 1
        if not direct or config.get("invite_3pid") or not isinstance(invited[0], str):
            return Rule.ROOM_CREATION
        broken = await why_not_talk(self._facts, user, invited[0])
        return broken or await self._why_not_begin(user, invited[0], device)


async def why_not_talk(facts: Facts, user: str, other: str | None) -> Rule | None:
    """Why one person may not address the other directly; None if the contact table says that they may.

    Raises:
        Unreadable: the facts cannot be read.
    """
    writer = await facts.person(user)
    if writer is None or not writer.parties:
        return Rule.UNKNOWN
    reader = await facts.person(other) if other is not None else None
    if reader is None or not may_converse(writer, reader, await facts.schools_of(writer)):
        return Rule.CONTACT
    return None


def _rewrite(config: JsonDict, user: str) -> None:
    """The request that is left of the client's: two people, one room version's defaults, no encryption, no peers."""
    other = config["invite"][0]
    version = config.get("room_version")
    config.clear()
    config.update(
        preset="private_chat",
        is_direct=True,
        invite=[other],
        visibility="private",
        creation_content={DIRECT_FIELD: sorted((user, other)), "m.federate": False},
        initial_state=list(_FIRST_STATE),
        # A tuple: what a client wishes may be anything, which a set could not be asked for.
        **({"room_version": version} if version in ("11", "12") else {}),
    )
