"""``preau doctor``: do homeserver, guard and service work, and do they agree?

::

    store ─┐
    homeserver: token, version, bot ─┼─► Seen ─► diagnose ─► findings, each with what to do
    guard: what it holds, processes ─┘
"""

from __future__ import annotations

import asyncio
from typing import Final

import typer

from preau import service
from preau.cli.output import REFUSED, ConfigOption, JsonOption, noted, run, say, say_json, settings
from preau.config import Settings
from preau.errors import ConfigError, HomeserverError, StoreError
from preau.matrix.guard import GuardStatus
from preau.model.wanted import Json
from preau.store import facts_outbox as outbox
from preau.store.engine import Transaction
from preau.sync.context import Context
from preau.sync.diagnosis import Check, Seen, Told, diagnose, present
from preau.sync.results import Command

_SETTLES: Final = 2.0
"""Seconds in which every process has heard of a push; those behind then are behind."""


def doctor(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Look whether homeserver, guard and service work and agree; say what to do where they do not. Changes nothing."""
    found = settings(config)
    with noted(found, Command.DOCTOR):
        seen = run(_look(found))
        checks = tuple(diagnose(seen))
        if as_json:
            say_json(_as_json(seen, checks))
        else:
            _tell(checks)
        if not all(check.well for check in checks):
            raise typer.Exit(REFUSED)


def _tell(checks: tuple[Check, ...]) -> None:
    for check in checks:
        say(f"{'ok ' if check.well else '!! '} {check.said}")
        if not check.well:
            say(f"    {check.advice}")
    say("Everything is well." if all(check.well for check in checks) else "See what is marked with !!.")


async def _look(found: Settings) -> Seen:
    try:
        async with service.context(found) as context:
            return await _look_around(context, found)
    except StoreError as trouble:
        return Seen(store_trouble=trouble, trouble=trouble)


async def _look_around(context: Context, found: Settings) -> Seen:
    now = context.clock.now()
    async with context.store.reading() as db:
        told = await _told(db)
    try:
        version = await service.check_homeserver(context.homeserver, found)
        account = await context.homeserver.account(found.bot)
    except (ConfigError, HomeserverError) as trouble:
        return Seen(trouble=trouble, told=told, now=now)
    admin = account is not None and account.admin
    try:
        guard = await _settled(context, found)
    except HomeserverError as trouble:
        return Seen(version, bot_is_admin=admin, guard_trouble=trouble, told=told, now=now)
    async with context.store.reading() as db:  # read after the guard: pushes that are made meanwhile are no lag of it
        told = await _told(db)
    return Seen(
        version,
        bot_is_admin=admin,
        guard=guard,
        told=told,
        peers=context.academy.peers,
        workers=frozenset(found.homeserver.workers),
        now=now,
    )


async def _told(db: Transaction) -> Told | None:
    mine, (waiting, since) = await outbox.stream(db), await outbox.lag(db)
    return None if mine is None else Told(mine.name, mine.version, waiting, since, await outbox.counts(db))


async def _settled(context: Context, found: Settings) -> GuardStatus | None:
    """How the guard stands, once its processes had the time to hear of the last push."""
    status = await context.homeserver.guard_status()
    if status is None:
        return None
    there = present(status, frozenset(found.homeserver.workers))
    if all(process.version >= status.held.version for process in there):
        return status
    await asyncio.sleep(_SETTLES)
    return await context.homeserver.guard_status()


def _as_json(seen: Seen, checks: tuple[Check, ...]) -> dict[str, Json]:
    found: dict[str, Json] = {
        "well": all(check.well for check in checks),
        "checks": [
            {"check": check.code, "well": check.well, "said": check.said, "advice": "" if check.well else check.advice}
            for check in checks
        ],
        "synapse": seen.synapse,
    }
    if seen.told is not None:
        found["service"] = {
            "stream": seen.told.stream,
            "version": seen.told.version,
            "waiting": seen.told.waiting,
            "facts": dict(seen.told.facts),
        }
    if seen.guard is not None:
        found["guard"] = {
            "stream": seen.guard.held.stream,
            "version": seen.guard.held.version,
            "facts": dict(seen.guard.facts),
            "missing_inner_parts": [*seen.guard.missing],
            "open_doors": [*seen.guard.doors],
            "processes": [
                {"name": each.name, "version": each.version, "seen_seconds_ago": round(each.seen_seconds_ago)}
                for each in seen.guard.processes
            ],
        }
    return found
