"""A service with a store of its own, and a real homeserver whose guard it tells."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from preau.clock import SystemClock
from preau.demo.homeserver import Homeserver as Synapse
from preau.matrix.calls import Endpoint
from preau.matrix.client import Homeserver
from preau.matrix.patience import Patience
from preau.model.fact_codec import decode
from preau.model.facts import Fact, FactKey, FactKind
from preau.model.ids import AcademyName, PersonId, RoomId, UserId, user_id
from preau.model.people import Function, RosterKey, RosterSource
from preau.model.rooms import RoomKey
from preau.model.snapshot import Snapshot
from preau.model.wanted import ActualAccount, ActualRoom
from preau.policy.wanted import ACADEMY
from preau.store import actual, people, snapshots
from preau.store import facts_outbox as outbox
from preau.store.engine import Store
from preau.sync.context import Academy, Context
from preau.sync.facts import Asked, derive
from tests.builders import guardian, pupil, school, staff

ROLL = school(
    pupil("ali"),
    guardian("paz", "ali"),
    guardian("max", "ali"),
    staff("dir", Function.DIRECTION),
    staff("lou", Function.TEACHER, teaches=["5 A"]),
)

ONCE = Patience(attempts=1, call_seconds=5)
"""One attempt, so that what is lost stays lost until the next push."""


@dataclass
class Service:
    """A store, and the guard it tells."""

    context: Context
    synapse: Synapse
    url: str

    async def has(self, roll: Snapshot) -> None:
        """A school's rosters, accepted."""
        async with self.context.store.writing() as db:
            now = self.context.clock.now()
            keys = {RosterKey(RosterSource.SIECLE_PERSON, roll.school, name): name for name in roll.names}
            await people.introduce(db, keys, now)
            saved = await snapshots.save(db, roll, now)
            await snapshots.accept(db, saved.id, now)

    async def opens(self, *names: str) -> None:
        """Accounts for these people, as far as the store knows."""
        async with self.context.store.writing() as db:
            now = self.context.clock.now()
            await actual.save_accounts(
                db, [ActualAccount(self.user(name), PersonId(name), "", True, now) for name in names]
            )

    async def makes(self, key: RoomKey, room: str) -> None:
        """A room, as far as the store knows."""
        async with self.context.store.writing() as db:
            await actual.save_room(db, ActualRoom(key, RoomId(room), "12", {}, {}))

    def user(self, name: str) -> UserId:
        return user_id(PersonId(name), self.synapse.server_name)

    async def right(self) -> dict[FactKey, Fact]:
        """What the guard should hold."""
        async with self.context.store.reading() as db:
            schools = [row.school for row in await snapshots.schools(db)]
            asked = Asked([*schools, ACADEMY], at=self.context.clock.now())
            found = await derive(db, self.context.academy, asked)
        return {key: fact for key, fact in found.items() if fact is not None}

    async def version(self) -> int:
        """How many pushes were queued so far, one way to see that nothing was."""
        async with self.context.store.reading() as db:
            found = await outbox.stream(db)
        return found.version if found else 0

    async def waiting(self) -> int:
        async with self.context.store.reading() as db:
            return (await outbox.lag(db))[0]

    async def last_told(self) -> set[str]:
        """The ids in the oldest push that waits."""
        async with self.context.store.reading() as db:
            groups = json.loads((await outbox.waiting(db, 1))[0].body)["facts"]
        return {key for group in groups.values() for key in group}


def held(synapse: Synapse) -> dict[FactKey, Fact]:
    """What the guard holds, read from the homeserver's database."""
    with sqlite3.connect(_database(synapse), timeout=10) as db:
        rows = db.execute("SELECT kind, id, body FROM preau_guard_fact WHERE body IS NOT NULL").fetchall()
    return {(FactKind(kind), key): decode(FactKind(kind), key, json.loads(body)) for kind, key, body in rows}


def _database(synapse: Synapse) -> Path:
    return synapse.spec.folder / "data" / "homeserver.db"


@asynccontextmanager
async def service_of(synapse: Synapse, store_url: str, url: str = "") -> AsyncIterator[Service]:
    """A service with that store; ``url`` leads to the homeserver by another way."""
    academy = Academy(AcademyName("nord"), synapse.server_name, synapse.bot, "12", 2025)
    endpoint = Endpoint(url or synapse.client_url, synapse.as_token, synapse.bot, synapse.server_name)
    store = Store(store_url)
    await store.migrate()
    try:
        async with Homeserver(endpoint, patience=ONCE) as homeserver:
            yield Service(Context(academy, store, homeserver, SystemClock()), synapse, store_url)
    finally:
        await store.close()


class Later(SystemClock):
    """A clock that is ahead."""

    def __init__(self, ahead: timedelta) -> None:
        super().__init__()
        self._ahead = ahead

    def now(self) -> Any:
        return super().now() + self._ahead


class older_copy:  # noqa: N801 -- read as a sentence: with an older copy
    """A copy of the homeserver's database as it is now; calling it puts the copy back."""

    def __init__(self, synapse: Synapse) -> None:
        self._file = _database(synapse)

    def __enter__(self) -> Any:
        self._copy = self._file.with_suffix(".copy")
        with sqlite3.connect(self._file) as source, sqlite3.connect(self._copy) as target:
            source.backup(target)
        return self.restore

    def restore(self) -> None:
        for beside in self._file.parent.glob(f"{self._file.name}-*"):
            beside.unlink()
        shutil.copy(self._copy, self._file)

    def __exit__(self, *_: object) -> None:
        self._copy.unlink()
