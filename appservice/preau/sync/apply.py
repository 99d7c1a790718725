"""Plan → effects on the homeserver, idempotent and resumable::

    phases in order:  accounts back in │ rooms, spaces first │ state │ people out │ names │ people in │ accounts out
    in a phase:       one queue per room or account, several at a time; steps of one room one after the other
    a step:           effect ─► recorder (actual state + journal)

A killed run is continued by planning again: what was done is there, what was not is in the plan. One refused step never
stops the rest; it is reported, and stays in the next plan. Only a homeserver that does not answer stops the run.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from preau.errors import HomeserverError, HomeserverUnreachable, plainly
from preau.model.ids import UserId, split_user_id
from preau.model.rooms import RoomKey
from preau.model.wanted import ActualAccount, ActualRoom, Content, Membership, StateKey
from preau.policy.powers import child_key, child_link
from preau.store.journal import Entry
from preau.sync.context import Context
from preau.sync.plan import Action, Actual, Plan, Step
from preau.sync.record import Effect, Fact, MemberChanged, Recorder, StateSet
from preau.sync.rooms import ensure_room

_PHASES: Final = (
    (Action.UNLOCK_ACCOUNT,),
    (Action.CREATE_ROOM,),
    (Action.SET_STATE,),
    (Action.REMOVE_MEMBER,),
    (Action.NAME_ACCOUNT,),
    (Action.ADD_MEMBER,),
    (Action.LOCK_ACCOUNT,),
)

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
    fingerprint = plan.part_of or plan.fingerprint
    run = _Run(context, plan, dict(actual.rooms), dict(actual.accounts), recorder, actor, fingerprint, progress)
    with plainly():
        async with asyncio.TaskGroup() as group:
            group.create_task(recorder.run())
            silence = await run.phases()
            recorder.close()
    if silence is not None:
        raise silence
    return Applied(run.done, tuple(run.refused))


@dataclass(slots=True)
class _Run:
    """One run: what it was given, what it knows by now, and what came of it."""

    context: Context
    plan: Plan
    rooms: dict[RoomKey, ActualRoom]
    accounts: dict[UserId, ActualAccount]
    recorder: Recorder
    actor: str
    fingerprint: str
    progress: Progress
    done: int = 0
    refused: list[Refusal] = field(default_factory=list)

    async def phases(self) -> HomeserverUnreachable | None:
        """All phases in order. Returned is what ended them early, if the homeserver stopped answering."""
        try:
            with plainly():
                for phase in _PHASES:
                    await self._phase([step for step in self.plan.steps if step.action in phase])
        except HomeserverUnreachable as unreachable:
            return unreachable
        return None

    async def _phase(self, steps: list[Step]) -> None:
        """All steps of a phase: those of one room or account in order, different ones side by side."""
        for generation in self._generations(steps):
            slots = asyncio.Semaphore(_AT_ONCE)
            async with asyncio.TaskGroup() as group:
                for queue in _by_subject(generation):
                    group.create_task(self._queue(queue, slots))

    def _generations(self, steps: list[Step]) -> Iterable[list[Step]]:
        """Rooms by their depth below the académie's space, since a room needs the space above it; the rest at once."""
        by_depth: defaultdict[int, list[Step]] = defaultdict(list)
        for step in steps:
            deep = step.action is Action.CREATE_ROOM and step.room is not None
            by_depth[self._depth(step.room) if deep and step.room else 0].append(step)
        return [by_depth[depth] for depth in sorted(by_depth)]

    def _depth(self, key: RoomKey) -> int:
        depth = 0
        parent = self.plan.rooms[key].parent
        while parent is not None:
            depth, parent = depth + 1, self.plan.rooms[parent].parent
        return depth

    async def _queue(self, steps: list[Step], slots: asyncio.Semaphore) -> None:
        async with slots:
            for step in steps:
                await self._step(step)

    async def _step(self, step: Step) -> None:
        try:
            facts = await self._effect(step)
        except HomeserverUnreachable:
            raise
        except HomeserverError as error:
            self.refused.append(Refusal(step, error))
        else:
            self.done += 1
            self.recorder.note(Effect(facts, self._entry(step)))
        self.progress(step)

    def _entry(self, step: Step) -> Entry:
        detail: Content = {"reason": step.reason, "plan": self.fingerprint}
        return Entry(self.actor, str(step.action), step.subject, detail)

    async def _effect(self, step: Step) -> tuple[Fact, ...]:
        match step:
            case Step(action=Action.CREATE_ROOM, room=RoomKey() as key):
                return await self._create(key)
            case Step(
                action=Action.SET_STATE, room=RoomKey() as key, state=StateKey() as state, content=dict() as content
            ):
                room = self.rooms[key].room
                await self.context.homeserver.put_state(room, state, content)
                return (StateSet(room, state, content),)
            case Step(room=RoomKey() as key, user=str() as user):
                return await self._move(step.action, self.rooms.get(key), user)
            case Step(user=str() as user):
                return await self._change_account(step, self.accounts[user])
            case _:
                raise AssertionError(step)

    async def _create(self, key: RoomKey) -> tuple[Fact, ...]:
        homeserver, academy = self.context.homeserver, self.context.academy
        wanted = self.plan.rooms[key]
        space = self.rooms.get(wanted.parent) if wanted.parent else None
        if wanted.parent is not None and space is None:
            raise HomeserverError(f"{key} cannot be made: the space {wanted.parent} above it was not made")
        made = await ensure_room(homeserver, academy, wanted, space)
        self.rooms[key] = made
        if space is None:
            return (made,)
        link = StateSet(space.room, child_key(made.room), child_link(academy.server))
        await homeserver.put_state(link.room, link.key, link.content)
        return (made, link)

    async def _move(self, action: Action, room: ActualRoom | None, user: UserId) -> tuple[Fact, ...]:
        homeserver = self.context.homeserver
        if room is None:
            raise HomeserverError(f"{user} cannot be brought in: the room was not made")
        if action is Action.REMOVE_MEMBER:
            await homeserver.kick(room.room, user)
            return (MemberChanged(room.room, user, Membership.LEAVE),)
        if split_user_id(user)[1] != self.context.academy.server:
            await homeserver.invite(room.room, user)
            return (MemberChanged(room.room, user, Membership.INVITE),)
        if room.members.get(user) is not Membership.JOIN:
            await homeserver.bring_in(room.room, user)
        return (MemberChanged(room.room, user, Membership.JOIN),)

    async def _change_account(self, step: Step, account: ActualAccount) -> tuple[Fact, ...]:
        homeserver = self.context.homeserver
        match step.action:
            case Action.UNLOCK_ACCOUNT:
                await homeserver.unlock(account.user)
                account = replace(account, active=True)
            case Action.LOCK_ACCOUNT:
                await homeserver.lock(account.user)
                account = replace(account, active=False)
            case _:
                name = str((step.content or {})["displayname"])
                await homeserver.set_display_name(account.user, name)
                account = replace(account, display_name=name)
        self.accounts[account.user] = account
        return (account,)


def _by_subject(steps: list[Step]) -> list[list[Step]]:
    queues: defaultdict[Hashable, list[Step]] = defaultdict(list)
    for step in steps:
        queues[step.room or step.user].append(step)
    return list(queues.values())
