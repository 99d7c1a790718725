"""A real Synapse to measure on, and the CPU it uses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver, HomeserverSpec, PostgresDatabase, SqliteDatabase
from preau.demo.processes import free_ports
from preau.sync.context import Context
from tests.bench.academy import academy
from tests.bench.measure import cpu_of

_AS_DEPLOYED: Final = 12
"""Rounds of bcrypt in production; the demo takes fewer."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A running Synapse, an académie on it, and its CPU so far."""

    homeserver: Homeserver
    context: Context

    def cpu(self) -> float:
        """Seconds of CPU that Synapse has used."""
        process = self.homeserver._process
        assert process is not None
        return cpu_of(process.pid)


@asynccontextmanager
async def synapse(
    folder: Path, database: SqliteDatabase | PostgresDatabase, *, guard: bool = True
) -> AsyncIterator[Measured]:
    """Synapse as the role deploys it, in one process; guardians and staff have accounts, pupils none."""
    client, federation = free_ports(2)
    folder.mkdir(parents=True)
    spec = HomeserverSpec(
        folder / "synapse",
        client,
        federation,
        Authority(folder / "authority"),
        database=database,
        bcrypt_rounds=_AS_DEPLOYED,
        guard=guard,
    )
    async with (
        Homeserver(spec) as homeserver,
        academy(
            folder / "preau.db",
            url=homeserver.client_url,
            token=homeserver.as_token,
            server=homeserver.server_name,
            pupil_accounts=False,
        ) as context,
    ):
        yield Measured(homeserver, context)
