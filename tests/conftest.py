"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.postgresql_server import PostgresqlMissing, PostgresqlServer, running_postgresql
from tests.redis_server import RedisMissing, RedisServer, running_redis

EVERYTHING: Final = "PREAU_EVERYTHING" in os.environ
"""Whether a test that is left out counts as failed: continuous integration is not to be green for want of a program."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Nobody shall think that everything was tried. Of several processes, the one that reports reads only this file."""
    if "PREAU_TEST_HOSTS" not in os.environ:
        terminalreporter.write_line("left out: tests/hosts, deployments to real hosts (make test-hosts)")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that was skipped has failed, where everything is wanted."""
    report = yield
    if EVERYTHING and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"left out, where nothing may be: {report.longrepr}"
    return report


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
