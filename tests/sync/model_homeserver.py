"""A homeserver as small as it can be: what the steps of a plan do to accounts, rooms and members, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from preau.model.ids import RoomId, UserId, split_user_id
from preau.model.people import Function
from preau.model.rooms import RoomKey
from preau.model.wanted import ActualAccount, ActualRoom, Membership, StateKey
from preau.policy.powers import child_key, child_link, parent_key, parent_link, room_state
from preau.sync.context import Academy
from preau.sync.plan import Action, Actual, Plan, Step
from tests.builders import account


class ModelHomeserver:
    """Does steps one at a time, and refuses what a real homeserver would refuse."""

    def __init__(self, academy: Academy) -> None:
        self.academy = academy
        self.accounts: dict[UserId, ActualAccount] = {}
        self.rooms: dict[RoomKey, ActualRoom] = {}
        self.vouched: dict[UserId, frozenset[Function]] = {}

    @property
    def actual(self) -> Actual:
        return Actual(dict(self.accounts), dict(self.rooms), dict(self.vouched))

    def activate(self, persons: Iterable[str], names: dict[UserId, str]) -> None:
        """Accounts for those who may have one."""
        for person in persons:
            made = account(person)
            if made.user in names and made.user not in self.accounts:
                self.accounts[made.user] = replace(made, display_name=names[made.user])

    def apply(self, plan: Plan, steps: Iterable[Step] | None = None) -> None:
        for step in plan.steps if steps is None else steps:
            self.do(step, plan)

    def do(self, step: Step, plan: Plan) -> None:
        match step:
            case Step(action=Action.CREATE_ROOM, room=RoomKey() as key):
                self._create(key, plan)
            case Step(action=Action.SET_STATE, room=RoomKey() as key, state=StateKey() as state):
                assert step.content is not None
                self._change(key, state={**self.rooms[key].state, state: step.content})
            case Step(action=Action.ADD_MEMBER, room=RoomKey() as key, user=str() as user):
                self._change(key, members={**self.rooms[key].members, user: self._enter(key, user)})
            case Step(action=Action.REMOVE_MEMBER, room=RoomKey() as key, user=str() as user):
                self._change(key, members={who: how for who, how in self.rooms[key].members.items() if who != user})
            case Step(user=str() as user):
                self._change_account(step, user)
            case _:
                raise AssertionError(step)

    def _create(self, key: RoomKey, plan: Plan) -> None:
        assert key not in self.rooms, f"{key} is there already"
        wanted = plan.rooms[key]
        state = room_state(wanted, bot=self.academy.bot, version=self.academy.room_version)
        made = ActualRoom(key, RoomId(f"!{key}"), self.academy.room_version, state, {})
        if wanted.parent is not None:
            space = self.rooms[wanted.parent]  # a room needs the space above it
            state[parent_key(space.room)] = parent_link(self.academy.server)
            self._change(space.key, state={**space.state, child_key(made.room): child_link(self.academy.server)})
        self.rooms[key] = made

    def _change(self, key: RoomKey, **changes: object) -> None:
        self.rooms[key] = replace(self.rooms[key], **changes)  # type: ignore[arg-type] # fields of one dataclass

    def _enter(self, key: RoomKey, user: UserId) -> Membership:
        assert self.rooms[key].members.get(user) is not Membership.BAN, f"{user} is banned from {key}"
        if split_user_id(user)[1] != self.academy.server:
            return Membership.INVITE
        assert self.accounts[user].active, f"{user} is locked and cannot join"
        return Membership.JOIN

    def _change_account(self, step: Step, user: UserId) -> None:
        known = self.accounts[user]
        match step.action:
            case Action.LOCK_ACCOUNT:
                self.accounts[user] = replace(known, active=False)
            case Action.UNLOCK_ACCOUNT:
                self.accounts[user] = replace(known, active=True)
            case _:
                assert step.content is not None
                self.accounts[user] = replace(known, display_name=str(step.content["displayname"]))
