"""Starts `tests.store.worker` and ends it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def worker(deed: str, url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process at work; killed, if it still runs, when the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "tests.store.worker", deed, url),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "appservice"), str(ROOT)])},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def exit_codes(deed: str, url: str, *, count: int) -> list[int]:
    """Several processes at the same work at once; how each ended."""

    async def one() -> int:
        async with worker(deed, url) as process:
            return await process.wait()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one()) for _ in range(count)]
    return [task.result() for task in tasks]


async def line_of(process: asyncio.subprocess.Process) -> str:
    """The next thing that the process says."""
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()
