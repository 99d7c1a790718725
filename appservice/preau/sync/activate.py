"""Activation: a person becomes an account, with a password and the right name, in all their rooms::

    persons ─► wanted by a school? ─► account (name and password in one call) ─► facts for the guard
            ─► plan, their part of it ─► apply

The command line calls it with persons and passwords; the portal will, with the one who holds the code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from preau.errors import HomeserverError, HomeserverUnreachable, UnknownSubject, plainly
from preau.model.ids import PersonId, Uai, UserId, split_user_id, user_id
from preau.model.wanted import ActualAccount
from preau.store import people
from preau.store.engine import Transaction
from preau.store.journal import Entry
from preau.sync.apply import Applied, Progress, apply
from preau.sync.context import Context
from preau.sync.control import publish
from preau.sync.plan import Actual, difference, display_names
from preau.sync.push import push_facts, push_new_rooms
from preau.sync.record import Effect, Recorder
from preau.sync.schools import reach


@dataclass(frozen=True, slots=True)
class Activated:
    """What an activation did.

    ``accounts`` are open now, ``refused`` could not be made, ``applied`` is the run that brought people into rooms.
    """

    accounts: tuple[ActualAccount, ...]
    refused: Mapping[PersonId, HomeserverError]
    applied: Applied


Made: TypeAlias = Callable[[ActualAccount], None]
"""Told of each account at once: a password that was set and not told is lost if the run is stopped."""


async def activate(
    context: Context,
    passwords: Mapping[PersonId, str],
    *,
    actor: str,
    made: Made = lambda _: None,
    progress: Progress = lambda _: None,
) -> Activated:
    """Makes accounts and joins them to their rooms. Repeating it is harmless, but sets the password anew.

    An account that the homeserver refuses never stops the others.

    Args:
        context: homeserver, store, clock and académie.
        passwords: the persons to activate, each with their password.
        actor: who asks, for the journal.
        made: told of each account as soon as it is there.
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
    making = _Making(context, passwords, names, found.actual, actor, made)
    with plainly():
        await making.run(users)
    await push_facts(context, schools)
    actual = Actual({**found.actual.accounts, **making.accounts}, found.actual.rooms)
    part = difference(found.wanted, actual, context.academy).only(frozenset(making.accounts))
    applied = await apply(context, part, actual, actor=actor, progress=progress)
    await push_new_rooms(context, part)
    await publish(context, schools)
    return Activated(tuple(making.accounts.values()), making.refused, applied)


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


@dataclass(slots=True)
class _Making:
    """The accounts of one activation: what is given, and what came of it."""

    context: Context
    passwords: Mapping[PersonId, str]
    names: Mapping[UserId, str]
    known: Actual
    actor: str
    told: Made
    accounts: dict[UserId, ActualAccount] = field(default_factory=dict)
    refused: dict[PersonId, HomeserverError] = field(default_factory=dict)

    async def run(self, users: Mapping[UserId, PersonId]) -> None:
        """Makes them, several at a time: the adapter sends only a few requests at once."""
        recorder = Recorder(self.context.store, self.context.clock)
        async with asyncio.TaskGroup() as group:
            group.create_task(recorder.run())
            async with asyncio.TaskGroup() as makers:
                for user, person in users.items():
                    makers.create_task(self._one(user, person, recorder))
            recorder.close()

    async def _one(self, user: UserId, person: PersonId, recorder: Recorder) -> None:
        known = self.known.accounts.get(user)
        homeserver, name = self.context.homeserver, self.names[user]
        try:
            await homeserver.provision_account(user, display_name=name, password=self.passwords[person])
            if known is not None and not known.active:
                await homeserver.unlock(user)
        except HomeserverUnreachable:
            raise
        except HomeserverError as error:
            self.refused[person] = error
            return
        since = known.activated_at if known else self.context.clock.now()
        account = self.accounts[user] = ActualAccount(user, person, name, active=True, activated_at=since)
        recorder.note(Effect((account,), Entry(self.actor, "password_set" if known else "activate", user)))
        self.told(account)
