"""An académie to measure on: rosters on disk, a store, and a homeserver as it would be once everything is applied."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from preau.clock import FixedClock
from preau.demo.cast import invent_school, invented_uai
from preau.demo.rosters import write_rosters
from preau.demo.school import DemoSchool
from preau.matrix.calls import Endpoint
from preau.matrix.client import Homeserver
from preau.model.choices import SchoolChoices
from preau.model.ids import AcademyName, PersonId, RoomId, ServerName, UserId, split_user_id
from preau.model.rooms import RoomKey
from preau.model.wanted import ActualAccount, ActualRoom, Content, Membership, StateKey, Wanted
from preau.policy.powers import child_key, child_link, parent_key, parent_link, room_state
from preau.store import actual
from preau.store.engine import Store
from preau.sync.context import Academy, Context
from preau.sync.importer import import_rosters
from preau.sync.recognise import minter
from preau.sync.schools import all_schools, reach

SCHOOL: Final = 1_000
"""Pupils of an ordinary large school."""

EVERYBODY: Final = 40_600
"""Pupils of one roster with 100,000 people: two and a half people stand behind a pupil."""

NOBODY_LISTENS: Final = "http://127.0.0.1:9"
"""A plan asks the homeserver nothing; whoever does here is refused."""

ACTOR: Final = "bench"
MINT: Final = minter(random.SystemRandom())
_SERVER: Final = ServerName("nord.example")
_YEAR: Final = 2025
_EXPORTED: Final = datetime(2025, 11, 3, 8, 0)  # noqa: DTZ001 - wall time, as the registers write it
_NOW: Final = datetime(2025, 11, 10, 9, 0, tzinfo=UTC)


def school(pupils: int) -> DemoSchool:
    """The same school for the same size, always."""
    return invent_school(1, invented_uai(1), "Collège Imaginaire", pupils=pupils)


def rosters(found: DemoSchool, folder: Path, *, day: int = 0) -> list[Path]:
    """The school's four files, exported so many days after the first time."""
    return write_rosters(found, folder / f"rosters-{day}", taken_at=_EXPORTED + timedelta(days=day))


@asynccontextmanager
async def academy(
    database: Path,
    *,
    url: str = NOBODY_LISTENS,
    token: str = "none",
    server: ServerName = _SERVER,
    pupil_accounts: bool = True,
) -> AsyncIterator[Context]:
    """Everything that flows work with, on an SQLite file. Pupils have accounts too, so that everybody counts."""
    bot = UserId(f"@preau:{server}")
    choices = SchoolChoices(pupil_accounts=pupil_accounts)
    settings = Academy(AcademyName("nord"), server, bot, "12", _YEAR, default_choices=choices)
    store = Store(f"sqlite:///{database}")
    try:
        await store.migrate()
        async with Homeserver(Endpoint(url, token, bot, server)) as homeserver:
            yield Context(settings, store, homeserver, FixedClock(_NOW))
    finally:
        await store.close()


def accounts_of(wanted: Iterable[Wanted], at: datetime) -> list[ActualAccount]:
    """An open account with the right name for everybody who may have one."""
    return [
        ActualAccount(user, PersonId(split_user_id(user)[0]), name, active=True, activated_at=at)
        for school in wanted
        for user, name in school.accounts.items()
    ]


async def wanted_now(context: Context) -> tuple[Wanted, ...]:
    """What is wanted of every school, pending snapshots included."""
    async with context.store.reading() as db:
        schools = await all_schools(db)
        return (await reach(db, context.academy, schools, context.clock.now(), newest=True)).wanted


async def people_in(context: Context) -> int:
    """How many people may have an account."""
    return sum(len(each.accounts) for each in await wanted_now(context))


async def record_accounts(context: Context) -> tuple[Wanted, ...]:
    """Notes that everybody has an account, as activations would; returned is what is wanted."""
    wanted = await wanted_now(context)
    async with context.store.writing() as db:
        await actual.save_accounts(db, accounts_of(wanted, context.clock.now()))
    return wanted


async def prepared(folder: Path, pupils: int) -> Path:
    """A database of a school in which everybody has an account and is in their rooms.

    That nothing is left to do there is for whoever measures on it to insist on.
    """
    database = folder / f"prepared-{pupils}.db"
    if not database.exists():
        async with academy(database) as context:
            await import_rosters(context, rosters(school(pupils), folder / str(pupils)), mint=MINT, actor=ACTOR)
            await _as_if_applied(context)
    return database


async def _as_if_applied(context: Context) -> None:
    rooms = _rooms_as_wanted(await record_accounts(context), context.academy)
    async with context.store.writing() as db:
        for room in rooms:
            await actual.save_room(db, room)


def _rooms_as_wanted(wanted: Iterable[Wanted], academy: Academy) -> list[ActualRoom]:
    """Every wanted room, with all its state and everybody in it."""
    rooms = {key: room for school in wanted for key, room in school.rooms.items()}
    ids = {key: RoomId(f"!room{number}") for number, key in enumerate(sorted(rooms))}
    links = _links({key: room.parent for key, room in rooms.items()}, ids, academy.server)
    return [
        ActualRoom(
            key,
            ids[key],
            academy.room_version,
            room_state(room, bot=academy.bot, version=academy.room_version) | links[key],
            dict.fromkeys(room.members, Membership.JOIN),
        )
        for key, room in rooms.items()
    ]


def _links(
    parents: Mapping[RoomKey, RoomKey | None], ids: Mapping[RoomKey, RoomId], server: ServerName
) -> Mapping[RoomKey, dict[StateKey, Content]]:
    links: defaultdict[RoomKey, dict[StateKey, Content]] = defaultdict(dict)
    for key, parent in parents.items():
        if parent is not None:
            links[key][parent_key(ids[parent])] = parent_link(server)
            links[parent][child_key(ids[key])] = child_link(server)
    return links
