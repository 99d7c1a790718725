"""``preau status`` and ``preau journal``."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated

import typer

from preau import service
from preau.cli.output import ConfigOption, JsonOption, noted, run, say, say_json, settings
from preau.cli.subjects import SchoolOption, schools_meant
from preau.config import Settings
from preau.model.wanted import Json
from preau.store import actual, inbox, journal, snapshots
from preau.store.journal import Verified
from preau.sync.directory import Place, places
from preau.sync.results import Command

journal_app = typer.Typer(no_args_is_help=True, help="The append-only record of who did what and why.")


def status(
    school: SchoolOption = None,
    everybody: Annotated[bool, typer.Option("--people", help="List everybody who may have an account.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show schools, people, rooms, and events that nobody could handle."""
    found = run(_status(settings(config), school, everybody=everybody))
    if as_json:
        say_json(found)
    else:
        _tell(found)


async def _status(found: Settings, school: list[str] | None, *, everybody: bool) -> dict[str, Json]:
    async with service.context(found) as context:
        async with context.store.reading() as db:
            rows = await snapshots.schools(db)
            meant = await schools_meant(db, school) if school else {row.school for row in rows}
            rooms = {
                row.school: len(await actual.rooms_of_school(db, row.school)) for row in rows if row.school in meant
            }
            waiting, stuck = await inbox.counts(db)
        people = await places(context, meant)
    entitled = Counter(place.school for place in people)
    active = Counter(place.school for place in people if place.active)
    schools: list[Json] = [
        {
            "school": row.school,
            "name": row.name,
            "pending_snapshot": row.pending is not None,
            "people": entitled[row.school],
            "active": active[row.school],
            "rooms": rooms[row.school],
        }
        for row in rows
        if row.school in meant
    ]
    answer: dict[str, Json] = {"academy": found.academy.name, "schools": schools}
    answer |= {"events_waiting": waiting, "events_stuck": stuck}
    return answer | ({"people": [_person(place) for place in people]} if everybody else {})


def _person(place: Place) -> Json:
    return {
        "school": place.school,
        "person": place.person,
        "user_id": place.user,
        "name": place.name,
        "functions": [*place.functions],
        "guardian_of": [*place.guardian_of],
        "divisions": [*place.divisions],
        "active": place.active,
    }


def _tell(found: dict[str, Json]) -> None:
    for school in _rows(found, "schools"):
        pending = "  a snapshot is pending: preau plan" if school["pending_snapshot"] else ""
        say(
            f"{school['school']}  {school['name']}: {school['active']} of {school['people']} people active, "
            f"{school['rooms']} rooms{pending}"
        )
    for person in _rows(found, "people"):
        sign = "*" if person["active"] else " "
        functions = ", ".join(str(each) for each in _list(person["functions"]))
        divisions = ", ".join(str(each) for each in _list(person["divisions"]))
        say(f"{sign} {person['person']}  {person['school']}  {person['name']}  [{functions}] {divisions}")
    say(f"{found['events_waiting']} events waiting, {found['events_stuck']} stuck")
    if found["events_stuck"]:
        say("The service's log says why events are stuck; `preau apply --recheck` mends the rooms they were about.")


def _rows(found: dict[str, Json], key: str) -> list[dict[str, Json]]:
    return [row for row in _list(found.get(key)) if isinstance(row, dict)]


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


@journal_app.command("verify")
def verify(
    known: Annotated[str | None, typer.Option("--noted", metavar="ENTRIES:HASH", help="A head noted before.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the whole chain; print its head, to be noted elsewhere."""
    head, there = _head(known), settings(config)
    with noted(there, Command.JOURNAL):
        found = run(_verify(there, head))
    if as_json:
        say_json({"entries": found.entries, "head": found.head})
    else:
        say(f"The journal holds: {found.entries} entries, head {found.entries}:{found.head}")


def _head(text: str | None) -> Verified | None:
    if text is None:
        return None
    number, _, digest = text.partition(":")
    if not number.isdigit() or not digest:
        raise typer.BadParameter("write it as `preau journal verify` printed it, ENTRIES:HASH", param_hint="--noted")
    return Verified(int(number), digest)


async def _verify(found: Settings, known: Verified | None) -> Verified:
    async with service.context(found) as context, context.store.reading() as db:
        return await journal.verify(db, known)


@journal_app.command("export")
def export(config: ConfigOption = None) -> None:
    """Print every entry as one line of JSON, with its hashes."""
    run(_export(settings(config)))


async def _export(found: Settings) -> None:
    async with service.context(found) as context, context.store.reading() as db:
        async for entry in journal.export(db):
            say(json.dumps(entry, ensure_ascii=False))
