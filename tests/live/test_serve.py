"""`preau serve` as systemd runs it: over TLS, telling when it answers, that it lives, and that it ends."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from preau.demo.academy import child_environment
from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver
from preau.demo.processes import free_ports
from tests.live.command import configured

pytestmark = pytest.mark.live

LISTENING = """
[service]
port = {service}
tls_certificate = "{certificate.certificate}"
tls_private_key = "{certificate.key}"

[metrics]
port = {metrics}
results = "{folder}"
"""


class Systemd:
    """What systemd is to a unit: a socket that takes its words, and a signal at the end."""

    def __init__(self, folder: Path, authority: Authority, homeserver: Homeserver) -> None:
        self.service, self.metrics = free_ports(2)
        self._folder = folder
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._socket.setblocking(False)
        self._trust = ssl.create_default_context(cafile=authority.certificate)
        listening = LISTENING.format(
            service=self.service, metrics=self.metrics, certificate=authority.issue(folder.name), folder=folder
        )
        self.config = configured(homeserver, folder, listening)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.subprocess.Process]:
        told = {"NOTIFY_SOCKET": str(self._folder / "notify"), "WATCHDOG_USEC": "200000"}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "preau", "serve", "--config", str(self.config)),
            env=child_environment() | told,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            self._socket.close()

    async def hears(self) -> str:
        async with asyncio.timeout(30):
            return (await asyncio.get_running_loop().sock_recv(self._socket, 1000)).decode()

    async def health(self, trust: ssl.SSLContext | None = None) -> str:
        url = f"https://127.0.0.1:{self.service}/health"
        async with aiohttp.ClientSession() as session, session.get(url, ssl=trust or self._trust) as answer:
            return str((await answer.json())["status"])

    async def figures(self) -> str:
        url = f"http://127.0.0.1:{self.metrics}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return await answer.text()


@pytest.fixture
def systemd(tmp_path: Path, authority: Authority, plain: Homeserver) -> Systemd:
    return Systemd(tmp_path, authority, plain)


async def test_systemd_is_told_when_it_answers_while_it_lives_and_that_it_ends(systemd: Systemd) -> None:
    async with systemd.running() as process:
        assert await systemd.hears() == "READY=1"
        assert await systemd.health() == "ok"
        assert [await systemd.hears() for _ in range(3)] == ["WATCHDOG=1"] * 3
        process.terminate()
        while (heard := await systemd.hears()) == "WATCHDOG=1":
            pass
        assert heard == "STOPPING=1"
        assert await asyncio.wait_for(process.wait(), 20) == 0


async def test_with_a_certificate_it_speaks_neither_in_clear_nor_in_old_tls(systemd: Systemd) -> None:
    async with systemd.running():
        await systemd.hears()
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(f"http://127.0.0.1:{systemd.service}/health")
        old = ssl.create_default_context()
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(aiohttp.ClientError):
            await systemd.health(old)


async def test_the_figures_are_on_a_port_of_their_own_and_not_where_the_homeserver_comes(systemd: Systemd) -> None:
    async with systemd.running():
        await systemd.hears()
        assert "preau_store_up 1.0" in await systemd.figures()
        url = f"https://127.0.0.1:{systemd.service}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url, ssl=systemd._trust) as answer:
            assert answer.status == 404


async def test_a_certificate_without_its_key_is_no_service(systemd: Systemd, tmp_path: Path) -> None:
    (tmp_path / "other.key").write_text("no key")
    text = systemd.config.read_text()
    line = next(line for line in text.splitlines() if line.startswith("tls_private_key"))
    systemd.config.write_text(text.replace(line, f'tls_private_key = "{tmp_path}/other.key"'))
    async with systemd.running() as process:
        assert await asyncio.wait_for(process.wait(), 30) == 2
