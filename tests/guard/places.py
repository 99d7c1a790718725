"""Where a module's homeservers run: on which database, with which room version, in one process or in several."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import pytest

from preau.demo.homeserver import PostgresDatabase, SqliteDatabase
from tests.postgresql_server import PostgresqlServer
from tests.redis_server import RedisServer
from tests.workers.harness import SeveralProcesses


def database(request: pytest.FixtureRequest, engine: str) -> SqliteDatabase | PostgresDatabase:
    """A new database of that engine."""
    if engine == "sqlite":
        return SqliteDatabase()
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return PostgresDatabase(server.host, server.port, server.make_database(), server.user)


def one_process(_request: pytest.FixtureRequest) -> dict[str, Any]:
    """For `neighbours`: ours in one process, on SQLite."""
    return {}


def several_processes(request: pytest.FixtureRequest) -> dict[str, Any]:
    """For `neighbours`: ours in several, on PostgreSQL; others come to a worker, events are written by two more."""
    redis: RedisServer = request.getfixturevalue("redis")
    return {
        "database": database(request, "postgresql"),
        "run": partial(SeveralProcesses, redis=redis, federated_by="generic1"),
    }


DATABASES_AND_VERSIONS: Final = (
    pytest.param(("sqlite", "12"), id="12"),
    pytest.param(("postgresql", "11"), id="11-postgresql", marks=pytest.mark.postgresql),
)
"""Parameters of a fixture that hands the first of each to `database`: the two that lie furthest apart."""

ONE_OR_SEVERAL: Final = (
    pytest.param(one_process, id="one"),
    pytest.param(several_processes, id="several", marks=pytest.mark.postgresql),
)
"""Parameters of a fixture that has each tell what more `neighbours` needs."""
