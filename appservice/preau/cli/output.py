"""What commands print: text for people, JSON for programs, progress on a terminal; and how they end."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from preau.config import Settings, load, path_in_force
from preau.errors import PreauError
from preau.sync.results import Command, Result, note

T = TypeVar("T")

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The configuration file; else PREAU_CONFIG, else /etc/preau/preau.toml.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object for programs.")]

DONE: Final = 0
REFUSED: Final = 1
WRONG_USE: Final = 2


def actor() -> str:
    """Who calls, for the journal."""
    return f"cli:{getpass.getuser()}"


def settings(config: Path | None) -> Settings:
    """The settings in force; a wrong file ends the command."""
    with explained():
        return load(path_in_force(config))


def run(flow: Coroutine[Any, Any, T]) -> T:
    """Runs one flow to its end; what a person can act on is explained, not traced."""
    with explained():
        return asyncio.run(flow)


@contextmanager
def explained() -> Iterator[None]:
    """Turns an error meant for people into its words and an exit status."""
    try:
        yield
    except PreauError as error:
        say_error(error.explain())
        raise typer.Exit(error.exit_code) from None


@contextmanager
def noted(found: Settings, command: Command) -> Iterator[None]:
    """Keeps how the block ended, for `preau serve` to show; that this fails is told, and ends nothing."""
    well = False
    try:
        yield
        well = True
    finally:
        if (folder := found.metrics.results) is not None:
            try:
                note(folder, Result(command, well, datetime.now(UTC)))
            except OSError as error:
                say_error(f"How this ended could not be kept in {folder}: {error.strerror}.")


def say(text: str = "") -> None:
    """A line for people, or the whole of a program's answer."""
    sys.stdout.write(text + "\n")


def say_error(text: str) -> None:
    """A line on standard error, which leaves the JSON on standard output alone."""
    sys.stderr.write(text + "\n")


def say_json(value: Mapping[str, object]) -> None:
    """One JSON object."""
    say(json.dumps(value, ensure_ascii=False, indent=2))


@contextmanager
def progress(title: str, total: int | None) -> Iterator[Callable[[object], None]]:
    """A bar on standard error while a terminal looks on; the function it gives counts one thing done.

    ``total`` None: nobody knows how many there will be.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal or total == 0, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda _: bar.advance(task)
