"""Plan → effects on the homeserver, idempotent and resumable::

    phases in order:  accounts back in │ state │ people out │ names
                      │ rooms with their members, spaces first │ people into rooms that exist │ accounts out
    in a phase:       one queue per room or account, several at a time; steps of one room one after the other
    in a queue:       steps that one call can do, together (`preau.sync.effects`)
    a step:           effect ─► recorder (actual state + journal)

People leave before others enter, so that a run stopped half-way never shows one family's room to another; names change
before people enter more rooms, since each change enters every room anew; a room and its members are made in one go.

A killed run is continued by planning again: what was done is there, what was not is in the plan. One refused step never
stops the rest; it is reported, and stays in the next plan. Only a homeserver that does not answer stops the run.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from preau.errors import HomeserverError, HomeserverUnreachable, plainly
from preau.model.rooms import RoomKey
from preau.model.wanted import Content
from preau.store.journal import Entry
from preau.sync.context import Context
from preau.sync.effects import Hands, Outcome, together
from preau.sync.plan import Action, Actual, Plan, Step
from preau.sync.record import Effect, Recorder

_BEFORE: Final = (Action.UNLOCK_ACCOUNT, Action.SET_STATE, Action.REMOVE_MEMBER, Action.NAME_ACCOUNT)

_AT_ONCE: Final = 8
"""Rooms or accounts worked on together; the homeserver's own cost per join makes more useless (``synapse.md`` 2.1)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A step that the homeserver refused, and its words."""

    step: Step
    error: HomeserverError


@dataclass(frozen=True, slots=True)
class Applied:
    """What a run did: how many steps, and which were refused."""

    done: int
    refused: tuple[Refusal, ...]


Progress = Callable[[Step], None]
"""Called once per finished step, done or refused."""


async def apply(
    context: Context, plan: Plan, actual: Actual, *, actor: str, progress: Progress = lambda _: None
) -> Applied:
    """Carries a plan out.

    Args:
        context: homeserver, store, clock and académie.
        plan: what to do.
        actual: what the plan was made from.
        actor: who asked for it, for the journal.
        progress: told of each finished step.

    Raises:
        HomeserverUnreachable: the homeserver stopped answering; plan again to go on.
        StoreError: our own database failed; plan again to go on.
    """
    if not plan.steps:
        return Applied(0, ())
    recorder = Recorder(context.store, context.clock)
    run = _Run(context, plan, recorder, actor, plan.part_of or plan.fingerprint, progress)
    with plainly():
        async with asyncio.TaskGroup() as group:
            group.create_task(recorder.run())
            silence = await run.phases(actual)
            recorder.close()
    if silence is not None:
        raise silence
    return Applied(run.done, tuple(run.refused))


@dataclass(slots=True)
class _Run:
    """One run: what it was given, and what came of it."""

    context: Context
    plan: Plan
    recorder: Recorder
    actor: str
    fingerprint: str
    progress: Progress
    done: int = 0
    refused: list[Refusal] = field(default_factory=list)

    async def phases(self, actual: Actual) -> HomeserverUnreachable | None:
        """All phases in order. Returned is what ended them early, if the homeserver stopped answering."""
        hands = Hands(self.context, self.plan, dict(actual.rooms), dict(actual.accounts), self._note)
        try:
            with plainly():
                for phase in _phases(self.plan):
                    await self._phase(phase, hands)
        except HomeserverUnreachable as unreachable:
            return unreachable
        return None

    async def _phase(self, steps: Iterable[Step], hands: Hands) -> None:
        """All steps of a phase: those of one room or account in order, different ones side by side."""
        slots = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for queue in _by_subject(steps):
                group.create_task(self._queue(queue, hands, slots))

    async def _queue(self, steps: Sequence[Step], hands: Hands, slots: asyncio.Semaphore) -> None:
        async with slots:
            for batch in together(steps, self.context.academy.server):
                await hands.do(batch)

    def _note(self, outcome: Outcome) -> None:
        """Writes down what came of a step. One that was refused, and changed nothing, is not in the journal."""
        if outcome.error is None:
            self.done += 1
        else:
            self.refused.append(Refusal(outcome.step, outcome.error))
        if outcome.error is None or outcome.facts:
            self.recorder.note(Effect(outcome.facts, self._entry(outcome.step)))
        self.progress(outcome.step)

    def _entry(self, step: Step) -> Entry:
        detail: Content = {"reason": step.reason, "plan": self.fingerprint}
        return Entry(self.actor, str(step.action), step.subject, detail)


def _phases(plan: Plan) -> Iterator[list[Step]]:
    """The plan's steps in the phases drawn above; rooms to be made by their depth, each needs the space above it."""
    by_action: defaultdict[Action, list[Step]] = defaultdict(list)
    for step in plan.steps:
        by_action[step.action].append(step)
    for action in _BEFORE:
        yield by_action[action]
    made = {step.room for step in by_action[Action.CREATE_ROOM]}
    arrivals = by_action[Action.ADD_MEMBER]
    yield from _by_depth([*by_action[Action.CREATE_ROOM], *(step for step in arrivals if step.room in made)], plan)
    yield [step for step in arrivals if step.room not in made]
    yield by_action[Action.LOCK_ACCOUNT]


def _by_depth(steps: Iterable[Step], plan: Plan) -> list[list[Step]]:
    """The steps by how deep below the académie's space their room hangs."""
    found: defaultdict[int, list[Step]] = defaultdict(list)
    for step in steps:
        assert step.room is not None, step
        found[_depth(step.room, plan)].append(step)
    return [found[depth] for depth in sorted(found)]


def _depth(key: RoomKey, plan: Plan) -> int:
    depth = 0
    parent = plan.rooms[key].parent
    while parent is not None:
        depth, parent = depth + 1, plan.rooms[parent].parent
    return depth


def _by_subject(steps: Iterable[Step]) -> list[list[Step]]:
    queues: defaultdict[Hashable, list[Step]] = defaultdict(list)
    for step in steps:
        queues[step.room or step.user].append(step)
    return list(queues.values())
