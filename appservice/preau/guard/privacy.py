"""What people reach past the rooms: profiles, other people's devices, and what they hide from themselves.

::

    a profile's field, set or deleted ─► the service, or an administrator? ─────────────────────► else refused
    a message to devices ──────────────► one's own devices? ────────────────────────────────────► else refused
    the same from another académie ────► of its service? ───────────────────────────────────────► else dropped
    an address, tied to the account ──► by an identity server outside? ──► refused
    the list of ignored people ────────► the service or direction in it? ─► refused, else kept

Synapse has no hook that could refuse any of these; see `preau.guard.inner.people`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from preau.guard.callbacks import Callbacks
from preau.guard.facts import Facts
from preau.guard.inner.people import PeopleParts
from preau.guard.settings import Settings
from preau.guard.speech import Speech
from preau.policy.finding import why_no_device_message, why_not_hide
from preau.policy.refusals import Rule

log = logging.getLogger(__name__)

_IGNORED: Final = "m.ignored_user_list"
_IGNORED_AT_MOST: Final = 500
"""More people than anybody meets; each is looked up."""


class Privacy:
    """Rules on profiles, messages to devices, identity servers, and ignored people."""

    def __init__(self, settings: Settings, facts: Facts, speech: Speech) -> None:
        self._settings = settings
        self._facts = facts
        self._speech = speech

    def register(self, inner: PeopleParts, callbacks: Callbacks) -> None:
        """Takes its place in front of each."""
        inner.judge_profiles(callbacks.refusing(self.judge_profile))
        inner.judge_messages(callbacks.refusing(self.judge_message))
        inner.filter_deliveries(self.is_delivered)
        inner.judge_account_data(callbacks.refusing(self.judge_account_data))
        inner.judge_identities(callbacks.refusing(self.judge_identity))

    async def judge_profile(self, asker: str, by_admin: bool) -> None:  # noqa: FBT001 -- Synapse's own parameter
        """Names and everything beside them come from the service: it alone is an administrator."""
        if not by_admin and asker != self._settings.bot:
            raise await self._speech.refusal(Rule.NAME, asker)

    async def judge_message(self, sender: str, messages: Any) -> None:
        """The messages are as the client sent them: anything that is no object is refused."""
        if sender == self._settings.bot:
            return
        receivers = messages if isinstance(messages, Mapping) else {"": messages}
        broken = why_no_device_message(sender, receivers)
        if broken is not None:
            raise await self._speech.refusal(broken, sender)

    def is_delivered(self, origin: str, content: Any) -> bool:
        """Whether messages to devices from another homeserver are delivered: only those of its own service."""
        sender = content.get("sender") if isinstance(content, Mapping) else None
        bot = next((bot for server, bot in self._settings.peers.items() if server == origin), None)
        delivered = bot is not None and sender == bot
        if not delivered:
            log.info("Messages to devices from %s are dropped", origin)
        return delivered

    async def judge_account_data(self, user: str, kind: str, content: Any) -> None:
        """Everything but the list of ignored people is one's own business."""
        ignored = content.get("ignored_users") if isinstance(content, Mapping) else None
        if kind != _IGNORED or user == self._settings.bot or not isinstance(ignored, Mapping):
            return
        broken = await self._why_not_ignore(user, list(ignored))
        if broken is not None:
            raise await self._speech.refusal(broken, user)

    async def judge_identity(self, user: str) -> None:
        """No identity server is told of anybody, and this homeserver calls none."""
        raise await self._speech.refusal(Rule.IDENTITY, user)

    async def _why_not_ignore(self, user: str, ignored: list[str]) -> Rule | None:
        if len(ignored) > _IGNORED_AT_MOST:
            return Rule.EVASION
        people = await self._facts.persons(ignored)
        me = await self._facts.person(user)
        return why_not_hide(me, self._settings.bot, {other: people.get(other) for other in ignored})
