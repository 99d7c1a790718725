"""Accounts made by the hundred, each with its final display name: a later change would join it anew to every room.

The public road of the module API, a few at a time; more at once are not faster (``synapse.md`` 2.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from synapse.module_api import JsonDict, ModuleApi, make_deferred_yieldable, run_in_background
from synapse.module_api.errors import Codes, SynapseError

from preau.guard.inner import tables as inner_tables

_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to be made."""

    localpart: str
    display_name: str


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of the accounts: user ids, and by localpart those refused, with the error as Matrix writes it."""

    made: list[str] = field(default_factory=list)
    existing: list[str] = field(default_factory=list)
    refused: dict[str, JsonDict] = field(default_factory=dict)


class Accounts:
    """Makes accounts."""

    def __init__(self, api: ModuleApi) -> None:
        self._api = api

    async def make(self, wanted: Sequence[NewAccount]) -> Registered:
        """Makes those that do not exist; those that do are left as they are."""
        found = Registered()
        left = iter(await self._missing(wanted, found))
        lanes = [run_in_background(self._make_each, left, found) for _ in range(_AT_ONCE)]
        for lane in lanes:
            await make_deferred_yieldable(lane)
        return found

    async def _missing(self, wanted: Sequence[NewAccount], found: Registered) -> list[NewAccount]:
        """Those not there yet; the others are noted."""
        by_user = {self._api.get_qualified_user_id(account.localpart): account for account in wanted}
        there = await self._api.run_db_interaction("preau_guard_accounts", inner_tables.accounts, [*by_user])
        found.existing.extend(user for user in by_user if user in there)
        return [account for user, account in by_user.items() if user not in there]

    async def _make_each(self, left: Iterator[NewAccount], found: Registered) -> None:
        for account in left:
            await self._make(account, found)

    async def _make(self, account: NewAccount, found: Registered) -> None:
        try:
            found.made.append(await self._api.register_user(account.localpart, account.display_name))
        except SynapseError as error:
            if error.errcode == Codes.USER_IN_USE:  # somebody else made it just now
                found.existing.append(self._api.get_qualified_user_id(account.localpart))
            else:
                found.refused[account.localpart] = {"errcode": error.errcode, "error": error.msg}
