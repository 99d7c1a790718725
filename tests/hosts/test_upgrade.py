"""From the release before to this one while people write: no message is lost; how long nobody could write is measured.

```text
 state of this project that landed before ─┐
 the Synapse before this one ──────────────┴─► its own site ─► people write ─► upgrade of this checkout ─► compare
                                                               ╰──────────── without pause ────────────╯
```

One host with workers, so that they are restarted after main.
"""

from __future__ import annotations

import asyncio
import json
import re
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
