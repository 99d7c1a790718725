"""The same files again, when everything is as wanted: nothing may be written."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from preau.store import settled
from preau.sync import planning
from preau.sync.importer import import_rosters
from tests.bench.academy import ACTOR, EVERYBODY, MINT, SCHOOL, academy, people_in, prepared, rosters, school
from tests.bench.measure import Row, Span, in_fresh_process, insist, peak_megabytes, timed


@dataclass(frozen=True, slots=True)
class _Second:
    people: int
    imported: Span
    planned: Span
    peak: float


def run(folder: Path) -> Iterable[Row]:
    """One row per size."""
    for pupils in (SCHOOL, EVERYBODY):
        first = in_fresh_process(_prepare, folder, pupils)
        found = in_fresh_process(_again, folder, pupils)
        yield Row(
            f"{found.people:,} people: second run with nothing changed",
            "no writes, ≤ 5 s",
            f"no writes; {found.imported + found.planned}: "
            f"import {found.imported.wall:.1f} s, plan {found.planned.wall:.1f} s; {found.peak:.0f} MB",
            "everybody activated and in their rooms; `import_rosters` and `plan`; `PRAGMA data_version` unmoved; "
            f"before, the first run took another look to see that nothing was left ({first})",
        )


def _prepare(folder: Path, pupils: int) -> Span:
    return asyncio.run(_first_run(folder, pupils))


async def _first_run(folder: Path, pupils: int) -> Span:
    """A database in which all is done, and marked as `carry_out` does at the end; how long that last look took."""
    database = shutil.copy(await prepared(folder, pupils), folder / f"second-{pupils}.db")
    async with academy(database) as context:
        with timed() as looked:
            planned = await planning.plan(context)
            async with context.store.writing() as db:
                await settled.note(db, planned.marks)
    return looked


def _again(folder: Path, pupils: int) -> _Second:
    paths = rosters(school(pupils), folder / str(pupils))
    return asyncio.run(_measured(folder / f"second-{pupils}.db", paths))


async def _measured(database: Path, paths: list[Path]) -> _Second:
    async with academy(database) as context:
        with closing(sqlite3.connect(database)) as witness:
            before = _version(witness)
            with timed() as imported:
                outcome = await import_rosters(context, paths, mint=MINT, actor=ACTOR)
            with timed() as planned:
                found = await planning.plan(context)
            insist(_version(witness) == before, "the second run wrote to the database")
        peak, people = peak_megabytes(), await people_in(context)
    insist(not outcome.new, "the second import made another snapshot")
    insist(found.is_done, f"the second plan has {len(found.plan.steps)} steps")
    return _Second(people, imported, planned, peak)


def _version(witness: sqlite3.Connection) -> int:
    """Moves whenever another connection has committed a change (SQLite, PRAGMA data_version)."""
    return int(witness.execute("PRAGMA data_version").fetchone()[0])
