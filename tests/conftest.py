"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.postgresql_server import PostgresqlMissing, PostgresqlServer, running_postgresql
from tests.redis_server import RedisMissing, RedisServer, running_redis


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A throw-away PostgreSQL; tests that need it are skipped, with the reason, where it cannot run."""
    try:
        with running_postgresql() as server:
            yield server
    except PostgresqlMissing as reason:
        pytest.skip(f"PostgreSQL: {reason}")


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """A throw-away Redis; tests that need it are skipped, with the reason, where it cannot run."""
    with tempfile.TemporaryDirectory(prefix="preau-redis-") as folder:
        try:
            with running_redis(Path(folder)) as server:
                yield server
        except RedisMissing as reason:
            pytest.skip(f"Redis: {reason}")


@pytest.fixture
def make_database(postgresql: PostgresqlServer) -> Callable[[], str]:
    """Each call makes a new, empty PostgreSQL database and returns its address for SQLAlchemy."""
    return lambda: postgresql.url(postgresql.make_database())
