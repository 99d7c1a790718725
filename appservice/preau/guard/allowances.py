"""The allowances of accounts, exact over all processes of the homeserver and free for ordinary writing.

::

    spend ─► a pass of this process, younger than ten minutes ───────────────► yes, no query
          └─► otherwise one transaction, one at a time for each account ─► noted, and a new pass │ no
"""

from __future__ import annotations

import logging
import secrets
from collections import OrderedDict
from typing import Final

from synapse.module_api import ModuleApi

from preau.guard import allowance_tables
from preau.guard.allowance_tables import Use, note
from preau.guard.facts import Unreadable
from preau.guard.inner import Inner
from preau.policy.fan_out import Allowance, Spending, passes

log = logging.getLogger(__name__)

_KEPT: Final = 50_000
"""Passes kept per process; a pass lost costs one transaction and allows nothing."""

_LONGEST_MS: Final = 2 * 24 * 3600 * 1000
"""Uses older than this count for no allowance."""

_PRUNE_EVERY_MS: Final = 3600 * 1000


class Allowances:
    """Spends them."""

    def __init__(self, api: ModuleApi, inner: Inner) -> None:
        self._api = api
        self._inner = inner
        self._passes: OrderedDict[tuple[str, Spending, str], int] = OrderedDict()
        if api.should_run_background_tasks():
            api.looping_background_call(self._prune, _PRUNE_EVERY_MS, desc="preau_guard_use_prune")

    def has_pass(self, user: str, spending: Spending, thing: str) -> bool:
        """Whether that thing was noted so lately that nothing needs to be asked."""
        noted = self._passes.get((user, spending, thing))
        return noted is not None and passes(noted, self._api.get_current_time_msec())

    async def spend(self, user: str, spending: Spending, thing: str, allowance: Allowance) -> bool:
        """Whether the account may use one more thing, which is noted if so.

        Raises:
            Unreadable: the database does not answer.
        """
        if self.has_pass(user, spending, thing):
            return True
        now = self._api.get_current_time_msec()
        try:
            allowed: bool = await self._inner.one_by_one(
                "preau_guard_use", note, Use(user, spending, thing, now, allowance)
            )
        except Exception as error:
            log.exception("What an account has used cannot be read")
            raise Unreadable from error
        if allowed:
            self._keep((user, spending, thing), now)
        return allowed

    async def spend_anew(self, user: str, spending: Spending, thing: str, allowance: Allowance) -> bool:
        """The same for what counts each time, even with the same thing at the same moment."""
        return await self.spend(user, spending, f"{secrets.token_hex(8)} {thing}", allowance)

    def _keep(self, key: tuple[str, Spending, str], now: int) -> None:
        self._passes[key] = now
        self._passes.move_to_end(key)
        if len(self._passes) > _KEPT:
            self._passes.popitem(last=False)

    async def _prune(self) -> None:
        before = self._api.get_current_time_msec() - _LONGEST_MS
        await self._api.run_db_interaction("preau_guard_use_prune", allowance_tables.prune, before)
