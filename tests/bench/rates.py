"""Accounts and memberships a second on a real Synapse: our apply, and a plain loop over the same rooms and members.

First without the guard, over the public API alone, so that both take the same road; then with the guard's batches::

school of one small collège ─► accounts ─► plan ─► apply      ours, eight at a time, recorded and journalled
                            └► the same accounts, rooms, members under other names      plain, one by one
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from preau.demo.homeserver import PostgresDatabase, SqliteDatabase
from preau.model.ids import PersonId, RoomId, UserId, split_user_id, user_id
from preau.model.rooms import RoomKey
from preau.model.wanted import ActualAccount, WantedRoom
from preau.policy.powers import child_link, parent_key, parent_link, room_state
from preau.policy.rooms import RULES
from preau.store import actual
from preau.sync import planning
from preau.sync.importer import import_rosters
from preau.sync.plan import Action, Plan, Step
from preau.sync.rooms import KEY_FIELD, alias_of
from tests.bench.academy import ACTOR, MINT, accounts_of, rosters, school, wanted_now
from tests.bench.measure import Row, in_fresh_process, insist, per_second
from tests.bench.plain import PlainClient
from tests.bench.synapse import Measured, synapse
from tests.postgresql_server import PostgresqlMissing, running_postgresql

_PUPILS: Final = 20
_EVERY: Final = 2
"""One in so many people has an account: enough memberships to measure, few enough for minutes."""
_WITH_PASSWORD: Final = 12
_PASSWORD: Final = "Préau-d’essai-2026"


@dataclass(slots=True)
class _Lap:
    """So many of one thing: seconds on the wall, and of Synapse's CPU."""

    count: int = 0
    wall: float = 0.0
    cpu: float = 0.0

    def __str__(self) -> str:
        return f"{per_second(self.count, self.wall)}, Synapse {1000 * self.cpu / self.count:.0f} ms"


@dataclass(slots=True)
class _Laps:
    """Laps by name; each reading of the clocks closes one lap and begins the next."""

    measured: Measured
    laps: dict[str, _Lap] = field(default_factory=dict)
    _wall: float = 0.0
    _cpu: float = 0.0

    def begin(self) -> None:
        self._wall, self._cpu = time.perf_counter(), self.measured.cpu()

    def add(self, name: str, count: int = 1) -> None:
        wall, cpu = self._wall, self._cpu
        self.begin()
        lap = self.laps.setdefault(name, _Lap())
        lap.count, lap.wall, lap.cpu = lap.count + count, lap.wall + self._wall - wall, lap.cpu + self._cpu - cpu


def run(folder: Path) -> Iterable[Row]:
    """The rows for SQLite, and for PostgreSQL where it can run."""
    yield from in_fresh_process(_on_sqlite, folder)
    yield from in_fresh_process(_on_postgresql, folder)


def _on_sqlite(folder: Path) -> list[Row]:
    return asyncio.run(_measure(folder / "rates-sqlite", SqliteDatabase(), "SQLite"))


def _on_postgresql(folder: Path) -> list[Row]:
    try:
        with running_postgresql() as server:
            public, batched = (
                PostgresDatabase(server.host, server.port, server.make_database(), server.user) for _ in range(2)
            )
            rows = asyncio.run(_measure(folder / "rates-postgresql", public, "PostgreSQL"))
            return [*rows, asyncio.run(_with_the_guard(folder / "rates-guarded", batched))]
    except PostgresqlMissing as reason:
        return [Row("apply on PostgreSQL", "", "not measured", str(reason))]


async def _measure(folder: Path, database: SqliteDatabase | PostgresDatabase, name: str) -> list[Row]:
    async with synapse(folder, database, guard=False) as measured:
        context = measured.context
        await import_rosters(context, rosters(school(_PUPILS), folder), mint=MINT, actor=ACTOR)
        accounts = accounts_of(await wanted_now(context), context.clock.now())[::_EVERY]
        ours, plain = _Laps(measured), _Laps(measured)
        await _our_accounts(ours, accounts)
        await _accounts_with_passwords(ours)
        plan = await _our_apply(ours)
        async with PlainClient(measured.homeserver) as client:
            await _plain_accounts(plain, client, accounts)
            await _plain_rooms(plain, client, plan)
        return [*_rows(ours.laps, plain.laps, name)]


async def _with_the_guard(folder: Path, database: PostgresDatabase) -> Row:
    """The same school by the same `apply`, which finds the guard's batches and uses them."""
    async with synapse(folder, database) as measured:
        context = measured.context
        await import_rosters(context, rosters(school(_PUPILS), folder), mint=MINT, actor=ACTOR)
        accounts = accounts_of(await wanted_now(context), context.clock.now())[::_EVERY]
        laps = _Laps(measured)
        await _our_accounts(laps, accounts)
        done = Counter(step.action for step in (await _our_apply(laps)).steps)
        both = [laps.laps[name] for name in ("rooms and spaces", "memberships") if name in laps.laps]
        lap = _Lap(done[Action.ADD_MEMBER], sum(each.wall for each in both), sum(each.cpu for each in both))
    what = f"{done[Action.CREATE_ROOM]} rooms and {done[Action.ADD_MEMBER]} memberships"
    how = (
        f"{what}; `apply` over the guard's batches, a recording and a journal entry for each step; to be compared with "
    )
    return Row(
        "a school: rooms with their members, PostgreSQL", "", f"{lap} per membership", f"{how}the two rows above"
    )


def _rows(ours: Mapping[str, _Lap], plain: Mapping[str, _Lap], database: str) -> Iterable[Row]:
    for what, lap in ours.items():
        other = plain.get(what)
        beside = f" · plain {other} · {lap.count / lap.wall / (other.count / other.wall):.1f}×" if other else ""
        yield Row(f"{what}, {database}", "", f"{lap}{beside}", _HOW[what].format(count=lap.count))


_HOW: Final = {
    "accounts without password": "{count}; ours one request, eight at a time; plain: register, then name, one by one",
    "accounts with password": "{count}; the call that `activate` makes; bcrypt with 12 rounds",
    "rooms and spaces": "{count}; `apply` with look-up, state, space link and record; plain: createRoom, space link",
    "memberships": "{count}; `apply` with record and journal, eight rooms at a time; plain: invite, join, one by one",
}


async def _our_accounts(laps: _Laps, accounts: Sequence[ActualAccount]) -> None:
    context = laps.measured.context
    laps.begin()
    async with asyncio.TaskGroup() as group:
        for account in accounts:
            group.create_task(context.homeserver.provision_account(account.user, display_name=account.display_name))
    laps.add("accounts without password", len(accounts))
    async with context.store.writing() as db:
        await actual.save_accounts(db, accounts)


async def _accounts_with_passwords(laps: _Laps) -> None:
    homeserver, server = laps.measured.context.homeserver, laps.measured.homeserver.server_name
    laps.begin()
    async with asyncio.TaskGroup() as group:
        for number in range(_WITH_PASSWORD):
            user = user_id(PersonId(f"password{number}"), server)
            group.create_task(homeserver.provision_account(user, display_name="Camille ESSAI", password=_PASSWORD))
    laps.add("accounts with password", _WITH_PASSWORD)


async def _our_apply(laps: _Laps) -> Plan:
    context = laps.measured.context
    planned = await planning.plan(context)
    names = {Action.CREATE_ROOM: "rooms and spaces", Action.ADD_MEMBER: "memberships"}
    strange = Counter(step.action for step in planned.plan.steps if step.action not in names)
    insist(not strange, f"the first plan has other steps: {strange}")

    def told(step: Step) -> None:
        laps.add(names[step.action])

    laps.begin()
    applied = await planning.carry_out(context, planned, actor=ACTOR, progress=told)
    insist(not applied.refused, f"{len(applied.refused)} steps were refused: {applied.refused[:1]}")
    left = (await planning.plan(context)).plan.steps
    insist(not left, f"{len(left)} steps are left after apply: {left[:1]}")
    return planned.plan


async def _plain_accounts(laps: _Laps, client: PlainClient, accounts: Sequence[ActualAccount]) -> None:
    laps.begin()
    for account in accounts:
        await client.account(_twin(account.user), account.display_name)
    laps.add("accounts without password", len(accounts))


async def _plain_rooms(laps: _Laps, client: PlainClient, plan: Plan) -> None:
    made: dict[RoomKey, RoomId] = {}
    laps.begin()
    for key in (step.room for step in plan.steps if step.action is Action.CREATE_ROOM and step.room):
        made[key] = await _plain_room(laps, client, plan.rooms[key], made)
        laps.add("rooms and spaces")
    for step in plan.steps:
        if step.action is Action.ADD_MEMBER and step.room and step.user:
            await client.member(made[step.room], _twin(step.user))
            laps.add("memberships")


async def _plain_room(laps: _Laps, client: PlainClient, room: WantedRoom, made: Mapping[RoomKey, RoomId]) -> RoomId:
    academy = laps.measured.context.academy
    state = room_state(room, bot=academy.bot, version=academy.room_version)
    space = made.get(room.parent) if room.parent else None
    if space is not None:
        state[parent_key(space)] = parent_link(academy.server)
    creation = {KEY_FIELD: f"plain {room.key}"} | ({"type": "m.space"} if RULES[room.key.kind].is_space else {})
    found = await client.room(alias_of(room.key).replace("_preau_", "_preau_plain_", 1), {**creation}, state)
    if space is not None:
        await client.hang(space, found, child_link(academy.server))
    return found


def _twin(user: UserId) -> UserId:
    """Another account for the same person, so that the plain loop begins with nothing."""
    localpart, server = split_user_id(user)
    return user_id(PersonId(f"{localpart}-plain"), server)
