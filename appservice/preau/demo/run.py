"""The whole demo: two académies side by side, and one room that they share::

nord.start ─┐
            ├─► both ready ─► nord appoints two visitors ─► sud vouches ─► sud's teacher accepts ─► demo.json
sud.start  ─┘
"""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

from preau.demo.academy import ACTOR, AcademySpec, DemoAcademy, Player, Tell
from preau.demo.authority import Authority
from preau.demo.cast import DEMO_SCHOOLS, DEMO_SEED, NORD, SUD, invent_demo_school
from preau.demo.homeserver import server_name_at
from preau.demo.parts import Part
from preau.demo.processes import free_ports
from preau.errors import HomeserverError, UsageError, plainly
from preau.model.decisions import Appointment, Mandate
from preau.model.ids import AcademyName, PersonId, RoomId, UserId
from preau.model.rooms import RoomKey, RoomKind
from preau.store import actual
from preau.sync import settle

SHARED_ROOM: Final = "Orchestre"
"""The name of the room that both académies share."""

_AGREED_IN: Final = 30.0
"""Seconds in which the services of both académies have told each other what they must."""
_POLL: Final = 0.2


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """How to run the demo.

    Args:
        folder: where everything is kept; empty or not there yet.
        seed: which people are invented.
        nord_port, sud_port: where clients reach the homeservers; None for free ports.
    """

    folder: Path
    seed: int = DEMO_SEED
    nord_port: int | None = None
    sud_port: int | None = None


class Demo:
    """Two académies, started and ended together. Use it with ``async with``.

    Args:
        options: see there.
        tell: told what goes on, a line at a time.

    Raises:
        UsageError: the folder is not empty, or a port is taken.
    """

    def __init__(self, options: DemoOptions, tell: Tell = lambda _: None) -> None:
        self.folder = _empty(options.folder)
        self.seed = options.seed
        self.authority = Authority(self.folder / "authority")
        self.shared = RoomKey(RoomKind.INTER_ACADEMY, DEMO_SCHOOLS[0].uai, SHARED_ROOM)
        self.shared_room = RoomId("")
        self._tell = tell
        self.nord, self.sud = self._academies(options)

    @property
    def academies(self) -> tuple[DemoAcademy, DemoAcademy]:
        """Both, nord first."""
        return self.nord, self.sud

    @property
    def visitors(self) -> tuple[Player, Player]:
        """The teachers who meet in the shared room, nord's first."""
        first, second = DEMO_SCHOOLS[0].uai, DEMO_SCHOOLS[-1].uai
        return self.nord.player(first, Part.TEACHER), self.sud.player(second, Part.TEACHER)

    async def __aenter__(self) -> Self:
        """Starts everything; whatever goes wrong meanwhile, nothing is left running."""
        try:
            for academy in self.academies:
                await academy.prepare()
            with plainly():
                async with asyncio.TaskGroup() as group:
                    for academy in self.academies:
                        group.create_task(academy.start(self._tell))
            self._tell("Opening a room that both académies share …")
            await self._share()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Ends every process, both académies at once."""
        async with asyncio.TaskGroup() as group:
            for academy in self.academies:
                group.create_task(academy.stop())

    def _academies(self, options: DemoOptions) -> tuple[DemoAcademy, DemoAcademy]:
        wished: dict[AcademyName, int | None] = {NORD: options.nord_port, SUD: options.sud_port}
        if options.nord_port is not None and options.nord_port == options.sud_port:
            raise UsageError(f"Both académies cannot have port {options.nord_port}.")
        ports = iter([port for port in free_ports(8) if port not in wished.values()])
        clients = {name: next(ports) if port is None else _free(port) for name, port in wished.items()}
        federation = {name: next(ports) for name in wished}

        def academy(name: AcademyName, peer: AcademyName) -> DemoAcademy:
            spec = AcademySpec(
                name=name,
                folder=self.folder / name,
                client_port=clients[name],
                federation_port=federation[name],
                service_port=next(ports),
                authority=self.authority,
                peers=(server_name_at(federation[peer]),),
                schools=tuple(invent_demo_school(s, seed=options.seed) for s in DEMO_SCHOOLS if s.academy == name),
                seed=options.seed,
            )
            return DemoAcademy(spec)

        return academy(NORD, SUD), academy(SUD, NORD)

    async def _share(self) -> None:
        """A teacher of each académie is appointed visitor of a room at nord; sud's accepts the invitation."""
        ours, theirs = self.visitors
        async with self.nord.context() as context:
            for holder in (ours.person, theirs.user):
                await settle.appoint(context, self._visit(holder, context.clock.now()), actor=ACTOR)
            async with context.store.reading() as db:
                rooms = await actual.rooms_of_school(db, self.shared.school)
        self.shared_room = rooms[self.shared].room
        await self._enter(theirs, self.shared_room)

    async def _enter(self, theirs: Player, room: RoomId) -> None:
        """Sud's visitor enters once both services have agreed: sud has vouched for them, nord has invited them.

        Raises:
            HomeserverError: they could not enter in half a minute.
        """
        path, began = f"/_matrix/client/v3/join/{quote(room)}", time.monotonic()
        while True:
            try:
                await self.sud.homeserver.api(theirs.user).post(path, {})
            except HomeserverError:
                if time.monotonic() - began > _AGREED_IN:
                    raise
                await asyncio.sleep(_POLL)
            else:
                return

    def _visit(self, holder: PersonId | UserId, now: datetime) -> Appointment:
        return Appointment(
            id=0,
            holder=holder,
            role=Mandate.VISITOR,
            school=self.shared.school,
            division=None,
            scope=self.shared.scope,
            appointed_by=ACTOR,
            since=now,
            until=None,
        )


def _empty(folder: Path) -> Path:
    """The folder, made if missing.

    Raises:
        UsageError: something is in it, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        holds_something = any(folder.iterdir())
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be used: {error.strerror}.") from None
    if holds_something:
        raise UsageError(f"The folder {folder} is not empty.", advice="Name a new one: the demo begins afresh.")
    return folder.resolve()


def _free(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a port just left is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(f"Port {port} cannot be used: {error.strerror}.", advice="Choose another.") from None
    return port
