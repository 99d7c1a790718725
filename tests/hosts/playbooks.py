"""Runs the playbooks as an operator would, over SSH, and reads what they did."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).resolve().parents[2]
_RECAP: Final = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)
_TASK: Final = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(.+?)\] \*+$")
_CHANGED: Final = re.compile(r"^changed: \[([^\]]+)\]")
_DIFF: Final = re.compile(r"^(?:---|\+\+\+) (?:before|after)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Played:
    """A playbook's run that ended well or not."""

    name: str
    status: int
    seconds: float
    output: str

    @property
    def changed(self) -> dict[str, int]:
        """By host: how many tasks changed something, or would have in check mode."""
        return {host: int(changed) for host, _, changed, _, _ in _RECAP.findall(self.output)}

    @property
    def changed_tasks(self) -> list[str]:
        """`host: task`, for messages."""
        found, task = [], ""
        for line in self.output.splitlines():
            if named := _TASK.match(line):
                task = named[1]
            elif changed := _CHANGED.match(line):
                found.append(f"{changed[1]}: {task}")
        return found

    @property
    def shows_diff(self) -> bool:
        return _DIFF.search(self.output) is not None

    def expect_success(self) -> Played:
        """Itself, if no task failed.

        Raises:
            AssertionError: with the end of what was printed.
        """
        assert self.status == 0, f"{self.name} failed after {self.seconds:.0f} s:\n{self.output[-6000:]}"
        return self


def play(
    inventory: Path,
    playbook: str,
    *options: str,
    log: Path,
    seconds: float = 2400,
    checkout: Path = CHECKOUT,
    resident: bool = False,
) -> Played:
    """`ansible-playbook -i inventory deploy/PLAYBOOK.yml …` in a checkout; all it prints also goes to ``log``.

    ``resident``: over SSH all the same, but Python stays on the hosts from the first task to the last.
    """
    command = [_program("ansible-playbook"), "-i", str(inventory), f"deploy/{playbook}.yml", *options]
    began = time.monotonic()
    with log.open("w") as file:
        done = subprocess.run(
            command,
            cwd=checkout,
            env={**os.environ, **_ENVIRONMENT, **(_residence() if resident else {})},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
    name = " ".join([f"{playbook}.yml", *options])
    played = Played(name, done.returncode, time.monotonic() - began, log.read_text(errors="replace"))
    print(f"hosts: {name}: {played.seconds:.0f} s, status {played.status}", flush=True)
    return played


_TIMES: Final = "ansible.posix.profile_tasks"  # the logs say what took how long
_ENVIRONMENT: Final[Mapping[str, str]] = {
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_FORCE_COLOR": "0",
    "ANSIBLE_HOME": str(Path(os.environ.get("ANSIBLE_HOME", "~/.ansible")).expanduser()),
    "PYTHONDONTWRITEBYTECODE": "1",
    "ANSIBLE_CALLBACKS_ENABLED": _TIMES,
}


def _residence() -> dict[str, str]:
    """What makes Ansible run its tasks by Mitogen."""
    found = importlib.util.find_spec("ansible_mitogen")
    assert found is not None, "`make test-hosts` installs it"
    assert found.origin is not None
    plugins = Path(found.origin).parent / "plugins" / "strategy"
    return {
        "ANSIBLE_STRATEGY": "mitogen_linear",
        "ANSIBLE_STRATEGY_PLUGINS": str(plugins),
        "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("plugins")),
        "ANSIBLE_CALLBACKS_ENABLED": f"{_TIMES},unbound",
    }


def _program(name: str) -> str:
    """Beside the Python that runs the tests, so that the environment need not be activated."""
    return str(Path(sys.executable).with_name(name))
