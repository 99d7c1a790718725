"""What people decided, and what of it is in force at a given moment. Nothing here is ever overwritten by a roster.

Every row keeps when it began and when it ended, so history stays; readers get only what is in force::

    since ≤ at < until, and not ended (revoked, cleared, lifted) by then

Each change moves the school's counter in `preau.store.facts`, and marks whom it is about in `preau.store.due`, for the
moments at which it begins and ends to count. Functions that may find nothing to do tell so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Row, Select, Table, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from preau.errors import UnknownSubject
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
from preau.model.facts import FactKind
from preau.model.ids import DivisionCode, PersonId, Uai, UserId
from preau.model.people import Function, PersonName
from preau.model.rooms import RoomKey, RoomKind
from preau.store import tables
from preau.store.bulk import chunks
from preau.store.due import mark
from preau.store.facts import facts_changed

T = TypeVar("T")

_CONSENT = tables.consent.c
_OPT_OUT = tables.opt_out.c
_APPOINTMENT = tables.appointment.c
_OVERRIDE = tables.override.c

_ABOUT: Final = {
    tables.consent: _CONSENT.person,
    tables.opt_out: _OPT_OUT.person,
    tables.appointment: _APPOINTMENT.holder,
    tables.override: _OVERRIDE.guardian,
}
"""Whose facts may follow from a decision. The child from whom a court keeps a guardian away keeps the same ones."""

_FEW: Final = 1_000


class Agreement(NamedTuple):
    """Which consent: whose, in which school, to what."""

    person: PersonId
    school: Uai
    topic: ConsentTopic


class Pair(NamedTuple):
    """Whom a court decision keeps apart, in which school."""

    guardian: PersonId
    pupil: PersonId
    school: Uai


async def grant(db: AsyncConnection, consent: Consent) -> bool:
    """Note a consent. False when it was in force already: the first grant's time and source stay."""
    if await _ids(db, tables.consent, *_same_consent(Agreement(consent.person, consent.school, consent.topic))):
        return False
    await db.execute(
        tables.consent.insert(),
        {
            "person": consent.person,
            "school": consent.school,
            "topic": consent.topic.value,
            "granted_at": consent.granted_at,
            "source": consent.source,
        },
    )
    await _changed(db, consent.school, [consent.person], consent.granted_at)
    return True


async def revoke(db: AsyncConnection, agreement: Agreement, at: datetime, source: str) -> bool:
    """End a consent. False when there was none in force."""
    found = await _ids(db, tables.consent, *_same_consent(agreement))
    return await _end(db, tables.consent, found, agreement.school, at, revoked_at=at, revoked_source=source)


async def opt_out(db: AsyncConnection, choice: OptOut) -> bool:
    """Note that a person left a room for good. False when they had already."""
    if await _ids(db, tables.opt_out, *_same_opt_out(choice.person, choice.room)):
        return False
    room = choice.room
    row = {"person": choice.person, "kind": room.kind.value, "school": room.school, "scope": room.scope}
    await db.execute(tables.opt_out.insert(), row | {"at": choice.at})
    await facts_changed(db, [room.school])
    return True


async def clear_opt_out(db: AsyncConnection, person: PersonId, room: RoomKey, at: datetime) -> bool:
    """Let a person be put back into a room they had left. False when they had not."""
    found = await _ids(db, tables.opt_out, *_same_opt_out(person, room))
    return await _end(db, tables.opt_out, found, room.school, at, cleared_at=at)


async def appoint(db: AsyncConnection, appointment: Appointment) -> int:
    """Note an appointment; its ``id`` is ignored and the one that the store gave is returned.

    The same appointment (holder, role, place, end) that has not ended is not noted twice: its id comes back.
    """
    same = and_(
        _APPOINTMENT.holder == appointment.holder,
        _APPOINTMENT.role == appointment.role.value,
        _APPOINTMENT.school == appointment.school,
        _APPOINTMENT.division.is_not_distinct_from(appointment.division),
        _APPOINTMENT.scope == appointment.scope,
        _APPOINTMENT.until.is_not_distinct_from(appointment.until),
        _APPOINTMENT.ended_at.is_(None),
    )
    if found := await _ids(db, tables.appointment, same):
        return found[0]
    number = await db.scalar(
        tables.appointment.insert().returning(_APPOINTMENT.id),
        {
            "holder": appointment.holder,
            "role": appointment.role.value,
            "school": appointment.school,
            "division": appointment.division,
            "scope": appointment.scope,
            "appointed_by": appointment.appointed_by,
            "since": appointment.since,
            "until": appointment.until,
            "given_name": appointment.name.given if appointment.name else "",
            "family_name": appointment.name.family if appointment.name else "",
        },
    )
    await _changed(db, appointment.school, [appointment.holder], appointment.since, appointment.until)
    return int(number or 0)


async def end_appointment(db: AsyncConnection, number: int, at: datetime, by: str) -> bool:
    """End an appointment before its own end. False when it was ended already.

    Raises:
        UnknownSubject: there is no such appointment.
    """
    query = select(_APPOINTMENT.school, _APPOINTMENT.ended_at).where(_APPOINTMENT.id == number)
    row = (await db.execute(query)).first()
    if row is None:
        raise UnknownSubject(f"There is no appointment {number}.", advice="`preau status` lists those in force.")
    found = [] if row.ended_at else [number]
    return await _end(db, tables.appointment, found, Uai(row.school), at, ended_at=at, ended_by=by)


async def set_override(db: AsyncConnection, override: Override) -> None:
    """Note a court decision; from its ``since`` on it takes the place of an earlier one for the same two people."""
    row = {
        "guardian": override.guardian,
        "pupil": override.pupil,
        "school": override.school,
        "restriction": override.restriction.value,
        "reference": override.reference,
        "set_by": override.set_by,
        "since": override.since,
        "until": override.until,
    }
    found = await _ids(db, tables.override, *_same_override(_pair(override)))
    begins = override.since
    await _end(db, tables.override, found, override.school, begins, lifted_at=begins, lifted_by=override.set_by)
    await db.execute(tables.override.insert(), row)
    await _changed(db, override.school, [override.guardian], override.since, override.until)


async def lift_override(db: AsyncConnection, pair: Pair, at: datetime, by: str) -> bool:
    """Lift a court decision. False when there was none."""
    found = await _ids(db, tables.override, *_same_override(pair))
    return await _end(db, tables.override, found, pair.school, at, lifted_at=at, lifted_by=by)


async def in_force(db: AsyncConnection, school: Uai, at: datetime) -> Decisions:
    """All decisions in force for that school at that moment, in the order they were made."""
    return (await in_force_of_all(db, [school], at))[school]


async def in_force_of_all(
    db: AsyncConnection, schools: Collection[Uai], at: datetime, about: Collection[PersonId] | None = None
) -> dict[Uai, Decisions]:
    """The decisions in force for each of these schools, in four queries.

    With ``about``, others than those about these persons may be left out.
    """
    few = about if about is not None and len(about) <= _FEW else None
    consents = await _by_school(db, schools, _asked(tables.consent, _consents_at(at), few), _consent)
    opt_outs = await _by_school(db, schools, _asked(tables.opt_out, _opt_outs_at(at), few), _opt_out_of)
    appointments = await _by_school(db, schools, _asked(tables.appointment, _appointments_at(at), few), _appointment)
    overrides = await _by_school(db, schools, _asked(tables.override, _overrides_at(at), few), _override)
    return {
        school: Decisions(
            consents=tuple(consents[school]),
            opt_outs=tuple(opt_outs[school]),
            appointments=tuple(appointments[school]),
            overrides=tuple(overrides[school]),
        )
        for school in schools
    }


async def next_change(db: AsyncConnection, school: Uai, after: datetime) -> datetime | None:
    """The next moment at which what is in force changes by itself, a date coming; None when no date is ahead."""
    dates: list[datetime] = []
    for table, columns in (
        (tables.consent, (_CONSENT.granted_at, _CONSENT.revoked_at)),
        (tables.opt_out, (_OPT_OUT.at, _OPT_OUT.cleared_at)),
        (tables.appointment, (_APPOINTMENT.since, _APPOINTMENT.until, _APPOINTMENT.ended_at)),
        (tables.override, (_OVERRIDE.since, _OVERRIDE.until, _OVERRIDE.lifted_at)),
    ):
        ahead = or_(*(column > after for column in columns))
        for row in await db.execute(select(*columns).where(table.c.school == school, ahead)):
            dates += [moment for moment in row if moment is not None and moment > after]
    return min(dates, default=None)


def _asked(table: Table, in_force_then: ColumnElement[bool], about: Collection[PersonId] | None) -> Select[Any]:
    query = select(table).where(in_force_then).order_by(table.c.id)
    return query if about is None else query.where(_ABOUT[table].in_(about))


async def _by_school(
    db: AsyncConnection, schools: Iterable[Uai], asked: Select[Any], made: Callable[[Row[Any]], T]
) -> defaultdict[Uai, list[T]]:
    found: defaultdict[Uai, list[T]] = defaultdict(list)
    for chunk in chunks(schools):
        for row in await db.execute(asked.where(asked.selected_columns.school.in_(chunk))):
            found[Uai(row.school)].append(made(row))
    return found


async def _ids(db: AsyncConnection, table: Table, *conditions: ColumnElement[bool]) -> list[int]:
    return list(await db.scalars(select(table.c.id).where(*conditions)))


async def _end(
    db: AsyncConnection, table: Table, numbers: Collection[int], school: Uai, at: datetime, **values: object
) -> bool:
    if not numbers:
        return False
    these = table.c.id.in_(numbers)
    await db.execute(table.update().where(these).values(**values))
    await _changed(db, school, await db.scalars(select(_ABOUT[table]).where(these)), at)
    return True


async def _changed(db: AsyncConnection, school: Uai, about: Iterable[str], *at: datetime | None) -> None:
    await facts_changed(db, [school])
    await mark(db, FactKind.PERSON, about, at)


def _same_consent(agreement: Agreement) -> tuple[ColumnElement[bool], ...]:
    return (
        _CONSENT.person == agreement.person,
        _CONSENT.school == agreement.school,
        _CONSENT.topic == agreement.topic.value,
        _CONSENT.revoked_at.is_(None),
    )


def _same_opt_out(person: PersonId, room: RoomKey) -> tuple[ColumnElement[bool], ...]:
    return (
        _OPT_OUT.person == person,
        _OPT_OUT.kind == room.kind.value,
        _OPT_OUT.school == room.school,
        _OPT_OUT.scope == room.scope,
        _OPT_OUT.cleared_at.is_(None),
    )


def _pair(override: Override) -> Pair:
    return Pair(override.guardian, override.pupil, override.school)


def _same_override(pair: Pair) -> tuple[ColumnElement[bool], ...]:
    return (
        _OVERRIDE.guardian == pair.guardian,
        _OVERRIDE.pupil == pair.pupil,
        _OVERRIDE.school == pair.school,
        _OVERRIDE.lifted_at.is_(None),
    )


def _not_over(end: ColumnElement[datetime | None], at: datetime) -> ColumnElement[bool]:
    return or_(end.is_(None), end > at)


def _consents_at(at: datetime) -> ColumnElement[bool]:
    return and_(_CONSENT.granted_at <= at, _not_over(_CONSENT.revoked_at, at))


def _opt_outs_at(at: datetime) -> ColumnElement[bool]:
    return and_(_OPT_OUT.at <= at, _not_over(_OPT_OUT.cleared_at, at))


def _appointments_at(at: datetime) -> ColumnElement[bool]:
    return and_(_APPOINTMENT.since <= at, _not_over(_APPOINTMENT.until, at), _not_over(_APPOINTMENT.ended_at, at))


def _overrides_at(at: datetime) -> ColumnElement[bool]:
    return and_(_OVERRIDE.since <= at, _not_over(_OVERRIDE.until, at), _not_over(_OVERRIDE.lifted_at, at))


def _consent(row: Row[Any]) -> Consent:
    return Consent(PersonId(row.person), Uai(row.school), ConsentTopic(row.topic), row.granted_at, row.source)


def _opt_out_of(row: Row[Any]) -> OptOut:
    return OptOut(PersonId(row.person), RoomKey(RoomKind(row.kind), Uai(row.school), row.scope), row.at)


def _appointment(row: Row[Any]) -> Appointment:
    return Appointment(
        id=row.id,
        holder=UserId(row.holder) if row.holder.startswith("@") else PersonId(row.holder),
        role=Mandate(row.role) if row.role in set(Mandate) else Function(row.role),
        school=Uai(row.school),
        division=None if row.division is None else DivisionCode(row.division),
        scope=row.scope,
        appointed_by=row.appointed_by,
        since=row.since,
        until=row.until,
        name=PersonName(row.family_name, row.given_name) if row.family_name or row.given_name else None,
    )


def _override(row: Row[Any]) -> Override:
    return Override(
        guardian=PersonId(row.guardian),
        pupil=PersonId(row.pupil),
        school=Uai(row.school),
        restriction=Restriction(row.restriction),
        reference=row.reference,
        set_by=row.set_by,
        since=row.since,
        until=row.until,
    )
