"""The guard is told: what differs is queued, and sent in order until it is confirmed::

    facts of some schools ─► those that differ from what was queued ─┐ one transaction,
                                                                     ▼ one writer at a time
    guard ◄─ confirmed? ◄─ oldest first ◄─────────────────────── outbox
      └─ holds something else (it, or we, came from an older copy; another service pushed) ─► everything anew

What takes something away must be pushed before the homeserver is asked to act on it, what gives before people enter:
so flows push right after the decision and before they apply. A push that the guard refuses does not hold a plan up
(nobody stays in a room for it); it stays in the outbox, and `preau doctor` says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final

import structlog

from preau.errors import HomeserverError, HomeserverUnreachable, PreauError
from preau.matrix.guard import Held
from preau.model.ids import Uai
from preau.policy.wanted import ACADEMY
from preau.store import decisions, people
from preau.store import facts as counters
from preau.store import facts_outbox as outbox
from preau.store.bulk import chunks
from preau.store.engine import Transaction
from preau.store.facts_outbox import Derived, Stream, Waiting
from preau.sync.context import Context
from preau.sync.facts import derive
from preau.sync.plan import Action, Plan

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_SCHOOLS_AT_ONCE: Final = 32
"""Schools in one transaction: enough to load those that share people once, few enough not to hold others up."""

_PUSHES_AT_ONCE: Final = 8

_ROUNDS: Final = 3
"""How often everything is told anew before somebody must look: two services push to one guard."""

_EVERY: Final = 30.0
"""Seconds between two looks of the running service at what is due."""

_AGREE_EVERY: Final = 10
"""Looks after which it is asked again whether the guard holds what it was told: counting its facts has a price."""


async def push_facts(context: Context, schools: Collection[Uai]) -> None:
    """Tells the guard what changed of these schools' people, rooms and choices, and whatever still waits.

    Raises:
        HomeserverUnreachable: it stopped answering; what is queued is told later, by `preau serve` or the next push.
    """
    for _ in range(_ROUNDS):
        await _queue(context, schools)
        if await _tell(context):
            return
    log.error("facts_not_kept", meaning="the guard goes on holding other facts than ours: is there another service?")


async def push_new_rooms(context: Context, plan: Plan) -> None:
    """Tells the guard of the rooms that were made by a plan; since then it knew them by their first events.

    Raises:
        HomeserverUnreachable: see `push_facts`.
    """
    made = {step.room.school for step in plan.steps if step.action is Action.CREATE_ROOM and step.room is not None}
    if made:
        await push_facts(context, made)


async def push_due(context: Context) -> None:
    """Tells the guard of every school whose facts moved since they were last worked out, a date that came included.

    Raises:
        HomeserverUnreachable: see `push_facts`.
    """
    async with context.store.reading() as db:
        due = await _due(db, context)
    await push_facts(context, due)


async def agree(context: Context) -> None:
    """Looks whether the guard holds what it was told, and mends what a killed run left; costs more than a push.

    Raises:
        HomeserverUnreachable: see `push_facts`.
    """
    async with context.store.reading() as db:
        before, oldest = await outbox.stream(db), await outbox.waiting(db, 1)
    status = await context.homeserver.guard_status()
    if status is None:
        await _forget(context)
        return
    async with context.store.writing() as db:
        after = await outbox.take_turn(db)
        if before is None or before.name != after.name:
            before = after
        if not _agreed(before, oldest, after, status.held):
            await _begin_reload(db, before, status.held)
        persons = await people.schools_of(db, await outbox.people_untold(db))
        lost = (await outbox.rooms_untold(db)).union(*persons.values())
    await push_facts(context, lost)
    await push_due(context)


def _agreed(before: Stream, oldest: tuple[Waiting, ...], after: Stream, held: Held) -> bool:
    """Whether the guard is where it can be: behind nothing that it confirmed, ahead of nothing that we queued.

    The lower bound was read before the guard was asked, the upper one afterwards: others push meanwhile.
    """
    if after.reload_from is not None and after.version < after.reload_from > held.version:
        return True  # a reload is open that begins above it, and its first push is yet to be made
    if oldest and oldest[0].takes_over:
        return held.version < oldest[0].version or held.stream == after.name
    confirmed = oldest[0].version - 1 if oldest else before.version
    return held.stream == after.name and confirmed <= held.version <= after.version


async def keep_telling(context: Context, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Tells the guard what commands left, what a date changed, and what it lost; until it is cancelled.

    Nothing that a person can act on ends it: it is logged, and tried again half a minute later.
    """
    looks = 0
    while True:
        try:
            await (push_due if looks % _AGREE_EVERY else agree)(context)
            looks += 1
        except PreauError as trouble:
            log.warning("guard_not_told", trouble=type(trouble).__name__, reason=trouble.happened)
        await sleep(_EVERY)


async def _queue(context: Context, schools: Collection[Uai]) -> None:
    """Works these schools' facts out and queues what differs; during a reload, every school's."""
    for chunk in chunks(sorted(schools), _SCHOOLS_AT_ONCE):
        await _queue_some(context, chunk)
    while chunk := await _next_of_reload(context):
        await _queue_some(context, chunk)


async def _queue_some(context: Context, schools: Collection[Uai]) -> None:
    async with context.store.writing() as db:
        mine, at = await outbox.take_turn(db), context.clock.now()
        versions = await counters.facts_versions(db)  # first: whatever moves meanwhile is worked out again
        found = await derive(db, context.academy, schools, at)
        await outbox.queue(db, mine, found, at)
        rows = {
            school: Derived(
                versions.get(school, 0),
                context.academy.choices_of(school).fingerprint,
                await decisions.next_change(db, school, at),
            )
            for school in schools
        }
        await outbox.note_derived(db, rows)


async def _next_of_reload(context: Context) -> list[Uai]:
    """The next schools to be told anew; the last push of the reload is queued when there are none left.

    A reload that nothing came of (nobody has an account yet) stays open, so that reading rosters needs no homeserver.
    """
    async with context.store.reading() as db:
        mine = await outbox.stream(db)
        if mine is None or mine.reload_from is None:
            return []
        if due := await _due(db, context):
            return due[:_SCHOOLS_AT_ONCE]
        if mine.version == 0:
            return []
    async with context.store.writing() as db:
        mine = await outbox.take_turn(db)
        if mine.reload_from is not None and not await _due(db, context):
            await outbox.end_reload(db, mine, context.clock.now())
    return []


async def _due(db: Transaction, context: Context) -> list[Uai]:
    """The schools whose facts moved since they were last worked out: three short queries over one row per school."""
    derived, versions = await outbox.derived(db), await counters.facts_versions(db)
    now, academy = context.clock.now(), context.academy

    def moved(school: Uai) -> bool:
        known = derived.get(school)
        if known is None or (known.until is not None and known.until <= now):
            return True
        return (known.version, known.choices) != (versions.get(school, 0), academy.choices_of(school).fingerprint)

    return sorted(filter(moved, {ACADEMY, *versions}))


async def _tell(context: Context) -> bool:
    """Sends what waits, oldest first; False when the guard holds something else and everything must be told anew."""
    while True:
        async with context.store.reading() as db:
            mine, pushes = await outbox.stream(db), await outbox.waiting(db, _PUSHES_AT_ONCE)
        if mine is None or not pushes:
            return True
        try:
            held = await _send(context, mine, pushes)
        except HomeserverUnreachable:
            raise
        except HomeserverError as refused:
            log.error("facts_refused", reason=refused.happened, waiting=len(pushes))  # noqa: TRY400 -- no trace: the guard is at fault
            return True
        if held is None:
            await _forget(context)
            return True
        if not await _confirm(context, mine, pushes[-1], held):
            return False


async def _send(context: Context, mine: Stream, pushes: Collection[Waiting]) -> Held | None:
    """Sends pushes until one is not taken; what the guard holds then, None without a guard."""
    held: Held | None = None
    for push in pushes:
        if push.takes_over:
            status = await context.homeserver.guard_status()
            if status is None or (status.held.version >= push.version and status.held.stream != mine.name):
                return None if status is None else status.held
        held = await context.homeserver.push_facts(push.body)
        if held is None or held.stream != mine.name or held.version < push.version:
            return held
    return held


async def _confirm(context: Context, mine: Stream, last: Waiting, held: Held) -> bool:
    """Drops what the guard has; False, with a reload begun, if it holds what cannot come from our stream as it is."""
    async with context.store.writing() as db:
        now = await outbox.take_turn(db)
        taken = held.stream == now.name and last.version <= held.version <= now.version
        if taken:
            await outbox.confirmed(db, mine.name, held.version)
        else:
            await _begin_reload(db, mine, held)
    return taken


async def _begin_reload(db: Transaction, judged: Stream, held: Held) -> None:
    if await outbox.begin_reload(db, judged, held.version):
        log.warning("facts_told_anew", ours=judged.version, theirs=held.version, same=judged.name == held.stream)


async def _forget(context: Context) -> None:
    """There is no guard, which was logged: what waits for it is dropped, so that it does not grow for ever."""
    async with context.store.reading() as db:
        known = await outbox.stream(db)
    if known is not None:
        async with context.store.writing() as db:
            await outbox.forget_everything(db)
