"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.postgresql_server import PostgresqlMissing, PostgresqlServer, running_postgresql


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A throw-away PostgreSQL; tests that need it are skipped, with the reason, where it cannot run."""
    try:
        with running_postgresql() as server:
            yield server
    except PostgresqlMissing as reason:
        pytest.skip(f"PostgreSQL: {reason}")


@pytest.fixture
def make_database(postgresql: PostgresqlServer) -> Callable[[], str]:
    """Each call makes a new, empty PostgreSQL database and returns its address for SQLAlchemy."""
    return lambda: postgresql.url(postgresql.make_database())
