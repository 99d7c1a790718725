"""Accounts are made by the service alone::

    the service, as application service ─► no hook is asked ──────────────────────────────────────► made
    the service, as administrator (PUT v2/users), a shared secret, our own batches ─► no browser ─► made
    anybody else: a form, a guest, single sign-on ─► a browser, or no name ──────────────────────► refused

Synapse does not tell the hook who asks. It tells from which programs and addresses the registration came, and has
nothing to tell for an administrator's; a guest has no such list either, and no name. Synapse's own settings close these
ways too (``enable_registration``, ``allow_guest_access``): this holds should somebody open them.

Nor does anybody end an account but the service: a name is never given out twice, so that whoever holds a stolen
password could shut a family out for good.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from preau.guard.callbacks import Callbacks
from preau.guard.inner import registration_allowed
from preau.guard.inner.people import PeopleParts
from preau.guard.speech import Speech
from preau.policy.refusals import Rule


class Registration:
    """The rule on new accounts, and on the end of one."""

    def __init__(self, speech: Speech) -> None:
        self._speech = speech

    def register(self, callbacks: Callbacks, inner: PeopleParts) -> None:
        """Sets the hooks, and stands before the one that would refuse in Synapse's words."""
        inner.judge_closing(callbacks.refusing(self.judge_closing))
        callbacks.register(
            check_registration_for_spam=self.check_registration_for_spam,
            check_can_deactivate_user=self.check_can_deactivate_user,
        )

    async def judge_closing(self, user: str) -> None:
        """Nobody ends their own account."""
        raise await self._speech.refusal(Rule.REGISTRATION, user)

    async def check_can_deactivate_user(self, _user: str, by_admin: bool) -> bool:  # noqa: FBT001 -- Synapse's signature
        """The service does, as administrator."""
        return by_admin

    async def check_registration_for_spam(
        self,
        _email: Any,
        localpart: str | None,
        came_from: Collection[tuple[str, str]],
        provider: str | None = None,
    ) -> Any:
        """Passes what comes from nowhere and has a name.

        Raises:
            SynapseError: anything else; it reaches whoever asked, as it is.
        """
        if came_from or provider is not None or localpart is None:
            raise await self._speech.refusal(Rule.REGISTRATION, localpart or "")
        return registration_allowed()
