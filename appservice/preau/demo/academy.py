"""One académie of the demo: homeserver, service, store, schools and their people::

invented schools ─► roster files ─► import ─┐
Synapse ────────────────────────────────────┼─► preau serve ─► consents ─► activation: accounts, rooms
                                            │
                          all in one folder ┘   preau.toml, preau.db, rosters/UAI/, service.log, synapse/
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

from preau import service
from preau.config import load
from preau.demo.authority import Authority
from preau.demo.cast import DEMO_YEAR, SCHOOLS_WITH_PUPILS
from preau.demo.homeserver import Homeserver, HomeserverSpec
from preau.demo.parts import OPTED_IN, Cast, Part, cast
from preau.demo.processes import ChildProcess
from preau.demo.rosters import write_rosters
from preau.demo.school import DemoSchool
from preau.demo.synapse_api import SynapseApi
from preau.errors import ConfigError, HomeserverError, plainly
from preau.model.decisions import Consent, ConsentTopic
from preau.model.ids import AcademyName, PersonId, ServerName, Uai, UserId, user_id
from preau.model.people import RosterKey
from preau.store import people
from preau.sync import settle
from preau.sync.activate import activate
from preau.sync.context import Context
from preau.sync.importer import import_rosters
from preau.sync.passwords import new_password
from preau.sync.recognise import minter

ACTOR: Final = "demo"
EXPORTED: Final = datetime(DEMO_YEAR, 9, 15, 19, 2, 11)  # noqa: DTZ001 -- a wall time, as the files hold it
"""When the demo's files say they were exported."""

_READY: Final = timedelta(seconds=60)
_POLL: Final = 0.05

Tell = Callable[[str], None]
"""Called with a line for the person who waits."""


@dataclass(frozen=True, slots=True)
class AcademySpec:
    """One académie to run; the ports are free ones on loopback, ``peers`` the servers it federates with."""

    name: AcademyName
    folder: Path
    client_port: int
    federation_port: int
    service_port: int
    authority: Authority
    peers: tuple[ServerName, ...]
    schools: tuple[DemoSchool, ...]
    seed: int


@dataclass(frozen=True, slots=True)
class Player:
    """Somebody with an account: what they log in with, what they are called, and what they are there to show."""

    academy: AcademyName
    school: Uai
    part: Part
    person: PersonId
    user: UserId
    password: str
    name: str = ""


class DemoAcademy:
    """Starts one académie, holds what was made, ends it."""

    def __init__(self, spec: AcademySpec) -> None:
        self.spec = spec
        self.name = spec.name
        self.config = spec.folder / "preau.toml"
        self.homeserver = Homeserver(
            HomeserverSpec(
                folder=spec.folder / "synapse",
                client_port=spec.client_port,
                federation_port=spec.federation_port,
                authority=spec.authority,
                peers=spec.peers,
                service_url=self._service_url,
            )
        )
        self.schools = {school.uai: school for school in spec.schools}
        self.casts = {school.uai: cast(school, pupils=school.uai in SCHOOLS_WITH_PUPILS) for school in spec.schools}
        self.players: tuple[Player, ...] = ()
        self._service: ChildProcess | None = None

    def player(self, school: Uai, part: Part) -> Player:
        """Who plays that part in that school."""
        return next(player for player in self.players if (player.school, player.part) == (school, part))

    @property
    def rosters_folder(self) -> Path:
        """The folder that holds one folder of roster files for each school."""
        return self.spec.folder / "rosters"

    def rosters(self, school: Uai) -> Path:
        """The folder of the school's roster files."""
        return self.rosters_folder / school

    async def prepare(self) -> None:
        """Writes the configuration and makes the empty store: one académie after the other, see `store.schema`."""
        self._write_configuration()
        async with self.context():
            pass

    async def start(self, tell: Tell) -> None:
        """Brings everything up; on any failure what runs already is ended by `stop`.

        Raises:
            PreauError: a part did not start or refused; the message says which.
        """
        tell(f"{self.name}: starting Synapse, reading the rosters of {len(self.schools)} school(s) …")
        with plainly():
            async with asyncio.TaskGroup() as group:
                group.create_task(self.homeserver.start())
                group.create_task(self._import_all())
        await self.start_service()
        tell(f"{self.name}: making accounts and rooms …")
        async with self.context() as context:
            await self._fill(context)
        tell(f"{self.name}: ready, {len(self.players)} people can log in.")

    async def stop(self) -> None:
        """Ends the service and the homeserver in order."""
        if self._service is not None:
            await asyncio.to_thread(self._service.stop)
        await self.homeserver.stop()

    async def start_service(self) -> None:
        """Starts ``preau serve`` and waits until it answers.

        Raises:
            ConfigError: it ended, or did not answer in time; the end of its log is in the advice.
        """
        child = self._service = ChildProcess.start(
            f"préau {self.name}", self.preau("serve"), log=self.spec.folder / "service.log", env=child_environment()
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_READY.total_seconds()):
                while child.exit_status() is None:
                    if await self._service_answers():
                        return
                    await asyncio.sleep(_POLL)
        raise ConfigError(f"{child.name} did not start.", advice=child.log_tail())

    def ended(self) -> tuple[ChildProcess, ...]:
        """Those of the académie's processes that were started and do not run any more."""
        children = (self._service, self.homeserver.process)
        return tuple(child for child in children if child is not None and child.exit_status() is not None)

    @property
    def service(self) -> ChildProcess:
        """The running service."""
        assert self._service is not None
        return self._service

    def preau(self, *arguments: str) -> list[str]:
        """The command line of ``preau`` for this académie."""
        return [sys.executable, "-m", "preau", *arguments, "--config", str(self.config)]

    @asynccontextmanager
    async def context(self) -> AsyncIterator[Context]:
        """The flows' parts, as the command builds them."""
        async with service.context(load(self.config)) as context:
            yield context

    @property
    def _service_url(self) -> str:
        return f"http://127.0.0.1:{self.spec.service_port}"

    async def _service_answers(self) -> bool:
        try:
            await SynapseApi(self._service_url).get("/health")
        except HomeserverError:
            return False
        return True

    def _write_configuration(self) -> None:
        spec, homeserver = self.spec, self.homeserver
        spec.folder.mkdir(parents=True, exist_ok=True)
        self.config.touch(mode=0o600)
        self.config.write_text(
            f"""# Written by `preau demo`. The settings of production are these, with secrets in files of their own.
[academy]
name = "{spec.name}"
server_name = "{homeserver.server_name}"
school_year = {DEMO_YEAR}

[homeserver]
url = "{homeserver.client_url}"
as_token = "{homeserver.as_token}"
hs_token = "{homeserver.hs_token}"

[store]
url = "sqlite:///{spec.folder.resolve() / "preau.db"}"

[service]
port = {spec.service_port}

[federation]
peers = {json.dumps(spec.peers)}
"""
            + "".join(
                f"\n[schools.{uai}]\npupil_accounts = true\n" for uai in self.schools if uai in SCHOOLS_WITH_PUPILS
            ),
            encoding="utf-8",
        )

    async def _import_all(self) -> None:
        mint = minter(Random(f"{self.spec.seed}/{self.name}/people"))
        async with self.context() as context:
            for school in self.spec.schools:
                files = await asyncio.to_thread(write_rosters, school, self.rosters(school.uai), taken_at=EXPORTED)
                await import_rosters(context, files, mint=mint, actor=ACTOR)

    async def _fill(self, context: Context) -> None:
        """Everybody's part, consent and account."""
        async with context.store.reading() as db:
            keys = [key for found in self.casts.values() for key in found.players]
            persons = await people.recognised(db, keys)
        players = tuple(self._players(self.casts.values(), persons))
        for player in players:
            if player.part in OPTED_IN:
                now = context.clock.now()
                consent = Consent(player.person, player.school, ConsentTopic.PARENT_ROOMS, now, "demo")
                await settle.grant(context, consent, actor=ACTOR)
        made = await activate(context, {player.person: player.password for player in players}, actor=ACTOR)
        if made.applied.refused:
            raise made.applied.refused[0].error
        names = {account.user: account.display_name for account in made.accounts}
        self.players = tuple(replace(player, name=names[player.user]) for player in players)

    def _players(self, casts: Iterable[Cast], persons: Mapping[RosterKey, PersonId]) -> Iterable[Player]:
        source = Random(f"{self.spec.seed}/{self.name}/passwords")
        for found in casts:
            for key, part in found.players.items():
                person = persons[key]
                user = user_id(person, self.homeserver.server_name)
                yield Player(self.name, found.school, part, person, user, new_password(source))


def child_environment() -> dict[str, str]:
    """Ours, without what would point a ``preau`` at another installation's secrets."""
    unwanted = {"PREAU_CONFIG", "PREAU_SECRETS", "CREDENTIALS_DIRECTORY"}
    return {name: value for name, value in os.environ.items() if name not in unwanted}
