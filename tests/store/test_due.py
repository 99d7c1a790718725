"""Marks of what the guard must be told again: made with a change, taken when due, lifted once they were worked on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from preau.model.decisions import Appointment, Consent, ConsentTopic, Mandate, OptOut, Override, Restriction
from preau.model.facts import FactKind
from preau.model.ids import RoomId, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKey, RoomKind
from preau.model.wanted import ActualAccount, ActualRoom
from preau.store import actual, decisions, snapshots
from preau.store.due import AT_ONCE, due, lift, mark
from preau.store.engine import Store, Transaction
from tests.store.samples import ALICE, BOB, NOON, NORTH, a_school, introduce_all

LATER, MUCH_LATER = NOON + timedelta(hours=1), NOON + timedelta(days=9)
VISITOR = UserId("@zoe:sud.example")
ROOM = RoomKey(RoomKind.STAFF, NORTH)
PAIR = decisions.Pair(BOB, ALICE, NORTH)
AGREEMENT = decisions.Agreement(BOB, NORTH, ConsentTopic.PARENT_ROOMS)


def consent() -> Consent:
    return Consent(BOB, NORTH, ConsentTopic.PARENT_ROOMS, NOON, "portal")


def court(since: Any = NOON) -> Override:
    return Override(BOB, ALICE, NORTH, Restriction.NO_ACCESS, "RG 25/1", "dir", since, MUCH_LATER)


def given(holder: Any = BOB, role: Any = Function.TEACHER) -> Appointment:
    return Appointment(0, holder, role, NORTH, None, "", "dir", LATER, MUCH_LATER)


async def accepted(db: Transaction, moved: Any = None) -> None:
    saved = await snapshots.save(db, a_school(file="b"), NOON)
    await snapshots.accept(db, saved.id, NOON, moved)


def account(name: str = "Bob") -> ActualAccount:
    return ActualAccount(UserId("@b3n8r5wf:nord.example"), BOB, name, active=True, activated_at=NOON)


Change = Callable[[Transaction], Awaitable[object]]


@pytest.mark.parametrize(
    ("before", "change", "marked"),
    [
        ([], lambda db: decisions.grant(db, consent()), {("person", BOB, NOON)}),
        ([lambda db: decisions.grant(db, consent())], lambda db: decisions.grant(db, consent()), set()),
        (
            [lambda db: decisions.grant(db, consent())],
            lambda db: decisions.revoke(
                db, decisions.Agreement(BOB, NORTH, ConsentTopic.PARENT_ROOMS), LATER, "portal"
            ),
            {("person", BOB, LATER)},
        ),
        ([], lambda db: decisions.appoint(db, given()), {("person", BOB, LATER), ("person", BOB, MUCH_LATER)}),
        (
            [],
            lambda db: decisions.appoint(db, given(VISITOR, Mandate.VISITOR)),
            {("person", VISITOR, LATER), ("person", VISITOR, MUCH_LATER)},
        ),
        (
            [lambda db: decisions.appoint(db, given())],
            lambda db: decisions.end_appointment(db, 1, NOON, "dir"),
            {("person", BOB, NOON)},
        ),
        ([], lambda db: decisions.set_override(db, court()), {("person", BOB, NOON), ("person", BOB, MUCH_LATER)}),
        (
            [lambda db: decisions.set_override(db, court())],
            lambda db: decisions.set_override(db, court(LATER)),
            {("person", BOB, LATER), ("person", BOB, MUCH_LATER)},
        ),
        (
            [lambda db: decisions.set_override(db, court())],
            lambda db: decisions.lift_override(db, PAIR, LATER, "dir"),
            {("person", BOB, LATER)},
        ),
        ([], lambda db: decisions.opt_out(db, OptOut(BOB, ROOM, NOON)), set()),
        ([], lambda db: actual.save_accounts(db, [account()]), {("person", BOB, AT_ONCE)}),
        (
            [lambda db: actual.save_accounts(db, [account()])],
            lambda db: actual.save_accounts(db, [account("Bobby")]),
            set(),
        ),
        (
            [],
            lambda db: actual.save_room(db, ActualRoom(ROOM, RoomId("!one"), "12", {}, {})),
            {("room", "!one", AT_ONCE)},
        ),
        (
            [lambda db: actual.save_room(db, ActualRoom(ROOM, RoomId("!one"), "12", {}, {}))],
            lambda db: actual.save_room(db, ActualRoom(ROOM, RoomId("!two"), "12", {}, {})),
            {("room", "!one", AT_ONCE), ("room", "!two", AT_ONCE)},
        ),
        ([], accepted, {("school", NORTH, AT_ONCE)}),
        ([], lambda db: accepted(db, [BOB]), {("person", BOB, AT_ONCE)}),
        ([], lambda db: accepted(db, []), set()),
        ([], lambda db: accepted(db, [f"p{number}" for number in range(1_001)]), {("school", NORTH, AT_ONCE)}),
    ],
)
async def test_a_change_marks_whom_it_is_about_for_when_it_counts(
    store: Store, before: list[Change], change: Change, marked: set[Any]
) -> None:
    await introduce_all(store)
    async with store.writing() as db:
        for deed in before:
            await deed(db)
        await lift(db, await due(db, MUCH_LATER, 100))
        await change(db)
        found = await due(db, MUCH_LATER, 100)
    assert {(each.kind.value, each.id, each.at) for each in found} == marked


async def test_a_mark_is_due_from_its_moment_on(store: Store) -> None:
    async with store.writing() as db:
        await mark(db, FactKind.PERSON, ["ali"])
        await mark(db, FactKind.PERSON, ["zoe"], [LATER, None])
        assert [each.id for each in await due(db, LATER - timedelta(seconds=1), 9)] == ["ali"]
        assert [each.id for each in await due(db, LATER, 9)] == ["ali", "zoe"]
        assert len(await due(db, LATER, 1)) == 1


async def test_a_mark_made_again_while_it_is_worked_on_stays(store: Store) -> None:
    async with store.writing() as db:
        await mark(db, FactKind.PERSON, ["ali", "zoe"])
        read = await due(db, NOON, 9)
        await mark(db, FactKind.PERSON, ["ali"])
        await lift(db, read)
        assert [each.id for each in await due(db, NOON, 9)] == ["ali"]
        await lift(db, await due(db, NOON, 9))
        assert await due(db, NOON, 9) == ()


async def test_a_mark_that_another_transaction_is_making_is_not_lifted_with_an_older_one(store: Store) -> None:
    """The second marker begins before the first mark is lifted and ends after it: only a real database can tell."""
    async with store.writing() as db:
        await mark(db, FactKind.PERSON, ["ali"])
    marked, lifting = asyncio.Event(), asyncio.Event()

    async def mark_slowly() -> None:
        async with store.writing() as db:
            await mark(db, FactKind.PERSON, ["ali"])
            marked.set()
            with_lifter = asyncio.create_task(lifting.wait())
            await asyncio.wait([with_lifter], timeout=0.3)

    async def lift_what_was_there() -> None:
        async with store.reading() as db:
            read = await due(db, NOON, 9)
        async with asyncio.TaskGroup() as group:
            group.create_task(mark_slowly())
            await marked.wait()
            async with store.writing() as db:
                lifting.set()
                await lift(db, read)

    await lift_what_was_there()
    async with store.reading() as db:
        assert [each.id for each in await due(db, NOON, 9)] == ["ali"]


async def test_what_is_undone_marks_nothing(store: Store) -> None:
    async def stopped_short() -> None:
        async with store.writing() as db:
            await mark(db, FactKind.PERSON, ["ali"])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await stopped_short()
    async with store.reading() as db:
        assert await due(db, NOON, 9) == ()
