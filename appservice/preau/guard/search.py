"""The search for people, in place of Synapse's own, which answers without asking who may write to whom.

::

    POST user_directory/search ─ nginx ─► search ─► names in the asker's schools, some hundred at a time
                                                        ▼
                                          may the asker write to them? ─ until the page is full ─► answer

Request and answer are those of the Matrix specification's ``user_directory/search``. Only this académie's people are
found, and only those whom the asker may write to, so that a search tells nobody who else exists.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from synapse.module_api import (
    DirectServeJsonResource,
    JsonDict,
    ModuleApi,
    SynapseRequest,
    UserProfile,
    parse_json_object_from_request,
)
from synapse.module_api.errors import Codes, SynapseError

from preau.guard import name_tables
from preau.guard.callbacks import Callbacks
from preau.guard.facts import Facts, Unreadable
from preau.guard.name_tables import Named, fold
from preau.guard.settings import Settings
from preau.guard.speech import Speech
from preau.model.facts import Party, PersonFacts, SchoolFacts
from preau.model.ids import Uai
from preau.policy.conversations import table_of
from preau.policy.finding import Reach, may_be_found, reach
from preau.policy.pace import Bucket, next_turn
from preau.policy.refusals import Rule

log = logging.getLogger(__name__)

_SHOWN: Final = 10
_SHOWN_AT_MOST: Final = 50
"""The specification's default, and Synapse's own bound."""

_FEWEST_LETTERS: Final = 2
_MOST_WORDS: Final = 8
_ASKERS: Final = 10_000
"""Accounts whose pace is known at a time; whoever is forgotten for others begins with a full bucket."""

_READ_AT_ONCE: Final = 300
_READ_AT_MOST: Final = 20_000
"""Names looked at for one search: the largest school several times over, or dozens of schools."""


@dataclass(frozen=True, slots=True)
class Search:
    """What somebody looks for: words (folded, as `preau.guard.name_tables.fold` does), and how many people at most."""

    words: tuple[str, ...]
    limit: int

    @property
    def says_something(self) -> bool:
        """Whether there is enough to look for."""
        return sum(map(len, self.words)) >= _FEWEST_LETTERS and self.limit > 0


def parse_search(body: Mapping[str, Any]) -> Search:
    """A search as it came over the wire.

    Raises:
        SynapseError: it is none; the message says why.
    """
    term: Any = body.get("search_term")
    limit: Any = body.get("limit", _SHOWN)
    if not isinstance(term, str):
        raise SynapseError(400, "search_term: a text is expected", Codes.BAD_JSON)
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise SynapseError(400, "limit: a whole number is expected", Codes.BAD_JSON)
    words = tuple(dict.fromkeys(fold(term).split()))
    return Search(words[:_MOST_WORDS], max(0, min(limit, _SHOWN_AT_MOST)))


class SearchResource(DirectServeJsonResource):
    """``POST search``: for anybody who is logged in."""

    def __init__(self, api: ModuleApi, speech: Speech, finder: Finder) -> None:
        super().__init__()
        self._api = api
        self._speech = speech
        self._finder = finder
        self._turns = _Turns(api)

    async def _async_render_POST(self, request: SynapseRequest) -> tuple[int, JsonDict]:  # noqa: N802 -- Synapse's name
        asker = (await self._api.get_user_by_req(request)).user.to_string()
        if wait := self._turns.take(asker):
            raise await self._speech.not_so_fast(Rule.SEARCHES, asker, wait)
        search = parse_search(parse_json_object_from_request(request))
        try:
            found = await self._finder.find(asker, search)
        except Unreadable:
            raise await self._speech.refusal(Rule.NOT_READY, asker) from None
        shown = [{"user_id": person.user, "display_name": person.name} for person in found[: search.limit]]
        return 200, {"results": shown, "limited": len(found) > search.limit}


class _Turns:
    """How fast each account searches, in this process: where several answer searches, each counts for itself."""

    def __init__(self, api: ModuleApi) -> None:
        self._api = api
        self._left: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, user: str) -> int:
        """A turn; how many milliseconds the next one is away, 0 if this is it."""
        bucket, wait = next_turn(self._left.pop(user, None), self._api.get_current_time_msec())
        self._left[user] = bucket
        if len(self._left) > _ASKERS:
            self._left.popitem(last=False)
        return wait


class Finder:
    """Finds people."""

    def __init__(self, api: ModuleApi, settings: Settings, facts: Facts) -> None:
        self._api = api
        self._settings = settings
        self._facts = facts

    def register(self, callbacks: Callbacks) -> None:
        """The second net, should Synapse's own directory ever be switched on: it shows no more than ours."""
        callbacks.register(check_username_for_spam=self.check_username_for_spam)

    async def find(self, asker: str, search: Search) -> list[PersonFacts]:
        """People with those words in their name whom the asker may write to; one more than asked for, if there are.

        Raises:
            Unreadable: the facts cannot be read.
        """
        me = await self._facts.person(asker)
        if me is None or not search.says_something:
            return []
        schools = await self._facts.schools_of(me)
        found: dict[str, PersonFacts] = {}
        async for page in self._pages(me, schools, search):
            people = await self._facts.persons([line.user for line in page])
            for line in page:
                person = people.get(line.user)
                if person is not None and may_be_found(me, person, schools):
                    found[person.user] = person
            if len(found) > search.limit:
                break
        return list(found.values())[: search.limit + 1]

    async def check_username_for_spam(self, profile: UserProfile, requester: str) -> bool:
        """Whether a result of Synapse's own directory is left out."""
        if requester == self._settings.bot:
            return False
        me = await self._facts.person(requester)
        person = await self._facts.person(profile["user_id"])
        if me is None or person is None:
            return True
        return not may_be_found(me, person, await self._facts.schools_of(me))

    async def _pages(
        self, me: PersonFacts, schools: Mapping[Uai, SchoolFacts], search: Search
    ) -> AsyncIterator[list[Named]]:
        """The names that fit, school after school, as long as somebody wants more and the bound is not reached."""
        left = _READ_AT_MOST
        for party in me.parties:
            within = reach(party, table_of(schools.get(party.school)))
            after: Named | None = None
            while left > 0:
                page = await self._read(search, party, within, after)
                yield page
                left -= len(page)
                if len(page) < _READ_AT_ONCE:
                    break
                after = page[-1]

    async def _read(self, search: Search, party: Party, within: Reach, after: Named | None) -> list[Named]:
        try:
            page: list[Named] = await self._api.run_db_interaction(
                "preau_guard_search", name_tables.named, search.words, party, within, _READ_AT_ONCE, after
            )
        except Exception as error:
            log.exception("The names cannot be read")
            raise Unreadable from error
        return page
