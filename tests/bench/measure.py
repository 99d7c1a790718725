"""What every measurement needs: a stopwatch, a process of its own, a row for the table."""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from preau.cli import calm_collector

P = ParamSpec("P")
T = TypeVar("T")

_TICKS: Final = os.sysconf("SC_CLK_TCK")


class WrongResult(Exception):
    """What was measured did something else than it should: its numbers mean nothing."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``budget`` is empty where the design sets none."""

    what: str
    budget: str
    measured: str
    how: str


@dataclass(slots=True)
class Span:
    """Seconds that something took: on the wall, and of this process's CPU."""

    wall: float = 0.0
    cpu: float = 0.0

    def __str__(self) -> str:
        return f"{seconds(self.wall)} (CPU {seconds(self.cpu)})"

    def __add__(self, other: Span) -> Span:
        return Span(self.wall + other.wall, self.cpu + other.cpu)


@contextmanager
def timed() -> Iterator[Span]:
    """A span that is filled in when the block ends."""
    span, wall, cpu = Span(), time.perf_counter(), time.process_time()
    yield span
    span.wall, span.cpu = time.perf_counter() - wall, time.process_time() - cpu


def in_fresh_process(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs a function in a new interpreter, set up as the command is; memory and caches are its own. It raises here."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=calm_collector) as pool:
        return pool.submit(work, *args, **kwargs).result()


def peak_megabytes() -> float:
    """The most memory this process ever held at once (resident)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB


def resident(pid: int) -> float:
    """Megabytes of memory that a process holds now (proc(5), ``VmRSS``)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def cpu_of(pid: int) -> float:
    """Seconds of CPU that another process has used so far, its threads included (proc(5), fields 14 and 15)."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS


def fine_cpu_of(pid: int) -> float:
    """The same in nanoseconds' steps, of the threads that live: for spans of less than a second (``schedstat``)."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text(encoding="utf-8").split()[0]) for thread in threads) / 1e9


def insist(holds: bool, otherwise: str) -> None:
    """Ends the measurement when its result is wrong.

    Raises:
        WrongResult: it is.
    """
    if not holds:
        raise WrongResult(otherwise)


def seconds(value: float) -> str:
    """``0.042 s``, ``3.1 s``: two digits that count."""
    return f"{value:.3f} s" if value < 0.1 else f"{value:.2f} s" if value < 1 else f"{value:.1f} s"


def per_second(count: int, wall: float) -> str:
    """``12.3/s``."""
    rate = count / wall
    return f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.1f}/s"
