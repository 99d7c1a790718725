"""Marks of schools in which nothing is left to do: whatever happens, trusting them changes no plan."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import event

from preau.clock import FixedClock
from preau.model.choices import SchoolChoices
from preau.model.decisions import Appointment, Consent, ConsentTopic, OptOut, Override, Restriction
from preau.model.ids import PersonId, Uai, user_id
from preau.model.people import Function, PersonName, RosterKey, RosterSource
from preau.model.rooms import RoomKey, RoomKind
from preau.model.snapshot import Snapshot
from preau.model.wanted import ActualAccount, ActualRoom, Membership
from preau.policy.powers import NAME
from preau.policy.wanted import ACADEMY
from preau.store import actual, decisions, people, snapshots, tables
from preau.store.engine import Store, Transaction
from preau.sync import marks, planning
from preau.sync.context import Academy, Context
from preau.sync.planning import Planned
from tests.builders import NOON, NORTH, SERVER, SOUTH, academy, guardian, pupil, school, staff, user
from tests.sync.model_synapse import ModelSynapse

CAST: Final = {NORTH: ("ali", "paz", "max", "dir"), SOUTH: ("eve", "kim", "noa", "lou")}
"""A child, two guardians and the direction of each school: the schools share nobody, unless a test has it so."""

PEOPLE: Final = tuple(person for cast in CAST.values() for person in cast)
ROLLS: Final = ("nobody", "a family", "a larger family")


def roll_of(uai: Uai, roll: str) -> Snapshot:
    child, first, second, head = CAST[uai]
    family = [pupil(child), guardian(first, child), *([guardian(second, child)] if roll == "a larger family" else [])]
    return school(staff(head, Function.DIRECTION), *([] if roll == "nobody" else family), uai=uai)


@dataclass
class World:
    server: ModelSynapse
    context: Context
    clock: FixedClock

    async def plan(self, schools: list[Uai] | None = None) -> Planned:
        return await planning.plan(self.context, schools)

    async def plan_without_marks(self, schools: list[Uai] | None = None) -> Planned:
        """The plan of another program, to which no mark is good."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(marks, "program", lambda: "another")
            return await self.plan(schools)

    async def check(self) -> None:
        for schools in (None, [NORTH]):
            trusting, careful = await self.plan(schools), await self.plan_without_marks(schools)
            assert trusting.plan.steps == careful.plan.steps
            assert trusting.plan.fingerprint == careful.plan.fingerprint
            assert trusting.stopped_by == careful.stopped_by
            assert trusting.waiting == careful.waiting

    async def apply(self) -> None:
        planned = await self.plan()
        await planning.carry_out(self.context, planned, actor="test", accept=planned.plan.fingerprint)

    async def passed_over(self) -> set[Uai]:
        """The schools that a plan does not look at now."""
        planned = await self.plan()
        looked_at = set(planned.marks) | {school for part in planned.parts for school in part.schools}
        async with self.context.store.reading() as db:
            return {row.school for row in await snapshots.schools(db)} - looked_at

    async def take_in(self, uai: Uai, roll: str) -> None:
        snapshot = roll_of(uai, roll)
        keys = {RosterKey(RosterSource.BY_HAND, uai, person): person for person in snapshot.names}
        async with self.context.store.writing() as db:
            first = await snapshots.newest(db, uai) is None
            await people.introduce(db, keys, self.clock.now())
            saved = await snapshots.save(db, snapshot, self.clock.now())
            if first:
                await snapshots.accept(db, saved.id, self.clock.now())

    async def give_account(self, person: str) -> None:
        user = user_id(PersonId(person), SERVER)
        self.server.make_people([user])
        async with self.context.store.writing() as db:
            if await people.taken(db, [PersonId(person)]):
                made = ActualAccount(user, PersonId(person), "", active=True, activated_at=NOON)
                await actual.save_accounts(db, [made])


@asynccontextmanager
async def a_world(url: str) -> AsyncIterator[World]:
    store, clock = Store(url), FixedClock(NOON)
    server = ModelSynapse(academy(), guarded=False)
    try:
        await store.migrate()
        yield World(server, Context(server.academy, store, server.adapter(), clock), clock)
    finally:
        await store.close()


async def in_two_schools(world: World) -> World:
    """Everything is done, in two schools that share nobody."""
    await world.take_in(NORTH, "a family")
    await world.take_in(SOUTH, "nobody")
    for person in PEOPLE:
        await world.give_account(person)
    await world.apply()
    return world


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'preau.db'}" if sqlite else request.getfixturevalue("make_database")()
    async with a_world(url) as made:
        yield await in_two_schools(made)


# What takes a mark away: decision table

Change = Callable[[World, Transaction], Awaitable[object]]
PAZ, DIR = PersonId("paz"), PersonId("dir")
ROOM = RoomKey(RoomKind.ANNOUNCE_SCHOOL, NORTH)


async def room_of(db: Transaction, key: RoomKey = ROOM) -> ActualRoom:
    return (await actual.rooms_of_school(db, key.school))[key]


async def somebody_left(_: World, db: Transaction) -> None:
    await actual.save_members(db, [((await room_of(db)).room, user("paz"), Membership.LEAVE)])


async def somebody_came(_: World, db: Transaction) -> None:
    await actual.save_members(db, [((await room_of(db)).room, user("zoe"), Membership.JOIN)])


async def a_room_got_another_name(_: World, db: Transaction) -> None:
    await actual.save_state(db, (await room_of(db)).room, {NAME: {"name": "Fête"}})


async def a_room_lost_its_name(_: World, db: Transaction) -> None:
    await actual.save_state(db, (await room_of(db)).room, {NAME: None})


async def a_room_was_read_again(_: World, db: Transaction) -> None:
    await actual.save_room(db, replace(await room_of(db), members={}))


async def a_room_is_gone(_: World, db: Transaction) -> None:
    await db.execute(tables.room.delete().where(tables.room.c.room_id == (await room_of(db)).room))


async def an_account_is_known_otherwise(_: World, db: Transaction) -> None:
    known = (await actual.accounts(db, [PAZ]))[user("paz")]
    await actual.save_accounts(db, [replace(known, display_name="autre")])


async def an_account_is_forgotten(_: World, db: Transaction) -> None:
    await db.execute(tables.account.delete().where(tables.account.c.person == PAZ))


async def a_consent_was_given(_: World, db: Transaction) -> None:
    await decisions.grant(db, Consent(PAZ, NORTH, ConsentTopic.PARENT_ROOMS, NOON, "test"))


async def somebody_opted_out(_: World, db: Transaction) -> None:
    await decisions.opt_out(db, OptOut(PAZ, ROOM, NOON))


async def somebody_was_appointed(_: World, db: Transaction) -> None:
    given = Appointment(0, PAZ, Function.SCHOOL_LIFE, NORTH, None, "", "test", NOON, None, PersonName("P", "Paz"))
    await decisions.appoint(db, given)


async def a_court_decided(_: World, db: Transaction) -> None:
    await decisions.set_override(
        db, Override(PAZ, PersonId("ali"), NORTH, Restriction.NO_ACCESS, "RG 25/1", "test", NOON, None)
    )


async def rosters_came(world: World, db: Transaction) -> None:
    await snapshots.save(db, roll_of(NORTH, "nobody"), NOON)


CHANGES: Final[tuple[Change, ...]] = (
    somebody_left,
    somebody_came,
    a_room_got_another_name,
    a_room_lost_its_name,
    a_room_was_read_again,
    a_room_is_gone,
    an_account_is_known_otherwise,
    an_account_is_forgotten,
    a_consent_was_given,
    somebody_opted_out,
    somebody_was_appointed,
    a_court_decided,
    rosters_came,
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
async def test_a_change_takes_the_mark_of_its_school_and_of_no_other(world: World, change: Change) -> None:
    assert await world.passed_over() == {NORTH, SOUTH}
    async with world.context.store.writing() as db:
        await change(world, db)
    assert await world.passed_over() == {SOUTH}
    await world.check()


async def test_what_belongs_to_no_school_takes_every_mark(world: World) -> None:
    async with world.context.store.writing() as db:
        space = await room_of(db, RoomKey(RoomKind.SPACE_ACADEMY, ACADEMY))
        await actual.save_state(db, space.room, {NAME: {"name": "Fête"}})
    assert await world.passed_over() == set()
    await world.check()


async def test_a_key_that_ties_two_schools_together_takes_both_marks(world: World) -> None:
    async with world.context.store.writing() as db:
        await people.introduce(db, {RosterKey(RosterSource.BY_HAND, SOUTH, PAZ): PAZ}, NOON)
    assert await world.passed_over() == set()
    await world.apply()
    assert await world.passed_over() == {NORTH, SOUTH}
    async with world.context.store.writing() as db:
        await somebody_left(world, db)
    assert await world.passed_over() == set(), "they are planned together"


@pytest.mark.parametrize(
    "settings_of",
    [
        lambda known: replace(known, choices={NORTH: SchoolChoices(pupil_accounts=True)}),
        lambda known: replace(known, default_choices=SchoolChoices(pupil_accounts=True)),
        lambda known: replace(known, room_version="11"),
    ],
    ids=["one school's choices", "the default choices", "the room version"],
)
async def test_other_settings_take_marks(world: World, settings_of: Callable[[Academy], Academy]) -> None:
    world.context = replace(world.context, academy=settings_of(world.context.academy))
    assert NORTH not in await world.passed_over()
    await world.check()


async def test_another_program_takes_every_mark(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "program", lambda: "another")
    assert await world.passed_over() == set()


async def test_a_mark_is_good_until_a_decision_begins_or_ends_by_its_date(world: World) -> None:
    begin, end = NOON + timedelta(days=1), NOON + timedelta(days=2)
    name = PersonName("PROVISOIRE", "Paz")
    given = Appointment(0, PAZ, Function.SCHOOL_LIFE, NORTH, None, "", "test", begin, end, name)
    async with world.context.store.writing() as db:
        await decisions.appoint(db, given)
    await world.apply()
    seen = []
    for moment in (NOON, begin - timedelta(seconds=1), begin, end - timedelta(seconds=1), end, NOON):
        world.clock.moment = moment
        seen.append(NORTH in await world.passed_over())
        await world.check()
        await world.apply()
    assert seen == [True, True, False, True, False, False], "and a clock set back is not trusted"


async def test_a_mark_that_was_overtaken_while_it_was_worked_out_is_never_good(world: World) -> None:
    async with world.context.store.writing() as db:
        await db.execute(tables.settled.delete())
    planned = await world.plan()
    assert set(planned.marks) == {NORTH, SOUTH}
    async with world.context.store.writing() as db:
        await somebody_left(world, db)
    await planning.carry_out(world.context, planned, actor="test")
    assert await world.passed_over() == {SOUTH}
    await world.check()


async def test_few_steps_in_a_large_school_are_not_looked_at_twice_in_one_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "PEOPLE_PER_STEP", 1)
    async with world.context.store.writing() as db:
        await somebody_left(world, db)
    await world.apply()
    assert await world.passed_over() == {SOUTH}
    await world.apply()
    assert await world.passed_over() == {NORTH, SOUTH}


async def test_a_plan_only_reads_and_the_second_apply_writes_nothing(world: World) -> None:
    async with world.context.store.reading() as db:
        before = list(await db.execute(tables.touched.select())), list(await db.execute(tables.settled.select()))
    assert (await world.plan()).is_done
    await world.apply()
    async with world.context.store.reading() as db:
        after = list(await db.execute(tables.touched.select())), list(await db.execute(tables.settled.select()))
    assert before == after


async def test_every_table_that_a_plan_reads_is_watched(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    read: set[str] = set()

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        read.update(re.findall(r'\b(?:FROM|JOIN) "?(\w+)"?', statement))

    async with world.context.store.writing() as db:
        await db.execute(tables.settled.delete())
    engine = world.context.store._engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    assert (await world.plan()).marks
    event.remove(engine, "before_cursor_execute", note)
    assert read - {"settled", "touched"} == WATCHED | READ_AS_A_WHOLE


WATCHED: Final = {
    "snapshot",
    "consent",
    "opt_out",
    "appointment",
    "override",
    "room",
    "room_state",
    "room_member",
    "account",
    "roster_key",
}
READ_AS_A_WHOLE: Final = {"control_word"}
"""What other académies say is part of what a mark is bound to: it is read again, being little."""


# Whatever happens, in whatever order


class AnythingHappens(RuleBasedStateMachine):
    """Changes of every kind, each perhaps after all was done and marked; after each the two plans are the same."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.entered = a_world(f"sqlite:///{Path(self.folder.name) / 'preau.db'}")
        self.world = self.loop.run_until_complete(self.entered.__aenter__())
        self.loop.run_until_complete(in_two_schools(self.world))

    def teardown(self) -> None:
        self.loop.run_until_complete(self.entered.__aexit__(None, None, None))
        self.loop.close()
        self.folder.cleanup()

    def happen(self, what: Awaitable[object]) -> None:
        self.loop.run_until_complete(_finished(what))

    @rule(change=st.sampled_from(CHANGES))
    def something_changes(self, change: Change) -> None:
        async def deed() -> None:
            async with self.world.context.store.writing() as db:
                with suppress(KeyError):  # the room, or the account, may be gone by now
                    await change(self.world, db)

        self.happen(deed())

    @rule()
    def everything_is_done(self) -> None:
        self.happen(self.world.apply())

    @rule(uai=st.sampled_from(list(CAST)), roll=st.sampled_from(ROLLS))
    def rosters_are_imported(self, uai: Uai, roll: str) -> None:
        self.happen(self.world.take_in(uai, roll))

    @rule(person=st.sampled_from(PEOPLE))
    def somebody_gets_an_account(self, person: str) -> None:
        self.happen(self.world.give_account(person))

    @rule(hours=st.integers(-30, 30))
    def time_passes(self, hours: int) -> None:
        self.world.clock.moment += timedelta(hours=hours)

    @rule(person=st.sampled_from(PEOPLE), begin=st.integers(-24, 24), lasts=st.integers(1, 24))
    def somebody_is_appointed_for_a_time(self, person: str, begin: int, lasts: int) -> None:
        since = self.world.clock.now() + timedelta(hours=begin)
        until = since + timedelta(hours=lasts)
        name = PersonName(person.upper(), "Sam")
        given = Appointment(0, PersonId(person), Function.SCHOOL_LIFE, SOUTH, None, "", "test", since, until, name)

        async def deed() -> None:
            async with self.world.context.store.writing() as db:
                key = RosterKey(RosterSource.BY_HAND, SOUTH, person)
                await people.introduce(db, {key: PersonId(person)}, NOON)
                await decisions.appoint(db, given)

        self.happen(deed())

    @rule(pupils=st.booleans(), uai=st.sampled_from(list(CAST)))
    def a_school_chooses(self, pupils: bool, uai: Uai) -> None:
        known = self.world.context.academy
        choices = {**known.choices, uai: SchoolChoices(pupil_accounts=pupils)}
        self.world.context = replace(self.world.context, academy=replace(known, choices=choices))

    @invariant()
    def a_plan_that_trusts_marks_is_the_plan_that_does_not(self) -> None:
        self.happen(self.world.check())


async def _finished(what: Awaitable[object]) -> object:
    return await what


TestAnythingHappens = AnythingHappens.TestCase
TestAnythingHappens.settings = settings(max_examples=8, stateful_step_count=12, deadline=None)
