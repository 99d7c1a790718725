"""What steps do on the homeserver, and the facts that follow::

    steps of one room that one call can do ─► the guard ─┬─ done, or refused, each person for themselves
      a room to be made and its members                  ├─ it failed over them ──────────► these one by one
      people out, people in                              └─ NoBatches: it does none here ─► all the rest one by one
    any other step, and foreign users ─► the public API, one by one

The link that hangs a new room into its space is the bot's own state event, on either road.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from preau.errors import HomeserverError, HomeserverUnreachable
from preau.matrix.batches import Moved, NoBatches
from preau.model.ids import ServerName, UserId, split_user_id
from preau.model.rooms import RoomKey
from preau.model.wanted import ActualAccount, ActualRoom, Membership, StateKey
from preau.policy.powers import child_key, child_link
from preau.sync.context import Context
from preau.sync.plan import Action, Plan, Step
from preau.sync.record import Fact, MemberChanged, StateSet
from preau.sync.rooms import ensure_filled_room, ensure_room

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

TOGETHER: Final = 200
"""People in one call of the guard: few enough that progress and journal advance, and that no call comes near its time
limit even at a tenth of the rate in ``docs/benchmarks.md``; the guard itself takes up to 1,000."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A step that was tried: the facts it made true, and the refusal if it was refused.

    A refused step may leave facts, too: a room that was made, but could not be hung into its space.
    """

    step: Step
    facts: tuple[Fact, ...] = ()
    error: HomeserverError | None = None


def together(steps: Sequence[Step], server: ServerName) -> Iterator[list[Step]]:
    """The steps of one room or account in their order, foreign users last, cut into what one call can do."""
    batch: list[Step] = []
    for step in sorted(steps, key=lambda step: step.user is not None and not _is_move(step, server)):
        if batch and (len(batch) >= TOGETHER or not _goes_with(batch[-1], step, server)):
            yield batch
            batch = []
        batch.append(step)
    if batch:
        yield batch


def _goes_with(before: Step, step: Step, server: ServerName) -> bool:
    if not _is_move(step, server):
        return False
    filled = before.action is Action.CREATE_ROOM and step.action is Action.ADD_MEMBER
    return filled or (before.action is step.action and _is_move(before, server))


def _is_move(step: Step, server: ServerName) -> bool:
    """Whether one of our own people is to enter or leave a room."""
    moves = step.action in {Action.ADD_MEMBER, Action.REMOVE_MEMBER}
    return moves and step.user is not None and split_user_id(step.user)[1] == server


@dataclass(slots=True)
class Hands:
    """Does steps, and knows what they changed; ``batches`` turns False when the guard does none."""

    context: Context
    plan: Plan
    rooms: dict[RoomKey, ActualRoom]
    accounts: dict[UserId, ActualAccount]
    tell: Callable[[Outcome], None]
    batches: bool = True

    async def do(self, steps: Sequence[Step]) -> None:
        """Does steps that `together` put together; each outcome is told.

        Raises:
            HomeserverUnreachable: the homeserver stopped answering.
        """
        if self.batches and self._is_batch(steps[0]) and await self._at_once(steps):
            return
        for step in steps:
            await self._alone(step)

    def _is_batch(self, first: Step) -> bool:
        return first.action is Action.CREATE_ROOM or _is_move(first, self.context.academy.server)

    async def _at_once(self, steps: Sequence[Step]) -> bool:
        """Whether one call settled the steps, done or refused."""
        try:
            await (self._fill(*steps) if steps[0].action is Action.CREATE_ROOM else self._move_all(steps))
        except NoBatches:
            self.batches = False
            return False
        except HomeserverUnreachable:
            raise
        except HomeserverError as error:
            if error.status >= 500:
                log.warning("batch_failed", subject=steps[0].subject, steps=len(steps), reason=error.happened)
                return False
            for step in steps:
                self.tell(Outcome(step, error=error))
        return True

    async def _alone(self, step: Step) -> None:
        try:
            outcome = await self._make(step) if step.action is Action.CREATE_ROOM else await self._change(step)
        except HomeserverUnreachable:
            raise
        except HomeserverError as error:
            outcome = Outcome(step, error=error)
        self.tell(outcome)

    # Rooms

    async def _fill(self, creation: Step, *arrivals: Step) -> None:
        homeserver, academy = self.context.homeserver, self.context.academy
        key = _room_of(creation)
        space = self._space_above(key)
        users = [_user_of(step) for step in arrivals]
        made, moved = await ensure_filled_room(homeserver, academy, self.plan.rooms[key], space, users)
        self.tell(await self._hang(creation, made, space))
        self._tell_moved(arrivals, made, moved)

    async def _make(self, step: Step) -> Outcome:
        key = _room_of(step)
        space = self._space_above(key)
        made = await ensure_room(self.context.homeserver, self.context.academy, self.plan.rooms[key], space)
        return await self._hang(step, made, space)

    def _space_above(self, key: RoomKey) -> ActualRoom | None:
        parent = self.plan.rooms[key].parent
        if parent is not None and parent not in self.rooms:
            raise HomeserverError(f"{key} cannot be made: the space {parent} above it was not made")
        return self.rooms[parent] if parent is not None else None

    async def _hang(self, step: Step, made: ActualRoom, space: ActualRoom | None) -> Outcome:
        """The new room, hung into its space; if that is refused, the next plan hangs it."""
        self.rooms[made.key] = made
        if space is None:
            return Outcome(step, (made,))
        link = StateSet(space.room, child_key(made.room), child_link(self.context.academy.server))
        try:
            await self.context.homeserver.put_state(link.room, link.key, link.content)
        except HomeserverUnreachable:
            raise
        except HomeserverError as error:
            return Outcome(step, (made,), error)
        return Outcome(step, (made, link))

    # People in rooms

    async def _move_all(self, steps: Sequence[Step]) -> None:
        homeserver, users = self.context.homeserver, [_user_of(step) for step in steps]
        room = self._room_for(steps[0])
        if steps[0].action is Action.REMOVE_MEMBER:
            moved = await homeserver.take_out_together(room.room, users)
        else:
            moved = await homeserver.bring_together(room.room, users)
        self._tell_moved(steps, room, moved)

    def _tell_moved(self, steps: Sequence[Step], room: ActualRoom, moved: Moved) -> None:
        for step in steps:
            user = _user_of(step)
            leaves = step.action is Action.REMOVE_MEMBER
            fact = MemberChanged(room.room, user, Membership.LEAVE if leaves else Membership.JOIN)
            error = moved.refused.get(user)
            self.tell(Outcome(step, () if error else (fact,), error))

    def _room_for(self, step: Step) -> ActualRoom:
        room = self.rooms.get(_room_of(step))
        if room is None:
            raise HomeserverError(f"{step.user} cannot be brought in: the room was not made")
        return room

    async def _move(self, step: Step) -> MemberChanged:
        homeserver, room, user = self.context.homeserver, self._room_for(step), _user_of(step)
        if step.action is Action.REMOVE_MEMBER:
            await homeserver.kick(room.room, user)
            return MemberChanged(room.room, user, Membership.LEAVE)
        if split_user_id(user)[1] != self.context.academy.server:
            await homeserver.invite(room.room, user)
            return MemberChanged(room.room, user, Membership.INVITE)
        if room.members.get(user) is not Membership.JOIN:
            await homeserver.bring_in(room.room, user)
        return MemberChanged(room.room, user, Membership.JOIN)

    # State and accounts

    async def _change(self, step: Step) -> Outcome:
        match step:
            case Step(
                action=Action.SET_STATE, room=RoomKey() as key, state=StateKey() as state, content=dict() as content
            ):
                room = self.rooms[key].room
                await self.context.homeserver.put_state(room, state, content)
                return Outcome(step, (StateSet(room, state, content),))
            case Step(action=Action.ADD_MEMBER | Action.REMOVE_MEMBER):
                return Outcome(step, (await self._move(step),))
            case Step(user=str() as user):
                self.accounts[user] = await self._change_account(step, self.accounts[user])
                return Outcome(step, (self.accounts[user],))
            case _:
                raise AssertionError(step)

    async def _change_account(self, step: Step, account: ActualAccount) -> ActualAccount:
        homeserver = self.context.homeserver
        match step.action:
            case Action.UNLOCK_ACCOUNT:
                await homeserver.unlock(account.user)
                return replace(account, active=True)
            case Action.LOCK_ACCOUNT:
                await homeserver.lock(account.user)
                return replace(account, active=False)
            case _:
                name = str((step.content or {})["displayname"])
                await homeserver.set_display_name(account.user, name)
                return replace(account, display_name=name)


def _room_of(step: Step) -> RoomKey:
    assert step.room is not None, step
    return step.room


def _user_of(step: Step) -> UserId:
    assert step.user is not None, step
    return step.user
