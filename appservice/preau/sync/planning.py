"""Plans as people ask for them: from the store, with brakes; and their application, snapshots accepted first::

    schools ─► sets that share no person ─► per set: what is wanted − what is there = Part   (a set at a time in memory)
                                                      └─► brakes, from its pending snapshots
    parts ─► one plan to read, one fingerprint ─► accept the snapshots ─► facts for the guard ─► apply, part after part

    nothing to do in a set ─► its schools are marked (`preau.store.settled`): no plan reads them until something changes

So the time and memory that a plan takes grow with the schools in which something may be to do, not with the académie.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from preau.errors import PlanStopped
from preau.model.ids import Uai
from preau.model.rooms import RoomKey
from preau.policy.facts import moved
from preau.policy.wanted import ACADEMY
from preau.store import actual, journal, settled, snapshots
from preau.store.engine import Transaction
from preau.store.journal import Entry
from preau.store.settled import Mark
from preau.sync.apply import Applied, Progress, apply
from preau.sync.brakes import Brake, Limits, brakes
from preau.sync.context import Context
from preau.sync.control import publish
from preau.sync.marks import bases
from preau.sync.plan import Action, Actual, Plan, Step, difference
from preau.sync.push import push_due, push_new_rooms
from preau.sync.schools import Pending, all_schools, bound_together, reach

PAST_KEPT: Final = 2
"""Past snapshots that are kept of each school, to look back at; names of people who left go with the older ones."""


PEOPLE_PER_STEP: Final = 30
"""People who are planned in about the time of one step, in a batch (``docs/benchmarks.md``)."""


@dataclass(frozen=True, slots=True)
class Part:
    """What there is to do for some schools whose people belong together, and what it was worked out from."""

    schools: frozenset[Uai]
    plan: Plan
    actual: Actual
    pending: tuple[Pending, ...]

    @property
    def is_settled(self) -> bool:
        """Is there nothing to do, to accept, or to wait for?"""
        return not (self.plan.steps or self.pending or self.plan.waiting)


@dataclass(frozen=True, slots=True)
class Planned:
    """All there is to do, the brakes that hold it, and what others must make possible first.

    ``marks`` are for the schools that were looked at and in which nothing is left; `carry_out` keeps them.
    """

    parts: tuple[Part, ...]
    stopped_by: tuple[Brake, ...]
    waiting: tuple[Step, ...] = ()
    marks: Mapping[Uai, Mark] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Is there nothing to do and nothing to accept?"""
        return not self.parts

    @property
    def pending(self) -> tuple[Pending, ...]:
        """The snapshots that wait to be accepted."""
        return tuple(each for part in self.parts for each in part.pending)

    @property
    def plan(self) -> Plan:
        """All steps as one plan: what people read, and whose fingerprint they repeat."""
        steps = tuple(step for part in self.parts for step in part.plan.steps)
        rooms = {key: room for part in self.parts for key, room in part.plan.rooms.items()}
        return Plan(steps, rooms, accepting=tuple(f"{each.after.school} {each.digest}" for each in self.pending))


async def plan(context: Context, schools: Collection[Uai] | None = None, limits: Limits | None = None) -> Planned:
    """What `carry_out` would do now, pending snapshots included. Reads only.

    Args:
        context: store, clock and académie.
        schools: the schools to plan for, with those that share people with them; None for all.
        limits: where the brakes hold.
    """
    now = context.clock.now()
    parts: list[Part] = []
    waiting: list[Step] = []
    quiet: set[Uai] = set()
    async with context.store.reading() as db:
        asked = await all_schools(db) if schools is None else frozenset(schools)
        made: set[RoomKey] = set()
        for together in await _unsettled(db, context, asked, now):
            part = await _part(db, context, together, now)
            steps = tuple(step for step in part.plan.steps if not _is_made_already(step, made))
            waiting += part.plan.waiting
            made.update(step.room for step in steps if step.action is Action.CREATE_ROOM and step.room is not None)
            if steps or part.pending:
                parts.append(replace(part, plan=replace(part.plan, steps=steps)))
            if part.is_settled:
                quiet |= together
        marks = await settled.marks_for(db, await bases(db, context.academy, quiet), now)
    return Planned(tuple(parts), tuple(_brakes(parts, limits or Limits())), tuple(waiting), marks)


async def _unsettled(
    db: Transaction, context: Context, schools: frozenset[Uai], now: datetime
) -> Sequence[frozenset[Uai]]:
    """The sets of schools that share people, but for those in which nothing was left to do and nothing changed since.

    A set has its marks from plans of the whole set, or was put together since: then the register key that did it took
    marks away. Who shares people with whom is asked only when there is a school without a mark.
    """
    known = schools | await all_schools(db)
    good = await settled.settled(db, await bases(db, context.academy, known), now)
    if known <= good:
        return []
    return [together for together in await bound_together(db, schools) if together - good]


async def _part(db: Transaction, context: Context, schools: frozenset[Uai], now: datetime) -> Part:
    found = await reach(db, context.academy, schools, now, newest=True)
    return Part(schools, difference(found.wanted, found.actual, context.academy), found.actual, found.pending)


def _is_made_already(step: Step, made: Collection[RoomKey]) -> bool:
    """The académie's space hangs above every school: the first part that needs it makes it."""
    return step.action is Action.CREATE_ROOM and step.room in made


def _brakes(parts: Collection[Part], limits: Limits) -> Iterator[Brake]:
    for part in parts:
        for each in part.pending:
            yield from brakes(each.before, each.after, limits)


async def carry_out(
    context: Context, planned: Planned, *, actor: str, accept: str = "", progress: Progress = lambda _: None
) -> Applied:
    """Accepts the pending snapshots, tells the guard, does what the plan says, and tells the other académies.

    The acceptance comes first: from then on the service repairs towards the new snapshots, so that it never brings
    somebody back whom the plan takes out; and the guard lets nobody do what the new snapshots do not give.

    Args:
        context: homeserver, store, clock and académie.
        planned: what `plan` returned.
        actor: who asks, for the journal.
        accept: the plan's fingerprint, which lets it pass the brakes.
        progress: told of each finished step.

    Raises:
        PlanStopped: a brake holds and ``accept`` is not the plan's fingerprint; nothing was done.
        HomeserverUnreachable: the homeserver stopped answering; apply again to go on.
    """
    fingerprint = planned.plan.fingerprint
    if planned.stopped_by and accept != fingerprint:
        raise PlanStopped(
            "The plan was stopped: " + "; ".join(brake.message for brake in planned.stopped_by) + ".",
            advice=f"Look at `preau plan`. If it is right all the same: preau apply --accept {fingerprint}",
        )
    await _accept(context, planned.pending, actor, fingerprint)
    await push_due(context)
    done: list[Applied] = []
    for part in planned.parts:
        now = await _with_shared_rooms(context, part.actual)
        steps = replace(part.plan, part_of=fingerprint)
        done.append(await apply(context, steps, now, actor=actor, progress=progress))
        await push_new_rooms(context, steps)
    await publish(context)
    await _mark(context, planned, [part for part, run in zip(planned.parts, done, strict=True) if not run.refused])
    return Applied(sum(each.done for each in done), tuple(refusal for each in done for refusal in each.refused))


async def _mark(context: Context, planned: Planned, done: Collection[Part]) -> None:
    """Marks the schools in which nothing is left to do, those that were just done after another look.

    A look at a large school for the sake of few steps is left to the next run, which may have to look anyway.
    """
    marks = {**planned.marks}
    worth_it = [part for part in done if len(part.plan.steps) * PEOPLE_PER_STEP >= len(part.actual.accounts)]
    if worth_it:
        marks |= (await plan(context, {school for part in worth_it for school in part.schools})).marks
    if marks:
        async with context.store.writing() as db:
            await settled.note(db, marks)


async def _with_shared_rooms(context: Context, known: Actual) -> Actual:
    """What was known, with the académie's own rooms as the parts before left them."""
    async with context.store.reading() as db:
        shared = await actual.rooms_of_school(db, ACADEMY)
    return replace(known, rooms={**known.rooms, **shared})


async def _accept(context: Context, pending: Collection[Pending], actor: str, fingerprint: str) -> None:
    if not pending:
        return
    now = context.clock.now()
    async with context.store.writing() as db:
        for each in pending:
            moved_ = moved(each.before, each.after) if each.before is not None else None
            await snapshots.accept(db, each.id, now, moved_)
        await snapshots.forget_past(db, PAST_KEPT)
        entries = [
            Entry(actor, "accept_snapshot", each.after.school, {"snapshot": each.id, "plan": fingerprint})
            for each in pending
        ]
        await journal.append(db, entries, now)
