"""``preau device``: on which devices somebody is logged in, and which of them may be trusted."""

from __future__ import annotations

from typing import Annotated

import typer

from preau import service
from preau.cli.output import ConfigOption, JsonOption, actor, run, say, say_json, settings
from preau.cli.subjects import Person
from preau.config import Settings
from preau.matrix.guard import Device
from preau.model.ids import UserId, user_id
from preau.model.wanted import Json
from preau.sync import devices
from preau.sync.context import Context
from preau.sync.directory import find_person

device_app = typer.Typer(no_args_is_help=True, help="Devices that people log in on; new ones are limited at first.")


@device_app.command("list")
def list_(person: Person, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show somebody's devices; those marked ? are limited until they are confirmed."""
    user, found = run(_list(settings(config), person))
    if as_json:
        rows: list[Json] = [{"id": each.id, "name": each.name, "confirmed": each.confirmed} for each in found]
        say_json({"user_id": user, "devices": rows})
        return
    for each in found:
        say(f"{' ' if each.confirmed else '?'} {each.id}  {each.name}")
    if not found:
        say(f"{user} is logged in nowhere.")


@device_app.command("confirm")
def confirm(
    person: Person,
    device: Annotated[str | None, typer.Argument(help="Which; else the only one that waits.")] = None,
    config: ConfigOption = None,
) -> None:
    """Say that a new device is the person's own, once they said so themselves: its limits go."""
    confirmed = run(_confirm(settings(config), person, device))
    say(f"Confirmed: {confirmed.id}.")


async def _list(found: Settings, said: str) -> tuple[UserId, tuple[Device, ...]]:
    async with service.context(found) as context:
        user = await _user(context, said)
        return user, await context.homeserver.devices(user)


async def _confirm(found: Settings, said: str, device: str | None) -> Device:
    async with service.context(found) as context:
        return await devices.confirm(context, await _user(context, said), device, actor=actor())


async def _user(context: Context, said: str) -> UserId:
    async with context.store.reading() as db:
        return user_id(await find_person(db, context.academy, said), context.academy.server)
