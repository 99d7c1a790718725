"""On which database, and with which room version, a module's homeservers run: the two that lie furthest apart."""

from __future__ import annotations

from typing import Final

import pytest

from preau.demo.homeserver import PostgresDatabase, SqliteDatabase
from tests.postgresql_server import PostgresqlServer

DATABASES_AND_VERSIONS: Final = (
    pytest.param(("sqlite", "12"), id="12"),
    pytest.param(("postgresql", "11"), id="11-postgresql", marks=pytest.mark.postgresql),
)
"""Parameters of a fixture that hands the first of each to `database`."""


def database(request: pytest.FixtureRequest, engine: str) -> SqliteDatabase | PostgresDatabase:
    """A new database of that engine."""
    if engine == "sqlite":
        return SqliteDatabase()
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return PostgresDatabase(server.host, server.port, server.make_database(), server.user)
