"""People are called what the school calls them, in every room and by every path that makes a member event::

    PUT state, join, invite, re-join after a renaming ─► the name of the facts? ─► allowed
                                                               │ no
                                                               ▼
                                      the name of the account, which only the service sets? ─► allowed, else refused

Both are the service's word, and both are needed: facts are pushed before the homeserver renames somebody and joins them
anew everywhere, so for some seconds one of the two is newer. Neither order stops a join that the service asked for.
"""

from __future__ import annotations

from synapse.module_api import ModuleApi

from preau.guard.events import MEMBER, Deed
from preau.guard.facts import Facts
from preau.model.ids import UserId, split_user_id
from preau.policy.refusals import Rule
from preau.policy.wording import why_not_say


class Wording:
    """The rule on names, pictures and remarks in member events."""

    def __init__(self, api: ModuleApi, facts: Facts) -> None:
        self._api = api
        self._facts = facts

    async def why_not(self, deed: Deed) -> Rule | None:
        """Judges what a member event says of somebody of this académie; the others' names are their académie's."""
        if deed.event.type != MEMBER or not self._api.is_mine(deed.target):
            return None
        person = await self._facts.person(deed.target)
        broken = why_not_say(deed.event.content, (person.name,) if person is not None else ())
        if broken is not Rule.NAME:
            return broken
        account = await self._api.get_profile_for_user(split_user_id(UserId(deed.target))[0])
        return why_not_say(deed.event.content, (account.display_name or "",))
