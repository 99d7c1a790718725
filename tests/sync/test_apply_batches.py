"""`apply` on a homeserver in memory, with and without the guard's batches: it leads where the plan says."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from preau.clock import FixedClock
from preau.errors import HomeserverUnreachable
from preau.matrix.client import Homeserver
from preau.model.choices import SchoolChoices
from preau.model.decisions import Mandate
from preau.model.ids import PersonId, UserId
from preau.model.people import Function, RosterKey, RosterSource
from preau.model.rooms import RoomKey, RoomKind
from preau.model.wanted import ActualAccount, Membership, Wanted
from preau.policy.wanted import ACADEMY, wanted
from preau.store import actual, journal, people, tables
from preau.store.engine import Store
from preau.sync import effects
from preau.sync.apply import Applied, apply
from preau.sync.context import Context
from preau.sync.plan import Action, Actual, Plan, Step, difference, display_names
from preau.sync.rooms import is_managed
from tests.builders import NOON, NORTH, academy, appoint, decisions, guardian, key, pupil, school, staff, user
from tests.strategies import ADULTS, FOREIGN, PUPILS, choices, decided, snapshots
from tests.sync.model_synapse import ModelSynapse

laws = settings(max_examples=40, deadline=None)
activated = st.frozensets(st.sampled_from([*ADULTS, *PUPILS, "sam"]))
wishes = st.builds(
    lambda snapshot, rows, chosen: wanted(snapshot, decisions(*rows), chosen, academy().server),
    snapshots,
    decided,
    choices,
)


@dataclass
class World:
    """A model homeserver, and a store that knows of it only what `apply` wrote down."""

    server: ModelSynapse
    context: Context
    homeserver: Homeserver
    finished: list[Step] = field(default_factory=list)

    async def activate(self, persons: Iterable[str], want: Wanted) -> None:
        """Accounts for those of the persons who may have one."""
        names = display_names([want])
        known = (await self.actual()).accounts
        made = [
            ActualAccount(user(person), PersonId(person), names[user(person)], active=True, activated_at=NOON)
            for person in persons
            if user(person) in names and user(person) not in known
        ]
        self.server.make_people(account.user for account in made)
        keys = {RosterKey(RosterSource.BY_HAND, NORTH, account.person): account.person for account in made}
        async with self.context.store.writing() as db:
            await people.introduce(db, keys, NOON)
            await actual.save_accounts(db, made)

    async def actual(self) -> Actual:
        async with self.context.store.reading() as db:
            accounts = await actual.accounts(db)
            rooms = await actual.rooms_of_school(db, NORTH) | await actual.rooms_of_school(db, ACADEMY)
        return Actual(accounts, rooms, {UserId(FOREIGN): frozenset({Function.TEACHER})})

    async def plan(self, want: Wanted) -> Plan:
        return difference([want], await self.actual(), self.context.academy)

    async def bring_to(self, want: Wanted) -> Applied:
        self.finished.clear()
        now = await self.actual()
        plan = difference([want], now, self.context.academy)
        return await apply(self.context, plan, now, actor="test", progress=self.finished.append)

    async def rooms_of(self, who: UserId) -> list[RoomKey]:
        return [found for found, room in (await self.actual()).rooms.items() if who in room.members]

    async def check_all_is_known_as_it_is(self) -> None:
        """What the store knows is what is there: every room, once, with its state and its members."""
        rooms = (await self.actual()).rooms
        assert {room.room for room in rooms.values()} == set(self.server.rooms)
        for room in rooms.values():
            really = self.server.rooms[room.room]
            assert room.members == self.server.members(room.room)
            assert room.state == {place: content for place, content in really.items() if is_managed(place)}


def in_a_world(scenario: Callable[[World], Awaitable[None]], *, version: str = "12", guarded: bool = True) -> None:
    """Runs a scenario on a homeserver and a store of its own."""

    async def run(folder: Path) -> None:
        shutil.copy(await _template(), folder / "preau.db")
        store = Store(f"sqlite:///{folder / 'preau.db'}")
        server = ModelSynapse(academy(version), guarded)
        homeserver = server.adapter()
        try:
            await scenario(World(server, Context(server.academy, store, homeserver, FixedClock(NOON)), homeserver))
        finally:
            await store.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


async def _template() -> Path:
    """An empty database with its tables: copied for each example, since making them takes longer than the example."""
    if not _TEMPLATE:
        path = Path(tempfile.mkdtemp()) / "template.db"
        store = Store(f"sqlite:///{path}")
        await store.migrate()
        await store.close()
        _TEMPLATE.append(path)
    return _TEMPLATE[0]


_TEMPLATE: list[Path] = []


@laws
@given(wishes, wishes, activated, st.sampled_from(["11", "12"]), st.booleans())
def test_after_an_apply_all_is_as_wanted_and_known_as_it_is(
    first: Wanted, then: Wanted, persons: frozenset[str], version: str, guarded: bool
) -> None:
    async def scenario(world: World) -> None:
        for want in (first, then):
            await world.activate(persons, want)
            assert (await world.bring_to(want)).refused == ()
            assert (await world.plan(want)).steps == ()
            await world.check_all_is_known_as_it_is()

    in_a_world(scenario, version=version, guarded=guarded)


@laws
@given(wishes, wishes, activated, st.booleans(), st.booleans(), st.integers(1, 60))
def test_an_apply_cut_off_at_any_call_is_finished_by_the_next_with_or_without_the_guard(
    first: Wanted, then: Wanted, persons: frozenset[str], before: bool, after: bool, calls: int
) -> None:
    async def scenario(world: World) -> None:
        await world.activate(persons, first)
        await world.bring_to(first)
        await world.activate(persons, then)
        world.server.cut_off, world.server.guarded = calls, before
        with suppress(HomeserverUnreachable):
            await world.bring_to(then)
        world.server.cut_off, world.server.guarded = None, after
        assert (await world.bring_to(then)).refused == ()
        assert (await world.plan(then)).steps == ()
        await world.check_all_is_known_as_it_is()

    in_a_world(scenario)


@laws
@given(wishes, wishes, activated, st.booleans())
def test_nobody_enters_a_room_before_everybody_unwanted_has_left_every_room(
    first: Wanted, then: Wanted, persons: frozenset[str], guarded: bool
) -> None:
    async def scenario(world: World) -> None:
        await world.activate(persons, first)
        await world.bring_to(first)
        await world.activate(persons, then)
        due = {room.room: then.rooms[key].members.keys() if key in then.rooms else set()
               for key, room in (await world.actual()).rooms.items()}  # fmt: skip

        def look(_entered: str) -> None:
            for room, wanted_there in due.items():
                assert world.server.members(room).keys() <= wanted_there

        world.server.after_join = look
        await world.bring_to(then)

    in_a_world(scenario, guarded=guarded)


@laws
@given(wishes, activated, st.sets(st.sampled_from(ADULTS)), st.booleans())
def test_a_refused_person_costs_nobody_else_their_place(
    want: Wanted, persons: frozenset[str], refused: set[str], guarded: bool
) -> None:
    async def scenario(world: World) -> None:
        await world.activate(persons, want)
        world.server.refused = {user(person) for person in refused}
        asked = (await world.plan(want)).steps
        applied = await world.bring_to(want)
        assert Counter(map(told, world.finished)) == Counter(map(told, asked))
        assert applied.done + len(applied.refused) == len(asked)
        assert {refusal.step.user for refusal in applied.refused} == {
            step.user for step in asked if step.user in world.server.refused
        }
        assert {step.user for step in (await world.plan(want)).steps} <= world.server.refused
        world.server.refused.clear()
        assert (await world.bring_to(want)).done == len(applied.refused)
        await world.check_all_is_known_as_it_is()

    in_a_world(scenario, guarded=guarded)


def told(step: Step) -> tuple[str, str]:
    return step.action, step.subject


# By hand


def of_families(count: int) -> Wanted:
    """A school of one division with so many families of one child and one parent."""
    lines = [line for number in range(count) for line in (pupil(f"c{number}"), guardian(f"g{number}", f"c{number}"))]
    return wanted(school(*lines), decisions(), SchoolChoices(), academy().server)


def parents(count: int) -> list[str]:
    return [f"g{number}" for number in range(count)]


def batches(world: World) -> list[tuple[str, int]]:
    """The calls of the guard made so far: which, and over how many people."""
    found = []
    for call in world.server.calls:
        if "/preau/" in call.path:
            body = json.loads(call.body or "")
            found.append((call.path.rsplit("/", 1)[1], len(body.get("members", body.get("join", [])))))
    return found


def test_a_room_is_made_with_its_members_in_one_call() -> None:
    async def scenario(world: World) -> None:
        want = of_families(3)
        await world.activate(parents(3), want)
        applied = await world.bring_to(want)
        rooms = [each for each in want.rooms if each.kind is not RoomKind.PARENTS_SCHOOL]
        assert len(applied.refused) == 0
        assert sorted(batches(world)) == sorted(("rooms", 0 if each.school == ACADEMY else 3) for each in rooms)
        others = {call.about.split()[0] for call in world.server.calls if "/preau/" not in call.path}
        assert others == {"set"}, "but for the links between spaces and rooms nothing else is asked"

    in_a_world(scenario)


def test_people_come_and_go_in_calls_of_a_bounded_number() -> None:
    async def scenario(world: World) -> None:
        many = effects.TOGETHER * 2 + 2
        want = of_families(many)
        await world.activate(parents(1), want)
        await world.bring_to(want)
        world.server.calls.clear()
        await world.activate(parents(many), want)
        await world.bring_to(want)
        assert len(await world.rooms_of(user("g0"))) * 2 == batches(world).count(("memberships", effects.TOGETHER))
        assert max(size for _, size in batches(world)) == effects.TOGETHER
        world.server.calls.clear()
        await world.bring_to(of_families(1))
        assert Counter(batches(world)) == {("memberships", 0): 3 * len(await world.rooms_of(user("g0")))}
        await world.check_all_is_known_as_it_is()

    in_a_world(scenario)


def test_the_journal_has_an_entry_for_each_person() -> None:
    async def scenario(world: World) -> None:
        want = of_families(30)
        await world.activate(parents(30), want)
        applied = await world.bring_to(want)
        async with world.context.store.reading() as db:
            entries = [entry async for entry in journal.export(db)]
        assert Counter((entry["action"], entry["subject"]) for entry in entries) == Counter(map(told, world.finished))
        assert len(entries) == applied.done

    in_a_world(scenario)


def test_without_the_guard_one_warning_is_given_and_the_public_api_does_it_all() -> None:
    async def scenario(world: World) -> None:
        want = of_families(20)
        await world.activate(parents(10), want)
        with capture_logs() as logs:
            assert (await world.bring_to(want)).refused == ()
            await world.activate(parents(20), want)
            assert (await world.bring_to(want)).refused == ()
        assert [entry["event"] for entry in logs] == ["no_batches"]
        assert "one by one" in logs[0]["meaning"]
        await world.check_all_is_known_as_it_is()

    in_a_world(scenario, guarded=False)


def test_a_guard_that_goes_and_comes_back_is_told_of_once_each_time_it_is_missing() -> None:
    async def scenario(world: World) -> None:
        seen = []
        for number, guarded in enumerate((True, False, False, True, False), start=1):
            world.server.guarded = guarded
            want = of_families(5)
            await world.activate(parents(number), want)
            with capture_logs() as logs:
                assert (await world.bring_to(want)).refused == ()
            seen.append(len(logs))
        assert seen == [0, 1, 0, 0, 1]

    in_a_world(scenario)


def test_a_batch_over_which_the_guard_fails_is_done_one_by_one() -> None:
    async def scenario(world: World) -> None:
        want = of_families(4)
        await world.activate(parents(4), want)
        world.server.broken = True
        with capture_logs() as logs:
            assert (await world.bring_to(want)).refused == ()
        assert {entry["event"] for entry in logs} == {"batch_failed"}
        await world.check_all_is_known_as_it_is()

    in_a_world(scenario)


@pytest.mark.parametrize("guarded", [True, False])
def test_a_room_that_cannot_be_hung_into_its_space_is_known_and_hung_by_the_next_plan(guarded: bool) -> None:
    async def scenario(world: World) -> None:
        want = of_families(2)
        await world.activate(parents(2), want)
        world.server.state_refused = "m.space.child"
        applied = await world.bring_to(want)
        assert {refusal.step.action for refusal in applied.refused} == {Action.CREATE_ROOM}
        world.server.state_refused = ""
        assert {step.action for step in (await world.plan(want)).steps} == {Action.SET_STATE}
        assert (await world.bring_to(want)).refused == ()
        await world.check_all_is_known_as_it_is()

    in_a_world(scenario, guarded=guarded)


def test_people_of_other_academies_are_invited_into_rooms_that_are_made_with_ours() -> None:
    async def scenario(world: World) -> None:
        shared = appoint(FOREIGN, Mandate.VISITOR, scope="Maths")
        ours = appoint("tea", Mandate.VISITOR, scope="Maths")
        roll = school(staff("tea", Function.TEACHER))
        want = wanted(roll, decisions(shared, ours), SchoolChoices(), academy().server)
        await world.activate(["tea"], want)
        assert (await world.bring_to(want)).refused == ()
        room = (await world.actual()).rooms[key(RoomKind.INTER_ACADEMY, "Maths")]
        assert room.members == {UserId(FOREIGN): Membership.INVITE, user("tea"): Membership.JOIN}
        assert ("rooms", 1) in batches(world)

    in_a_world(scenario)


@pytest.mark.parametrize("guarded", [True, False])
def test_a_room_that_was_left_half_made_is_finished_and_filled(guarded: bool) -> None:
    async def scenario(world: World) -> None:
        want = of_families(3)
        await world.activate(parents(3), want)
        await world.bring_to(want)
        rooms = (await world.actual()).rooms
        async with world.context.store.writing() as db:
            await db.execute(tables.room.delete())
        half = rooms[key(RoomKind.ANNOUNCE_SCHOOL)].room
        world.server.rooms[half] = {
            place: content
            for place, content in world.server.rooms[half].items()
            if place.type == "m.room.create" or place.key == world.context.academy.bot
        }
        assert (await world.bring_to(want)).refused == ()
        assert (await world.plan(want)).steps == ()
        await world.check_all_is_known_as_it_is()

    in_a_world(scenario, guarded=guarded)
