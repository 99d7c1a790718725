"""What is in force, when; and that nothing is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from preau.errors import StoreError, UnknownSubject
from preau.model.decisions import (
    Appointment,
    Consent,
    ConsentTopic,
    Decisions,
    Mandate,
    OptOut,
    Override,
    Restriction,
)
from preau.model.ids import DivisionCode, PersonId, Uai, UserId
from preau.model.people import Function, PersonName
from preau.model.rooms import RoomKey, RoomKind
from preau.store import decisions, people
from preau.store.decisions import Agreement, Pair
from preau.store.engine import Store
from preau.store.facts import facts_version
from tests.store.samples import ALICE, BOB, CHLOE, NOON, NORTH, SOUTH, counted, introduce_all, key

ROOM = RoomKey(RoomKind.PARENTS_DIVISION, NORTH, "5 A")
CONSENT = Consent(BOB, NORTH, ConsentTopic.PARENT_ROOMS, NOON, "paper form 12")
AGREEMENT = Agreement(BOB, NORTH, ConsentTopic.PARENT_ROOMS)
OPT_OUT = OptOut(BOB, ROOM, NOON)
DELEGATE = Appointment(
    0, BOB, Mandate.PARENT_DELEGATE, NORTH, DivisionCode("5 A"), "fcpe", CHLOE, NOON, NOON + timedelta(days=300)
)
OVERRIDE = Override(BOB, ALICE, NORTH, Restriction.NO_ACCESS, "JAF 25/0815", CHLOE, NOON, NOON + timedelta(days=90))
PAIR = Pair(BOB, ALICE, NORTH)


def day(number: float) -> datetime:
    """That many days after the decision was made."""
    return NOON + timedelta(days=number)


@pytest.fixture
async def known(store: Store) -> Store:
    """A store that knows Alice, Bob and Chloé."""
    await introduce_all(store)
    return store


async def in_force(store: Store, at: datetime, school: Uai = NORTH) -> Decisions:
    async with store.reading() as db:
        return await decisions.in_force(db, school, at)


async def consented(db: AsyncConnection) -> None:
    assert await decisions.grant(db, CONSENT)


async def consented_and_revoked(db: AsyncConnection) -> None:
    await consented(db)
    assert await decisions.revoke(db, AGREEMENT, day(10), "portal")


async def consented_again(db: AsyncConnection) -> None:
    await consented_and_revoked(db)
    assert await decisions.grant(db, replace(CONSENT, granted_at=day(20)))


async def opted_out(db: AsyncConnection) -> None:
    assert await decisions.opt_out(db, OPT_OUT)


async def opted_out_and_in(db: AsyncConnection) -> None:
    await opted_out(db)
    assert await decisions.clear_opt_out(db, BOB, ROOM, day(10))


async def appointed(db: AsyncConnection) -> None:
    await decisions.appoint(db, DELEGATE)


async def appointed_for_ever(db: AsyncConnection) -> None:
    await decisions.appoint(db, replace(DELEGATE, until=None))


async def appointed_and_ended(db: AsyncConnection) -> None:
    number = await decisions.appoint(db, DELEGATE)
    assert await decisions.end_appointment(db, number, day(10), CHLOE)


async def overridden(db: AsyncConnection) -> None:
    await decisions.set_override(db, OVERRIDE)


async def overridden_and_lifted(db: AsyncConnection) -> None:
    await overridden(db)
    assert await decisions.lift_override(db, PAIR, day(10), CHLOE)


@pytest.mark.parametrize(
    ("decide", "in_force_on", "not_in_force_on"),
    [
        (consented, [0, 1, 4000], [-1]),
        (consented_and_revoked, [0, 9], [-1, 10, 11]),
        (consented_again, [0, 9, 20, 99], [-1, 10, 19]),
        (opted_out, [0, 1, 4000], [-1]),
        (opted_out_and_in, [0, 9], [-1, 10]),
        (appointed, [0, 299], [-1, 300, 301]),
        (appointed_for_ever, [0, 299, 4000], [-1]),
        (appointed_and_ended, [0, 9], [-1, 10, 299]),
        (overridden, [0, 89], [-1, 90]),
        (overridden_and_lifted, [0, 9], [-1, 10, 89]),
    ],
)
async def test_a_decision_is_in_force_from_its_beginning_until_its_end(
    known: Store,
    decide: Callable[[AsyncConnection], Awaitable[None]],
    in_force_on: list[int],
    not_in_force_on: list[int],
) -> None:
    async with known.writing() as db:
        await decide(db)
    for number in in_force_on:
        assert await in_force(known, day(number)) != Decisions(), number
    for number in not_in_force_on:
        assert await in_force(known, day(number)) == Decisions(), number
    assert await in_force(known, day(1), SOUTH) == Decisions()


async def test_decisions_come_back_as_they_were_made(known: Store) -> None:
    visitor = Appointment(0, UserId("@q4x:sud.example"), Mandate.VISITOR, NORTH, None, "latin", CHLOE, NOON, None)
    nurse = Appointment(
        0, CHLOE, Function.HEALTH, NORTH, None, "", "operator", NOON, None, PersonName("GABARIT", "Chloé")
    )
    async with known.writing() as db:
        await decisions.grant(db, CONSENT)
        await decisions.opt_out(db, OPT_OUT)
        numbers = [await decisions.appoint(db, each) for each in (DELEGATE, visitor, nurse)]
        await decisions.set_override(db, OVERRIDE)
    assert await in_force(known, day(1)) == Decisions(
        consents=(CONSENT,),
        opt_outs=(OPT_OUT,),
        appointments=tuple(
            replace(each, id=number) for each, number in zip((DELEGATE, visitor, nurse), numbers, strict=True)
        ),
        overrides=(OVERRIDE,),
    )


async def test_deciding_the_same_twice_counts_once(known: Store) -> None:
    async with known.writing() as db:
        assert await decisions.grant(db, CONSENT)
        assert not await decisions.grant(db, replace(CONSENT, granted_at=day(3), source="portal"))
        assert await decisions.opt_out(db, OPT_OUT)
        assert not await decisions.opt_out(db, replace(OPT_OUT, at=day(3)))
        number = await decisions.appoint(db, DELEGATE)
        assert await decisions.appoint(db, replace(DELEGATE, since=day(3))) == number
        assert await facts_version(db, NORTH) == 3
    found = await in_force(known, day(4))
    assert (found.consents, found.opt_outs) == ((CONSENT,), (OPT_OUT,))
    assert found.appointments == (replace(DELEGATE, id=number),)


async def test_ending_what_is_not_there_says_so_and_changes_nothing(known: Store) -> None:
    async with known.writing() as db:
        assert not await decisions.revoke(db, AGREEMENT, NOON, "portal")
        assert not await decisions.clear_opt_out(db, BOB, ROOM, NOON)
        assert not await decisions.lift_override(db, PAIR, NOON, CHLOE)
        with pytest.raises(UnknownSubject, match="no appointment 7"):
            await decisions.end_appointment(db, 7, NOON, CHLOE)
        assert await facts_version(db, NORTH) == 0


async def test_an_appointment_ends_once(known: Store) -> None:
    async with known.writing() as db:
        number = await decisions.appoint(db, DELEGATE)
        assert await decisions.end_appointment(db, number, day(5), CHLOE)
        assert not await decisions.end_appointment(db, number, day(9), CHLOE)
    assert await in_force(known, day(6)) == Decisions()


async def test_a_new_court_decision_takes_the_place_of_the_earlier_one(known: Store) -> None:
    later = replace(OVERRIDE, restriction=Restriction.READ_ONLY, since=day(20), until=None)
    async with known.writing() as db:
        await decisions.set_override(db, OVERRIDE)
        await decisions.set_override(db, later)
    assert (await in_force(known, day(19))).overrides == (OVERRIDE,)
    assert (await in_force(known, day(20))).overrides == (later,)
    assert (await in_force(known, day(95))).overrides == (later,)


async def test_every_change_moves_the_school_s_counter_and_no_other_s(known: Store) -> None:
    async with known.writing() as db:
        await consented_and_revoked(db)
        await opted_out_and_in(db)
        await appointed_and_ended(db)
        await overridden_and_lifted(db)
        assert await facts_version(db, NORTH) == 8
        assert await facts_version(db, SOUTH) == 0


async def test_history_keeps_who_said_what_when(known: Store) -> None:
    async with known.writing() as db:
        await consented_again(db)
    async with known.reading() as db:
        rows = await db.execute(text("SELECT source, revoked_source FROM consent ORDER BY id"))
        assert [tuple(row) for row in rows] == [("paper form 12", "portal"), ("paper form 12", None)]


@pytest.mark.parametrize(
    ("after", "change"),
    [(day(-1), NOON), (NOON, day(90)), (day(90), day(300)), (day(300), None)],
)
async def test_the_next_change_by_date_is_known(known: Store, after: datetime, change: datetime | None) -> None:
    async with known.writing() as db:
        await appointed(db)
        await overridden(db)
    async with known.reading() as db:
        assert await decisions.next_change(db, NORTH, after) == change
        assert await decisions.next_change(db, SOUTH, after) is None


async def test_a_decision_about_nobody_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="contradict"):
        async with store.writing() as db:
            await decisions.grant(db, CONSENT)


async def test_all_schools_decisions_cost_as_many_queries_as_one_s(known: Store) -> None:
    schools = [Uai(f"{number:07}A") for number in range(50)]
    persons = {key(number, school): PersonId(f"p{number}") for number, school in enumerate(schools)}
    async with known.writing() as db:
        await people.introduce(db, persons, NOON)
        for (who, person), school in zip(persons.items(), schools, strict=True):
            assert who.school == school
            await decisions.grant(db, replace(CONSENT, person=person, school=school))
        with counted(db) as one:
            await decisions.in_force_of_all(db, schools[:1], day(1))
        with counted(db) as all_of_them:
            found = await decisions.in_force_of_all(db, schools, day(1))
    assert len(one) == len(all_of_them) == 4
    assert [found[school].consents[0].school for school in schools] == schools
