"""Whatever happens, in whatever order: telling the guard what moved leaves it with the facts that follow from all."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preau.clock import FixedClock
from preau.model.choices import SchoolChoices
from preau.model.decisions import Appointment, Consent, Mandate, OptOut, Override
from preau.model.facts import Fact, FactKey, Language
from preau.model.ids import PersonId, RoomId, Uai
from preau.model.people import RosterKey, RosterSource
from preau.model.rooms import RoomKey, RoomKind
from preau.model.snapshot import Snapshot
from preau.model.wanted import ActualRoom
from preau.policy.wanted import ACADEMY
from preau.store import actual, decisions, people, snapshots
from preau.store.decisions import Agreement, Pair
from preau.store.engine import Store, Transaction
from preau.sync import planning
from preau.sync.context import Context
from preau.sync.facts import Asked, derive
from preau.sync.push import push_due
from tests import strategies as some
from tests.builders import NOON, NORTH, SOUTH, Decided, academy, account, appoint, school
from tests.sync.model_guard import ModelGuard


class World:
    """A service, and the guard that it tells."""

    def __init__(self, store: Store) -> None:
        self.guard, self.clock = ModelGuard(academy()), FixedClock(NOON)
        self.context = Context(academy(), store, self.guard, self.clock)

    async def right(self) -> dict[FactKey, Fact]:
        """All facts, from scratch."""
        async with self.context.store.reading() as db:
            asked = Asked([NORTH, SOUTH, ACADEMY], at=self.clock.now())
            found = await derive(db, self.context.academy, asked)
        return {key: fact for key, fact in found.items() if fact is not None}


Change: TypeAlias = Callable[[World], Awaitable[None]]


async def rosters_are_accepted(uai: Uai, roll: Snapshot, divisions: int, world: World) -> None:
    """As an import and `preau apply` do it."""
    roll = replace(roll, school=uai, divisions=roll.divisions[:divisions])
    async with world.context.store.writing() as db:
        await introduce(db, uai, *roll.names)
        await snapshots.save(db, roll, world.clock.now())
    planned = await planning.plan(world.context)
    await planning._accept(world.context, planned.pending, "test", "")


async def something_is_decided(
    uai: Uai, what: Decided, begins: timedelta, lasts: timedelta | None, world: World
) -> None:
    since = world.clock.now() + begins
    until = since + lasts if lasts is not None else None
    async with world.context.store.writing() as db:
        match what:
            case Consent():
                await introduce(db, uai, what.person)
                await decisions.grant(db, replace(what, school=uai, granted_at=since))
            case OptOut():
                await introduce(db, uai, what.person)
                await decisions.opt_out(db, replace(what, room=replace(what.room, school=uai), at=since))
            case Appointment():
                if not what.holder.startswith("@"):
                    await introduce(db, uai, what.holder)
                await decisions.appoint(db, replace(what, school=uai, since=since, until=until))
            case Override():
                await introduce(db, uai, what.guardian, what.pupil)
                await decisions.set_override(db, replace(what, school=uai, since=since, until=until))


async def something_decided_is_ended(uai: Uai, which: int, at: timedelta, world: World) -> None:
    moment = world.clock.now() + at
    async with world.context.store.writing() as db:
        here = await decisions.in_force(db, uai, world.clock.now())
        every = [*here.consents, *here.appointments, *here.overrides]
        match every[which % len(every)] if every else None:
            case Consent(person=person, topic=topic):
                await decisions.revoke(db, Agreement(person, uai, topic), moment, "test")
            case Appointment(id=number):
                await decisions.end_appointment(db, number, moment, "test")
            case Override(guardian=guardian, pupil=pupil):
                await decisions.lift_override(db, Pair(guardian, pupil, uai), moment, "test")


async def an_account_is_opened(person: str, active: bool, world: World) -> None:
    async with world.context.store.writing() as db:
        if await people.taken(db, [PersonId(person)]):
            await actual.save_accounts(db, [account(person, active=active)])


async def a_room_is_made(uai: Uai, kind: RoomKind, scope: str, number: int, world: World) -> None:
    async with world.context.store.writing() as db:
        await actual.save_room(db, ActualRoom(RoomKey(kind, uai, scope), RoomId(f"!{number}"), "12", {}, {}))


async def a_school_chooses(uai: Uai, choices: SchoolChoices, world: World) -> None:
    known = world.context.academy
    world.context = replace(world.context, academy=replace(known, choices={**known.choices, uai: choices}))


async def time_passes(how_long: timedelta, world: World) -> None:
    world.clock.moment += how_long


async def introduce(db: Transaction, uai: Uai, *persons: str) -> None:
    keys = {RosterKey(RosterSource.BY_HAND, uai, person): PersonId(person) for person in persons}
    await people.introduce(db, keys, NOON)


schools = st.sampled_from([NORTH, SOUTH])
persons = st.sampled_from([*some.ADULTS, *some.PUPILS, "sam"])
rolls = some.crowded.map(lambda placed: school(*placed, divisions=some.DIVISIONS))
hours = st.integers(-24, 48).map(lambda number: timedelta(hours=number))
spans = st.integers(1, 48).map(lambda number: timedelta(hours=number))
choices = st.builds(
    SchoolChoices,
    st.booleans(),
    pupil_media=st.booleans(),
    language=st.sampled_from([Language.FRENCH, Language.ENGLISH]),
)
decided = st.one_of(some.consents, some.courts, some.given_functions, some.mandates, some.opt_outs)
visits = st.just(appoint(some.FOREIGN, Mandate.VISITOR, scope="fcpe"))
kinds = st.sampled_from([RoomKind.STAFF, RoomKind.INTER_ACADEMY, RoomKind.INTER_ACADEMY])
changes: st.SearchStrategy[Change] = st.one_of(
    st.builds(partial, st.just(rosters_are_accepted), schools, rolls, st.sampled_from([2, 2, 2, 1])),
    st.builds(partial, st.just(something_is_decided), schools, decided, hours, st.one_of(st.none(), spans)),
    st.builds(partial, st.just(something_is_decided), schools, st.one_of(decided, decided, visits), hours, spans),
    st.builds(partial, st.just(something_decided_is_ended), schools, st.integers(0, 9), hours),
    st.builds(partial, st.just(an_account_is_opened), persons, st.booleans()),
    st.builds(partial, st.just(a_room_is_made), schools, kinds, some.scopes, st.integers(0, 5)),
    st.builds(partial, st.just(a_school_chooses), schools, choices),
    st.builds(partial, st.just(time_passes), spans),
)


async def two_schools(world: World, read: tuple[Snapshot, Snapshot], activated: frozenset[str]) -> None:
    """Both with rooms for visitors from elsewhere."""
    for number, (uai, roll) in enumerate(zip((NORTH, SOUTH), read, strict=True)):
        await rosters_are_accepted(uai, roll, 2, world)
        await a_room_is_made(uai, RoomKind.INTER_ACADEMY, "fcpe", 10 + number, world)
    for person in activated:
        await an_account_is_opened(person, True, world)


@pytest.mark.timeout(300)
@settings(max_examples=12, deadline=None)
@given(
    st.tuples(rolls, rolls),
    st.frozensets(persons, min_size=5),
    st.lists(st.lists(changes, min_size=1, max_size=3), min_size=4, max_size=10),
)
def test_telling_what_moved_tells_as_much_as_telling_everything(
    empty: Path, read: tuple[Snapshot, Snapshot], activated: frozenset[str], happening: list[list[Change]]
) -> None:
    async def law() -> None:
        async with a_world(empty) as world:
            await two_schools(world, read, activated)
            await push_due(world.context)
            for together in happening:
                for change in together:
                    await change(world)
                await push_due(world.context)
                assert world.guard.held == await world.right()

    asyncio.run(law())


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with tables and nothing in them, to be copied: making the tables takes longer than an example."""
    database = tmp_path_factory.mktemp("empty") / "preau.db"

    async def made() -> None:
        store = Store(f"sqlite:///{database}")
        await store.migrate()
        await store.close()

    asyncio.run(made())
    return database


@asynccontextmanager
async def a_world(empty: Path) -> AsyncIterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{shutil.copy(empty, folder)}")
        try:
            yield World(store)
        finally:
            await store.close()
