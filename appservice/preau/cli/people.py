"""``preau activate`` and ``preau consent``: what people are given, and what they agree to."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass, field
from typing import Annotated

import typer

from preau import service
from preau.cli.output import (
    REFUSED,
    ConfigOption,
    JsonOption,
    actor,
    explained,
    progress,
    run,
    say,
    say_error,
    say_json,
    settings,
)
from preau.cli.plans import tell_applied
from preau.cli.subjects import OneSchool, Person, SchoolOption, one_school, schools_meant
from preau.config import Settings
from preau.errors import UsageError
from preau.model.decisions import Consent, ConsentTopic
from preau.model.ids import PersonId, Uai
from preau.model.wanted import ActualAccount
from preau.store.decisions import Agreement
from preau.sync import settle
from preau.sync.activate import Activated, activate, without_account
from preau.sync.context import Context
from preau.sync.directory import find_person
from preau.sync.passwords import SHORTEST, new_password
from preau.sync.schools import all_schools

consent_app = typer.Typer(no_args_is_help=True, help="What guardians agree to, and take back.")


def activate_command(
    persons: Annotated[list[str] | None, typer.Argument(metavar="PERSON…", help="Ids or registers' keys.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Everybody who may have an account and has none.")] = False,
    school: SchoolOption = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the one person's password from standard input.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make people's accounts and join them to their rooms. Passwords are drawn and printed once, unless given."""
    if bool(persons) == everybody or (password_stdin and len(persons or []) != 1):
        with explained():
            raise UsageError("Name persons, or say --all; a password on standard input is for one person.")
    asked = _Asked(persons or [], school, _given_password() if password_stdin else None)
    found, told = settings(config), _Told(as_json=as_json)
    try:
        done = run(_activate(found, asked, told))
    finally:  # whatever stopped the run: a password that was set must be told
        told.finish()
    for person, error in done.refused.items():
        say_error(f"refused: account of {person}: {error.happened}")
    if not as_json:
        tell_applied(done.applied)
    if done.refused or done.applied.refused:
        raise typer.Exit(REFUSED)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whom to activate, as typed; ``password`` None means: draw one for each."""

    persons: list[str]
    school: list[str] | None
    password: str | None


def _given_password() -> str:
    password = sys.stdin.readline().rstrip("\n")
    with explained():
        if len(password) < SHORTEST:
            raise UsageError(f"The password on standard input has fewer than {SHORTEST} characters.")
    return password


@dataclass(slots=True)
class _Told:
    """Tells logins as their accounts are made: at once to people, at the end in one object to programs."""

    as_json: bool
    rows: list[dict[str, str]] = field(default_factory=list)

    def __call__(self, account: ActualAccount, password: str) -> None:
        """One more login."""
        person, name = account.person, account.display_name
        self.rows.append(
            {"person": person, "user_id": account.user, "login": person, "name": name, "password": password}
        )
        if not self.as_json:
            say(f"{account.user}  {name}  password: {password}")

    def finish(self) -> None:
        """Nothing more will come."""
        if self.as_json:
            say_json({"people": self.rows})


async def _activate(found: Settings, asked: _Asked, told: _Told) -> Activated:
    source = random.SystemRandom()
    async with service.context(found) as context:
        named = _named(context, asked.persons) if asked.persons else _everybody_else(context, asked.school)
        passwords = {person: asked.password or new_password(source) for person in await named}

        def made(account: ActualAccount) -> None:
            told(account, "(the one given)" if asked.password else passwords[account.person])

        with progress("activate", None) as count:
            return await activate(context, passwords, actor=actor(), made=made, progress=count)


async def _named(context: Context, said: list[str]) -> list[PersonId]:
    async with context.store.reading() as db:
        return [await find_person(db, context.academy, text) for text in said]


async def _everybody_else(context: Context, school: list[str] | None) -> list[PersonId]:
    """Everybody entitled who has no account yet: repeating ``--all`` changes no password."""
    async with context.store.reading() as db:
        schools = await schools_meant(db, school) if school else await all_schools(db)
    return await without_account(context, schools)


@consent_app.command("grant")
def consent_grant(
    person: Person,
    school: OneSchool,
    topic: Annotated[ConsentTopic, typer.Option(help="What they agree to.")] = ConsentTopic.PARENT_ROOMS,
    source: Annotated[str, typer.Option(help="Where they said so, for the record.")] = "paper form",
    config: ConfigOption = None,
) -> None:
    """Note that somebody agreed, and let them in."""
    new = run(_grant(settings(config), person, school, topic, source))
    say("Noted." if new else "It was in force already.")


async def _grant(found: Settings, said: str, school: str, topic: ConsentTopic, source: str) -> bool:
    async with service.context(found) as context:
        uai, person = await _where_and_who(context, school, said)
        consent = Consent(person, uai, topic, context.clock.now(), source)
        return await settle.grant(context, consent, actor=actor())


@consent_app.command("revoke")
def consent_revoke(
    person: Person,
    school: OneSchool,
    topic: Annotated[ConsentTopic, typer.Option(help="What they take back.")] = ConsentTopic.PARENT_ROOMS,
    source: Annotated[str, typer.Option(help="Where they said so, for the record.")] = "paper form",
    config: ConfigOption = None,
) -> None:
    """Note that somebody took their agreement back, and take them out."""
    ended = run(_revoke(settings(config), person, school, topic, source))
    say("Taken back." if ended else "There was no such agreement.")


async def _revoke(found: Settings, said: str, school: str, topic: ConsentTopic, source: str) -> bool:
    async with service.context(found) as context:
        uai, person = await _where_and_who(context, school, said)
        return await settle.revoke(context, Agreement(person, uai, topic), source, actor=actor())


async def _where_and_who(context: Context, school: str, said: str) -> tuple[Uai, PersonId]:
    async with context.store.reading() as db:
        return one_school(school, await all_schools(db)), await find_person(db, context.academy, said)
