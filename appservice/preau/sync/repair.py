"""Events → repair of what drifted::

    inbox ─► state of a managed room? ─no─► done
               │ yes
               ▼
             judge (policy.drift) against what is wanted now
               ├─ as wanted ──► what we know is brought up to date
               ├─ left, free to ──► still out? opt-out, remembered over every import
               └─ drifted ──► read the room again ─► the plan's part for this one member or state ─► apply

An event is a hint, the homeserver's present state the truth: events may come late, twice, or after they were mended.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import structlog

from preau.model.decisions import Mandate, OptOut
from preau.model.events import Event
from preau.model.ids import PersonId, Uai, UserId, split_user_id
from preau.model.rooms import RoomKey
from preau.model.wanted import ActualAccount, ActualRoom, Membership, StateKey, Wanted
from preau.policy.drift import MEMBER, Drift, judge
from preau.policy.powers import room_state
from preau.policy.wanted import ACADEMY, academy_space, wanted
from preau.store import actual, decisions, facts, journal, snapshots
from preau.store.engine import Transaction
from preau.store.journal import Entry
from preau.sync.apply import apply
from preau.sync.context import Academy, Context
from preau.sync.control import publish, vouched
from preau.sync.plan import Actual, Plan, Step, difference
from preau.sync.push import push_facts
from preau.sync.record import Effect, Fact, MemberChanged, StateSet, write_down
from preau.sync.rooms import is_managed

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

ACTOR: Final = "service"


@dataclass(slots=True)
class Memory:
    """What is wanted of the schools heard of last, kept until their facts change or a date in them passes.

    ``most`` schools are kept: an académie has many, a morning's events come from few at a time.
    """

    academy: Academy
    most: int = 32
    _kept: dict[Uai, tuple[int, datetime | None, Wanted]] = field(default_factory=dict)

    async def of(self, db: Transaction, school: Uai, at: datetime) -> Wanted | None:
        """What is wanted of a school now; None for a school without an accepted snapshot."""
        if school == ACADEMY:
            return academy_space()
        version = await facts.facts_version(db, school)
        kept = self._kept.pop(school, None)
        if kept is not None and kept[0] == version and (kept[1] is None or at < kept[1]):
            self._kept[school] = kept
            return kept[2]
        snapshot = await snapshots.current(db, school)
        if snapshot is None:
            return None
        in_force = await decisions.in_force(db, school, at)
        found = wanted(snapshot, in_force, self.academy.choices_of(school), self.academy.server)
        self._kept[school] = (version, await decisions.next_change(db, school, at), found)
        if len(self._kept) > self.most:
            del self._kept[next(iter(self._kept))]
        return found

    def schools(self) -> tuple[Uai, ...]:
        """The schools kept now, the one heard of last at the end."""
        return tuple(self._kept)


async def handle(context: Context, memory: Memory, event: Event) -> Drift:
    """Does what an event calls for; what it meant is returned. Handling it again changes nothing.

    Raises:
        HomeserverError: the repair was refused, or the homeserver does not answer.
        StoreError: our own database failed.
    """
    if event.state_key is None or not (event.type == MEMBER or is_managed(StateKey(event.type, event.state_key))):
        return Drift.NONE
    now = context.clock.now()
    async with context.store.reading() as db:
        found = await actual.place_of(db, event.room)
        want = await memory.of(db, found[0].school, now) if found else None
    if found is None or want is None:
        return Drift.NONE
    key, version = found
    room, academy = want.rooms.get(key), context.academy
    state = room_state(room, bot=academy.bot, version=version) if room else {}
    drift = judge(event, room, state, academy.bot)
    match drift:
        case Drift.NONE:
            await _note(context, event)
        case Drift.LEFT:
            await _let_go(context, event, key, now)
        case Drift.MEMBER | Drift.STATE:
            await _mend(context, event, want)
    return drift


async def _note(context: Context, event: Event) -> None:
    """Brings what we know up to date with an event that is as wanted."""
    if event.type != MEMBER or event.state_key == context.academy.bot:
        return
    user, membership = UserId(event.state_key or ""), Membership(str(event.content["membership"]))
    async with context.store.reading() as db:
        if await actual.membership(db, event.room, user) is membership:
            return  # the echo of our own deed, as most are: nothing to write
    async with context.store.writing() as db:
        await actual.save_members(db, [(event.room, user, membership)])


async def _let_go(context: Context, event: Event, key: RoomKey, now: datetime) -> None:
    """Remembers that somebody left by choice, unless they are back by now: the event may have waited."""
    user = UserId(event.state_key or "")
    localpart, server = split_user_id(user)
    if await context.homeserver.membership(event.room, user) is not Membership.LEAVE:
        return
    async with context.store.writing() as db:
        await actual.save_members(db, [(event.room, user, Membership.LEAVE)])
        if server == context.academy.server:
            await decisions.opt_out(db, OptOut(PersonId(localpart), key, now))
        else:
            await _end_visit(db, user, key, now)
        await journal.append(db, [Entry(ACTOR, "opted_out", f"{user} {key}", {"event": event.event_id})], now)
    log.info("opted_out", user=user, room=str(key))
    if server != context.academy.server:
        await push_facts(context, [key.school])
        await publish(context, [key.school])


async def _end_visit(db: Transaction, user: UserId, key: RoomKey, now: datetime) -> None:
    """A visitor of another académie who leaves ends their own appointment: they have no choices here to be kept."""
    for given in (await decisions.in_force(db, key.school, now)).appointments:
        if (given.holder, given.role, given.scope) == (user, Mandate.VISITOR, key.scope):
            await decisions.end_appointment(db, given.id, now, user)


async def _mend(context: Context, event: Event, want: Wanted) -> None:
    """Reads the drifted member or state again and applies the plan's part for it."""
    subject = StateKey(event.type, event.state_key or "")
    async with context.store.reading() as db:
        room = await actual.room_by_id(db, event.room)
        accounts = await _account(db, subject, context.academy)
        rooms = {} if room is None or event.type == MEMBER else await actual.rooms_of_school(db, room.key.school)
        words = await vouched(db, context.academy)
    if room is None:
        return
    known, fact = await _as_it_is(context, room, subject)
    now = Actual(accounts, {**rooms, room.key: known}, words)
    part = _part(difference([want], now, context.academy), room.key, subject)
    log.info("drifted", room=str(room.key), type=event.type, subject=event.state_key, steps=len(part.steps))
    async with context.store.writing() as db:
        await write_down(db, [Effect((fact,), None)], context.clock.now())
    applied = await apply(context, part, now, actor=ACTOR)
    if applied.refused:
        raise applied.refused[0].error


async def _account(db: Transaction, subject: StateKey, academy: Academy) -> dict[UserId, ActualAccount]:
    """The account of the member in question, if it is one of ours."""
    if subject.type != MEMBER:
        return {}
    localpart, server = split_user_id(UserId(subject.key))
    return await actual.accounts(db, [PersonId(localpart)]) if server == academy.server else {}


async def _as_it_is(context: Context, room: ActualRoom, subject: StateKey) -> tuple[ActualRoom, Fact]:
    """The room with this one thing as it is on the homeserver now, and that as a fact to write down."""
    if subject.type == MEMBER:
        user = UserId(subject.key)
        membership = await context.homeserver.membership(room.room, user)
        members = {**room.members, user: membership}
        if membership is Membership.LEAVE:
            del members[user]
        return replace(room, members=members), MemberChanged(room.room, user, membership)
    content = await context.homeserver.state_event(room.room, subject) or {}
    return replace(room, state={**room.state, subject: content}), StateSet(room.room, subject, content)


def _part(plan: Plan, key: RoomKey, subject: StateKey) -> Plan:
    """The steps that concern this member or this piece of state of this room."""

    def concerns(step: Step) -> bool:
        return step.room == key and subject in {step.state, StateKey(MEMBER, step.user or "")}

    return Plan(tuple(filter(concerns, plan.steps)), plan.rooms)
