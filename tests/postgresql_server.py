"""A throw-away PostgreSQL from Debian's binaries, for as long as the tests run."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg

from preau.demo.processes import ChildProcess, free_ports

_DEBIAN: Final = Path("/usr/lib/postgresql")
_LOCALE: Final = ("--locale=C", "--encoding=UTF8")  # Synapse accepts no other
_OPTIONS: Final = ("-c", "max_connections=200")
_FAST: Final = ("-c", "fsync=off", "-c", "full_page_writes=off")
_START_SECONDS: Final = 30


class PostgresqlMissing(Exception):
    """PostgreSQL cannot run here; the text says why."""


class PostgresqlServer:
    """A running server on loopback that trusts everybody; user ``postgres``."""

    def __init__(self, port: int) -> None:
        self.host = "127.0.0.1"
        self.port = port
        self.user = "postgres"
        self._numbers = itertools.count(1)

    def url(self, database: str) -> str:
        """The database's address for SQLAlchemy."""
        return f"postgresql+psycopg://{self.user}@{self.host}:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Makes an empty database (UTF8, locale C) and returns its address for SQLAlchemy."""
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)

    def make_database(self) -> str:
        """The name of a new, empty database that nobody else uses."""
        name = f"test_{next(self._numbers)}"
        self.create_database(name)
        return name

    def is_ready(self) -> bool:
        """Whether it takes connections."""
        try:
            psycopg.connect(self._conninfo, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def _conninfo(self) -> str:
        return f"host={self.host} port={self.port} user={self.user} dbname=postgres"


@contextmanager
def running_postgresql(*, durable: bool = False) -> Iterator[PostgresqlServer]:
    """Makes a cluster in a folder of its own, runs it, ends it and removes the folder.

    Tests do not wait for the disk; what is ``durable`` does, as in production, where every transaction costs that.

    As root it runs as the user ``postgres``, since the server refuses to be root. pytest's own folders are closed to
    that user, hence one that is not.

    Raises:
        PostgresqlMissing: the binaries, or a user to run them as, are not here.
    """
    binaries, user = _binaries(), _user()
    with tempfile.TemporaryDirectory(prefix="preau-postgresql-") as name:
        folder = Path(name)
        if user != "-":
            shutil.chown(folder, user)
        cluster = folder / "cluster"
        _run_as(user, [str(binaries / "initdb"), "-D", str(cluster), "-U", "postgres", "-A", "trust", "-N", *_LOCALE])
        (port,) = free_ports(1)
        options = ["-p", str(port), "-h", "127.0.0.1", "-k", str(folder), *_OPTIONS, *(() if durable else _FAST)]
        command = [str(binaries / "postgres"), "-D", str(cluster), *options]
        process = ChildProcess.start("PostgreSQL", command, log=folder / "postgresql.log", user=user, cwd=folder)
        try:
            yield _wait_until_ready(PostgresqlServer(port), process)
        finally:
            process.stop()


def _binaries() -> Path:
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name))
    if not versions:
        raise PostgresqlMissing(f"no PostgreSQL server in {_DEBIAN}: as root, run `bash tests/needs.sh`")
    return versions[-1].parent


def _user() -> str:
    return "postgres" if os.geteuid() == 0 else "-"


def _run_as(user: str, command: list[str]) -> None:
    prefix = [] if user == "-" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    done = subprocess.run([*prefix, *command], capture_output=True, text=True, check=False, cwd="/")
    if done.returncode:
        raise PostgresqlMissing(f"{command[0]} failed: {done.stderr.strip()}")


def _wait_until_ready(server: PostgresqlServer, process: ChildProcess) -> PostgresqlServer:
    deadline = time.monotonic() + _START_SECONDS
    while not server.is_ready():
        if process.exit_status() is not None or time.monotonic() > deadline:
            raise PostgresqlMissing(f"PostgreSQL did not start:\n{process.log_tail()}")
        time.sleep(0.05)
    return server
