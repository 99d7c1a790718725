"""What we say to the other académies, in a control room of our own that only our bot writes in::

    rooms that exist, visitors appointed ─► to_share ─┐
    asked for by others, open account,                ├─► differs from what we said last? ─► state event ─► noted
    function fits ──────────────────────► to_vouch ───┘

Whatever makes rooms or changes people calls `publish` afterwards. What was said is kept beside what others said
(`preau.store.control`), so that saying nothing new costs no call. How the others are heard: `preau.sync.peers`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog

from preau.model.control import SharedRoom, Vouch, Word
from preau.model.decisions import Mandate
from preau.model.facts import Fact, FactKey, RoomFacts, key_of
from preau.model.ids import PersonId, RoomId, ServerName, Uai, UserId
from preau.model.people import Function
from preau.model.wanted import Content, StateKey
from preau.policy.abroad import VISITING, admits
from preau.policy.circles import circles
from preau.policy.control import (
    VOUCH,
    BrokenWord,
    as_facts,
    asked_for,
    key_of_word,
    read,
    to_share,
    to_vouch,
    written,
)
from preau.policy.wanted import ACADEMY
from preau.store import actual, control, decisions, journal, people, snapshots
from preau.store.engine import Transaction
from preau.store.journal import Entry
from preau.sync.context import Academy, Context

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

ACTOR: Final = "service"
_ROUNDS: Final = 3
"""How often what is to be said is worked out again: another process may have said something meanwhile."""


async def publish(context: Context, schools: Collection[Uai] | None = None) -> None:
    """Says what is new, and takes back what is over.

    Without a control room nothing is said: `preau serve` makes it, and says everything then.

    Args:
        context: homeserver, store, clock and académie.
        schools: whose people may have changed; None for all. What nobody asks for any more is always taken back.

    Raises:
        HomeserverError: our own homeserver refused, or does not answer; what was said until then is noted.
    """
    if not context.academy.peers:
        return
    for _ in range(_ROUNDS):
        if not await _say(context, schools):
            return


async def _say(context: Context, schools: Collection[Uai] | None) -> bool:
    """One round; whether there was anything to say."""
    academy, now = context.academy, context.clock.now()
    async with context.store.reading() as db:
        room = (await control.rooms(db)).get(academy.server)
        said = await control.words(db, academy.server)
        wanted = await _to_say(db, academy, schools, said, now) if room is not None else said
    either = sorted(said.keys() | wanted.keys())
    changed = {key: wanted.get(key, {}) for key in either if said.get(key) != wanted.get(key)}
    for key, content in changed.items():
        assert room is not None
        await context.homeserver.put_state(room, key, content)
        async with context.store.writing() as db:
            await control.save_words(db, academy.server, {key: content})
            await journal.append(db, [Entry(ACTOR, "said" if content else "took_back", f"{key.type} {key.key}")], now)
    return bool(changed)


async def _to_say(
    db: Transaction,
    academy: Academy,
    schools: Collection[Uai] | None,
    said: Mapping[StateKey, Content],
    at: datetime,
) -> dict[StateKey, Content]:
    words: list[Word] = [*(await _rooms_to_share(db, academy, at)).values()]
    asked = asked_for(
        (word for _, word in await words_of_others(db, academy) if isinstance(word, SharedRoom)), academy.server
    )
    named = await people.schools_of(db, list(asked))
    again = {who for who in asked if schools is None or not named.get(who, frozenset()).isdisjoint(schools)}
    are = await _what_they_are(db, academy, again, at)
    words += to_vouch({who: asked[who] for who in again}, are, academy.server).values()
    as_before = {key: said[key] for who in asked.keys() - again if (key := StateKey(VOUCH, who)) in said}
    return {key_of_word(word): written(word) for word in words} | as_before


async def _rooms_to_share(db: Transaction, academy: Academy, at: datetime) -> dict[RoomId, SharedRoom]:
    keys = await control.rooms_of_kinds(db, VISITING)
    visitors = await visitors_of(db, {key.school for key in keys.values()}, at)
    members = {room: visitors.get((key.school, key.scope), frozenset()) for room, key in keys.items()}
    return to_share({room: key.kind for room, key in keys.items()}, members, academy.server)


async def _what_they_are(
    db: Transaction, academy: Academy, persons: Collection[PersonId], at: datetime
) -> dict[PersonId, frozenset[Function]]:
    """What those of these persons who have an open account are, in all their schools."""
    accounts = await actual.accounts(db, list(persons))
    holders = {account.person for account in accounts.values() if account.active}
    schools = {school for named in (await people.schools_of(db, holders)).values() for school in named}
    in_force = await decisions.in_force_of_all(db, schools, at)
    found: defaultdict[PersonId, frozenset[Function]] = defaultdict(frozenset)
    for school in sorted(schools):
        snapshot = await snapshots.current(db, school)
        here = circles(snapshot, in_force[school], academy.choices_of(school)).functions if snapshot else {}
        for person in holders & here.keys():
            found[person] |= here[person]
    return found


async def visitors_of(
    db: Transaction, schools: Collection[Uai], at: datetime
) -> dict[tuple[Uai, str], frozenset[UserId]]:
    """The users of other académies who are appointed now, by school and name of the room."""
    found: defaultdict[tuple[Uai, str], set[UserId]] = defaultdict(set)
    for school, in_force in (await decisions.in_force_of_all(db, schools, at)).items():
        for given in in_force.appointments:
            if given.role is Mandate.VISITOR and given.holder.startswith("@"):
                found[school, given.scope].add(UserId(given.holder))
    return {place: frozenset(users) for place, users in found.items()}


async def words_of_others(db: Transaction, academy: Academy) -> list[tuple[ServerName, Word]]:
    """What the peers say, as far as it is understood."""
    found: list[tuple[ServerName, Word]] = []
    for server, key, content in await control.words_of_others(db, academy.server):
        try:
            word = read(server, key, content) if server in academy.peers else None
        except BrokenWord as broken:
            log.warning("word_not_understood", server=server, reason=str(broken))
            continue
        if word is not None:
            found.append((server, word))
    return found


async def vouched(db: Transaction, academy: Academy) -> dict[UserId, frozenset[Function]]:
    """The word of the others about their people."""
    return {word.user: word.functions for _, word in await words_of_others(db, academy) if isinstance(word, Vouch)}


async def of_others(
    db: Transaction, academy: Academy, schools: Collection[Uai], at: datetime, found: dict[FactKey, Fact | None]
) -> None:
    """What the guard must know of others: whom rooms of ours admit, what is open to us, for whom they answer."""
    rooms = {key: fact for key, fact in found.items() if isinstance(fact, RoomFacts) and fact.kind in VISITING}
    visitors = await visitors_of(db, {fact.school for fact in rooms.values()}, at)
    for key, fact in rooms.items():
        members = visitors.get((fact.school, fact.scope), frozenset())
        found[key] = replace(fact, admits=admits(fact.kind, members, academy.server))
    if ACADEMY in schools:
        found.update(dict.fromkeys(await control.facts_told(db)))
        words = await words_of_others(db, academy)
        found.update({key_of(fact): fact for fact in as_facts(words, academy.server)})
