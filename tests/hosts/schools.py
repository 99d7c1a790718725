"""A school on a deployed académie: its rosters imported there by the command, some of its people with accounts."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

from preau.demo.academy import EXPORTED
from preau.demo.cast import invent_school, invented_uai
from preau.demo.parts import Part, cast
from preau.demo.rosters import write_rosters
from preau.demo.school import DemoSchool
from preau.sync.rooms import KEY_FIELD
from tests.hosts.academies import Academy
from tests.hosts.people import Someone

PUPILS: Final = 40
PARTS: Final = (Part.PRINCIPAL, Part.HEAD_TEACHER, Part.PARENT_OF_TWO)
_NUMBERS: Final = {"nord": 1, "sud": 2, "ouest": 3}
_INCOMING: Final = "var/lib/preau/service/incoming"


@dataclass(frozen=True, slots=True)
class Login:
    """What a person was given."""

    user: str
    name: str
    password: str


@dataclass(frozen=True, slots=True)
class School:
    """One school and the people of it who have accounts."""

    demo: DemoSchool
    people: Mapping[Part, Login]
    clients: dict[Part, Someone] = field(default_factory=dict)

    async def client(self, internet: aiohttp.ClientSession, server: str, part: Part) -> Someone:
        """Somebody at the one device that they have. A second one would be limited until somebody confirms it."""
        if part not in self.clients:
            self.clients[part] = await self.log_in(internet, server, part)
        return self.clients[part]

    async def log_in(self, internet: aiohttp.ClientSession, server: str, part: Part) -> Someone:
        """Somebody at a new device, with the password that they were given."""
        login = self.people[part]
        return await Someone.log_in(internet, server, login.user, login.password)


def invented(number: int) -> DemoSchool:
    """The same school in every run."""
    return invent_school(number, invented_uai(number), f"Collège d’Essai n° {number}", pupils=PUPILS)


def import_rosters(academy: Academy, demo: DemoSchool) -> dict[str, object]:
    """Copies the ministry's files onto the service's host and imports them; returns what the command said."""
    host = academy.host("service")
    folder = host.root / _INCOMING / demo.uai
    files = write_rosters(demo, folder, taken_at=EXPORTED)
    host.shell(f"chown -R preau:preau /{_INCOMING}/{demo.uai}")
    inside = [str(Path("/") / file.relative_to(host.root)) for file in files]
    said: dict[str, object] = json.loads(academy.preau("roster", "import", "--json", *inside))
    return said


async def in_room(kind: str, *people: Someone) -> str:
    """The room of a kind that all of them are in.

    Raises:
        LookupError: there is none.
    """
    joined = [await someone.joined() for someone in people]
    for room in sorted(set.intersection(*joined)):
        created = await people[0].state(room, "m.room.create")
        if created.get(KEY_FIELD, "").startswith(f"{kind}/"):
            return room
    raise LookupError(f"{', '.join(someone.user for someone in people)} share no room {kind}")


def activate(academy: Academy, demo: DemoSchool) -> School:
    """Gives the people of `PARTS` their accounts, each with a password of their own."""
    players = cast(demo).players
    people = {}
    for part in PARTS:
        key = next(key for key, played in players.items() if played is part)
        password = secrets.token_urlsafe(16)
        said = academy.preau("activate", "--json", "--password-stdin", str(key), stdin=password + "\n")
        row = json.loads(said)["people"][0]
        people[part] = Login(row["user_id"], row["name"], password)
    return School(demo, people)


class Schools(dict[str, School]):
    """By académie: a school with its rosters there, and people of it with accounts; made when first asked for."""

    def __init__(self, find: Callable[[str], Academy]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, name: str) -> School:
        academy = self._find(name)
        academy.up()
        demo = invented(_NUMBERS[name])
        import_rosters(academy, demo)
        self[name] = activate(academy, demo)
        return self[name]
