"""The table, for the terminal and for `docs/benchmarks.md`."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from tests.bench.measure import Row

_HEAD: Final = ("what", "budget", "measured", "how")


def as_markdown(rows: Sequence[Row], command: str, at: datetime, lasted: float) -> str:
    """The whole page; nothing in it is written by hand."""
    return "\n".join((*_introduction(command, at, lasted), *table(rows), ""))


def table(rows: Sequence[Row]) -> list[str]:
    """Lines of a Markdown table, its columns aligned so that a terminal shows it too."""
    cells: list[tuple[str, ...]] = [_HEAD, *((row.what, row.budget or "–", row.measured, row.how) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    cells.insert(1, tuple("-" * width for width in widths))
    return [
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]


def _introduction(command: str, at: datetime, lasted: float) -> list[str]:
    versions = f"Python {platform.python_version()}, Synapse {version('matrix-synapse')} in one process"
    machine = f"{os.cpu_count()} cores, {_memory():.0f} GB of memory, {platform.system()} {platform.machine()}"
    return [
        "# Benchmarks",
        "",
        "Written by the program: edit `tests/bench/`, not this page.",
        "",
        f"* date: {at:%Y-%m-%d %H:%M} UTC; the run took {lasted / 60:.1f} minutes",
        f"* command: `{command}`",
        f"* machine: {machine}",
        f"* versions: {versions}, SQLAlchemy {version('sqlalchemy')}",
        "* databases: ours is SQLite on disk; Synapse's is named in each row (PostgreSQL: `fsync` off, unless said)",
        "",
        _CAUTION,
    ]


_CAUTION: Final = """\
These are the numbers of one run on a noisy two-core machine that others use at the same time: a time may be half or
twice as long in the next run. Compare ratios within one row, CPU time, counts and memory. Nothing here is a test of
time, but a wrong result (a second run that writes, a move that touches more than a family) ends the run with an error.

*CPU* is the CPU time of our own process; *Synapse* that of Synapse's process for one of the things counted. The same
work was done by *plain*, a loop of client-API requests one after the other, on the same homeserver in the same run.
"""


def _memory() -> float:
    """Gigabytes that the machine has."""
    total = Path("/proc/meminfo").read_text(encoding="utf-8").split()[1]
    return int(total) / 1024 / 1024
