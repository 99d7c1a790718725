"""Child processes that are ours: they log into a file, and end when we do, however we end."""

from __future__ import annotations

import collections
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from preau.errors import UsageError

_LAUNCHER: Final = Path(__file__).with_name("launcher.py")


_PORTS: Final = range(10_000, 32_768)
"""Below those from which Linux takes one for each connection out (``ip_local_port_range``, by default from 32,768): of
those, any program's next connection may take one between its choice and its use."""

_untried: Final = itertools.cycle(_PORTS)
# Processes beside us, with pids near ours, begin far away: none tries what another has chosen and does not use yet.
collections.deque(itertools.islice(_untried, os.getpid() * 7_919 % len(_PORTS)), maxlen=0)


def free_ports(count: int) -> tuple[int, ...]:
    """That many distinct TCP ports that nobody on loopback uses at this moment, other than at every call before.

    Raises:
        UsageError: there are not so many.
    """
    ports: list[int] = []
    for port in itertools.islice(_untried, len(_PORTS)):
        if len(ports) == count:
            return tuple(ports)
        with socket.socket() as probe, contextlib.suppress(OSError):  # somebody else's
            probe.bind(("127.0.0.1", port))
            ports.append(port)
    raise UsageError(f"No {count} TCP ports are free between {_PORTS.start} and {_PORTS.stop - 1}.")


def tied_to_us(command: Sequence[str], *, user: str = "-") -> list[str]:
    """The command so that it is killed when the process that starts it ends, however that ends."""
    return [sys.executable, "-I", str(_LAUNCHER), str(os.getpid()), user, *command]


@dataclass(frozen=True, slots=True)
class ChildProcess:
    """A running (or ended) child, leader of its own process group, its output in ``log``."""

    name: str
    log: Path
    _process: subprocess.Popen[bytes]

    @classmethod
    def start(  # noqa: PLR0913 -- what a process needs, all but two by name
        cls,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str = "-",
    ) -> ChildProcess:
        """Starts the command; returns at once.

        Call it from a thread that lives as long as the child should: Linux counts the *thread* as the parent.

        Args:
            name: how people and errors call it.
            command: program and arguments; the program is looked up in PATH.
            log: file that standard output and error are appended to.
            env: the whole environment; ours by default.
            cwd: the folder to start in; ours by default.
            user: the user to become (root may), ``-`` to stay who we are.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 -- our own launcher, and no shell
                tied_to_us(command, user=user),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
                start_new_session=True,  # Ctrl-C reaches us only; we end the children in order
            )
        return cls(name, log, process)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def exit_status(self) -> int | None:
        """The exit status (negative: the signal that ended it), or None while it runs."""
        return self._process.poll()

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of its output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, bound: float = 10.0) -> int:
        """Asks it to end, forces it after so many seconds, and returns the exit status. Harmless when it has ended."""
        self._signal(signal.SIGTERM)
        try:
            return self._process.wait(bound)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """Ends it and its whole group at once (SIGKILL) and returns the exit status."""
        self._signal(signal.SIGKILL)
        return self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
