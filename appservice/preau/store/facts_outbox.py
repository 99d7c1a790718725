"""Facts on their way to the guard: what was queued, and what it has not confirmed yet (transactional outbox).

::

    take_turn ─► known? ─► what differs ─► queue      one writing transaction: digests and pushes, or neither
    waiting ─► sent in order, as often as needed ─► confirmed

The stream's name is ours alone and its version grows with every push. While a reload is open everything is told anew:
its first push takes over whatever the guard holds, its last one has the guard forget what was not repeated.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from preau.model.fact_codec import encode
from preau.model.facts import Fact, FactKey, FactKind, RoomFacts
from preau.model.ids import Uai
from preau.model.wanted import Json
from preau.store import tables
from preau.store.bulk import chunks, insert, insert_missing, upsert
from preau.store.canonical import canonical_json

AT_MOST: Final = 1_000
"""Facts in one push, about 300 kB: the guard takes ten times as many, the homeserver answers others meanwhile."""

_STREAM = tables.guard_stream.c
_FACT = tables.guard_fact.c
_OUTBOX = tables.guard_outbox.c


@dataclass(frozen=True, slots=True)
class Stream:
    """Our own counter of pushes. ``reload_from`` is the version of an open reload's first push, None without one."""

    name: str
    version: int
    reload_from: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A push that was not confirmed yet; ``takes_over``: whatever the guard held before."""

    version: int
    body: str
    takes_over: bool


async def stream(db: AsyncConnection) -> Stream | None:
    """Our stream; None if nothing was ever queued, or the guard is gone."""
    row = (await db.execute(select(_STREAM.stream, _STREAM.version, _STREAM.reload_from))).first()
    return None if row is None else Stream(row.stream, row.version, row.reload_from)


async def take_turn(db: AsyncConnection) -> Stream:
    """Our stream, for one transaction at a time: others wait here until this one ends. A new one begins as a reload."""
    fresh = {"only_row": 1, "stream": secrets.token_hex(8), "version": 0, "reload_from": 1}
    while True:  # whoever had the turn before may have taken the row away
        await insert_missing(db, tables.guard_stream, [fresh])
        await db.execute(tables.guard_stream.update().values(version=_STREAM.version))  # the row's lock, on PostgreSQL
        if (found := await stream(db)) is not None:
            return found


async def queue(db: AsyncConnection, mine: Stream, facts: Mapping[FactKey, Fact | None], at: datetime) -> Stream:
    """Notes those of the facts that differ from what was queued last, and queues them; the stream afterwards.

    Args:
        db: the transaction in which `take_turn` was called.
        mine: what it returned.
        facts: facts by key; None for one that is no more.
        at: now.
    """
    digests = {key: _digest(fact) for key, fact in facts.items()}
    known = await _known(db, facts)
    changed = sorted(key for key, digest in digests.items() if known.get(key) != digest)
    for keys in chunks(changed, AT_MOST):
        mine = await _push(db, mine, {key: facts[key] for key in keys}, at)
    gone = [key for key in changed if facts[key] is None]
    await _forget(db, gone)
    rows = ((key, fact) for key in changed if (fact := facts[key]) is not None)
    await upsert(db, tables.guard_fact, (_row(key, fact, digests[key]) for key, fact in rows))
    return mine


async def rooms_told_of(db: AsyncConnection, schools: Collection[Uai]) -> frozenset[str]:
    """The ids of the rooms of these schools whose facts were queued."""
    found: set[str] = set()
    for chunk in chunks(schools):
        query = select(_FACT.id).where(_FACT.kind == FactKind.ROOM.value, _FACT.school.in_(chunk))
        found.update(await db.scalars(query))
    return frozenset(found)


async def waiting(db: AsyncConnection, limit: int) -> tuple[Waiting, ...]:
    """The oldest pushes that were not confirmed, in order."""
    query = select(_OUTBOX.version, _OUTBOX.body, _OUTBOX.takes_over).order_by(_OUTBOX.version).limit(limit)
    return tuple(Waiting(row.version, row.body, row.takes_over) for row in await db.execute(query))


async def lag(db: AsyncConnection) -> tuple[int, datetime | None]:
    """How many pushes wait, and since when the oldest of them."""
    row = (await db.execute(select(func.count(), func.min(_OUTBOX.queued_at)).select_from(tables.guard_outbox))).one()
    return row[0], row[1]


async def confirmed(db: AsyncConnection, name: str, version: int) -> None:
    """The guard has everything of that stream up to that version."""
    if (found := await stream(db)) is not None and found.name == name:
        await db.execute(tables.guard_outbox.delete().where(_OUTBOX.version <= version))


async def begin_reload(db: AsyncConnection, judged: Stream, above: int) -> bool:
    """Everything is to be told anew, with versions above that one; False if another process began before us.

    Args:
        db: a writing transaction.
        judged: our stream as it was when the guard was found to hold something else.
        above: the guard's own version.
    """
    mine = await take_turn(db)
    if (mine.name, mine.reload_from) != (judged.name, judged.reload_from):
        return False
    version = max(mine.version, above)
    for table in (tables.guard_outbox, tables.guard_fact, tables.guard_school):
        await db.execute(table.delete())
    await db.execute(tables.guard_stream.update().values(version=version, reload_from=version + 1))
    return True


async def end_reload(db: AsyncConnection, mine: Stream, at: datetime) -> Stream:
    """Everything was queued: queues the push that has the guard forget what was not repeated."""
    mine = await _push(db, mine, {}, at, forget_before=mine.reload_from)
    await db.execute(tables.guard_stream.update().values(reload_from=None))
    return replace(mine, reload_from=None)


async def forget_everything(db: AsyncConnection) -> None:
    """There is no guard: whatever was told it is lost with it, and nothing waits for it."""
    for table in (tables.guard_outbox, tables.guard_fact, tables.guard_school, tables.guard_stream):
        await db.execute(table.delete())


async def derived(db: AsyncConnection) -> dict[Uai, str]:
    """By what each school's facts were last worked out whole; schools whose facts never were are left out."""
    return {Uai(row.school): row.basis for row in await db.execute(select(tables.guard_school))}


async def derived_longest_ago(db: AsyncConnection) -> Uai | None:
    """The school whose facts were last worked out whole before all others'; None if no school's were."""
    query = select(tables.guard_school.c.school).order_by(
        tables.guard_school.c.derived_at, tables.guard_school.c.school
    )
    found: str | None = await db.scalar(query.limit(1))
    return None if found is None else Uai(found)


async def note_derived(db: AsyncConnection, bases: Mapping[Uai, str], at: datetime) -> None:
    """These schools' facts were worked out whole, by that: settings and program."""
    rows = ({"school": school, "basis": basis, "derived_at": at} for school, basis in bases.items())
    await upsert(db, tables.guard_school, rows)


async def counts(db: AsyncConnection) -> dict[str, int]:
    """How many facts of each kind were queued and not taken back."""
    query = select(_FACT.kind, func.count()).group_by(_FACT.kind)
    return {kind: count for kind, count in await db.execute(query)}  # noqa: C416 -- rows are no pairs for mypy


async def _known(db: AsyncConnection, keys: Iterable[FactKey]) -> dict[FactKey, str]:
    found: dict[FactKey, str] = {}
    for kind, ids in _by_kind(keys):
        for chunk in chunks(ids):
            query = select(_FACT.id, _FACT.digest).where(_FACT.kind == kind.value, _FACT.id.in_(chunk))
            found.update({(kind, row.id): row.digest for row in await db.execute(query)})
    return found


async def _forget(db: AsyncConnection, keys: Iterable[FactKey]) -> None:
    for kind, ids in _by_kind(keys):
        for chunk in chunks(ids):
            await db.execute(tables.guard_fact.delete().where(_FACT.kind == kind.value, _FACT.id.in_(chunk)))


def _by_kind(keys: Iterable[FactKey]) -> Iterator[tuple[FactKind, list[str]]]:
    ids: defaultdict[FactKind, list[str]] = defaultdict(list)
    for kind, key in keys:
        ids[kind].append(key)
    return iter(ids.items())


async def _push(
    db: AsyncConnection,
    mine: Stream,
    facts: Mapping[FactKey, Fact | None],
    at: datetime,
    *,
    forget_before: int | None = None,
) -> Stream:
    """One push more; its body is what `preau.guard.web` reads."""
    groups: dict[str, Json] = {}
    for (kind, key), fact in facts.items():
        group = groups.setdefault(kind.value, {})
        assert isinstance(group, dict)
        group[key] = None if fact is None else encode(fact)
    version = mine.version + 1
    takes_over = version == mine.reload_from
    body: Json = {
        "stream": mine.name,
        "after": None if takes_over else mine.version,
        "version": version,
        "facts": groups,
        "forget_before": forget_before or 0,
    }
    row = {"version": version, "body": canonical_json(body), "takes_over": takes_over, "queued_at": at}
    await insert(db, tables.guard_outbox, [row])
    await db.execute(tables.guard_stream.update().values(version=version))
    return replace(mine, version=version)


def _row(key: FactKey, fact: Fact, digest: str | None) -> dict[str, str | None]:
    school = fact.school if isinstance(fact, RoomFacts) else ""
    return {"kind": key[0].value, "id": key[1], "school": school, "digest": digest}


def _digest(fact: Fact | None) -> str | None:
    """32 hexadecimal digits that change with anything in the fact."""
    return None if fact is None else hashlib.sha256(canonical_json(encode(fact)).encode()).hexdigest()[:32]
