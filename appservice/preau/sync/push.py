"""The guard is told: what differs is queued, and sent in order until it is confirmed::

    marked as moved (`preau.store.due`) ─┐
    schools never worked out, or by      ├─► facts ─► those that differ from what was queued ─┐ one transaction,
    other settings or another program ───┘                 (the marks are lifted)             ▼ one writer at a time
    guard ◄─ confirmed? ◄─ oldest first ◄────────────────────────────────────────────────── outbox
      └─ holds something else (it, or we, came from an older copy; another service pushed) ─► everything anew

So a change costs the people it is about, whatever the size of their school.

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
from preau.model.facts import FactKind
from preau.model.ids import Uai
from preau.policy.wanted import ACADEMY
from preau.store import actual, due
from preau.store import facts as counters
from preau.store import facts_outbox as outbox
from preau.store.bulk import chunks
from preau.store.due import Mark
from preau.store.engine import Transaction
from preau.store.facts_outbox import Stream, Waiting
from preau.sync.context import Academy, Context
from preau.sync.facts import Asked, derive
from preau.sync.marks import program
from preau.sync.plan import Action, Plan

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_SCHOOLS_AT_ONCE: Final = 32
"""Schools in one transaction: enough to load those that share people once, few enough not to hold others up."""

_MARKS_AT_ONCE: Final = 20_000
"""Marks in one transaction: of many schools or of one, which is read anew for each."""

_PUSHES_AT_ONCE: Final = 8

_ROUNDS: Final = 3
"""How often everything is told anew before somebody must look: two services push to one guard."""

_EVERY: Final = 30.0
"""Seconds between two looks of the running service at what is due."""

_AGREE_EVERY: Final = 10
"""Looks after which it is asked again whether the guard holds what it was told: counting its facts has a price."""


async def push_facts(context: Context, schools: Collection[Uai]) -> None:
    """Tells the guard what moved anywhere, and whatever still waits; first all about these schools, if it never was.

    Raises:
        HomeserverUnreachable: it stopped answering; what is queued is told later, by `preau serve` or the next push.
    """
    async with context.store.reading() as db:
        whole = await _to_be_done_whole(db, context.academy)
    await _push(context, [school for school in whole if school in schools])


async def push_due(context: Context) -> None:
    """The same, and all about every school, if it was worked out never, or by other settings or another program.

    Raises:
        HomeserverUnreachable: see `push_facts`.
    """
    async with context.store.reading() as db:
        whole = await _to_be_done_whole(db, context.academy)
    await _push(context, whole)


async def push_new_rooms(context: Context, plan: Plan) -> None:
    """Tells the guard of the rooms that were made by a plan; since then it knew them by their first events.

    Raises:
        HomeserverUnreachable: see `push_facts`.
    """
    made = {step.room.school for step in plan.steps if step.action is Action.CREATE_ROOM and step.room is not None}
    if made:
        await push_facts(context, made)


async def agree(context: Context) -> None:
    """Looks whether the guard holds what it was told, and works one school out whole, in case a mark was forgotten.

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
        longest_ago = await outbox.derived_longest_ago(db)
        whole = {*await _to_be_done_whole(db, context.academy), *([] if longest_ago is None else [longest_ago])}
    await _push(context, whole)


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


async def _push(context: Context, whole: Collection[Uai]) -> None:
    """Queues what moved, and all about these schools, and tells the guard."""
    for _ in range(_ROUNDS):
        if await _nobody_listens(context):
            return
        await _queue(context, whole)
        if await _tell(context):
            return
    log.error("facts_not_kept", meaning="the guard goes on holding other facts than ours: is there another service?")


async def _nobody_listens(context: Context) -> bool:
    """Whether there is no guard, and was none before: then nothing is worked out for it.

    It is not asked while nobody has an account, so that reading rosters needs no homeserver.
    """
    async with context.store.reading() as db:
        if await outbox.stream(db) is not None or not await actual.has_accounts(db):
            return False
    return await context.homeserver.guard_status() is None


async def _queue(context: Context, whole: Collection[Uai]) -> None:
    """Works out what moved, and these schools, and queues what differs; during a reload, every school's."""
    while await _queue_moved(context):
        pass
    for chunk in chunks(sorted(whole), _SCHOOLS_AT_ONCE):
        await _queue_some(context, chunk)
    while chunk := await _next_of_reload(context):
        await _queue_some(context, chunk)


async def _queue_moved(context: Context) -> bool:
    """Some of what was marked as moved; whether there is more."""
    async with context.store.reading() as db:
        if not await due.due(db, context.clock.now(), 1):
            return False  # nothing is written where nothing moved
    async with context.store.writing() as db:
        mine, at = await outbox.take_turn(db), context.clock.now()
        marks = await due.due(db, at, _MARKS_AT_ONCE)  # first: whatever is marked again meanwhile stays marked
        asked = Asked(
            [Uai(school) for school in _marked(marks, FactKind.SCHOOL)],
            _marked(marks, FactKind.PERSON),
            _marked(marks, FactKind.ROOM),
            at=at,
        )
        await outbox.queue(db, mine, await derive(db, context.academy, asked), at)
        await due.lift(db, marks)
    return len(marks) == _MARKS_AT_ONCE


def _marked(marks: Collection[Mark], kind: FactKind) -> list[str]:
    return sorted({mark.id for mark in marks if mark.kind is kind})


async def _queue_some(context: Context, schools: Collection[Uai]) -> None:
    """All about these schools."""
    async with context.store.writing() as db:
        mine, at = await outbox.take_turn(db), context.clock.now()
        await outbox.queue(db, mine, await derive(db, context.academy, Asked(schools, at=at)), at)
        await outbox.note_derived(db, {school: _basis(context.academy, school) for school in schools}, at)


async def _next_of_reload(context: Context) -> list[Uai]:
    """The next schools to be told anew; the last push of the reload is queued when there are none left.

    A reload that nothing came of (nobody has an account yet) stays open, so that reading rosters needs no homeserver.
    """
    async with context.store.reading() as db:
        mine = await outbox.stream(db)
        if mine is None or mine.reload_from is None:
            return []
        if left := await _to_be_done_whole(db, context.academy):
            return left[:_SCHOOLS_AT_ONCE]
        if mine.version == 0:
            return []
    async with context.store.writing() as db:
        mine = await outbox.take_turn(db)
        if mine.reload_from is not None and not await _to_be_done_whole(db, context.academy):
            await outbox.end_reload(db, mine, context.clock.now())
    return []


async def _to_be_done_whole(db: Transaction, academy: Academy) -> list[Uai]:
    """The schools never worked out, or by other settings or another program: two queries over one row per school."""
    done, known = await outbox.derived(db), await counters.facts_versions(db)
    return sorted(school for school in {ACADEMY, *known} if done.get(school) != _basis(academy, school))


def _basis(academy: Academy, school: Uai) -> str:
    """What a school's facts follow from beside the store."""
    return f"{program()[:32]} {academy.choices_of(school).fingerprint}"


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
