"""Roster files → snapshot::

files ─► the very ones that the newest snapshot was read from? ──yes──► told as then, nothing is read
│ no
▼
reader ─► findings ─► refused? ──yes──► nothing is kept
│ no
▼
keys ─► persons (known, or new) ─► Snapshot ─► pending ─► plan, brakes, apply
└─ a school's first one is accepted at once: nothing can be lost
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from preau.errors import RosterRefused
from preau.model.findings import Finding, Severity
from preau.model.ids import PersonId, Uai
from preau.model.people import RosterKey
from preau.model.roster import SchoolRoster
from preau.model.snapshot import Snapshot
from preau.model.wanted import Content
from preau.roster.reader import Counts, Expectation, Reading, check_report, read, school_of
from preau.store import imported, journal, people, snapshots
from preau.store.engine import Transaction
from preau.store.journal import Entry
from preau.sync.context import Context
from preau.sync.marks import program
from preau.sync.recognise import Mint, complete, fresh_ids, keys_that_matter, same_people, snapshot_of

_FINDINGS_KEPT: Final = 1_000
"""Files with more to tell are read again each time: they are about to be replaced."""


class RosterFilesRefused(RosterRefused):
    """The files are refused; ``reading`` holds the findings that say why."""

    def __init__(self, reading: Reading, school: str) -> None:
        self.reading = reading
        errors = sum(finding.severity is Severity.ERROR for finding in reading.findings)
        super().__init__(
            f"The rosters of {school} were refused: {errors} errors. Nothing was imported.",
            advice="Each error above says what is wrong and what to do; `preau roster check FILE…` shows them again.",
        )


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: ``new`` is False when the rosters say what the newest snapshot said already.

    ``reading`` has no roster when the files are the very ones of the newest snapshot: they were not read again.
    ``accepted`` is True for a school's first snapshot; any other waits for `preau apply`.
    """

    school: Uai
    reading: Reading
    new: bool
    accepted: bool
    new_people: int


async def import_rosters(context: Context, paths: Sequence[Path], *, mint: Mint, actor: str) -> Imported:
    """Reads a school's rosters and keeps them as its pending snapshot.

    Records with errors are left out and told; only files that are wrong as a whole are refused.

    Args:
        context: store, clock and académie, whose school year the files must be of.
        paths: the files, ``.xml`` or ``.zip``.
        mint: makes ids for people seen for the first time.
        actor: who imports, for the journal.

    Raises:
        RosterRefused: the files are refused whole; nothing was kept. `RosterFilesRefused` holds the findings.
    """
    school, inputs = school_of(paths), _inputs(context, paths)
    async with context.store.reading() as db:
        told = await imported.told_of(db, school, inputs) if school else None
        if school and told is not None:
            return Imported(school, _as_told(told), new=False, accepted=False, new_people=0)
        last = await snapshots.newest_sources(db, school) if school else ()
    year = context.academy.school_year
    newer_than = {source.kind: source.taken_at for source in last if source.taken_at is not None}
    reading = read(paths, expected=Expectation(school=school, year=year, newer_than=newer_than))
    roster = reading.roster
    if roster is None or not _has_a_side(roster):
        raise RosterFilesRefused(reading, reading.school or "this school")
    still = inputs if inputs == _inputs(context, paths) else ""  # a file may be written anew while it is read
    async with context.store.writing() as db:
        return await _keep(db, reading, roster, mint, _Told(context.clock.now(), actor, still))


def _inputs(context: Context, paths: Sequence[Path]) -> str:
    """A digest of everything that the reading depends on; empty if a file cannot be read, which the reader tells."""
    told = hashlib.sha256(f"{program()} {context.academy.school_year}".encode())
    try:
        for path in sorted(paths):
            with path.open("rb") as file:
                told.update(f"\n{path} {hashlib.file_digest(file, 'sha256').hexdigest()}".encode())
    except OSError:
        return ""
    return told.hexdigest()


def _as_told(report: Mapping[str, Any]) -> Reading:
    """The reading that `check_report` was made of, but for the roster."""
    findings = tuple(
        Finding(Severity(each["severity"]), each["code"], each["file"], each["line"], each["message"])
        for each in report["findings"]
    )
    return Reading(None, findings, Counts(**report["counts"]), report["school"], report["year"])


@dataclass(frozen=True, slots=True)
class _Told:
    at: datetime
    actor: str
    inputs: str


async def _keep(db: Transaction, reading: Reading, roster: SchoolRoster, mint: Mint, told: _Told) -> Imported:
    stored = await snapshots.newest(db, roster.school)
    before = _carried(stored.snapshot if stored is not None else None, roster)
    known, fresh = await _persons(db, roster, mint)
    snapshot = snapshot_of(roster, {**known, **fresh}, before)
    await people.introduce(db, fresh, told.at)
    saved = await snapshots.save(db, snapshot, told.at)
    first = saved.new and stored is None
    if first:
        await snapshots.accept(db, saved.id, told.at)
    if told.inputs and len(reading.findings) <= _FINDINGS_KEPT:
        await imported.note(db, roster.school, told.inputs, saved.id, check_report(reading))
    if saved.new:
        await journal.append(db, [_entry(snapshot, saved.id, len(fresh), told)], told.at)
    return Imported(roster.school, reading, saved.new, first, len(set(fresh.values())))


def _has_a_side(roster: SchoolRoster) -> bool:
    """Families need both files: one says who exists, the other who belongs to whom. Staff may come alone."""
    families = roster.pupils is not None and roster.links is not None
    return families or (roster.staff is not None and roster.pupils is None and roster.links is None)


async def _persons(
    db: Transaction, roster: SchoolRoster, mint: Mint
) -> tuple[dict[RosterKey, PersonId], dict[RosterKey, PersonId]]:
    """The persons known already, and those met for the first time."""
    matter = keys_that_matter(roster) | same_people(roster).keys()
    known = await people.recognised(db, matter)
    free = await _free_ids(db, len(matter - known.keys()), mint)
    return known, complete(known, roster, free)


async def _free_ids(db: Transaction, count: int, mint: Mint) -> list[PersonId]:
    """That many ids that nobody ever had."""
    free: list[PersonId] = []
    while len(free) < count:
        drawn = fresh_ids(count - len(free), mint, free)
        taken = await people.taken(db, drawn)
        free += [person for person in drawn if person not in taken]
    return free


def _carried(before: Snapshot | None, roster: SchoolRoster) -> Snapshot | None:
    """The snapshot that a missing side is taken over from: the one before, if it is of the same school year.

    Raises:
        RosterRefused: a new school year was begun with one side only.
    """
    if before is None or before.year == roster.year:
        return before
    if roster.pupils is None or roster.staff is None:
        raise RosterRefused(
            f"The rosters of {roster.school} begin the school year {roster.year} with families or staff missing.",
            advice="Give BEE_ELEVES, BEE_RESPONSABLES and STS_EDT of the new year together.",
        )
    return None


def _entry(snapshot: Snapshot, number: int, new_people: int, told: _Told) -> Entry:
    files = [f"{source.kind} {source.sha256}" for source in snapshot.sources]
    detail: Content = {"snapshot": number, "year": snapshot.year, "files": [*files], "new_people": new_people}
    return Entry(told.actor, "import_roster", snapshot.school, detail)
