"""A school of its own for each test, imported from files in the ministry's formats into a store of its own."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

from preau.clock import SystemClock
from preau.demo.cast import invent_school, invented_uai
from preau.demo.homeserver import BOT_LOCALPART
from preau.demo.homeserver import Homeserver as Synapse
from preau.demo.rosters import write_rosters
from preau.demo.school import DemoSchool
from preau.matrix.calls import Endpoint
from preau.matrix.client import Homeserver
from preau.model.choices import SchoolChoices
from preau.model.ids import AcademyName, PersonId, Uai, UserId
from preau.model.people import RosterKey, RosterSource
from preau.model.rooms import RoomKey, RoomKind
from preau.model.wanted import ActualRoom, Membership
from preau.store import actual, people
from preau.store.engine import Store
from preau.sync import planning
from preau.sync.activate import Activated, activate
from preau.sync.apply import Applied
from preau.sync.context import Academy, Context
from preau.sync.importer import Imported, import_rosters
from preau.sync.planning import Planned
from preau.sync.recognise import minter
from preau.sync.rooms import read_room

ACTOR = "test"
_NUMBERS = count(3000)


@dataclass
class School:
    """One invented school, its store, and the homeserver that it shares with other tests."""

    context: Context
    demo: DemoSchool
    folder: Path
    taken_at: datetime = datetime(2025, 9, 15, 19, 2, 11)  # noqa: DTZ001 - HORODATAGE has no zone
    random: random.Random = field(default_factory=random.Random)
    files: list[Path] = field(default_factory=list)

    @property
    def uai(self) -> Uai:
        return self.demo.uai

    def key(self, kind: RoomKind, scope: str = "") -> RoomKey:
        return RoomKey(kind, self.uai, scope)

    async def take_in(self, demo: DemoSchool | None = None) -> Imported:
        """The rosters, written a day later than the last ones, imported."""
        self.demo = demo or self.demo
        self.taken_at += timedelta(days=1)
        self.files = write_rosters(self.demo, self.folder, taken_at=self.taken_at)
        return await self.take_in_again()

    async def take_in_again(self) -> Imported:
        """The very files that were imported last, imported once more."""
        return await import_rosters(self.context, self.files, mint=minter(self.random), actor=ACTOR)

    async def plan(self) -> Planned:
        return await planning.plan(self.context, [self.uai])

    async def apply(self, accept: str = "") -> Applied:
        return await planning.carry_out(self.context, await self.plan(), actor=ACTOR, accept=accept)

    async def activate(self, *persons: PersonId, password: str = "Préau-d’essai-2026") -> Activated:
        return await activate(self.context, dict.fromkeys(persons, password), actor=ACTOR)

    async def person(self, source: RosterSource, number: int | str) -> PersonId:
        key = RosterKey(source, self.uai, str(number))
        async with self.context.store.reading() as db:
            return (await people.recognised(db, [key]))[key]

    async def guardian(self, number: int) -> PersonId:
        return await self.person(RosterSource.SIECLE_PERSON, number)

    async def principal(self) -> PersonId:
        staff = next(member for member in self.demo.staff if member.function == "DIR")
        source = RosterSource.STS_STATE if staff.key.register == "epp" else RosterSource.STS_LOCAL
        return await self.person(source, staff.key.number)

    def user(self, person: PersonId) -> UserId:
        return UserId(f"@{person}:{self.context.academy.server}")

    async def rooms(self) -> dict[RoomKey, ActualRoom]:
        async with self.context.store.reading() as db:
            return await actual.rooms_of_school(db, self.uai)

    async def room(self, kind: RoomKind, scope: str = "") -> ActualRoom:
        return (await self.rooms())[self.key(kind, scope)]

    async def membership(self, key: RoomKey, person: PersonId) -> Membership:
        """As the homeserver says."""
        return await self.context.homeserver.membership((await self.rooms())[key].room, self.user(person))

    async def really(self) -> dict[RoomKey, ActualRoom]:
        """All rooms of the school as they are on the homeserver."""
        known = await self.rooms()
        return {
            key: await read_room(self.context.homeserver, self.context.academy, key, room.room)
            for key, room in known.items()
        }


@asynccontextmanager
async def school_at(
    synapse: Synapse, folder: Path, *, choices: SchoolChoices | None = None, version: str = "12", url: str = ""
) -> AsyncIterator[School]:
    """A small school, imported for the first time; its store is on SQLite unless another address is given.

    Its académie knows the peers that its homeserver federates with.
    """
    demo = invent_school(7, invented_uai(next(_NUMBERS)), "Collège Essai", pupils=20)
    academy = Academy(
        name=AcademyName("nord"),
        server=synapse.server_name,
        bot=synapse.bot,
        room_version=version,
        school_year=demo.year,
        default_choices=choices or SchoolChoices(),
        peers={peer: UserId(f"@{BOT_LOCALPART}:{peer}") for peer in synapse.spec.peers},
    )
    store = Store(url or f"sqlite:///{folder / 'preau.db'}")
    await store.migrate()
    endpoint = Endpoint(synapse.client_url, synapse.as_token, synapse.bot, synapse.server_name)
    try:
        async with Homeserver(endpoint) as homeserver:
            school = School(Context(academy, store, homeserver, SystemClock()), demo, folder / "rosters")
            await school.take_in()
            yield school
    finally:
        await store.close()


def guardians_of(demo: DemoSchool, pupil: int) -> list[int]:
    """The pupil's guardians who may have an account."""
    return [
        link.guardian
        for link in demo.links
        if link.pupil == pupil and link.level in {"legal", "in_charge"} and link.kinship not in {"51", "70"}
    ]


def only_children(demo: DemoSchool) -> dict[int, int]:
    """Guardians with exactly one attending child, who has a division; and that child."""
    attending = {pupil.key: pupil for pupil in demo.attending}
    children: dict[int, set[int]] = {}
    for link in demo.links:
        if link.pupil in attending and link.level == "legal" and link.kinship not in {"51", "70"}:
            children.setdefault(link.guardian, set()).add(link.pupil)
    tied = {link.guardian: 0 for link in demo.links}
    for link in demo.links:
        tied[link.guardian] += 1
    return {
        guardian: child
        for guardian, (child, *rest) in ((key, sorted(found)) for key, found in children.items())
        if not rest and tied[guardian] == 1 and attending[child].division is not None
    }


def with_links_of(demo: DemoSchool, guardian: int, child: int) -> DemoSchool:
    """The school in which that guardian is tied to that child as well."""
    pattern = next(link for link in demo.links if link.guardian == guardian)
    return replace(demo, links=(*demo.links, replace(pattern, pupil=child)))
