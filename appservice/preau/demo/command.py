"""What ``preau demo`` does: start, describe, then either the guide until Ctrl-C, or the story."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from rich.console import Console

from preau.demo.describe import describe, write_atomically
from preau.demo.guide import print_guide
from preau.demo.run import Demo, DemoOptions
from preau.demo.story.lines import play
from preau.demo.story.world import World
from preau.errors import HomeserverUnreachable, UsageError

_LOOK: Final = 1.0
"""Seconds between two looks at whether everything still runs."""


async def run_demo(options: DemoOptions, *, description: Path | None, check: bool, console: Console) -> bool:
    """Runs the demo until it is cancelled, or to the end of the story; whether the story passed.

    Args:
        options: where and how.
        description: a file to describe everything in, as JSON.
        check: play the story.
        console: where the guide and the story's lines go.

    Raises:
        PreauError: something did not start, or ended by itself; the message says what.
    """
    _check_folder(description)
    async with Demo(options, tell=lambda line: console.print(line, highlight=False, markup=False)) as demo:
        found, everything = await describe(demo.academies), demo.folder / "demo.json"
        for file in (everything, *([description] if description is not None else [])):
            write_atomically(found, file)
        if check:
            async with World(demo) as world:
                return await play(world, console)
        print_guide(demo, console, description=everything)
        await _watch(demo)
    return True


def _check_folder(description: Path | None) -> None:
    """Told now rather than after everything has started."""
    if description is not None and not description.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {description.absolute().parent} to write {description.name} to.")


async def _watch(demo: Demo) -> None:
    """Until cancelled; a part that ends by itself ends the demo."""
    while not (ended := [child for academy in demo.academies for child in academy.ended()]):  # noqa: ASYNC110 -- waitpid
        await asyncio.sleep(_LOOK)
    raise HomeserverUnreachable(f"{ended[0].name} ended by itself.", advice=ended[0].log_tail())
