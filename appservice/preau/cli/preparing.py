"""``preau prepare`` and ``preau migrate``: what a new homeserver and a new release need before ``preau serve``."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Final

import typer

from preau import service
from preau.cli.output import REFUSED, ConfigOption, JsonOption, run, say, say_error, say_json, settings
from preau.config import Settings
from preau.errors import UsageError
from preau.matrix.first_admin import BotKeys, Prepared

_KEYS: Final = ("registration_shared_secret", "events_as_token")


def prepare(
    secrets: Annotated[
        bool,
        typer.Option("--secrets-stdin", help=f"Read a JSON object with {' and '.join(_KEYS)} from standard input."),
    ] = False,
    wait: Annotated[float, typer.Option(min=1, help="Seconds to wait for the homeserver at most.")] = 180,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Wait for the homeserver and make the bot its only administrator; changes nothing the second time.

    The secrets serve this once and are kept nowhere. Without them it is only said whether they are needed.
    """
    found = settings(config)
    done = run(_prepare(found, wait, secrets=secrets))
    if as_json:
        say_json(
            {
                "ready": done.ready,
                "changed": done.changed,
                "account_made": done.account_made,
                "made_admin": done.made_admin,
                "helpers_removed": done.helpers_removed,
            }
        )
    elif done.ready:
        say(_told(done))
    if not done.ready:
        say_error(f"{found.bot} is no administrator of {found.homeserver.url} yet.")
        say_error("Give the secrets that make it one, once: preau prepare --secrets-stdin")
        raise typer.Exit(REFUSED)


async def _prepare(found: Settings, wait: float, *, secrets: bool) -> Prepared:
    keys = _keys(sys.stdin.read()) if secrets else None
    return await service.prepare_homeserver(found, keys, wait)


def _keys(text: str) -> BotKeys:
    """The secrets on standard input.

    Raises:
        UsageError: they are not all there.
    """
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    values = [given.get(key) for key in _KEYS] if isinstance(given, dict) else []
    words = [value for value in values if isinstance(value, str) and value]
    if len(words) < len(_KEYS):
        raise UsageError(f"Standard input must hold a JSON object with the texts {' and '.join(_KEYS)}.")
    return BotKeys(*words)


def _told(done: Prepared) -> str:
    deeds = (
        (done.account_made, "made the bot's account"),
        (done.made_admin, "made the bot an administrator"),
        (done.helpers_removed > 0, "removed the helper that did it"),
    )
    said = ", ".join(what for happened, what in deeds if happened)
    return f"The homeserver is ready: {said or 'there was nothing to do'}."


def migrate(
    check: Annotated[bool, typer.Option("--check", help="Only say whether there is anything to do.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the database's schema to this version; stop `preau serve` of an older one before."""
    needed = run(service.migrate(settings(config), look_only=check))
    if as_json:
        say_json({"changed": needed})
    elif needed:
        say("The schema is of an older version." if check else "The schema was brought up to date.")
    else:
        say("The schema is this version's.")
    if check and needed:
        raise typer.Exit(REFUSED)
