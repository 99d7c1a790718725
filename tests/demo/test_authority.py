"""The demo's certificates are believed by those who trust the demo's authority, for the right names only."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from preau.clock import FixedClock
from preau.demo.authority import Authority, Certificate


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """A TLS server on loopback with a certificate of the authority in ``tmp_path``."""
    async with serving(Authority(tmp_path).issue("nord")) as port:
        yield port


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
async def test_a_certificate_is_believed_for_loopback(tmp_path: Path, port: int, name: str) -> None:
    await connect(port, name, tmp_path / "authority.crt")


async def test_a_certificate_is_not_believed_for_another_name(tmp_path: Path, port: int) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"nord\.example"):
        await connect(port, "nord.example", tmp_path / "authority.crt")


async def test_a_certificate_of_another_authority_is_not_believed(tmp_path: Path, port: int) -> None:
    other = Authority(tmp_path / "other")
    with pytest.raises(ssl.SSLCertVerificationError):
        await connect(port, "localhost", other.certificate)


async def test_a_certificate_ends(tmp_path: Path) -> None:
    authority = Authority(tmp_path, FixedClock(datetime(2025, 9, 1, tzinfo=UTC)))
    async with serving(authority.issue("old")) as port:
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            await connect(port, "localhost", authority.certificate)


def test_private_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.hand_over_key(tmp_path / "authority.key")
    for key in (authority.issue("nord").key, tmp_path / "authority.key"):
        assert key.stat().st_mode & 0o077 == 0


class serving:  # noqa: N801 -- reads as a verb
    """A TLS server on a free port, for as long as the block lasts."""

    def __init__(self, files: Certificate) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(files.certificate, files.key)

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(lambda _, w: w.close(), "127.0.0.1", 0, ssl=self._context)
        return int(self._server.sockets[0].getsockname()[1])

    async def __aexit__(self, *_: object) -> None:
        self._server.close()


async def connect(port: int, name: str, authority: Path) -> None:
    context = ssl.create_default_context(cafile=authority)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    writer.close()
