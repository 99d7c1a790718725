"""One pupil moved to another division: what it costs, in a school and among 100,000 people."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from preau.demo.changes import move_pupil
from preau.demo.school import DemoPupil, DemoSchool
from preau.model.ids import DivisionCode
from preau.model.people import GuardianLevel
from preau.policy.levels import levels
from preau.sync import planning
from preau.sync.importer import import_rosters
from preau.sync.push import push_due
from tests.bench.academy import ACTOR, EVERYBODY, MINT, SCHOOL, academy, people_in, prepared, rosters, school
from tests.bench.measure import Row, Span, in_fresh_process, insist, timed
from tests.bench.standin import standing_in


@dataclass(frozen=True, slots=True)
class _Move:
    people: int
    steps: int
    calls: int
    facts: int
    imported: Span
    planned: Span
    applied: Span


def run(folder: Path) -> Iterable[Row]:
    """One row per size; both moves must cost the homeserver the same."""
    moves = []
    for pupils in (SCHOOL, EVERYBODY):
        in_fresh_process(_prepare, folder, pupils)
        moves.append(in_fresh_process(_move, folder, pupils))
    few, many = moves
    same = (few.steps, few.calls, few.facts) == (many.steps, many.calls, many.facts)
    insist(same, f"one pupil's move costs {few.steps} steps in a school and {many.steps} among all")
    for move in moves:
        yield Row(
            f"{move.people:,} people: one pupil moved",
            "cost of one pupil",
            f"{move.steps} steps, {move.calls} homeserver calls, {move.facts} facts for the guard; "
            f"import {move.imported}, plan {move.planned}, apply {move.applied}",
            "pupil and two guardians change division in one level; apply against a server that grants everything "
            "and whose guard knows everybody",
        )


def _prepare(folder: Path, pupils: int) -> None:
    asyncio.run(prepared(folder, pupils))


def _move(folder: Path, pupils: int) -> _Move:
    database = folder / f"moved-{pupils}.db"
    shutil.copy(folder / f"prepared-{pupils}.db", database)
    paths = rosters(_with_one_moved(school(pupils)), folder / str(pupils), day=1)
    return asyncio.run(_measured(database, paths))


async def _measured(database: Path, paths: list[Path]) -> _Move:
    async with standing_in() as homeserver, academy(database, url=homeserver.url) as context:
        await push_due(context)
        known, homeserver.calls = homeserver.facts, 0
        with timed() as imported:
            await import_rosters(context, paths, mint=MINT, actor=ACTOR)
        with timed() as planning_:
            found = await planning.plan(context)
        with timed() as applying:
            applied = await planning.carry_out(context, found, actor=ACTOR)
        insist(applied.done == len(found.plan.steps) > 0, "the pupil was not moved")
        left = (await planning.plan(context)).plan.steps
        insist(not left, f"{len(left)} steps are left after the pupil was moved")
        people = await people_in(context)
        facts = homeserver.facts - known
    return _Move(people, applied.done, homeserver.calls, facts, imported, planning_, applying)


def _with_one_moved(found: DemoSchool) -> DemoSchool:
    pupil = _with_two_parents(found)
    return move_pupil(found, pupil.key, _another_division(found, pupil))


def _with_two_parents(found: DemoSchool) -> DemoPupil:
    """A pupil with two legal guardians and nobody else, who have no other child here: the same family in every size."""
    children = Counter(link.guardian for link in found.links)
    for pupil in found.attending:
        links = [link for link in found.links if link.pupil == pupil.key]
        both_legal = [link.level for link in links] == [GuardianLevel.LEGAL] * 2
        if pupil.division and both_legal and all(children[link.guardian] == 1 for link in links):
            return pupil
    raise AssertionError("every school has an ordinary family")


def _another_division(found: DemoSchool, pupil: DemoPupil) -> DivisionCode:
    """One under the same level's space, if the school is large enough to have such spaces."""
    assert pupil.division is not None
    codes = [division.code for division in found.divisions]
    level_of = levels(codes)
    level = level_of.get(pupil.division)
    return next(code for code in codes if level_of.get(code) == level and code != pupil.division)
