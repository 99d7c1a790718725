"""One homeserver in several processes, as a large académie runs it::

                      ┌─ main ──────── clients, federation (unless a generic worker has its port), replication
    test ─ HTTP ──────┼─ generic1 ──── clients, federation
     (each process    ├─ generic2 ──── clients, federation
      by its own port)├─ persister1 ── replication (clients too, so that it can be asked); writes some rooms' events
                      └─ persister2 ── the same for the other rooms; which, Synapse works out from the room's id
                               │
                   Redis ──────┴────── PostgreSQL

The configuration is the role's own, and one file more that turns it into worker mode; the guard is loaded by that
configuration, in every process.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp

from preau.demo.homeserver import Homeserver, HomeserverSpec
from preau.demo.processes import ChildProcess, free_ports
from tests.redis_server import RedisServer

MAIN: Final = "main"
PERSISTER: Final = "persister1"
PERSISTERS: Final = (PERSISTER, "persister2")
WORKERS: Final = ("generic1", "generic2", *PERSISTERS)
ONE_OF_EACH: Final = ("generic1", PERSISTER)
"""Beside main, a process of each kind: what more of them do besides is hear of each other's events."""

_START_SECONDS: Final = 60


class SeveralProcesses(Homeserver):
    """A homeserver whose events are written by the persisters, each those of its rooms, and made by any process."""

    def __init__(
        self, spec: HomeserverSpec, redis: RedisServer, *, federated_by: str = MAIN, workers: Sequence[str] = WORKERS
    ) -> None:
        super().__init__(spec)
        self.redis = redis
        self.workers = workers
        self.persisters = [name for name in workers if name in PERSISTERS]
        self._federated_by = federated_by
        names = (MAIN, *workers)
        ports = iter(free_ports(2 * len(names)))
        self._replication = {name: next(ports) for name in names}
        self._clients = {name: next(ports) for name in names} | {MAIN: spec.client_port}
        self._running: dict[str, ChildProcess] = {}

    @property
    def urls(self) -> Mapping[str, str]:
        """Where each process takes clients' requests, by its name."""
        return {name: f"http://127.0.0.1:{port}" for name, port in self._clients.items()}

    def configuration_files(self) -> tuple[Path, ...]:
        """The role's, and the one that says who does what."""
        return (*super().configuration_files(), self._config / "50-workers.yaml")

    def configure(self) -> tuple[Path, ...]:
        """Also writes the file of worker mode, and one for each worker."""
        rendered = super().configure()
        shared = self._config / "50-workers.yaml"
        shared.write_text(json.dumps(self._shared()), encoding="utf-8")
        for name in self.workers:
            self._file_of(name).write_text(json.dumps(self._own(name)), encoding="utf-8")
        return (*rendered, shared)

    async def start(self, *arguments: Any) -> None:
        """Main first, which makes the tables, then the workers."""
        await super().start(*arguments)
        try:
            for name in self.workers:
                self.run(name)
            for name in self.workers:
                await self.answers(name)
        except BaseException:
            await self.kill()
            raise

    async def stop(self) -> None:
        """Ends the workers, then main."""
        await asyncio.gather(*(asyncio.to_thread(worker.stop) for worker in self._running.values()))
        await super().stop()

    async def kill(self) -> None:
        """Ends all at once, as a power cut would."""
        for worker in self._running.values():
            worker.kill()
        await super().kill()

    def run(self, name: str) -> None:
        """Starts one worker; returns at once."""
        files = [*self.configuration_files(), self._file_of(name)]
        self._running[name] = ChildProcess.start(
            f"Synapse {name}",
            [
                sys.executable,
                "-m",
                "synapse.app.generic_worker",
                *(part for file in files for part in ("-c", str(file))),
            ],
            log=self.log_of(name),
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            cwd=self._data,
        )

    def log_of(self, name: str) -> Path:
        """The log of one process."""
        return self.spec.folder / ("synapse.log" if name == MAIN else f"{name}.log")

    def end(self, name: str) -> None:
        """Ends one worker as a crash would."""
        self._running[name].kill()

    async def answers(self, name: str) -> None:
        """Waits until that worker takes requests."""
        worker, deadline = self._running[name], time.monotonic() + _START_SECONDS
        async with aiohttp.ClientSession() as session:
            while not await _is_up(session, f"{self.urls[name]}/health"):
                ended = worker.exit_status() is not None
                assert not ended, f"{name} ended while starting:\n{worker.log_tail()}"
                assert time.monotonic() < deadline, f"{name} was not ready:\n{worker.log_tail()}"
                await asyncio.sleep(0.05)

    def _file_of(self, name: str) -> Path:
        return self._config / f"worker-{name}.yaml"

    def _shared(self) -> dict[str, Any]:
        (spare,) = free_ports(1)
        listeners = [
            {"type": "http", "port": self.spec.client_port, "bind_addresses": ["127.0.0.1"], "resources": _CLIENTS},
            # Always there: Synapse reads its certificate only where the main process listens with one.
            self._federates(spare if self._federated_by != MAIN else self.spec.federation_port),
            self._replicates(MAIN),
        ]
        return {
            "listeners": listeners,
            "redis": {"enabled": True, "path": str(self.redis.socket)},
            "worker_replication_secret": self.credentials.registration_shared_secret,
            "instance_map": {
                name: {"host": "127.0.0.1", "port": self._replication[name]} for name in (MAIN, *self.persisters)
            },
            "stream_writers": {"events": self.persisters},
        }

    def _own(self, name: str) -> dict[str, Any]:
        asked = {"type": "http", "port": self._clients[name], "bind_addresses": ["127.0.0.1"], "resources": _BOTH}
        return {
            "worker_app": "synapse.app.generic_worker",
            "worker_name": name,
            "worker_listeners": [
                asked,
                *([self._federates(self.spec.federation_port)] if name == self._federated_by else []),
                *([self._replicates(name)] if name in self.persisters else []),
            ],
            "worker_log_config": str(self._config / "log.yaml"),
        }

    @staticmethod
    def _federates(port: int) -> dict[str, Any]:
        """Where other homeservers come."""
        return {
            "type": "http",
            "port": port,
            "bind_addresses": ["127.0.0.1"],
            "tls": True,
            "resources": [{"names": ["federation"]}],
        }

    def _replicates(self, name: str) -> dict[str, Any]:
        return {
            "type": "http",
            "port": self._replication[name],
            "bind_addresses": ["127.0.0.1"],
            "resources": [{"names": ["replication"]}],
        }


_CLIENTS: Final = [{"names": ["client"]}]
_BOTH: Final = [{"names": ["client", "federation"]}]


async def _is_up(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False
