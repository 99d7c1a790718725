"""A throw-away Redis from Debian's binary, for as long as a test runs: the cord between a homeserver's processes."""

from __future__ import annotations

import contextlib
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from preau.demo.processes import ChildProcess

_START_SECONDS: Final = 10


class RedisMissing(Exception):
    """Redis cannot run here; the text says why."""


class RedisServer:
    """A server on a Unix socket, with nothing on disk; it may be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self._folder = folder
        self._program = folder / "redis-server"
        self._process: ChildProcess | None = None
        self._program.symlink_to(_binary())

    def start(self) -> None:
        """Starts it and waits until it answers.

        Raises:
            RedisMissing: it does not.
        """
        options = ["--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no"]
        log = self._folder / "redis.log"
        self._process = ChildProcess.start("Redis", [str(self._program), *options], log=log, cwd=self._folder)
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.exit_status() is not None or time.monotonic() > deadline:
                raise RedisMissing(f"Redis did not start:\n{self._process.log_tail()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Ends it at once, as a crash would; harmless when it does not run."""
        if self._process is not None:
            self._process.kill()
        self.socket.unlink(missing_ok=True)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(self.socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(7) == b"+PONG\r\n"
        return False


@contextmanager
def running_redis(folder: Path) -> Iterator[RedisServer]:
    """Runs it in an existing folder whose path is short enough for a Unix socket.

    Raises:
        RedisMissing: the binary is not here, or does not start.
    """
    server = RedisServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _binary() -> Path:
    """The program itself: Debian's ``redis-tools`` holds it under another name, and starts no service of its own.

    It decides by the name that it is called by what it is to be (Redis, ``server.c``), hence the link in the folder.
    """
    found = shutil.which("redis-server") or shutil.which("redis-check-rdb")
    if found is None:
        raise RedisMissing("no redis-server here: as root, run `bash tests/needs.sh`")
    return Path(found).resolve()
