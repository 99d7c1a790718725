"""Worker mode: `preau doctor`, as an operator runs it, says which process of the homeserver is silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from preau.store.engine import Store
from tests.guard.batching import Tables
from tests.guard.guarded import Guarded
from tests.guard.neighbours import soon
from tests.live.command import configured, doctor
from tests.workers.harness import WORKERS, SeveralProcesses

pytestmark = [pytest.mark.live, pytest.mark.postgresql]

SILENT_MS = 30_000
ALL = {"master", *WORKERS}
NEVER_STARTED = "generic9"


async def silent_to_doctor(processes: SeveralProcesses, folder: Path) -> set[str]:
    """Those that spoke once and that the command finds silent; every process of the settings is in its answer."""
    store = Store(f"sqlite:///{folder / 'preau.db'}")
    await store.migrate()
    await store.close()
    config = configured(processes, folder, workers=(*WORKERS, NEVER_STARTED))
    _, found, _ = await doctor(config)
    checks = [check for check in found["checks"] if check["check"].startswith("process ")]
    assert {check["check"].removeprefix("process ") for check in checks} == {*ALL, NEVER_STARTED}
    silent = {check["check"].removeprefix("process "): check["said"] for check in checks if not check["well"]}
    assert all(check["advice"] for check in checks if not check["well"])
    assert "has never said anything" in silent.pop(NEVER_STARTED)
    assert all("has said nothing for" in said for said in silent.values())
    return {*silent}


async def until_heard(several: Guarded, expected: set[str]) -> None:
    """Waits until these, and no others, said in the last half minute that they live; each does every ten seconds."""
    heard = set[str]()
    async for _ in soon(20):
        known = (await several.status())["processes"]
        heard = {process["name"] for process in known if process["seen_ms_ago"] <= SILENT_MS}
        if heard == expected:
            return
    raise AssertionError(f"heard: {heard}")


async def test_doctor_names_the_process_that_is_silent_until_it_is_back(
    several: Guarded, processes: SeveralProcesses, tmp_path: Path
) -> None:
    await until_heard(several, ALL)
    processes.end("generic2")
    try:
        # Half a minute passes for all of them alike; whoever lives says so again.
        Tables(processes).write("UPDATE preau_guard_process SET seen_at = seen_at - ?", SILENT_MS + 1)
        await until_heard(several, ALL - {"generic2"})
        assert await silent_to_doctor(processes, tmp_path) == {"generic2"}
    finally:
        processes.run("generic2")
        await processes.answers("generic2")
    await until_heard(several, ALL)
    assert await silent_to_doctor(processes, tmp_path) == set()
