"""Programs of the machine, run with an end, and a failure that says what they printed."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_POLL_SECONDS: Final = 0.05


class CommandFailed(Exception):
    """A program ended with another status than 0; the text holds what it printed."""

    def __init__(self, command: Sequence[str], status: int, output: str) -> None:
        super().__init__(f"{shlex.join(command)} ended with {status}:\n{output}")
        self.status = status
        self.output = output


def run(
    *command: str | Path,
    seconds: float = 60,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    cwd: Path | None = None,
) -> str:
    """Runs a program to its end and returns its standard output; ``env`` comes on top of our own environment.

    Raises:
        CommandFailed: it ended with another status than 0.
        subprocess.TimeoutExpired: it did not end in time, and was killed.
    """
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        env={**os.environ, **(env or {})},
        input=stdin,
        cwd=cwd,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
    )
    if done.returncode:
        raise CommandFailed(words, done.returncode, done.stdout + done.stderr)
    return done.stdout


@dataclass(frozen=True, slots=True)
class Process:
    """A process by its number and the moment it began: a number that was given away again is not taken for it."""

    pid: int
    began: str

    @classmethod
    def of(cls, pid: int) -> Self:
        return cls(pid, _began(pid) or "")

    @classmethod
    def parse(cls, text: str) -> Self:
        pid, _, began = text.strip().partition(" ")
        return cls(int(pid), began)

    def __str__(self) -> str:
        return f"{self.pid} {self.began}"

    def alive(self) -> bool:
        return bool(self.began) and _began(self.pid) == self.began

    def children(self) -> list[int]:
        try:
            return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        except OSError:
            return []

    def kill(self, seconds: float = 20) -> None:
        """SIGKILL, and waits until it is gone; harmless when it is gone already.

        Raises:
            TimeoutError: it is still there after that time.
        """
        if not self.alive():
            return
        os.kill(self.pid, signal.SIGKILL)
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {self.pid} does not end")
            time.sleep(_POLL_SECONDS)


def detached(command: Sequence[str], log: Path, env: Mapping[str, str]) -> Process:
    """Starts a program that outlives us; all it prints is added to ``log``."""
    with log.open("ab") as file, Path("/dev/null").open("rb") as nothing:
        actions = [(os.POSIX_SPAWN_DUP2, nothing.fileno(), 0)]
        actions += [(os.POSIX_SPAWN_DUP2, file.fileno(), number) for number in (1, 2)]
        pid = os.posix_spawnp(command[0], command, {**os.environ, **env}, file_actions=actions, setsid=True)
    return Process.of(pid)


def _began(pid: int) -> str | None:
    """The start time of a process in the kernel's ticks; None for one that is gone, or dead and not yet buried."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]
