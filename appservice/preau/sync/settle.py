"""Decisions that people enter — consents, appointments, court overrides — and their effect at once::

decision ─► store + journal ─► facts for the guard ─► the school's plan (current snapshot) ─► apply
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from preau.errors import DecisionRefused, HomeserverError, UnknownSubject
from preau.model.decisions import Appointment, Consent, Override
from preau.model.ids import PersonId, Uai
from preau.model.people import RosterKey, RosterSource
from preau.model.snapshot import Snapshot
from preau.model.wanted import Content
from preau.policy.admissible import why_no_consent, why_no_override, why_not_appointed
from preau.store import decisions, journal, people, snapshots
from preau.store.decisions import Agreement, Pair
from preau.store.engine import Transaction
from preau.store.journal import Entry
from preau.sync.apply import apply
from preau.sync.context import Context
from preau.sync.control import publish
from preau.sync.plan import difference
from preau.sync.push import push_facts, push_new_rooms
from preau.sync.recognise import Mint
from preau.sync.schools import reach


async def settle(context: Context, schools: Collection[Uai], *, actor: str) -> None:
    """Brings these schools' rooms to what is wanted now; pending snapshots wait for `preau apply`.

    Raises:
        HomeserverError: a step was refused, or the homeserver does not answer; `preau apply` goes on from there.
    """
    await push_facts(context, schools)
    async with context.store.reading() as db:
        found = await reach(db, context.academy, schools, context.clock.now(), newest=False)
    plan = difference(found.wanted, found.actual, context.academy)
    applied = await apply(context, plan, found.actual, actor=actor)
    await push_new_rooms(context, plan)
    await publish(context, schools)
    if applied.refused:
        step, error = applied.refused[0].step, applied.refused[0].error
        raise HomeserverError(
            f"{len(applied.refused)} steps were refused, the first {step.action} {step.subject}: {error.happened}",
            errcode=error.errcode,
            status=error.status,
            advice="The decision itself is noted; `preau apply` tries again.",
        )


async def _check(db: Transaction, school: Uai, why_not: Callable[[Snapshot], str]) -> None:
    """Passes when a decision means something in the school as it is, or as the pending rosters will make it.

    Raises:
        DecisionRefused: it does in neither.
    """
    stored = await snapshots.newest(db, school)
    known = [await snapshots.current(db, school), stored.snapshot if stored else None]
    reasons = [why_not(snapshot) for snapshot in known if snapshot is not None]
    if all(reasons):
        raise DecisionRefused(
            f"Nothing was noted: {reasons[0] if reasons else f'no roster of {school} was imported'}.",
            advice="`preau status --people` lists people, their functions and divisions.",
        )


async def grant(context: Context, consent: Consent, *, actor: str) -> bool:
    """Notes a consent and brings the person in; False when it was in force already.

    Whoever had left parents' rooms and agrees anew is let in again.

    Raises:
        DecisionRefused: the person is no guardian there.
    """
    now = context.clock.now()
    async with context.store.writing() as db:
        await _check(db, consent.school, lambda snapshot: why_no_consent(consent, snapshot))
        new = await decisions.grant(db, consent)
        cleared = await _clear_opt_outs(db, consent, now)
        if new or cleared:
            detail: Content = {"school": consent.school, "topic": str(consent.topic), "source": consent.source}
            await journal.append(db, [Entry(actor, "consent_granted", consent.person, detail)], now)
    await settle(context, [consent.school], actor=actor)
    return new


async def _clear_opt_outs(db: Transaction, consent: Consent, now: datetime) -> int:
    in_force = await decisions.in_force(db, consent.school, now)
    mine = [choice for choice in in_force.opt_outs if choice.person == consent.person]
    for choice in mine:
        await decisions.clear_opt_out(db, choice.person, choice.room, now)
    return len(mine)


async def revoke(context: Context, agreement: Agreement, source: str, *, actor: str) -> bool:
    """Ends a consent and takes the person out of what it opened; False when there was none."""
    now = context.clock.now()
    async with context.store.writing() as db:
        ended = await decisions.revoke(db, agreement, now, source)
        if ended:
            detail: Content = {"school": agreement.school, "topic": str(agreement.topic), "source": source}
            await journal.append(db, [Entry(actor, "consent_revoked", agreement.person, detail)], now)
    await settle(context, [agreement.school], actor=actor)
    return ended


async def appoint(context: Context, appointment: Appointment, *, actor: str) -> int:
    """Notes an appointment and gives its rooms and powers; its number is returned.

    A person of ours is known to the school from then on, even if none of its registers names them.

    Raises:
        DecisionRefused: it would give nothing: a role that rosters decide, a division or scope that is missing.
    """
    now = context.clock.now()
    async with context.store.writing() as db:
        await _check(db, appointment.school, lambda snapshot: why_not_appointed(appointment, snapshot))
        if not appointment.holder.startswith("@"):
            key = RosterKey(RosterSource.BY_HAND, appointment.school, appointment.holder)
            await people.introduce(db, {key: PersonId(appointment.holder)}, now)
        number = await decisions.appoint(db, appointment)
        detail: Content = {
            "appointment": number,
            "role": str(appointment.role),
            "school": appointment.school,
            "division": appointment.division,
            "scope": appointment.scope,
        }
        await journal.append(db, [Entry(actor, "appointed", appointment.holder, detail)], now)
    await settle(context, [appointment.school], actor=actor)
    return number


async def new_person(context: Context, mint: Mint) -> PersonId:
    """An id for somebody whom no register names; `appoint` makes them known."""
    async with context.store.reading() as db:
        while await people.taken(db, [person := mint()]):
            pass
    return person


async def end_appointment(context: Context, number: int, school: Uai, *, actor: str) -> None:
    """Ends an appointment and takes back what it gave.

    Raises:
        UnknownSubject: that school has no such appointment in force.
    """
    now = context.clock.now()
    async with context.store.writing() as db:
        in_force = await decisions.in_force(db, school, now)
        if number not in {given.id for given in in_force.appointments}:
            raise UnknownSubject(f"{school} has no appointment {number} in force.")
        await decisions.end_appointment(db, number, now, actor)
        await journal.append(db, [Entry(actor, "appointment_ended", str(number), {"school": school})], now)
    await settle(context, [school], actor=actor)


async def set_override(context: Context, override: Override, *, actor: str) -> None:
    """Notes a court decision and keeps the guardian away from the child's rooms from now on.

    Raises:
        DecisionRefused: the two are not tied in that school.
    """
    now = context.clock.now()
    detail: Content = {
        "pupil": override.pupil,
        "school": override.school,
        "restriction": str(override.restriction),
        "reference": override.reference,
    }
    async with context.store.writing() as db:
        await _check(db, override.school, lambda snapshot: why_no_override(override, snapshot))
        await decisions.set_override(db, override)
        await journal.append(db, [Entry(actor, "override_set", override.guardian, detail)], now)
    await settle(context, [override.school], actor=actor)


async def lift_override(context: Context, pair: Pair, *, actor: str) -> bool:
    """Lifts a court decision; False when there was none."""
    now = context.clock.now()
    async with context.store.writing() as db:
        lifted = await decisions.lift_override(db, pair, now, actor)
        if lifted:
            detail: Content = {"pupil": pair.pupil, "school": pair.school}
            await journal.append(db, [Entry(actor, "override_lifted", pair.guardian, detail)], now)
    await settle(context, [pair.school], actor=actor)
    return lifted
