"""From the release before to this one while people write: no message is lost; how long nobody could write is measured.

```text
 state of this project that landed before ─┐
 the Synapse before this one ──────────────┴─► its own site ─► people write ─► upgrade of this checkout ─► compare
                                                               ╰──────────── without pause ────────────╯
```

One host with workers, so that they are restarted after main. Many hosts go from this state to a later one, which nobody
has written yet: nothing in it is new but its version, so that everybody gets new environments.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from tests.hosts.academies import Academy
from tests.hosts.playbooks import CHECKOUT
from tests.hosts.results import record
from tests.hosts.schools import School
from tests.hosts.test_faults import failed_units, judge, people
from tests.hosts.traffic import traffic

BEFORE: Final = "6aa481c13ef70d9a8779a1aba52d7944ea24efe2"
"""The state that landed before; brought forward with each release."""

SYNAPSE_BEFORE: Final = "1.162.0"
SYNAPSE_BEFORE_HASH: Final = "sha256:ea122be63a088f0e3993cf35019c9b6ca4a9baf0bc26019c4549317c5342ee99"  # x86-64
NEXT: Final = "0.1.1"
_VERSION: Final = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)
_LEFT: Final = shutil.ignore_patterns(".*", "__pycache__", "tests", "demo-data")
_BREAKS: Final = {"release": "99.0.0", "only_if": "you run this test", "do": "Read what the test says."}
_LOCKED: Final = re.compile(r"^matrix-synapse==[0-9.]+ \\\n(?:    --hash=\S+(?: \\)?\n)+", re.MULTILINE)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the state before, which brings the Synapse before."""
    folder = tmp_path_factory.mktemp("before")
    archive = folder.with_suffix(".tar")
    packed = subprocess.run(
        ["git", "-C", CHECKOUT, "archive", f"--output={archive}", BEFORE], capture_output=True, text=True, check=False
    )
    if packed.returncode != 0:
        pytest.skip(f"the history of this checkout does not reach {BEFORE}: {packed.stderr.strip()}")
    subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
    lock = folder / "deploy/requirements/synapse.txt"
    older = f"matrix-synapse=={SYNAPSE_BEFORE} \\\n    --hash={SYNAPSE_BEFORE_HASH}\n"
    text, count = _LOCKED.subn(lambda _: older, lock.read_text())
    assert count == 1
    lock.write_text(text)
    return folder


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the state to come."""
    folder = tmp_path_factory.mktemp("after") / "preau"
    shutil.copytree(CHECKOUT, folder, ignore=_LEFT)
    file = folder / "appservice/preau/__init__.py"
    text, count = _VERSION.subn(f'__version__ = "{NEXT}"', file.read_text())
    assert count == 1
    file.write_text(text)
    return folder


async def _synapse(internet: aiohttp.ClientSession, academy: Academy) -> str:
    """The version that runs."""
    async with internet.get(f"https://matrix.{academy.server}/_matrix/federation/v1/version") as answer:
        return str((await answer.json(content_type=None))["server"]["version"])


async def test_an_upgrade_loses_no_message(
    ouest: Academy, schools: dict[str, School], before: Path, internet: aiohttp.ClientSession
) -> None:
    await asyncio.to_thread(ouest.up_from, before)
    assert await _synapse(internet, ouest) == SYNAPSE_BEFORE
    writers, room = await people(internet, ouest, schools["ouest"])

    refused = await asyncio.to_thread(ouest.play, "site")
    assert refused.status != 0
    assert "upgrade.yml" in refused.output
    assert await _synapse(internet, ouest) == SYNAPSE_BEFORE

    unread = {"preau_breaking": [_BREAKS], "preau_release": "99.0.0"}
    refused = await asyncio.to_thread(ouest.play, "upgrade", "-e", json.dumps(unread))
    assert refused.status != 0
    assert _BREAKS["do"] in " ".join(refused.output.split())
    assert refused.changed_tasks == []

    async with traffic(room, writers) as told:
        broken = time.monotonic()
        played = await asyncio.to_thread(ouest.play, "upgrade")
        await told.flows()
    played.expect_success()
    assert await _synapse(internet, ouest) != SYNAPSE_BEFORE
    record(
        "deploy/upgrade.yml",
        academy="ouest",
        seconds=round(played.seconds),
        synapse=[SYNAPSE_BEFORE, await _synapse(internet, ouest)],
    )
    await judge(told, writers[0], "upgrade", ouest, broken)
    assert failed_units(ouest.host("homeserver")) == ""
    again = await asyncio.to_thread(ouest.play, "site")
    assert again.expect_success().changed_tasks == []


async def test_many_hosts_are_upgraded_one_after_the_other(
    sud: Academy, schools: dict[str, School], after: Path, internet: aiohttp.ClientSession
) -> None:
    writers, room = await people(internet, sud, schools["sud"])
    assert NEXT not in sud.preau("--version")
    homeservers = [sud.machines[name] for group in ("homeserver", "workers") for name in sud.plan.groups()[group]]
    environments = {host.name: host.run("readlink", "/opt/preau/synapse") for host in homeservers}
    sud.checkout = after

    async with traffic(room, writers) as told:
        began = time.monotonic()
        played = await asyncio.to_thread(sud.play, "upgrade")
        await told.flows()
    played.expect_success()
    record("deploy/upgrade.yml", academy="sud", hosts=len(sud.machines), seconds=round(played.seconds))
    await judge(told, writers[0], "upgrade of many hosts", sud, began)
    assert NEXT in sud.preau("--version")
    for host in homeservers:
        assert host.run("readlink", "/opt/preau/synapse") != environments[host.name]
    assert {name: left for name, host in sud.machines.items() if (left := failed_units(host))} == {}
