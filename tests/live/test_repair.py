"""What drifts is put right: the real homeserver's transactions, our own endpoint, the worker."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import nio
import pytest
from aiohttp import web

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver as Synapse
from preau.demo.processes import free_ports
from preau.errors import HomeserverError
from preau.model.decisions import Consent, ConsentTopic
from preau.model.ids import PersonId, RoomId
from preau.model.rooms import RoomKey, RoomKind
from preau.model.wanted import Content, Membership, StateKey
from preau.policy.powers import NAME, POWER_LEVELS
from preau.store import decisions, inbox, journal
from preau.sync import settle
from preau.sync.worker import Worker
from preau.web.transactions import Transactions
from tests.live.homeservers import HomeserverPorts, new_localpart, spec
from tests.live.schools import ACTOR, School, only_children, school_at

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
async def school(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> AsyncIterator[School]:
    """A school whose homeserver delivers to a service that runs in this process."""
    client, federation, service = free_ports(3)
    base = spec(tmp_path_factory.mktemp("synapse"), HomeserverPorts(client, federation), authority)
    wanted = dataclasses.replace(base, service_url=f"http://127.0.0.1:{service}")
    async with (
        Synapse(wanted) as synapse,
        school_at(synapse, tmp_path_factory.mktemp("service")) as school,
        _serving(school, synapse.hs_token, service),
    ):
        yield school


@asynccontextmanager
async def _serving(school: School, hs_token: str, port: int) -> AsyncIterator[None]:
    arrived = asyncio.Event()
    app = Transactions(school.context.store, school.context.clock, hs_token, arrived).application()
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    worker = asyncio.create_task(Worker(school.context, arrived).run())
    yield
    worker.cancel()
    with suppress(asyncio.CancelledError):
        await worker
    await runner.cleanup()


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Waits until it holds; the test's own time limit ends it otherwise."""
    async with asyncio.timeout(20):
        while not await holds():  # noqa: ASYNC110 - what is awaited happens in another process
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
async def persons(school: School) -> list[PersonId]:
    """Some guardians with accounts, in their rooms."""
    found = [await school.guardian(number) for number in list(only_children(school.demo))[:4]]
    activated = await school.activate(*found)
    assert (activated.refused, activated.applied.refused) == ({}, ())
    return found


async def _member(school: School, key: RoomKey, person: PersonId, *wanted: Membership) -> None:
    async def holds() -> bool:
        return await school.membership(key, person) in wanted

    await eventually(holds)


async def _state(school: School, room: RoomId, key: StateKey, wanted: Content) -> None:
    async def holds() -> bool:
        return await school.context.homeserver.state_event(room, key) == wanted

    await eventually(holds)


async def test_a_raised_power_level_is_taken_back(school: School, persons: list[PersonId]) -> None:
    room = await school.room(RoomKind.ANNOUNCE_SCHOOL)
    wanted = room.state[POWER_LEVELS]
    users = wanted["users"]
    assert isinstance(users, dict)
    raised: Content = {**wanted, "users": {**users, school.user(persons[0]): 100}}
    await school.context.homeserver.put_state(room.room, POWER_LEVELS, raised)
    await _state(school, room.room, POWER_LEVELS, wanted)


async def test_a_changed_name_is_put_back(school: School, persons: list[PersonId]) -> None:
    room = await school.room(RoomKind.ANNOUNCE_SCHOOL)
    await school.context.homeserver.put_state(room.room, NAME, {"name": "Kermesse"})
    await _state(school, room.room, NAME, room.state[NAME])


async def test_a_room_hung_out_of_its_space_is_hung_back(school: School, persons: list[PersonId]) -> None:
    room = await school.room(RoomKind.ANNOUNCE_SCHOOL)
    space = await school.room(RoomKind.SPACE_SCHOOL)
    principal = await school.principal()
    await school.activate(principal)
    levels = space.state[POWER_LEVELS]
    users = levels["users"]
    assert isinstance(users, dict)
    link = StateKey("m.space.child", room.room)
    raised: Content = {**levels, "users": {**users, school.user(principal): 100}}
    await school.context.homeserver.put_state(space.room, POWER_LEVELS, raised)
    client = nio.AsyncClient(school.context.homeserver.endpoint.url, school.user(principal))
    await client.login("Préau-d’essai-2026")
    await client.room_put_state(space.room, link.type, {}, link.key)
    await client.close()
    await _state(school, space.room, link, space.state[link])
    await _state(school, space.room, POWER_LEVELS, levels)


async def test_an_invited_stranger_is_shown_out(school: School, persons: list[PersonId]) -> None:
    """The bot may invite anybody; the guard keeps them from entering, and the service takes the invitation back."""
    room = await school.room(RoomKind.ANNOUNCE_SCHOOL)
    stranger = PersonId(new_localpart())
    homeserver = school.context.homeserver
    await homeserver.register(school.user(stranger))
    with suppress(HomeserverError):  # taken back already
        await homeserver.invite(room.room, school.user(stranger))
    with pytest.raises(HomeserverError):
        await homeserver.join(room.room, school.user(stranger))
    await _member(school, room.key, stranger, Membership.LEAVE)


async def test_whoever_leaves_an_announcement_room_is_brought_back(school: School, persons: list[PersonId]) -> None:
    key = school.key(RoomKind.ANNOUNCE_SCHOOL)
    room = (await school.rooms())[key].room
    await school.context.homeserver.leave(room, school.user(persons[1]))
    await _member(school, key, persons[1], Membership.JOIN)


async def test_whoever_leaves_the_parents_room_is_left_alone_over_imports_until_they_agree_anew(
    school: School, persons: list[PersonId]
) -> None:
    person, key = persons[2], school.key(RoomKind.PARENTS_SCHOOL)
    consent = Consent(person, school.uai, ConsentTopic.PARENT_ROOMS, school.context.clock.now(), "test")
    await settle.grant(school.context, consent, actor=ACTOR)
    room = (await school.rooms())[key].room
    await school.context.homeserver.leave(room, school.user(person))

    async def remembered() -> bool:
        async with school.context.store.reading() as db:
            found = await decisions.in_force(db, school.uai, school.context.clock.now())
        return (person, key) in {(choice.person, choice.room) for choice in found.opt_outs}

    await eventually(remembered)
    await school.take_in()
    await school.apply()
    assert await school.membership(key, person) is Membership.LEAVE
    await settle.grant(school.context, consent, actor=ACTOR)
    assert await school.membership(key, person) is Membership.JOIN


async def test_what_is_handled_is_handled_once_and_the_journal_holds(school: School, persons: list[PersonId]) -> None:
    async def empty() -> bool:
        async with school.context.store.reading() as db:
            return await inbox.counts(db) == (0, 0)

    await eventually(empty)
    async with school.context.store.reading() as db:
        assert (await journal.verify(db)).entries > 0
    assert (await school.plan()).is_done
    assert await school.really() == await school.rooms()
