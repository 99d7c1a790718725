"""Invented schools, people and keys, and a counter of queries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from preau.model.ids import DivisionCode, GroupCode, PersonId, Uai
from preau.model.people import Function, GuardianLevel, PersonName, RosterKey, RosterSource
from preau.model.roster import Division, FileKind, Group, SourceFile
from preau.model.snapshot import Enrolment, Guardianship, Post, Snapshot
from preau.store import people
from preau.store.engine import Store

NORTH = Uai("0990001N")
SOUTH = Uai("0990002P")
NOON = datetime(2025, 9, 15, 12, 0, 0, 123456, tzinfo=UTC)
ALICE, BOB, CHLOE = PersonId("k7m2q4xd"), PersonId("b3n8r5wf"), PersonId("c9p6t2zh")


def key(number: int | str, school: Uai = NORTH, source: RosterSource = RosterSource.SIECLE_PERSON) -> RosterKey:
    """A register's key."""
    return RosterKey(source, school, str(number))


def a_school(*, school: Uai = NORTH, year: int = 2025, name: str = "Collège des Tilleuls", file: str = "a") -> Snapshot:
    """A school of one pupil, one guardian and one teacher; ``file`` tells readings apart."""
    taken = datetime(2025, 9, 14, 8, 30)  # noqa: DTZ001 — a HORODATAGE is a wall time
    return Snapshot(
        school=school,
        school_name=name,
        year=year,
        sources=(SourceFile(FileKind.PUPILS, "ElevesSansAdresses.xml", "2.0", taken, file * 64),),
        names={
            ALICE: PersonName("MARTIN", "Alice"),
            BOB: PersonName("MARTIN", "Bob"),
            CHLOE: PersonName("GABARIT", "Chloé"),
        },
        divisions=(Division(DivisionCode("5 A"), "Cinquième A"),),
        groups=(Group(GroupCode("5ALL1"), "Allemand", frozenset({DivisionCode("5 A")})),),
        enrolments=(Enrolment(ALICE, date(2013, 4, 2), DivisionCode("5 A"), frozenset({GroupCode("5ALL1")})),),
        guardianships=(Guardianship(BOB, ALICE, GuardianLevel.LEGAL),),
        posts=(Post(CHLOE, Function.TEACHER, frozenset({DivisionCode("5 A")}), frozenset()),),
        shares_address=frozenset({BOB}),
    )


async def introduce_all(store: Store) -> None:
    """Alice, Bob and Chloé are known in the northern school."""
    async with store.writing() as db:
        await people.introduce(db, {key(number): who for number, who in enumerate((ALICE, BOB, CHLOE))}, NOON)


@contextmanager
def counted(db: AsyncConnection) -> Iterator[list[str]]:
    """Collects the statements sent over that connection."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    event.listen(db.sync_connection, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(db.sync_connection, "before_cursor_execute", note)
