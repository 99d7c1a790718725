"""The guard ends up with the facts that follow from the store, whatever happens on the way; told are changes only."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from preau.clock import SystemClock
from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver as Synapse
from preau.demo.homeserver import HomeserverSpec
from preau.demo.processes import free_ports
from preau.errors import HomeserverUnreachable
from preau.matrix.calls import Endpoint
from preau.matrix.client import Homeserver
from preau.matrix.patience import Patience
from preau.model.choices import SchoolChoices
from preau.model.decisions import Appointment
from preau.model.fact_codec import decode
from preau.model.facts import Cell, Fact, FactKey, FactKind, PersonFacts, RoomFacts
from preau.model.ids import AcademyName, PersonId, RoomId, UserId, user_id
from preau.model.people import Function, PersonName, RosterKey, RosterSource
from preau.model.rooms import RoomKey, RoomKind
from preau.model.snapshot import Snapshot
from preau.model.wanted import ActualAccount, ActualRoom
from preau.policy.wanted import ACADEMY
from preau.store import actual, decisions, people, snapshots
from preau.store import facts_outbox as outbox
from preau.store.engine import Store
from preau.sync.context import Academy, Context
from preau.sync.facts import derive
from preau.sync.push import agree, push_due, push_facts
from tests.builders import NORTH, SOUTH, guardian, pupil, school, staff
from tests.live.way import way_to
from tests.store.processes import ROOT
from tests.store.samples import counted

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

ONCE = Patience(attempts=1, call_seconds=5)
"""One attempt, so that what is lost stays lost until the next push."""


@dataclass
class Service:
    """A store, and the guard it tells."""

    context: Context
    synapse: Synapse
    url: str

    async def has(self, roll: Snapshot) -> None:
        """A school's rosters, accepted."""
        async with self.context.store.writing() as db:
            now = self.context.clock.now()
            keys = {RosterKey(RosterSource.SIECLE_PERSON, roll.school, name): name for name in roll.names}
            await people.introduce(db, keys, now)
            saved = await snapshots.save(db, roll, now)
            await snapshots.accept(db, saved.id, now)

    async def opens(self, *names: str) -> None:
        """Accounts for these people, as far as the store knows."""
        async with self.context.store.writing() as db:
            now = self.context.clock.now()
            await actual.save_accounts(
                db, [ActualAccount(self.user(name), PersonId(name), "", True, now) for name in names]
            )

    async def makes(self, key: RoomKey, room: str) -> None:
        """A room, as far as the store knows."""
        async with self.context.store.writing() as db:
            await actual.save_room(db, ActualRoom(key, RoomId(room), "12", {}, {}))

    def user(self, name: str) -> UserId:
        return user_id(PersonId(name), self.synapse.server_name)

    async def right(self) -> dict[FactKey, Fact]:
        """What the guard should hold."""
        async with self.context.store.reading() as db:
            schools = [row.school for row in await snapshots.schools(db)]
            found = await derive(db, self.context.academy, [*schools, ACADEMY], self.context.clock.now())
        return {key: fact for key, fact in found.items() if fact is not None}

    async def version(self) -> int:
        """How many pushes were queued so far, one way to see that nothing was."""
        async with self.context.store.reading() as db:
            found = await outbox.stream(db)
        return found.version if found else 0

    async def waiting(self) -> int:
        async with self.context.store.reading() as db:
            return (await outbox.lag(db))[0]

    async def last_told(self) -> set[str]:
        """The ids in the oldest push that waits."""
        async with self.context.store.reading() as db:
            groups = json.loads((await outbox.waiting(db, 1))[0].body)["facts"]
        return {key for group in groups.values() for key in group}


def held(synapse: Synapse) -> dict[FactKey, Fact]:
    """What the guard holds, read from the homeserver's database."""
    with sqlite3.connect(_database(synapse), timeout=10) as db:
        rows = db.execute("SELECT kind, id, body FROM preau_guard_fact WHERE body IS NOT NULL").fetchall()
    return {(FactKind(kind), key): decode(FactKind(kind), key, json.loads(body)) for kind, key, body in rows}


def _database(synapse: Synapse) -> Path:
    return synapse.spec.folder / "data" / "homeserver.db"


@pytest.fixture(scope="module")
async def synapse(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Synapse]:
    """A homeserver of these tests' own: they restart it and put older copies of its database back."""
    client, federation = free_ports(2)
    authority = Authority(tmp_path_factory.mktemp("authority"))
    folder = tmp_path_factory.mktemp("told")
    spec = HomeserverSpec(folder=folder, client_port=client, federation_port=federation, authority=authority)
    async with Synapse(spec) as homeserver:
        yield homeserver


@asynccontextmanager
async def service_of(synapse: Synapse, store_url: str, url: str = "") -> AsyncIterator[Service]:
    """A service with that store; ``url`` leads to the homeserver by another way."""
    academy = Academy(AcademyName("nord"), synapse.server_name, synapse.bot, "12", 2025)
    endpoint = Endpoint(url or synapse.client_url, synapse.as_token, synapse.bot, synapse.server_name)
    store = Store(store_url)
    await store.migrate()
    try:
        async with Homeserver(endpoint, patience=ONCE) as homeserver:
            yield Service(Context(academy, store, homeserver, SystemClock()), synapse, store_url)
    finally:
        await store.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'preau.db'}"
    return str(request.getfixturevalue("make_database")())


@pytest.fixture
async def service(synapse: Synapse, url: str) -> AsyncIterator[Service]:
    """A new service: for the guard it is another one each time, which takes over from the one before."""
    async with service_of(synapse, url) as service:
        yield service


ROLL = school(
    pupil("ali"),
    guardian("paz", "ali"),
    guardian("max", "ali"),
    staff("dir", Function.DIRECTION),
    staff("lou", Function.TEACHER, teaches=["5 A"]),
)


# --- What is told -------------------------------------------------------------------------------------------------


async def test_only_people_with_an_account_are_told_of(service: Service) -> None:
    await service.has(ROLL)
    await service.opens("paz", "lou")
    await push_due(service.context)
    assert {key for kind, key in held(service.synapse) if kind is FactKind.PERSON} == {
        service.user("paz"),
        service.user("lou"),
    }
    found = held(service.synapse)[FactKind.PERSON, service.user("paz")]
    assert isinstance(found, PersonFacts)
    assert (found.name, found.functions) == ("Camille PAZ · parent", {Function.GUARDIAN})


async def test_nothing_is_told_twice(service: Service) -> None:
    await service.has(ROLL)
    await service.opens("paz", "lou")
    await push_due(service.context)
    version = await service.version()
    await push_due(service.context)
    await push_facts(service.context, [NORTH, ACADEMY])
    assert await service.version() == version


async def test_what_changed_is_told_and_nothing_else(service: Service) -> None:
    await service.has(ROLL)
    await service.opens("paz", "max", "lou", "dir")
    await push_due(service.context)
    await service.has(replace(ROLL, guardianships=(guardian("paz", "ali"),), sources=()))
    async with service_of(service.synapse, service.url, "http://127.0.0.1:1") as cut_off:
        with pytest.raises(HomeserverUnreachable):
            await push_due(cut_off.context)
    assert await service.last_told() == {service.user("max")}
    await push_due(service.context)
    assert held(service.synapse) == await service.right()
    assert (FactKind.PERSON, service.user("max")) not in held(service.synapse)


async def test_a_person_in_two_schools_has_both_places(service: Service) -> None:
    await service.has(ROLL)
    await service.has(school(staff("paz", Function.TEACHER, teaches=["4 B"]), uai=SOUTH))
    await service.opens("paz")
    await push_facts(service.context, [SOUTH])
    found = held(service.synapse)[FactKind.PERSON, service.user("paz")]
    assert isinstance(found, PersonFacts)
    assert {party.school: set(party.functions) for party in found.parties} == {
        NORTH: {Function.GUARDIAN},
        SOUTH: {Function.TEACHER},
    }
    assert found.name == "Camille PAZ · professeur"


async def test_a_schools_own_choices_are_told_when_they_change(service: Service) -> None:
    await service.has(ROLL)
    await service.opens("paz")
    await push_due(service.context)
    assert (FactKind.SCHOOL, NORTH) not in held(service.synapse)
    own = SchoolChoices(pupil_media=True, contact={(Function.GUARDIAN, Function.TEACHER): Cell.SAME_DIVISION})
    academy = replace(service.context.academy, choices={NORTH: own})
    chosen = replace(service, context=replace(service.context, academy=academy))
    await push_due(chosen.context)
    assert held(service.synapse) == await chosen.right()
    assert (FactKind.SCHOOL, NORTH) in held(service.synapse)
    await push_due(service.context)
    assert (FactKind.SCHOOL, NORTH) not in held(service.synapse)


async def test_rooms_are_told_and_one_that_was_replaced_is_forgotten(service: Service) -> None:
    await service.has(ROLL)
    key = RoomKey(RoomKind.STAFF, NORTH)
    await service.makes(key, "!first")
    await push_facts(service.context, [NORTH])
    assert held(service.synapse)[FactKind.ROOM, "!first"] == RoomFacts(RoomId("!first"), RoomKind.STAFF, NORTH)
    await service.makes(key, "!second")
    await push_facts(service.context, [NORTH])
    assert {room for kind, room in held(service.synapse) if kind is FactKind.ROOM} == {"!second"}


async def test_an_appointment_that_ends_by_its_date_is_told_without_anybodys_deed(service: Service) -> None:
    await service.has(ROLL)
    now = service.context.clock.now()
    async with service.context.store.writing() as db:
        key = RosterKey(RosterSource.BY_HAND, NORTH, "aed")
        await people.introduce(db, {key: PersonId("aed")}, now)
        until, name = now + timedelta(days=1), PersonName("AED", "Noé")
        given = Appointment(0, PersonId("aed"), Function.SCHOOL_LIFE, NORTH, None, "", "dir", now, until, name)
        await decisions.appoint(db, given)
    await service.opens("aed")
    await push_due(service.context)
    assert (FactKind.PERSON, service.user("aed")) in held(service.synapse)
    tomorrow = replace(service.context, clock=_Later(timedelta(days=2)))
    await push_due(tomorrow)
    assert (FactKind.PERSON, service.user("aed")) not in held(service.synapse)


class _Later(SystemClock):
    def __init__(self, ahead: timedelta) -> None:
        super().__init__()
        self._ahead = ahead

    def now(self) -> Any:
        return super().now() + self._ahead


async def test_more_facts_than_one_push_holds_all_arrive(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "AT_MOST", 3)
    await service.has(school(*(staff(f"p{number}", Function.TEACHER) for number in range(20))))
    await service.opens(*(f"p{number}" for number in range(20)))
    await push_due(service.context)
    assert await service.version() >= 7
    assert held(service.synapse) == await service.right()


async def test_deriving_takes_as_many_statements_for_many_people_as_for_few(service: Service) -> None:
    names = [f"p{number}" for number in range(40)]
    await service.has(school(*(staff(name, Function.TEACHER) for name in names)))

    async def statements() -> int:
        async with service.context.store.reading() as db:
            with counted(db) as sent:
                await derive(db, service.context.academy, [NORTH], service.context.clock.now())
            return len(sent)

    await service.opens(*names[:2])
    few = await statements()
    await service.opens(*names)
    assert await statements() == few


# --- Whatever happens on the way ----------------------------------------------------------------------------------


async def test_a_lost_answer_is_made_up_for(service: Service) -> None:
    await service.has(ROLL)
    await service.opens("paz", "lou")
    async with way_to(service.synapse) as way, service_of(service.synapse, service.url, way.url) as lossy:
        way.losing = True
        with pytest.raises(HomeserverUnreachable):
            await push_due(lossy.context)
        assert await service.waiting() > 0
        way.losing = False
        await service.opens("dir")
        await push_facts(lossy.context, [NORTH])
    assert await service.waiting() == 0
    assert held(service.synapse) == await service.right()


async def test_a_push_that_is_refused_holds_nobody_up_and_is_made_up_for(service: Service) -> None:
    await service.has(ROLL)
    await service.opens("paz", "lou")
    async with way_to(service.synapse) as way, service_of(service.synapse, service.url, way.url) as refused:
        way.refusing = True
        await push_due(refused.context)
        assert await service.waiting() > 0
        way.refusing = False
        await push_due(refused.context)
    assert await service.waiting() == 0
    assert held(service.synapse) == await service.right()


async def test_two_pushers_at_once_agree(service: Service) -> None:
    names = [f"p{number}" for number in range(12)]
    await service.has(school(*(staff(name, Function.TEACHER) for name in names)))

    async def pusher(mine: list[str]) -> None:
        async with service_of(service.synapse, service.url) as another:
            for name in mine:
                await another.opens(name)
                await push_facts(another.context, [NORTH])

    async with asyncio.TaskGroup() as group:
        for start in range(3):
            group.create_task(pusher(names[start::3]))
    assert await service.waiting() == 0
    assert held(service.synapse) == await service.right()
    assert len(held(service.synapse)) == len(names)


_PUSHER = """
import asyncio, sys
from preau.clock import SystemClock
from preau.matrix.calls import Endpoint
from preau.matrix.client import Homeserver
from preau.store.engine import Store
from preau.sync.context import Academy, Context
from preau.sync.push import push_due
async def main(url, homeserver, token, bot, server):
    store = Store(url)
    async with Homeserver(Endpoint(homeserver, token, bot, server)) as adapter:
        await push_due(Context(Academy("nord", server, bot, "12", 2025), store, adapter, SystemClock()))
asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_pusher_killed_between_commit_and_delivery_loses_nothing(service: Service) -> None:
    await service.has(ROLL)
    await service.opens("paz", "lou")
    silent = socket.create_server(("127.0.0.1", 0))  # connections are taken by the kernel, and nobody reads them
    way = f"http://127.0.0.1:{silent.getsockname()[1]}"
    synapse = service.synapse
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PUSHER, service.url, way, synapse.as_token, synapse.bot, synapse.server_name,
        env={"PYTHONPATH": str(ROOT / "appservice")},
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            while not await service.waiting():  # noqa: ASYNC110 -- another process is at work
                await asyncio.sleep(0.02)
    finally:
        process.kill()
        await process.wait()
        silent.close()
    await push_facts(service.context, [])
    assert await service.waiting() == 0
    assert held(synapse) == await service.right() != {}


async def test_the_guard_goes_on_after_a_restart(service: Service) -> None:
    await service.has(ROLL)
    await service.opens("paz")
    await push_due(service.context)
    await service.synapse.stop()
    await service.opens("lou")
    with pytest.raises(HomeserverUnreachable):
        await push_facts(service.context, [NORTH])
    await service.synapse.start()
    await push_facts(service.context, [])
    assert held(service.synapse) == await service.right()


@pytest.mark.parametrize("found_by", ["a look", "the next push"])
async def test_a_guard_that_came_back_from_an_older_copy_is_told_anew(service: Service, found_by: str) -> None:
    await service.has(ROLL)
    await service.opens("paz", "max")
    await push_due(service.context)
    with _older_copy(service.synapse) as restore:
        await service.has(replace(ROLL, guardianships=(guardian("paz", "ali"),)))
        await service.opens("lou")
        await push_due(service.context)
        await service.synapse.stop()
        restore()
        await service.synapse.start()
    assert held(service.synapse) != await service.right()
    if found_by == "a look":
        await agree(service.context)
    else:
        await service.opens("dir")
        await push_facts(service.context, [NORTH])
    assert held(service.synapse) == await service.right()


class _older_copy:  # noqa: N801 -- read as a sentence
    """A copy of the homeserver's database as it is now; calling it puts the copy back."""

    def __init__(self, synapse: Synapse) -> None:
        self._file = _database(synapse)

    def __enter__(self) -> Any:
        self._copy = self._file.with_suffix(".copy")
        with sqlite3.connect(self._file) as source, sqlite3.connect(self._copy) as target:
            source.backup(target)
        return self.restore

    def restore(self) -> None:
        for beside in self._file.parent.glob(f"{self._file.name}-*"):
            beside.unlink()
        shutil.copy(self._copy, self._file)

    def __exit__(self, *_: object) -> None:
        self._copy.unlink()


async def test_a_service_with_a_new_database_takes_over_and_the_old_facts_are_forgotten(
    service: Service, tmp_path: Path
) -> None:
    await service.has(ROLL)
    await service.opens("paz", "lou", "dir")
    await push_due(service.context)
    async with service_of(service.synapse, f"sqlite:///{tmp_path / 'new.db'}") as new:
        await new.has(ROLL)
        await new.opens("max")
        await push_facts(new.context, [NORTH])
        assert held(service.synapse) == await new.right()
        assert {key for kind, key in held(service.synapse) if kind is FactKind.PERSON} == {service.user("max")}


async def test_a_new_service_that_knows_nobody_yet_clears_the_guard_when_it_looks(
    service: Service, tmp_path: Path
) -> None:
    await service.has(ROLL)
    await service.opens("paz")
    await push_due(service.context)
    async with service_of(service.synapse, f"sqlite:///{tmp_path / 'new.db'}") as new:
        await agree(new.context)
    assert held(service.synapse) == {}


async def test_a_service_that_came_back_from_an_older_copy_tells_everything_anew(
    synapse: Synapse, tmp_path: Path
) -> None:
    file, copy = tmp_path / "preau.db", tmp_path / "copy.db"
    async with service_of(synapse, f"sqlite:///{file}") as service:
        await service.has(ROLL)
        await service.opens("paz")
        await push_due(service.context)
    shutil.copy(file, copy)
    async with service_of(synapse, f"sqlite:///{file}") as service:
        for name in ("lou", "dir", "max"):
            await service.opens(name)
            await push_facts(service.context, [NORTH])
    async with service_of(synapse, f"sqlite:///{copy}") as restored:
        await restored.opens("dir")
        await push_facts(restored.context, [NORTH])
        assert held(synapse) == await restored.right()
        assert len(held(synapse)) == 2


async def test_what_a_killed_run_left_untold_is_found_by_a_look(service: Service) -> None:
    await service.has(ROLL)
    await service.opens("paz")
    await push_due(service.context)
    await service.opens("lou")
    await service.makes(RoomKey(RoomKind.SPACE_ACADEMY, ACADEMY), "!space")
    await push_due(service.context)
    assert held(service.synapse) != await service.right()
    await agree(service.context)
    assert held(service.synapse) == await service.right()


# --- Without a homeserver, without a guard ------------------------------------------------------------------------


async def test_as_long_as_nobody_has_an_account_no_homeserver_is_needed(synapse: Synapse, tmp_path: Path) -> None:
    async with service_of(synapse, f"sqlite:///{tmp_path / 'preau.db'}", "http://127.0.0.1:1") as offline:
        await offline.has(ROLL)
        await push_due(offline.context)
        assert await offline.waiting() == 0
