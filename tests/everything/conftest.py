"""The homeserver of the matrix, with everybody on it, and the record of what was tried."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver, PostgresDatabase
from tests.everything.conversations import accounts_needed
from tests.everything.managed import members_needed
from tests.everything.trial import WHOLE, Record
from tests.everything.world import OPERATOR, World
from tests.guard.guarded import Guarded, guarded_spec
from tests.guard.sabotage import PYTHONPATH, OtherSynapse, sabotaged
from tests.postgresql_server import PostgresqlMissing, PostgresqlServer, running_postgresql
from tests.redis_server import RedisMissing, RedisServer, running_redis
from tests.workers.harness import MAIN, ONE_OF_EACH, SeveralProcesses

_OTHER = (
    "synapse.events.snapshot:EventContext.get_prev_state_ids",
    "synapse.handlers.room_member:RoomMemberHandler.do_3pid_invite",
    "synapse.handlers.deactivate_account:DeactivateAccountHandler.deactivate_account",
    "synapse.storage.databases.main.media_repository:MediaRepositoryStore.get_media_uploaded_size_for_user",
)
"""Inner parts of Synapse without which the guard is slower, or speaks in other words, and decides the same."""

_LISTING = {"module": "tests.guard.route_listing.RouteListing", "config": {}}

_TOGETHER: Final = pytest.mark.xdist_group("everybody")
_ACROSS: Final = pytest.mark.xdist_group("across")

Servers = tuple[PostgresqlServer, RedisServer]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Where two processes share the tests, one of them alone has everybody, who are long to make."""
    if item.path.parent.name == "everything":
        item.add_marker(_ACROSS if item.path.stem == "test_between_academies" else _TOGETHER)


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Iterator[Servers | None]:
    """For the whole matrix, what several processes need; None, for SQLite and one process, in the sample.

    Where they are missing it says so, and the whole matrix runs on SQLite, too.
    """
    with ExitStack() as stack:
        found = None
        try:
            if WHOLE:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="preau-redis-")))
                found = stack.enter_context(running_postgresql()), stack.enter_context(running_redis(folder))
        except (PostgresqlMissing, RedisMissing) as reason:
            pytestconfig.get_terminal_writer().line(f"\nthe matrix runs on SQLite, in one process: {reason}")
        yield found


@pytest.fixture(scope="session", params=[()] if WHOLE else [(), _OTHER], ids=lambda parts: "other" if parts else "")
def changed(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The parts that are not as in the release that the guard was made for: the sample is tried on such a one, too."""
    parts: tuple[str, ...] = request.param
    return parts


@pytest.fixture(scope="session")
def homeserver(
    changed: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory, servers: Servers | None
) -> Homeserver:
    """Guarded, and telling its routes; not started."""
    folder, authority = tmp_path_factory.mktemp("everything"), Authority(tmp_path_factory.mktemp("authority"))
    more: dict[str, Any] = {"operator": OPERATOR, "modules": (_LISTING,)}
    if servers is None:
        spec = guarded_spec(folder, authority, **more)
        return Homeserver(sabotaged(spec, OtherSynapse, {"parts": changed}) if changed else spec)
    postgresql, redis = servers
    more["database"] = PostgresDatabase(postgresql.host, postgresql.port, postgresql.make_database(), postgresql.user)
    return SeveralProcesses(guarded_spec(folder, authority, **more), redis, workers=ONE_OF_EACH)


@pytest.fixture(scope="session")
async def world(homeserver: Homeserver) -> AsyncIterator[World]:
    """Everybody, on that homeserver."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", PYTHONPATH)  # for Synapse to find the modules of the tests
        await homeserver.start()
    try:
        one = {MAIN: homeserver.client_url}
        urls = homeserver.urls if isinstance(homeserver, SeveralProcesses) else one
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as session:
            found = World(Guarded(homeserver), session, urls)
            await found.read_routes()
            await found.populate(accounts_needed(), members_needed())
            yield found
    finally:
        await homeserver.stop()


@pytest.fixture(scope="session")
def record() -> Record:
    """What was tried so far."""
    return Record()
