"""One homeserver in several processes, with the guard, for all tests of this folder."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from preau.demo.authority import Authority
from preau.demo.homeserver import PostgresDatabase
from tests.guard.guarded import Guarded, guarded_spec
from tests.postgresql_server import PostgresqlServer
from tests.redis_server import RedisMissing, RedisServer, running_redis
from tests.workers.harness import SeveralProcesses


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """A throw-away Redis; tests that need it are skipped, with the reason, where it cannot run."""
    with tempfile.TemporaryDirectory(prefix="preau-redis-") as folder:
        try:
            with running_redis(Path(folder)) as server:
                yield server
        except RedisMissing as reason:
            pytest.skip(f"Redis: {reason}")


@pytest.fixture(scope="session")
async def processes(
    tmp_path_factory: pytest.TempPathFactory, postgresql: PostgresqlServer, redis: RedisServer
) -> AsyncIterator[SeveralProcesses]:
    """Main, two generic workers and two event persisters, on PostgreSQL and Redis, all with the guard."""
    database = PostgresDatabase(postgresql.host, postgresql.port, postgresql.make_database(), postgresql.user)
    authority = Authority(tmp_path_factory.mktemp("workers-authority"))
    spec = guarded_spec(tmp_path_factory.mktemp("workers"), authority, database=database)
    async with SeveralProcesses(spec, redis) as homeserver:
        yield homeserver


@pytest.fixture(scope="session")
def several(processes: SeveralProcesses) -> Guarded:
    """What the guard's tests use, on that homeserver; requests go to main unless they say ``at``."""
    return Guarded(processes)
