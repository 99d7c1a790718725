"""`preau` as an operator runs it: a process of its own, with a configuration file, on a homeserver of the tests."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from preau.demo.academy import child_environment
from preau.demo.homeserver import Homeserver

_CONFIGURATION: Final = """
[academy]
name = "nord"
server_name = "{synapse.server_name}"
school_year = 2025

[homeserver]
url = "{synapse.client_url}"
as_token = "{synapse.as_token}"
hs_token = "{synapse.hs_token}"
workers = {workers}

[federation]
peers = {peers}

[store]
url = "sqlite:///{folder}/preau.db"
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it printed on its two outputs."""

    status: int
    output: str
    errors: str

    @property
    def answer(self) -> Any:
        """What it says to programs (``--json``)."""
        assert self.output, self.errors
        return json.loads(self.output)


def configured(homeserver: Homeserver, folder: Path, more: str = "", *, workers: Sequence[str] = ()) -> Path:
    """The configuration of a service of that homeserver whose database is in that folder."""
    config = folder / "preau.toml"
    peers = [*homeserver.spec.peers]
    filled = _CONFIGURATION.format(synapse=homeserver, folder=folder, peers=peers, workers=[*workers])
    config.write_text(filled + more, encoding="utf-8")
    return config


async def preau(config: Path, *words: str, given: str = "") -> Ended:
    """Runs the command to its end; ``given`` is its standard input."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "preau", *words, "--config", str(config)),
        env=child_environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate(given.encode())
    return Ended(process.returncode or 0, output.decode(), errors.decode())


async def doctor(config: Path) -> tuple[int, dict[str, Any], set[str]]:
    """`preau doctor`: its exit status, what it found, and the names of the checks that found something wrong."""
    ended = await preau(config, "doctor", "--json")
    trouble = [check for check in ended.answer["checks"] if not check["well"]]
    print(*trouble, sep="\n")  # pytest shows it where a test fails
    return ended.status, ended.answer, {check["check"] for check in trouble}
