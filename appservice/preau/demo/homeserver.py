"""A real Synapse on loopback, configured by the very templates that the role ``synapse`` deploys.

::

    secrets, signing key ─► render the role ─► run Synapse ─► prepare it, as `preau prepare` does
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from preau.demo.authority import Authority
from preau.demo.credentials import Credentials
from preau.demo.processes import ChildProcess
from preau.demo.render import render_role
from preau.demo.synapse_api import SynapseApi
from preau.errors import HomeserverUnreachable
from preau.matrix.calls import Endpoint
from preau.matrix.first_admin import BotKeys, prepare
from preau.model.ids import ServerName, UserId

BOT_LOCALPART: Final = "preau"
_POLL: Final = timedelta(milliseconds=50)
_DEMO_OPTIONS: Final[dict[str, Any]] = {
    # An empty database has about forty updates of milliseconds each; Synapse sleeps a second between two.
    "background_updates": {"sleep_enabled": False},
    # Everybody comes from the same address here, and some hundreds of them at once.
    "rc_login": {part: {"per_second": 1000, "burst_count": 1000} for part in ("address", "account")},
}
_CONFIGURATION: Final = ("10-underride.yaml", "20-operator.yaml", "30-override.yaml", "40-secrets.yaml")
_PLAIN: Final = "50-plain.yaml"
"""Read last, by homeservers without the guard only: the role knows no such thing."""


def server_name_at(federation_port: int) -> ServerName:
    """``localhost`` and the federation port: an explicit port needs no DNS and no .well-known, on any machine."""
    return ServerName(f"localhost:{federation_port}")


@dataclass(frozen=True, slots=True)
class SqliteDatabase:
    """A file in the homeserver's own folder."""

    def as_variables(self) -> dict[str, object]:
        """As variables of the role ``synapse``."""
        return {"synapse_database_engine": "sqlite3"}


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """An existing, empty PostgreSQL database with encoding UTF8 and locale C (Synapse insists)."""

    host: str
    port: int
    name: str
    user: str = "postgres"

    def as_variables(self) -> dict[str, object]:
        """As variables of the role ``synapse``."""
        values = {"host": self.host, "port": self.port, "name": self.name, "user": self.user}
        return {"synapse_database_engine": "psycopg2", **{f"synapse_database_{k}": v for k, v in values.items()}}


@dataclass(frozen=True, slots=True)
class HomeserverSpec:
    """One homeserver to run.

    Args:
        folder: where all its files go; a second start with the same folder finds its accounts and rooms.
        client_port, federation_port: free ports on loopback.
        authority: signs its federation certificate; the peers' must be signed by the same.
        peers: the servers it federates with; none by default.
        service_url: where events are delivered, None for nowhere.
        operator: options of Synapse by its own names, beside or instead of the demo's own (``synapse_operator``).
        modules: modules for Synapse to load after the guard.
        guard: whether the guard is loaded, as always in production; without it a test has a plain homeserver.
        clamd_socket: where clamd listens; empty for no virus scanner.
    """

    folder: Path
    client_port: int
    federation_port: int
    authority: Authority
    peers: tuple[ServerName, ...] = ()
    service_url: str | None = None
    room_version: str = "12"
    database: SqliteDatabase | PostgresDatabase = SqliteDatabase()
    bcrypt_rounds: int = 4  # the least that bcrypt takes: hundreds of throw-away accounts
    operator: dict[str, Any] = field(default_factory=dict)
    modules: tuple[dict[str, Any], ...] = ()
    guard: bool = True
    clamd_socket: str = ""

    @property
    def server_name(self) -> ServerName:
        """See `server_name_at`."""
        return server_name_at(self.federation_port)


class Homeserver:
    """One homeserver: start it, talk to it, end it. Also ``async with``."""

    def __init__(self, spec: HomeserverSpec) -> None:
        self.spec = spec
        self.server_name = spec.server_name
        self.client_url = f"http://127.0.0.1:{spec.client_port}"
        self.bot = UserId(f"@{BOT_LOCALPART}:{spec.server_name}")
        self.credentials = Credentials.load_or_draw(spec.folder / "credentials.json")
        self._process: ChildProcess | None = None

    @property
    def as_token(self) -> str:
        """The provision token: acts for anybody of this homeserver (``?user_id=``), the bot included."""
        return self.credentials.provision_as_token

    @property
    def hs_token(self) -> str:
        """The token with which this homeserver delivers events to ``service_url``."""
        return self.credentials.events_hs_token

    @property
    def process(self) -> ChildProcess | None:
        """Synapse's process, once started."""
        return self._process

    def api(self, user: UserId | str | None = None) -> SynapseApi:
        """Calls as that user, over the provision token; as the bot, who is an admin, by default."""
        return SynapseApi(self.client_url, self.as_token, user or self.bot)

    def bot_keys(self) -> BotKeys:
        """What makes the bot an admin here."""
        return BotKeys(self.credentials.registration_shared_secret, self.credentials.events_as_token)

    def endpoint(self) -> Endpoint:
        """The homeserver as the service reaches it."""
        return Endpoint(self.client_url, self.as_token, self.bot, self.server_name)

    def configuration_files(self) -> tuple[Path, ...]:
        """The files Synapse reads, in its order; written by `configure`."""
        names = _CONFIGURATION if self.spec.guard else (*_CONFIGURATION, _PLAIN)
        return tuple(self._config / name for name in names)

    def configure(self) -> tuple[Path, ...]:
        """Writes configuration, registrations, keys and certificate, and returns the rendered files."""
        for folder in (self._config, self._data):
            folder.mkdir(parents=True, exist_ok=True)
        if not (key := self._config / "signing.key").exists():
            key.touch(mode=0o600)
            key.write_text(_new_signing_key(), encoding="ascii")
        if not self.spec.guard:
            (self._config / _PLAIN).write_text(json.dumps({"modules": list(self.spec.modules)}), encoding="utf-8")
        return render_role("synapse", self._variables(), self._config)

    async def start(self, timeout: timedelta = timedelta(seconds=60)) -> None:  # noqa: ASYNC109 -- the error names the log
        """Starts Synapse and waits until the bot can use the admin API and no background update is left.

        Raises:
            HomeserverUnreachable: it ended, or was not ready in time; the end of its log is in the advice.
        """
        await asyncio.to_thread(self.configure)
        process = self._process = self._run()
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await prepare(self.endpoint(), self.bot_keys(), lambda: self._pause(process))
        except TimeoutError as error:
            process.kill()
            seconds = f"{timeout.total_seconds():.0f} s"
            raise HomeserverUnreachable(
                f"{process.name} was not ready in {seconds}.", advice=process.log_tail()
            ) from error
        except BaseException:
            process.kill()  # whatever went wrong, Ctrl-C included: no half-started homeserver stays behind
            raise

    async def stop(self) -> None:
        """Ends Synapse in order; harmless when it does not run."""
        if self._process is not None:
            await asyncio.to_thread(self._process.stop)

    async def kill(self) -> None:
        """Ends Synapse as a power cut would."""
        if self._process is not None:
            await asyncio.to_thread(self._process.kill)

    async def __aenter__(self) -> Self:
        """Starts."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops."""
        await self.stop()

    @property
    def _config(self) -> Path:
        return self.spec.folder / "config"

    @property
    def _data(self) -> Path:
        return self.spec.folder / "data"

    def _variables(self) -> dict[str, object]:
        spec = self.spec
        certificate = spec.authority.issue(f"localhost-{spec.federation_port}")
        return {
            "synapse_server_name": spec.server_name,
            "synapse_public_baseurl": f"{self.client_url}/",
            "synapse_config_folder": str(self._config),
            "synapse_data_folder": str(self._data),
            "synapse_client_port": spec.client_port,
            "synapse_federation_port": spec.federation_port,
            "synapse_behind_proxy": False,
            "synapse_tls_certificate_path": str(certificate.certificate),
            "synapse_tls_private_key_path": str(certificate.key),
            "synapse_federation_peers": list(spec.peers),
            "synapse_federation_ca_files": [str(spec.authority.certificate)],
            "synapse_ip_range_blacklist": [],  # everybody is on loopback, which Synapse would refuse to call
            "synapse_service_url": spec.service_url or "",
            "synapse_guard_clamd_socket": spec.clamd_socket,
            "synapse_modules": list(spec.modules),
            "synapse_operator": {**_DEMO_OPTIONS, **self._chosen(), **spec.operator},
            **spec.database.as_variables(),
            **self.credentials.as_variables(),
        }

    def _chosen(self) -> dict[str, object]:
        """What the spec says of rooms and accounts, as Synapse's own options."""
        return {"default_room_version": self.spec.room_version, "bcrypt_rounds": self.spec.bcrypt_rounds}

    def _command(self) -> list[str]:
        configuration = [argument for file in self.configuration_files() for argument in ("-c", str(file))]
        return [sys.executable, "-m", "synapse.app.homeserver", *configuration]

    def _run(self) -> ChildProcess:
        return ChildProcess.start(
            f"Synapse {self.server_name}",
            self._command(),
            log=self.spec.folder / "synapse.log",
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            cwd=self._data,
        )

    async def _pause(self, process: ChildProcess) -> None:
        if process.exit_status() is not None:
            raise HomeserverUnreachable(f"{process.name} ended while starting.", advice=process.log_tail())
        await asyncio.sleep(_POLL.total_seconds())


def _new_signing_key() -> str:
    """An ed25519 key in the form of signedjson: algorithm, version, unpadded base64 of the seed."""
    seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    return f"ed25519 a_{secrets.token_hex(2)} {seed}\n"
