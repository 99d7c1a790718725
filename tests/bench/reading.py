"""Rosters → plan, for a school and for 100,000 people: time by stage, and peak memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from preau.model.choices import SchoolChoices
from preau.model.decisions import Decisions
from preau.model.roster import SchoolRoster
from preau.policy.wanted import wanted
from preau.roster.reader import read
from preau.store import people, snapshots
from preau.sync import planning
from preau.sync.context import Context
from preau.sync.importer import import_rosters
from preau.sync.plan import Actual, difference
from preau.sync.recognise import complete, fresh_ids, keys_that_matter, same_people, snapshot_of
from tests.bench.academy import ACTOR, EVERYBODY, MINT, SCHOOL, academy, people_in, record_accounts, rosters, school
from tests.bench.measure import Row, Span, in_fresh_process, insist, peak_megabytes, timed

_BUDGET_SECONDS = "≤ 20 s"
_BUDGET_MEMORY = "≤ 600 MB"


@dataclass(frozen=True, slots=True)
class _Cost:
    """What one process did: how much of it, how long, and its peak memory in MB."""

    count: int
    span: Span
    peak: float


def run(folder: Path) -> Iterable[Row]:
    """The rows for both sizes."""
    for pupils in (SCHOOL, EVERYBODY):
        yield from _size(folder / f"reading-{pupils}", pupils)


def _size(folder: Path, pupils: int) -> Iterable[Row]:
    paths = in_fresh_process(_write, folder, pupils)
    first = in_fresh_process(_import_and_plan, folder, paths)
    in_fresh_process(_record_accounts, folder)
    imported = in_fresh_process(_stages, folder / "stages", paths)
    full = in_fresh_process(_plan, folder)
    people_, big = f"{first.count:,} people", pupils == EVERYBODY
    whole = first.span + full.span
    budget = f"{_BUDGET_SECONDS}, {_BUDGET_MEMORY}" if big else ""
    yield Row(
        f"{people_}: import and plan, nobody activated",
        budget,
        f"{first.span}, {first.peak:.0f} MB",
        "`import_rosters`, then `plan`, in one fresh process",
    )
    yield Row(
        f"{people_}: plan, everybody activated and no room made",
        _BUDGET_MEMORY if big else "",
        f"{full.span}, {full.peak:.0f} MB, {full.count:,} steps",
        "`plan` with its fingerprint, in a fresh process",
    )
    yield Row(f"{people_}: import, empty plan and full plan", budget, str(whole), "the two rows above together")
    for stage, span in imported.items():
        yield Row(f"{people_}: {stage}", "", str(span), "that stage alone, in another process")


def _write(folder: Path, pupils: int) -> list[Path]:
    return rosters(school(pupils), folder)


def _import_and_plan(folder: Path, paths: list[Path]) -> _Cost:
    async def work() -> _Cost:
        async with academy(folder / "preau.db") as context:
            with timed() as span:
                await import_rosters(context, paths, mint=MINT, actor=ACTOR)
                planned = await planning.plan(context)
            peak = peak_megabytes()
            insist(not planned.plan.steps, "a plan without accounts has steps")
            return _Cost(await people_in(context), span, peak)

    return asyncio.run(work())


def _record_accounts(folder: Path) -> None:
    async def work() -> None:
        async with academy(folder / "preau.db") as context:
            await record_accounts(context)

    asyncio.run(work())


def _plan(folder: Path) -> _Cost:
    async def work() -> _Cost:
        async with academy(folder / "preau.db") as context:
            with timed() as span:
                planned = await planning.plan(context)
                insist(bool(planned.plan.fingerprint), "the plan has no fingerprint")
            return _Cost(len(planned.plan.steps), span, peak_megabytes())

    return asyncio.run(work())


def _stages(folder: Path, paths: list[Path]) -> dict[str, Span]:
    async def work() -> dict[str, Span]:
        folder.mkdir()
        async with academy(folder / "preau.db") as context:
            return await _stage_by_stage(context, paths)

    return asyncio.run(work())


async def _stage_by_stage(context: Context, paths: list[Path]) -> dict[str, Span]:
    now, here = context.clock.now(), context.academy
    with timed() as reading:
        roster = read(paths).roster
    assert isinstance(roster, SchoolRoster)
    async with context.store.writing() as db:
        with timed() as recognising:
            keys = keys_that_matter(roster) | same_people(roster).keys()
            fresh = complete({}, roster, fresh_ids(len(keys), MINT, ()))
            snapshot = snapshot_of(roster, fresh, None)
            await people.introduce(db, fresh, now)
        with timed() as saving:
            await snapshots.save(db, snapshot, now)
    with timed() as deriving:
        found = wanted(snapshot, Decisions(), SchoolChoices(pupil_accounts=True), here.server)
    with timed() as planning_:
        difference([found], Actual({}, {}), here)
    return {
        "read": reading,
        "recognise, all new": recognising,
        "save the snapshot": saving,
        "wanted": deriving,
        "difference, nobody activated": planning_,
    }
