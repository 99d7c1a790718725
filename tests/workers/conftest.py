"""One homeserver in several processes, with the guard, for all tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from preau.demo.authority import Authority
from preau.demo.homeserver import PostgresDatabase
from tests.guard.guarded import Guarded, guarded_spec
from tests.postgresql_server import PostgresqlServer
from tests.redis_server import RedisServer
from tests.workers.harness import SeveralProcesses


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
