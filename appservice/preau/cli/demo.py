"""``preau demo``: two federated académies on this machine, until Ctrl-C; ``--check`` plays the story instead."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from preau.cli.output import REFUSED, explained, say
from preau.errors import UsageError

_Port = typer.Option(min=1, max=65535, help="Where clients reach this académie's homeserver; else a free port.")


def demo(
    check: Annotated[bool, typer.Option("--check", help="Play the story with real clients, and end.")] = False,
    describe: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write what was made to this file, as JSON.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another number invents other people.")] = 2025,
    folder: Annotated[
        Path | None, typer.Option(metavar="DIR", file_okay=False, help="Keep everything here; it must be empty.")
    ] = None,
    nord_port: Annotated[int | None, _Port] = None,
    sud_port: Annotated[int | None, _Port] = None,
) -> None:
    """Run two federated académies on this machine, with invented people you can log in as."""
    with explained(), _chosen(folder) as kept:
        flow = _flow(kept, describe, seed, (nord_port, sud_port), check=check)
        passed = asyncio.run(_until_stopped(flow, check=check))
    if not passed:
        raise typer.Exit(REFUSED)


def _flow(
    folder: Path, describe: Path | None, seed: int, ports: tuple[int | None, int | None], *, check: bool
) -> Coroutine[Any, Any, bool]:
    try:  # imported here: the demo's own libraries are an extra that production does not install
        from preau.demo.command import run_demo  # noqa: PLC0415
        from preau.demo.run import DemoOptions  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        raise UsageError(
            f"The demo needs {missing.name}, which is not installed.", advice="Install it: pip install 'preau[demo]'."
        ) from None
    options = DemoOptions(folder=folder, seed=seed, nord_port=ports[0], sud_port=ports[1])
    return run_demo(options, description=describe, check=check, console=Console())


@contextmanager
def _chosen(folder: Path | None) -> Iterator[Path]:
    """The folder asked for, which stays, or one that is removed at the end."""
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="preau-demo-", ignore_cleanup_errors=True) as temporary:
        yield Path(temporary)


async def _until_stopped(flow: Coroutine[Any, Any, bool], *, check: bool) -> bool:
    """The flow's result; Ctrl-C and SIGTERM end it in order, which is no failure unless a story was cut short."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await flow
    except asyncio.CancelledError:
        say("\nEverything has ended.")
        return not check
