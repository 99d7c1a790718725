"""Plans as people ask for them: from the store, with brakes; and their application, snapshot accepted first."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from preau.errors import PlanStopped
from preau.model.ids import Uai
from preau.store import journal, snapshots
from preau.store.journal import Entry
from preau.sync.apply import Applied, Progress, apply
from preau.sync.brakes import Brake, Limits, brakes
from preau.sync.context import Context
from preau.sync.plan import Plan, difference
from preau.sync.schools import Reach, all_schools, reach


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with what it was made from and the brakes that hold it."""

    plan: Plan
    stopped_by: tuple[Brake, ...]
    made_from: Reach

    @property
    def is_done(self) -> bool:
        """Is there nothing to do and nothing to accept?"""
        return not self.plan.steps and not self.made_from.pending


async def plan(context: Context, schools: Collection[Uai] | None = None, limits: Limits | None = None) -> Planned:
    """What `apply` would do now, pending snapshots included. Reads only.

    Args:
        context: store, clock and académie.
        schools: the schools to plan for; None for all.
        limits: where the brakes hold.
    """
    async with context.store.reading() as db:
        asked = await all_schools(db) if schools is None else frozenset(schools)
        found = await reach(db, context.academy, asked, context.clock.now(), newest=True)
    difference_ = difference(found.wanted, found.actual, context.academy)
    held = [brake for each in found.pending for brake in brakes(each.before, each.after, limits or Limits())]
    return Planned(difference_, tuple(held), found)


async def carry_out(
    context: Context, planned: Planned, *, actor: str, accept: str = "", progress: Progress = lambda _: None
) -> Applied:
    """Accepts the pending snapshots and does what the plan says.

    The acceptance comes first: from then on the service repairs towards the new snapshot, so that it never brings
    somebody back whom the plan takes out.

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
    await _accept(context, planned, actor)
    return await apply(context, planned.plan, planned.made_from.actual, actor=actor, progress=progress)


async def _accept(context: Context, planned: Planned, actor: str) -> None:
    if not planned.made_from.pending:
        return
    now = context.clock.now()
    async with context.store.writing() as db:
        for each in planned.made_from.pending:
            await snapshots.accept(db, each.id, now)
        entries = [
            Entry(actor, "accept_snapshot", each.after.school, {"snapshot": each.id, "plan": planned.plan.fingerprint})
            for each in planned.made_from.pending
        ]
        await journal.append(db, entries, now)
