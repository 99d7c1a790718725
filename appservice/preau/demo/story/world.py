"""What a step of the story works with: the running demo, people at their clients, the files, the command."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from preau.demo.academy import EXPORTED, DemoAcademy, Player, child_environment
from preau.demo.cast import DEMO_SCHOOLS
from preau.demo.homeserver import Homeserver, HomeserverSpec
from preau.demo.parts import Part
from preau.demo.processes import free_ports, tied_to_us
from preau.demo.rosters import write_rosters
from preau.demo.run import Demo
from preau.demo.school import DemoSchool
from preau.demo.story.client import Someone
from preau.demo.story.telling import StoryBroken, expect
from preau.model.ids import RoomId, Uai
from preau.model.rooms import RoomKey, RoomKind
from preau.model.wanted import ActualRoom
from preau.store import actual


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that ended."""

    status: int
    output: str
    errors: str

    @property
    def json(self) -> dict[str, Any]:
        """Its output as JSON."""
        try:
            found: dict[str, Any] = json.loads(self.output)
        except ValueError:
            raise StoryBroken(f"a command ended with {self.status} and no JSON: {self.errors}") from None
        return found


class Place:
    """One school of the demo, as the story goes on: its académie, its people, its rosters as last exported."""

    def __init__(self, world: World, academy: DemoAcademy, uai: Uai) -> None:
        self._world = world
        self._exported = EXPORTED
        self.academy = academy
        self.uai = uai
        self.school: DemoSchool = academy.schools[uai]
        self.home = academy.casts[uai].home

    def player(self, part: Part) -> Player:
        """Who plays that part here."""
        return self.academy.player(self.uai, part)

    @property
    def players(self) -> list[Player]:
        """Everybody here who can log in."""
        return [player for player in self.academy.players if player.school == self.uai]

    async def client(self, part: Part) -> Someone:
        """The client of whoever plays that part here."""
        return await self._world.client(self.player(part))

    def key(self, kind: RoomKind, scope: str = "") -> RoomKey:
        """The key of one of the school's rooms."""
        return RoomKey(kind, self.uai, scope)

    async def rooms(self) -> dict[RoomKey, ActualRoom]:
        """The school's rooms as the service has them."""
        async with self.academy.context() as context, context.store.reading() as db:
            return await actual.rooms_of_school(db, self.uai)

    async def room(self, kind: RoomKind, scope: str = "") -> RoomId:
        """The id of one of the school's rooms."""
        found = (await self.rooms()).get(self.key(kind, scope))
        expect(found, f"there is no room {self.key(kind, scope)}")
        assert found is not None
        return found.room

    async def keys_of(self, part: Part) -> frozenset[str]:
        """The school's rooms that somebody is in, by their keys: what the person's client says."""
        joined = await (await self.client(part)).rooms()
        return frozenset(str(key) for key, room in (await self.rooms()).items() if room.room in joined)

    def export(self, school: DemoSchool) -> list[Path]:
        """Writes the rosters as the school's office would an hour after the last ones."""
        self._exported += timedelta(hours=1)
        return write_rosters(school, self.academy.rosters(self.uai), taken_at=self._exported)

    async def import_(self, school: DemoSchool) -> dict[str, Any]:
        """Exports the school and imports the files with the command."""
        files = await asyncio.to_thread(self.export, school)
        ran = await self.preau("roster", "import", "--json", *map(str, files))
        expect(ran.status == 0, f"preau roster import ended with {ran.status}: {ran.errors}")
        return ran.json

    async def preau(self, *arguments: str) -> Ran:
        """Runs the command for this académie, to its end."""
        return await run(self.academy.preau(*arguments))

    async def plan(self, *more: str) -> dict[str, Any]:
        """``preau plan --json`` of this school."""
        return (await self.preau("plan", "--json", "--school", self.uai, *more)).json


class World:
    """The running demo and everybody who is logged in. Use it with ``async with``.

    ``main``, ``small`` and ``large`` are the three schools; `large` is the one of the other académie.
    """

    def __init__(self, demo: Demo) -> None:
        self.demo = demo
        self.main = Place(self, demo.nord, DEMO_SCHOOLS[0].uai)
        self.small = Place(self, demo.nord, DEMO_SCHOOLS[1].uai)
        self.large = Place(self, demo.sud, DEMO_SCHOOLS[2].uai)
        self._clients: dict[str, Someone] = {}
        self._stack = AsyncExitStack()
        self._stranger: Homeserver | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def schools(self) -> tuple[Place, Place, Place]:
        """All three."""
        return self.main, self.small, self.large

    async def client(self, player: Player) -> Someone:
        """The client of that person, logged in once."""
        if player.user not in self._clients:
            academy = next(each for each in self.demo.academies if each.name == player.academy)
            someone = Someone(player, academy.homeserver.client_url)
            self._stack.push_async_callback(someone.close)
            await someone.log_in()
            self._clients[player.user] = someone
        return self._clients[player.user]

    async def clients(self, players: Iterable[Player]) -> list[Someone]:
        """The clients of these people."""
        return [await self.client(player) for player in players]

    async def stranger(self) -> Homeserver:
        """A homeserver that would like to federate with both académies, and is on the list of neither."""
        if self._stranger is None:
            client, federation = free_ports(2)
            spec = HomeserverSpec(
                folder=Path(tempfile.mkdtemp(dir=self.demo.folder, prefix="stranger-")),
                client_port=client,
                federation_port=federation,
                authority=self.demo.authority,
                peers=tuple(academy.homeserver.server_name for academy in self.demo.academies),
                guard=False,
            )
            self._stranger = await self._stack.enter_async_context(Homeserver(spec))
        return self._stranger


async def run(command: list[str]) -> Ran:
    """Runs a program to its end; cancelled, it ends at once."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *tied_to_us(command), stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=child_environment(),
        start_new_session=True,
    )  # fmt: skip
    try:
        output, errors = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Ran(process.returncode, output.decode(), errors.decode())
