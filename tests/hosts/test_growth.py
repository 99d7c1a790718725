"""An académie grows while people use it: one host more in the group `workers`, `site.yml` once more, nothing else."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Final

import aiohttp

from tests.hosts.academies import Academy
from tests.hosts.machines import Machine
from tests.hosts.results import record
from tests.hosts.schools import School
from tests.hosts.settings import GROWN_SUD
from tests.hosts.test_faults import failed_units, judge, people
from tests.hosts.traffic import traffic

_NEW: Final = "synapse-2.sud.example"
_SETTINGS: Final = ("nginx", "-T", "-q", "-c", "/etc/preau/web/nginx.conf")
_METRICS_PORTS: Final = (8102, 8112)
_FETCH: Final = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())"
_COUNTED: Final = re.compile(r"^synapse_http_server_response_count_total\{.*\} ([0-9.e+]+)$", re.MULTILINE)


async def test_a_worker_host_more_takes_its_part_and_nobody_notices(
    sud: Academy, schools: dict[str, School], internet: aiohttp.ClientSession
) -> None:
    writers, room = await people(internet, sud, schools["sud"])
    proxy = sud.host("proxy")
    assert _NEW not in proxy.run(*_SETTINGS)
    await asyncio.to_thread(sud.grow, GROWN_SUD)

    async with traffic(room, writers) as told:
        began = time.monotonic()
        played = await asyncio.to_thread(sud.play, "site")
        await told.flows()
    played.expect_success()
    record("one worker host more", academy="sud", seconds=round(played.seconds))
    await judge(told, writers[0], "site.yml, one worker host more", sud, began)

    new = sud.machines[_NEW]
    assert failed_units(new) == ""
    assert _NEW in proxy.run(*_SETTINGS)
    before = _answered(new)
    for _ in range(30):
        async with internet.get(f"https://matrix.{sud.server}/_matrix/client/versions") as answer:
            assert answer.status == 200
    assert _answered(new) > before


def _answered(host: Machine) -> float:
    """How many requests the two workers of a host have answered."""
    pages = [host.run("python3", "-c", _FETCH, f"http://127.0.0.1:{port}/metrics") for port in _METRICS_PORTS]
    return sum(float(count) for page in pages for count in _COUNTED.findall(page))
