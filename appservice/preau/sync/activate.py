"""Activation: a person becomes an account, with a password and the right name, in all their rooms::

    persons ─► wanted by a school? ─► account (name and password in one call) ─► plan, their part of it ─► apply

The command line calls it with persons and passwords; the portal will, with the one who holds the code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from preau.errors import UnknownSubject, plainly
from preau.model.ids import PersonId, Uai, UserId, split_user_id, user_id
from preau.model.wanted import ActualAccount
from preau.store import people
from preau.store.engine import Transaction
from preau.store.journal import Entry
from preau.sync.apply import Applied, Progress, apply
from preau.sync.context import Context
from preau.sync.plan import Actual, difference, display_names
from preau.sync.record import Effect, Recorder
from preau.sync.schools import reach


@dataclass(frozen=True, slots=True)
class Activated:
    """What an activation did: the accounts that are active now, and the run that brought them into their rooms."""

    accounts: tuple[ActualAccount, ...]
    applied: Applied


async def activate(
    context: Context, passwords: Mapping[PersonId, str], *, actor: str, progress: Progress = lambda _: None
) -> Activated:
    """Makes accounts and joins them to their rooms. Repeating it is harmless, but sets the password anew.

    Args:
        context: homeserver, store, clock and académie.
        passwords: the persons to activate, each with their password.
        actor: who asks, for the journal.
        progress: told of each finished step in the rooms.

    Raises:
        UnknownSubject: somebody has no place in any school, so may have no account; nothing was done.
        HomeserverUnreachable: the homeserver stopped answering; activate again to go on.
    """
    users = {user_id(person, context.academy.server): person for person in passwords}
    async with context.store.reading() as db:
        schools = await _schools(db, passwords)
        found = await reach(db, context.academy, schools, context.clock.now(), newest=False)
    names = {user: name for user, name in display_names(found.wanted).items() if user in users}
    _refuse_strangers(users, names)
    made = await _make_accounts(context, users, names, passwords, found.actual, actor)
    actual = Actual({**found.actual.accounts, **made}, found.actual.rooms)
    part = difference(found.wanted, actual, context.academy).only(frozenset(users))
    applied = await apply(context, part, actual, actor=actor, progress=progress)
    return Activated(tuple(made.values()), applied)


async def without_account(context: Context, schools: Collection[Uai]) -> list[PersonId]:
    """Everybody who may have an account in these schools and has none that is open."""
    async with context.store.reading() as db:
        found = await reach(db, context.academy, schools, context.clock.now(), newest=False)
    open_to = {user for user, account in found.actual.accounts.items() if account.active}
    users = {user for school in found.wanted if school.school in schools for user in school.accounts}
    return sorted(PersonId(split_user_id(user)[0]) for user in users - open_to)


async def _schools(db: Transaction, persons: Mapping[PersonId, str]) -> frozenset[Uai]:
    named = await people.schools_of(db, list(persons))
    return frozenset(school for schools in named.values() for school in schools)


def _refuse_strangers(users: Mapping[UserId, PersonId], names: Mapping[UserId, str]) -> None:
    strangers = sorted(person for user, person in users.items() if user not in names)
    if strangers:
        raise UnknownSubject(
            f"No school has a place for {', '.join(strangers)}: no account was made.",
            advice="Contacts, departed pupils and people without a function have none; see `preau status --people`.",
        )


async def _make_accounts(  # noqa: PLR0913, PLR0917 - one step of `activate`, with what that has at hand
    context: Context,
    users: Mapping[UserId, PersonId],
    names: Mapping[UserId, str],
    passwords: Mapping[PersonId, str],
    actual: Actual,
    actor: str,
) -> dict[UserId, ActualAccount]:
    recorder = Recorder(context.store, context.clock)
    made: dict[UserId, ActualAccount] = {}

    async def one(user: UserId, person: PersonId) -> None:
        known = actual.accounts.get(user)
        await context.homeserver.provision_account(user, display_name=names[user], password=passwords[person])
        if known is not None and not known.active:
            await context.homeserver.unlock(user)
        since = known.activated_at if known else context.clock.now()
        made[user] = ActualAccount(user, person, names[user], active=True, activated_at=since)
        entry = Entry(actor, "password_set" if known else "activate", user)
        recorder.note(Effect((made[user],), entry))

    with plainly():
        async with asyncio.TaskGroup() as group:
            group.create_task(recorder.run())
            async with asyncio.TaskGroup() as makers:  # the adapter sends only a few requests at once
                for user, person in users.items():
                    makers.create_task(one(user, person))
            recorder.close()
    return made
