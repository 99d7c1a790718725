"""``preau appoint`` and ``preau override``: functions and mandates given by hand, and court decisions."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from preau import service
from preau.cli.output import ConfigOption, actor, explained, run, say, settings
from preau.cli.subjects import OneSchool, Person, one_school
from preau.config import Settings
from preau.errors import UsageError
from preau.model.decisions import Appointment, Mandate, Override, Restriction
from preau.model.ids import DivisionCode, PersonId, Uai, UserId, split_user_id
from preau.model.people import Function, PersonName
from preau.store.decisions import Pair
from preau.sync import settle
from preau.sync.context import Context
from preau.sync.directory import find_person
from preau.sync.recognise import minter
from preau.sync.schools import all_schools

UntilOption = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day; else until ended.")]


@dataclass(frozen=True, slots=True)
class _Given:
    """What an appointment gives, as typed."""

    role: Function | Mandate
    division: str | None
    scope: str
    until: datetime | None


def appoint(
    school: OneSchool,
    holder: Annotated[str | None, typer.Argument(metavar="[PERSON]", help="Who; or use --name.")] = None,
    role: Annotated[str, typer.Option("--as", help="A function or a mandate, such as school_life or visitor.")] = "",
    name: Annotated[
        tuple[str, str] | None, typer.Option(metavar="GIVEN FAMILY", help="Somebody whom no register names.")
    ] = None,
    division: Annotated[str | None, typer.Option(help="Only in this division.")] = None,
    scope: Annotated[str, typer.Option(help="The association, or the name of the room shared by académies.")] = "",
    until: UntilOption = None,
    end: Annotated[int | None, typer.Option(help="End the appointment of this number instead.")] = None,
    config: ConfigOption = None,
) -> None:
    """Give a function or a mandate by hand: staff whom no register names, delegates, moderators, visitors."""
    found = settings(config)
    if end is not None:
        run(_end(found, end, school))
        say("Ended.")
        return
    with explained():
        given = _Given(_role(role), division, scope, until)
        if (holder is None) == (name is None):
            raise UsageError("Say who: a PERSON, or --name GIVEN FAMILY for somebody whom no register names.")
    named = PersonName(family=name[1].upper(), given=name[0]) if name else None
    number, person = run(_appoint(found, school, holder, named, given))
    say(f"Appointment {number}: {person} is {given.role}.")


async def _appoint(
    found: Settings, school: str, holder: str | None, name: PersonName | None, given: _Given
) -> tuple[int, str]:
    async with service.context(found) as context:
        uai = await _school(context, school)
        who = await _holder(context, holder)
        appointment = Appointment(
            id=0,
            holder=who,
            role=given.role,
            school=uai,
            division=DivisionCode(given.division) if given.division else None,
            scope=given.scope,
            appointed_by=actor(),
            since=context.clock.now(),
            until=_end_of(given.until),
            name=name,
        )
        return await settle.appoint(context, appointment, actor=actor()), who


async def _holder(context: Context, said: str | None) -> PersonId | UserId:
    if said is None:
        return await settle.new_person(context, minter(random.SystemRandom()))
    if said.startswith("@") and split_user_id(UserId(said))[1] != context.academy.server:
        return UserId(said)
    async with context.store.reading() as db:
        return await find_person(db, context.academy, said)


async def _end(found: Settings, number: int, school: str) -> None:
    async with service.context(found) as context:
        await settle.end_appointment(context, number, await _school(context, school), actor=actor())


def override(
    guardian: Person,
    pupil: Person,
    school: OneSchool,
    restriction: Annotated[Restriction, typer.Option(help="How far they are kept away.")] = Restriction.NO_ACCESS,
    reference: Annotated[str, typer.Option(help="Date and number of the decision; no document is kept.")] = "",
    until: UntilOption = None,
    lift: Annotated[bool, typer.Option("--lift", help="Lift it instead.")] = False,
    config: ConfigOption = None,
) -> None:
    """Enter a court decision that keeps a guardian from a child's school life; it stands above every roster."""
    found = settings(config)
    if lift:
        say("Lifted." if run(_lift(found, guardian, pupil, school)) else "There was none.")
        return
    with explained():
        if not reference:
            raise UsageError("Say by which decision: --reference 'JAF 099, 12/10/2026, RG 26/00001'.")
    run(_override(found, guardian, pupil, school, _Ruling(restriction, reference, until)))
    say("Noted; it stands above every roster until it is lifted.")


@dataclass(frozen=True, slots=True)
class _Ruling:
    restriction: Restriction
    reference: str
    until: datetime | None


async def _override(found: Settings, guardian: str, pupil: str, school: str, ruling: _Ruling) -> None:
    async with service.context(found) as context:
        pair = await _pair(context, guardian, pupil, school)
        decision = Override(
            guardian=pair.guardian,
            pupil=pair.pupil,
            school=pair.school,
            restriction=ruling.restriction,
            reference=ruling.reference,
            set_by=actor(),
            since=context.clock.now(),
            until=_end_of(ruling.until),
        )
        await settle.set_override(context, decision, actor=actor())


async def _lift(found: Settings, guardian: str, pupil: str, school: str) -> bool:
    async with service.context(found) as context:
        return await settle.lift_override(context, await _pair(context, guardian, pupil, school), actor=actor())


async def _pair(context: Context, guardian: str, pupil: str, school: str) -> Pair:
    uai = await _school(context, school)
    async with context.store.reading() as db:
        return Pair(
            guardian=await find_person(db, context.academy, guardian),
            pupil=await find_person(db, context.academy, pupil),
            school=uai,
        )


async def _school(context: Context, said: str) -> Uai:
    async with context.store.reading() as db:
        return one_school(said, await all_schools(db))


def _role(said: str) -> Function | Mandate:
    for kind in (Function, Mandate):
        if said in set(kind):
            return kind(said)
    raise UsageError(
        f"--as {said!r} is no function and no mandate.", advice=f"They are: {', '.join((*Function, *Mandate))}."
    )


def _end_of(day: datetime | None) -> datetime | None:
    """The end of that day, UTC; None for no end."""
    return None if day is None else day.replace(tzinfo=UTC) + timedelta(days=1)
