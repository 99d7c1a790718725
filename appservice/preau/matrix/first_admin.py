"""A new homeserver is made ready for the service, and the bot its one and only admin.

The bot's name is exclusive to the events registration, so the shared secret cannot register it; and no registration can
make an admin. Hence a helper that lives for a second::

    it answers ─► is the bot an admin? ─ yes ─► no helper is left ─► background updates are done ─► the guard has its
                    │ no                          ▲                                                 tables
                    ▼                             │
    events token ──► account of the bot (m.login.application_service)
    shared secret ─► @preau-bootstrap-…, admin ──► makes the bot an admin
    the bot ───────► takes the helper's right away and deactivates it

Every step may be repeated: a run that was cut short leaves at most a helper whose password nobody knows, and the next
run removes it. Both secrets serve this once: the service neither needs nor keeps them.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final

from preau.errors import HomeserverError
from preau.matrix.calls import Endpoint
from preau.matrix.client import Homeserver
from preau.matrix.patience import Patience
from preau.model.ids import UserId

HELPER: Final = "preau-bootstrap-"
"""How the localpart of each helper begins."""

_ONE_TRY: Final = Patience(call_seconds=10, attempts=1)
_QUIET_LOOKS: Final = 5

Pause = Callable[[], Awaitable[None]]
"""Awaited between two looks at a homeserver that is not ready; whatever it raises ends the waiting."""


@dataclass(frozen=True, slots=True)
class BotKeys:
    """What is needed to make the bot an admin; see the role ``synapse`` for each."""

    registration_shared_secret: str = field(repr=False)
    events_as_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """How the homeserver is, and what was done to it.

    ``ready`` is False only when the bot is no admin and no keys were given to make it one; then nothing was done.
    """

    ready: bool
    account_made: bool = False
    made_admin: bool = False
    helpers_removed: int = 0

    @property
    def changed(self) -> bool:
        """Was anything done?"""
        return self.account_made or self.made_admin or self.helpers_removed > 0


async def prepare(endpoint: Endpoint, keys: BotKeys | None, pause: Pause) -> Prepared:
    """Waits for the homeserver and makes the bot its only admin; waits until nothing is left for it to do at first.

    Does nothing the second time. How long to wait is the caller's to say: with a time limit, or a ``pause`` that ends.

    Args:
        endpoint: the homeserver, with the provision token.
        keys: what makes the bot an admin; None to look only.
        pause: awaited between two looks.

    Raises:
        HomeserverError: the homeserver refused a step; the message says which.
    """
    async with Homeserver(endpoint, patience=_ONE_TRY) as as_bot:
        while not await as_bot.answers():
            await pause()
        done = await make_bot_admin(as_bot, keys)
        if done.ready:
            await _wait_for_background_updates(as_bot, pause)
            await _wait_for_the_guard(as_bot, pause)
        return done


async def make_bot_admin(as_bot: Homeserver, keys: BotKeys | None) -> Prepared:
    """Gives the bot its account and the admin right, and leaves no helper behind. See `prepare`.

    Raises:
        HomeserverError: the homeserver refused a step; the message says which.
    """
    account_made = made_admin = False
    if not await as_bot.is_administrator():
        if keys is None:
            return Prepared(ready=False)
        account_made = await _make_account(as_bot.endpoint, keys.events_as_token)
        await _let_a_helper_do_it(as_bot, keys.registration_shared_secret)
        made_admin = True
    return Prepared(
        ready=True,
        account_made=account_made,
        made_admin=made_admin,
        helpers_removed=await _remove_helpers(as_bot),
    )


async def make_helper(as_anybody: Homeserver, shared_secret: str) -> Endpoint:
    """Registers a new admin with a password that nobody knows; the homeserver as that admin reaches it."""
    endpoint, name = as_anybody.endpoint, HELPER + secrets.token_hex(8)
    token = await as_anybody.register_administrator(name, secrets.token_urlsafe(32), shared_secret)
    return replace(endpoint, token=token, bot=UserId(f"@{name}:{endpoint.server}"))


async def _make_account(endpoint: Endpoint, events_as_token: str) -> bool:
    async with Homeserver(replace(endpoint, token=events_as_token), patience=_ONE_TRY) as as_events:
        return await as_events.register(endpoint.bot)


async def _let_a_helper_do_it(as_bot: Homeserver, shared_secret: str) -> None:
    helper = await make_helper(as_bot, shared_secret)
    async with Homeserver(helper, patience=_ONE_TRY) as as_helper:
        await as_helper.set_administrator(as_bot.endpoint.bot, admin=True)


async def _remove_helpers(as_bot: Homeserver) -> int:
    """Takes the right away and deactivates; how many there were."""
    left = await as_bot.administrators_named(HELPER)
    for helper in left:
        await as_bot.set_administrator(helper, admin=False)
        await as_bot.deactivate(helper, erase=True)
    return len(left)


async def _wait_for_background_updates(homeserver: Homeserver, pause: Pause) -> None:
    """The directory's first filling would visit every room that exists at that moment: it must find none.

    Between two updates Synapse reports none for an instant, hence several looks.
    """
    quiet = 0
    while quiet < _QUIET_LOOKS:
        quiet = 0 if await homeserver.background_updates() else quiet + 1
        await pause()


async def _wait_for_the_guard(homeserver: Homeserver, pause: Pause) -> None:
    """Its tables are made just after Synapse starts to answer. A homeserver without it is `preau doctor`'s to tell."""
    while not await _guard_is_there(homeserver):
        await pause()


async def _guard_is_there(homeserver: Homeserver) -> bool:
    try:
        await homeserver.guard_status()
    except HomeserverError as refused:
        if 0 < refused.status < 500:
            raise
        return False
    return True
