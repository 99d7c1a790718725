"""A throw-away nginx from Debian's package, with a configuration of the test's, for as long as a test runs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from preau.demo.processes import ChildProcess

_START_SECONDS: Final = 10
_SBIN: Final = "/usr/sbin"
"""Not in everybody's PATH."""


class NginxMissing(Exception):
    """nginx cannot run here; the text says why."""


def nginx_program() -> str:
    """Where nginx is.

    Raises:
        NginxMissing: it is not installed.
    """
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:{_SBIN}")
    if program is None:
        raise NginxMissing("it is not installed (apt install nginx)")
    return program


def nginx_version() -> tuple[int, ...]:
    """Such as (1, 22, 1).

    Raises:
        NginxMissing: it is not installed.
    """
    said = subprocess.run([nginx_program(), "-v"], capture_output=True, text=True, check=True).stderr
    return tuple(int(part) for part in said.strip().rpartition("/")[2].split(" ")[0].split("."))


@contextmanager
def running_nginx(configuration: Path, port: int) -> Iterator[ChildProcess]:
    """nginx with this configuration, once it answers on ``port`` of loopback.

    Raises:
        NginxMissing: it does not start; the text ends with what it said.
    """
    process = ChildProcess.start(
        "nginx",
        [nginx_program(), "-e", "stderr", "-c", str(configuration), "-g", _options(configuration.parent)],
        log=configuration.parent / "nginx.log",
    )
    try:
        _wait_for(port, process)
        yield process
    finally:
        process.kill()


def _options(folder: Path) -> str:
    # Root's nginx would work as nobody, who may not look into a test's folder.
    user = "user root;" if os.geteuid() == 0 else ""
    return f"daemon off; pid {folder / 'nginx.pid'}; {user}"


def _wait_for(port: int, process: ChildProcess) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.exit_status() is not None or time.monotonic() > deadline:
                raise NginxMissing(f"it did not start:\n{process.log_tail()}") from None
            time.sleep(0.02)
        else:
            return
