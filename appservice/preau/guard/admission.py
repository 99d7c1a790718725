"""Who of many may be brought into a room by the service: an account that exists and may act, of somebody who may enter.

The service asks for what the registers say; this is asked again here because a request may be old, or wrong, and
because Synapse itself makes members of accounts that do not exist (``synapse.md`` 8.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from synapse.module_api import ModuleApi
from synapse.module_api.errors import Codes, SynapseError

from preau.guard.facts import Facts, Unreadable
from preau.guard.inner import tables as inner_tables
from preau.guard.inner.tables import Account
from preau.guard.rooms import Managed
from preau.guard.speech import Speech
from preau.model.facts import RoomFacts
from preau.policy.entrance import why_not_enter
from preau.policy.refusals import Rule

_NO_ACCOUNT: Final = SynapseError(404, "There is no such account.", Codes.NOT_FOUND)
_DEACTIVATED: Final = SynapseError(403, "This account is deactivated.", Codes.USER_DEACTIVATED)
_LOCKED: Final = SynapseError(403, "This account is locked.", Codes.USER_LOCKED)
_SUSPENDED: Final = SynapseError(403, "This account is suspended.", Codes.USER_ACCOUNT_SUSPENDED)


class Admission:
    """Judges people before they are brought in."""

    def __init__(self, api: ModuleApi, facts: Facts, speech: Speech) -> None:
        self._api = api
        self._facts = facts
        self._speech = speech

    async def accounts(self, users: Sequence[str]) -> Mapping[str, Account]:
        """The accounts of those of these users who have one, a few hundred at most."""
        found: Mapping[str, Account] = await self._api.run_db_interaction(
            "preau_guard_accounts", inner_tables.accounts, users
        )
        return found

    async def judge(self, users: Sequence[str], room: Managed) -> dict[str, Account | SynapseError]:
        """Each user's account, or why they may not enter."""
        accounts, broken = await self.accounts(users), await self._broken(users, room)
        return {user: await self._verdict(user, accounts.get(user), broken.get(user)) for user in users}

    async def _verdict(self, user: str, account: Account | None, broken: Rule | None) -> Account | SynapseError:
        if account is None:
            return _NO_ACCOUNT
        unfit = _unfit(account)
        if unfit is not None:
            return unfit
        return account if broken is None else await self._speech.refusal(broken, user)

    async def _broken(self, users: Sequence[str], room: Managed) -> dict[str, Rule | None]:
        """The rule that each would break by entering."""
        if room.facts is None:
            return dict.fromkeys(users, Rule.MEMBERSHIP)
        try:
            known = await self._facts.persons(users)
        except Unreadable:
            return {user: await self._broken_by(user, room.facts) for user in users}
        return {user: why_not_enter(known.get(user), room.facts) for user in users}

    async def _broken_by(self, user: str, room: RoomFacts) -> Rule | None:
        """The same of one: a fact that cannot be read is one person's misfortune, not everybody's."""
        try:
            return why_not_enter(await self._facts.person(user), room)
        except Unreadable:
            return Rule.NOT_READY


def _unfit(account: Account) -> SynapseError | None:
    """Why an account may not act at all."""
    if account.deactivated:
        return _DEACTIVATED
    if account.locked:
        return _LOCKED
    return _SUSPENDED if account.suspended else None
