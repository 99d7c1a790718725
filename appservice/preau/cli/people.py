"""``preau activate`` and ``preau consent``: what people are given, and what they agree to."""

from __future__ import annotations

import random
import sys
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
    say_json,
    settings,
)
from preau.cli.plans import tell_applied
from preau.cli.subjects import OneSchool, Person, SchoolOption, one_school, schools_meant
from preau.config import Settings
from preau.errors import UsageError
from preau.model.decisions import Consent, ConsentTopic
from preau.model.ids import PersonId, Uai
from preau.store.decisions import Agreement
from preau.sync import settle
from preau.sync.activate import Activated, activate, without_account
from preau.sync.context import Context
from preau.sync.directory import find_person
from preau.sync.passwords import new_password
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
    given = sys.stdin.readline().rstrip("\n") if password_stdin else None
    activated, passwords = run(_activate(settings(config), persons or [], school, given))
    if as_json:
        people = [
            {
                "person": account.person,
                "user_id": account.user,
                "login": account.person,
                "password": passwords[account.person],
            }
            for account in activated.accounts
        ]
        say_json({"people": [*people], "refused": len(activated.applied.refused)})
    else:
        for account in activated.accounts:
            shown = "(the one given)" if given is not None else passwords[account.person]
            say(f"{account.user}  {account.display_name}  password: {shown}")
        tell_applied(activated.applied)
    if activated.applied.refused:
        raise typer.Exit(REFUSED)


async def _activate(
    found: Settings, said: list[str], school: list[str] | None, given: str | None
) -> tuple[Activated, dict[PersonId, str]]:
    source = random.SystemRandom()
    async with service.context(found) as context:
        persons = await _named(context, said) if said else await _everybody_else(context, school)
        passwords = {person: given if given is not None else new_password(source) for person in persons}
        with progress("activate", None) as count:
            return await activate(context, passwords, actor=actor(), progress=count), passwords


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
