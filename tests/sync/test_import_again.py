"""The same files imported again: told the same, without being read; anything else is read."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest

from preau.clock import FixedClock
from preau.demo.cast import invent_school, invented_uai
from preau.demo.changes import move_pupil
from preau.demo.rosters import write_rosters
from preau.demo.school import DemoSchool
from preau.errors import RosterRefused
from preau.roster.reader import check_report
from preau.store import tables
from preau.store.engine import Store
from preau.sync import importer, marks, planning
from preau.sync.context import Context
from preau.sync.importer import Imported, import_rosters
from preau.sync.recognise import minter
from tests.builders import NOON, academy
from tests.sync.model_synapse import ModelSynapse

SCHOOL = invent_school(7, invented_uai(6001), "Collège Essai", pupils=20)


@dataclass
class Desk:
    """Where somebody imports files; it counts how often they are read."""

    context: Context
    folder: Path
    read: int = 0

    def write(self, school: DemoSchool = SCHOOL, day: int = 15, folder: str = "rosters") -> list[Path]:
        exported = datetime(2025, 9, day, 19, 2, 11)  # noqa: DTZ001 - HORODATAGE has no zone
        return write_rosters(school, self.folder / folder, taken_at=exported)

    async def take_in(self, files: list[Path]) -> Imported:
        return await import_rosters(self.context, files, mint=minter(random.Random(1)), actor="test")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def desk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    sqlite = request.param == "sqlite"
    store = Store(f"sqlite:///{tmp_path / 'preau.db'}" if sqlite else request.getfixturevalue("make_database")())
    await store.migrate()
    server = ModelSynapse(academy())
    made = Desk(Context(server.academy, store, server.adapter(), FixedClock(NOON)), tmp_path)
    really = importer.read

    def counted(*args: object, **more: object) -> object:
        made.read += 1
        return really(*args, **more)  # type: ignore[arg-type]  # passed on as they are

    monkeypatch.setattr(importer, "read", counted)
    yield made
    await store.close()


async def test_the_same_files_are_told_the_same_and_not_read_again(desk: Desk) -> None:
    files = desk.write()
    first = await desk.take_in(files)
    again = await desk.take_in(files[::-1])
    assert desk.read == 1
    assert (again.school, again.new, again.accepted, again.new_people) == (first.school, False, False, 0)
    assert check_report(again.reading) == check_report(first.reading)
    assert again.reading.findings == first.reading.findings


async def test_nothing_is_written_for_them(desk: Desk) -> None:
    files = desk.write()
    await desk.take_in(files)

    async def kept() -> list[list[object]]:
        async with desk.context.store.reading() as db:
            return [list(await db.execute(table.select())) for table in tables.metadata.sorted_tables]

    before = await kept()
    await desk.take_in(files)
    assert await kept() == before


async def test_an_accepted_import_is_still_the_newest(desk: Desk) -> None:
    files = desk.write()
    await desk.take_in(files)
    await desk.take_in(desk.write(move_pupil(SCHOOL, next(SCHOOL.attending).key, SCHOOL.divisions[0].code), day=16))
    planned = await planning.plan(desk.context)
    await planning.carry_out(desk.context, planned, actor="test", accept=planned.plan.fingerprint)
    assert not (await desk.take_in(files)).new
    assert desk.read == 2


async def test_files_that_were_overtaken_are_read_and_judged_again(desk: Desk) -> None:
    older = desk.write(folder="older")
    await desk.take_in(older)
    await desk.take_in(desk.write(day=16))
    with pytest.raises(RosterRefused):
        await desk.take_in(older)


async def test_one_byte_more_is_another_file(desk: Desk) -> None:
    files = desk.write()
    await desk.take_in(files)
    staff = next(path for path in files if b"STS_EDT" in path.read_bytes())
    staff.write_bytes(staff.read_bytes() + b"\n")
    await desk.take_in(files)
    assert desk.read == 2


async def test_files_under_another_name_are_read_since_the_findings_name_them(desk: Desk) -> None:
    await desk.take_in(desk.write())
    await desk.take_in(desk.write(folder="elsewhere"))
    assert desk.read == 2


async def test_fewer_files_are_another_import(desk: Desk) -> None:
    files = desk.write()
    await desk.take_in(files)
    await desk.take_in([path for path in files if b"STS_EDT" in path.read_bytes()])
    assert desk.read == 2


async def test_another_school_year_or_program_reads_them_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    files = desk.write()
    await desk.take_in(files)
    with monkeypatch.context() as patched:
        patched.setattr(importer, "program", lambda: "another")
        await desk.take_in(files)
    assert desk.read == 2
    desk.context = replace(desk.context, academy=replace(desk.context.academy, school_year=2026))
    with pytest.raises(RosterRefused):
        await desk.take_in(files)


async def test_a_file_written_anew_while_it_was_read_is_read_the_next_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = desk.write()
    before = {path: path.read_bytes() for path in files}
    really = importer.read

    def meanwhile(*args: object, **more: object) -> object:
        reading = really(*args, **more)  # type: ignore[arg-type]  # passed on as they are
        files[0].write_bytes(files[0].read_bytes() + b"\n")
        return reading

    with monkeypatch.context() as patched:
        patched.setattr(importer, "read", meanwhile)
        await desk.take_in(files)
    for content in (files[0].read_bytes(), before[files[0]]):
        files[0].write_bytes(content)
        await desk.take_in(files)
    assert desk.read == 3


def test_the_program_is_told_by_its_source_alone() -> None:
    assert marks.program() == marks.program.__wrapped__()
    assert len(marks.program()) == 64
