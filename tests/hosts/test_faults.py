"""Something breaks while people write: it recovers alone, and nothing that was acknowledged is lost.

The figures go to the results file, from which docs/reliability.md is written.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Final

import aiohttp
import pytest

from preau.demo.parts import Part
from tests.hosts.academies import Academy
from tests.hosts.machines import Machine
from tests.hosts.people import Someone
from tests.hosts.results import record
from tests.hosts.schools import PARTS, School, in_room
from tests.hosts.traffic import Traffic, traffic

_ALONE_SECONDS: Final = 120  # how long anything may take to recover without anybody's hand
_FULL_SECONDS: Final = 20

Break = Callable[[Academy], None]


def kill(group: str, unit: str) -> Break:
    """SIGKILL to every process of a unit on a group's first host."""

    def break_it(academy: Academy) -> None:
        academy.host(group).run("systemctl", "kill", "--signal=KILL", unit)

    return break_it


async def people(internet: aiohttp.ClientSession, academy: Academy, school: School) -> tuple[list[Someone], str]:
    """Those of the school who may write to each other, at their clients, and the room for it."""
    writers = [await school.client(internet, academy.server, part) for part in PARTS if part is not Part.PRINCIPAL]
    return writers, await in_room("division_parents_staff", *writers)


async def judge(told: Traffic, reader: Someone, what: str, academy: Academy, broken: float) -> None:
    """Nothing acknowledged is lost, nothing is there twice; the figures are kept."""
    lost, doubled = await told.lost(reader), await told.doubled(reader)
    record(
        what,
        academy=academy.plan.name,
        acknowledged=len(told.acknowledged),
        refused_or_unanswered=told.refusals,
        longest_silence_seconds=round(told.longest_silence(broken), 1),
        lost=len(lost),
        doubled=len(doubled),
    )
    assert lost == []
    assert doubled == []


def failed_units(machine: Machine) -> str:
    return machine.run("systemctl", "--failed", "--plain", "--no-legend").strip()


@pytest.mark.parametrize(
    ("where", "what", "break_it"),
    [
        ("ouest", "PostgreSQL killed", kill("database", "postgresql@*")),
        ("ouest", "Synapse killed", kill("homeserver", "preau-synapse.service")),
        ("ouest", "the service killed", kill("service", "preau.service")),
        ("ouest", "nginx killed", kill("proxy", "nginx.service")),
        ("sud", "PostgreSQL killed, on a host of its own", kill("database", "postgresql@*")),
        ("sud", "Redis killed", kill("redis", "redis-server.service")),
        ("sud", "a worker killed", kill("workers", "preau-synapse-worker@*")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_killed_comes_back_alone_and_no_message_is_lost(
    request: pytest.FixtureRequest,
    schools: dict[str, School],
    internet: aiohttp.ClientSession,
    where: str,
    what: str,
    break_it: Break,
) -> None:
    academy: Academy = request.getfixturevalue(where)
    writers, room = await people(internet, academy, schools[where])
    async with traffic(room, writers) as told:
        broken = time.monotonic()
        await asyncio.to_thread(break_it, academy)
        await told.flows(seconds=_ALONE_SECONDS)
    await judge(told, writers[0], what, academy, broken)
    assert {name: failed_units(machine) for name, machine in academy.machines.items() if failed_units(machine)} == {}


async def test_a_full_disk_loses_nothing_and_once_there_is_room_all_goes_on(
    ouest: Academy, schools: dict[str, School], internet: aiohttp.ClientSession
) -> None:
    host = ouest.host("homeserver")
    writers, room = await people(internet, ouest, schools["ouest"])
    async with traffic(room, writers) as told:
        broken = time.monotonic()
        await asyncio.to_thread(host.shell, "dd if=/dev/zero of=/root/full bs=1M status=none || true", 300)
        await asyncio.sleep(_FULL_SECONDS)
        await asyncio.to_thread(host.shell, "rm /root/full")
        room_again = time.monotonic()
        await told.flows(seconds=_ALONE_SECONDS)
        recovered = time.monotonic() - room_again
    record("disk full: after there was room again", academy="ouest", ten_messages_after_seconds=round(recovered, 1))
    await judge(told, writers[0], "disk full", ouest, broken)


async def test_a_power_cut_in_the_middle_of_traffic_loses_nothing_that_was_acknowledged(
    ouest: Academy, schools: dict[str, School], internet: aiohttp.ClientSession
) -> None:
    host = ouest.host("homeserver")
    writers, room = await people(internet, ouest, schools["ouest"])
    noted = json.loads(ouest.preau("journal", "verify", "--json"))
    async with traffic(room, writers) as told:
        broken = time.monotonic()
        await asyncio.to_thread(host.lose_power)
        await asyncio.to_thread(host.boot)
        await told.flows(seconds=_ALONE_SECONDS)
    await judge(told, writers[0], "power cut, with what was not written through lost", ouest, broken)
    assert failed_units(host) == ""
    ouest.preau("journal", "verify", "--noted", f"{noted['entries']}:{noted['head']}")
