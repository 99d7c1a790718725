"""Facts as one process of the homeserver knows them: read from the table when asked for, kept until they change.

::

    take() in any process ─► table ─► "something changed", to all processes (Synapse's own cache stream, over Redis)
                                            │
    a decision ─► changed? ── no ──► kept facts, no query at all
                     └─ yes ─► which facts changed since the version I know? ─► those are dropped ─► read when asked for

Once a second each process looks at the version itself, should a message of the cache stream be lost, and says that it
lives. A fact that cannot be read counts as unreadable, never as absent or as what it was before.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from synapse.module_api import ModuleApi

from preau.guard import tables
from preau.guard.bell import Bell
from preau.guard.tables import Position, Push
from preau.model.fact_codec import BrokenFact
from preau.model.facts import Fact, FactKey, FactKind, PersonFacts, RoomFacts, SchoolFacts, SharedRoomFacts, VouchFacts
from preau.model.ids import Uai

log = logging.getLogger(__name__)

_KEPT: Final = 50_000
"""Facts kept per process, about 1 kB each: everybody who wrote lately, and all rooms of an académie."""

_MANY: Final = 2_000
"""More changes than this, and everything is forgotten: reading a thousand ids costs more than reading what is asked."""

_LOOK_EVERY_MS: Final = 1_000
_SAY_EVERY_MS: Final = 10_000

_F = TypeVar("_F", bound=Fact)


class Unreadable(Exception):
    """The facts cannot be read at the moment: nothing may be allowed on their ground."""


class Facts:
    """The facts, for every part of the guard."""

    def __init__(self, api: ModuleApi, process: str) -> None:
        self._api = api
        self._process = process
        self._started = api.get_current_time_msec()
        self._said = 0
        self._said_version = self._version = -1
        self._kept: OrderedDict[FactKey, Fact | None] = OrderedDict()
        self._stream = ""
        self._rings, self._answered = 1, 0
        self._bell = Bell(api, "facts", self._hear)
        api.looping_background_call(self._look, _LOOK_EVERY_MS, desc="preau_guard_look", run_on_all_instances=True)

    async def person(self, user: str) -> PersonFacts | None:
        """Somebody of this académie; None if no fact is held of them.

        Raises:
            Unreadable: this, and every method below, when the database or a fact cannot be read.
        """
        return await self._get(PersonFacts, FactKind.PERSON, user)

    async def persons(self, users: Sequence[str]) -> Mapping[str, PersonFacts]:
        """The same of some hundred people, in one query; whoever is not known is left out."""
        if self._rung:
            await self._catch_up()
        kept = {user: self._kept[FactKind.PERSON, user] for user in users if (FactKind.PERSON, user) in self._kept}
        missing = [user for user in users if user not in kept]
        read = await self._read("preau_guard_facts", tables.facts, FactKind.PERSON, missing) if missing else {}
        everybody: Mapping[str, Fact | None] = {**kept, **read}
        return {user: found for user, found in everybody.items() if isinstance(found, PersonFacts)}

    async def school(self, school: str) -> SchoolFacts | None:
        """A school's own rules; None if it has none."""
        return await self._get(SchoolFacts, FactKind.SCHOOL, school)

    async def schools_of(self, *persons: PersonFacts) -> Mapping[Uai, SchoolFacts]:
        """The own rules of all the schools in which these people have a place."""
        named = {party.school for person in persons for party in person.parties}
        found = {school: await self.school(school) for school in named}
        return {school: facts for school, facts in found.items() if facts is not None}

    async def room(self, room: str) -> RoomFacts | None:
        """A managed room of this académie."""
        return await self._get(RoomFacts, FactKind.ROOM, room)

    async def shared_room(self, room: str) -> SharedRoomFacts | None:
        """A room of another académie that is open to some of our people."""
        return await self._get(SharedRoomFacts, FactKind.SHARED_ROOM, room)

    async def vouched(self, user: str) -> VouchFacts | None:
        """Somebody of another académie for whom it answers."""
        return await self._get(VouchFacts, FactKind.VOUCH, user)

    async def take(self, push: Push) -> Position:
        """Stores facts and tells every process; see `preau.guard.tables.take`."""
        held: Position = await self._api.run_db_interaction("preau_guard_take", tables.take, push)
        await self._bell.ring("facts")
        return held

    def _hear(self, _what: object) -> None:
        self._rings += 1

    @property
    def _rung(self) -> bool:
        """Whether something changed that this process has not dropped yet."""
        return self._answered < self._rings

    async def _get(self, kind: type[_F], fact_kind: FactKind, key: str) -> _F | None:
        if self._rung:
            await self._catch_up()
        found = await self._look_up((fact_kind, key))
        return found if isinstance(found, kind) else None

    async def _look_up(self, key: FactKey) -> Fact | None:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        version = self._version
        found: Fact | None = await self._read("preau_guard_fact", tables.fact, key)
        if version == self._version:
            self._keep(key, found)
        return found

    async def _read(self, name: str, statement: Callable[..., Any], *arguments: object) -> Any:
        try:
            return await self._api.run_db_interaction(name, statement, *arguments)
        except BrokenFact as error:
            log.error("A fact cannot be read, so nothing is allowed on its ground: %s", error)  # noqa: TRY400 -- no trace: the fact is at fault
            raise Unreadable from error
        except Exception as error:
            log.exception("The facts cannot be read")
            raise Unreadable from error

    def _keep(self, key: FactKey, found: Fact | None) -> None:
        self._kept[key] = found
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)

    async def _catch_up(self) -> None:
        """Drops what changed. It is answered at the end only: until then nobody decides by what is kept.

        Several may be at it at once; what the first of them found counts, and a ring meanwhile is answered anew.
        """
        rings = self._rings
        try:
            held: Position = await self._api.run_db_interaction("preau_guard_position", tables.position)
            changed: list[FactKey] = await self._api.run_db_interaction(
                "preau_guard_changed", tables.changed_since, self._version, _MANY
            )
        except Exception as error:
            log.exception("The facts' version cannot be read")
            raise Unreadable from error
        if self._answered >= rings:
            return
        if len(changed) >= _MANY or held.stream != self._stream:
            self._kept.clear()
        for key in changed:
            self._kept.pop(key, None)
        self._stream, self._version, self._answered = held.stream, held.version, rings

    async def _look(self) -> None:
        """Once a second: a change that nobody rang for is found, and the process says that it lives, or has caught up.

        It says so at once, whether this look or a decision before it found the change: an operator waits for it.
        """
        held: Position = await self._api.run_db_interaction("preau_guard_position", tables.position)
        if held != Position(self._stream, self._version):
            self._rings += 1
            await self._catch_up()
        now, version = self._api.get_current_time_msec(), self._version
        if version != self._said_version or now - self._said >= _SAY_EVERY_MS:
            await self._api.run_db_interaction(
                "preau_guard_note", tables.note_process, self._process, version, now, self._started
            )
            self._said, self._said_version = now, version
