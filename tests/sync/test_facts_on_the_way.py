"""Whatever happens on the way to the guard, it ends up with the facts that follow from the store."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest

from preau.errors import HomeserverUnreachable
from preau.model.people import Function
from preau.model.rooms import RoomKey, RoomKind
from preau.policy.wanted import ACADEMY
from preau.store import due
from preau.sync.push import agree, push_due, push_facts
from tests.builders import NORTH, SOUTH, school, staff
from tests.live.way import way_to
from tests.store.processes import ROOT
from tests.sync.telling import ROLL, Service, held, service_of

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]


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
    await service.opens("dir")
    await push_due(service.context)
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


async def test_what_a_run_made_before_it_was_killed_is_told_by_the_next_push(service: Service) -> None:
    await service.has(ROLL)
    await service.opens("paz")
    await push_due(service.context)
    await service.opens("lou")
    await service.makes(RoomKey(RoomKind.SPACE_ACADEMY, ACADEMY), "!space")
    await push_facts(service.context, [])
    assert held(service.synapse) == await service.right()


async def test_what_was_never_marked_is_found_by_looks_one_school_at_a_time(service: Service) -> None:
    await service.has(ROLL)
    await service.has(school(staff("kim", Function.TEACHER), uai=SOUTH))
    await service.opens("paz")
    await push_due(service.context)
    await service.opens("lou", "kim")
    await service.makes(RoomKey(RoomKind.STAFF, NORTH), "!staff")
    async with service.context.store.writing() as db:
        await due.lift(db, await due.due(db, service.context.clock.now(), 100))
    await push_due(service.context)
    assert held(service.synapse) != await service.right()
    for _school in (ACADEMY, NORTH, SOUTH):
        await agree(service.context)
    assert held(service.synapse) == await service.right()
