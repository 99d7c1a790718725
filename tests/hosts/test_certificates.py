"""Whose certificate people are shown: the académie's own authority first, then a public one that looks for itself.

```text
 internal authority ─► site ─► ACME: port 80 is looked at, signed ─► renewed, nginx shows the new one
```
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from typing import Final

import aiohttp
import pytest
from cryptography import x509

from preau.demo.authority import Authority
from preau.demo.parts import Part
from tests.hosts.academies import PUBLIC, Academy
from tests.hosts.schools import School, in_room

_INTERNAL: Final = "vault_base_internal_ca_certificate"
_LINEAGE: Final = "/etc/letsencrypt/live/preau/cert.pem"
_SECONDS: Final = 20  # nginx' processes of before may answer for a moment
_BETWEEN: Final = 0.2


def _shown(academy: Academy, name: str, trusted: ssl.SSLContext) -> x509.Certificate:
    """What the proxy shows whoever asks for a name.

    Raises:
        ssl.SSLCertVerificationError: nobody would believe it.
    """
    with (
        socket.create_connection((academy.proxy_address, 443), timeout=20) as raw,
        trusted.wrap_socket(raw, server_hostname=name) as connection,
    ):
        der = connection.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


async def _until(academy: Academy, trusted: ssl.SSLContext, as_wanted: Callable[[x509.Certificate], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not as_wanted(_shown(academy, academy.server, trusted)):
        assert time.monotonic() < deadline, "nginx goes on with the one of before"
        await asyncio.sleep(_BETWEEN)


def _subject(pem: str) -> x509.Name:
    return x509.load_pem_x509_certificate(pem.encode()).subject


def test_families_believe_no_internal_authority(
    ouest: Academy, schools: dict[str, School], authority: Authority, trusted: ssl.SSLContext
) -> None:
    assert schools["ouest"].people
    with pytest.raises(ssl.SSLCertVerificationError):
        _shown(ouest, ouest.server, ssl.create_default_context(cafile=str(authority.certificate)))
    assert _shown(ouest, ouest.server, trusted).issuer == _subject(ouest.secret(_INTERNAL))


async def test_a_public_authority_signs_and_signs_again(
    ouest: Academy,
    schools: dict[str, School],
    internet: aiohttp.ClientSession,
    authority: Authority,
    acme: str,
) -> None:
    school, families = schools["ouest"], ssl.create_default_context(cafile=str(authority.certificate))
    teacher, parent = [
        await school.client(internet, ouest.server, part) for part in (Part.HEAD_TEACHER, Part.PARENT_OF_TWO)
    ]
    ouest.set(web_tls_source="acme", web_acme_email="exploitation@rectorat.example", web_acme_directory_url=acme)
    ouest.play("site").expect_success()
    signed = {_shown(ouest, f"{prefix}{ouest.server}", families).serial_number for prefix in PUBLIC}
    assert len(signed) == 1
    assert ouest.play("site").expect_success().changed_tasks == []

    host = ouest.host("proxy")
    host.run("certbot", "renew", "--force-renewal", "--no-random-sleep-on-renew", seconds=120)
    renewed = x509.load_pem_x509_certificate(host.run("cat", _LINEAGE).encode()).serial_number
    assert {renewed} != signed
    await _until(ouest, families, lambda shown: shown.serial_number == renewed)
    assert host.run("systemctl", "is-active", "certbot.timer").strip() == "active"
    room = await in_room("division_parents_staff", teacher, parent)
    await teacher.say(room, "le cadenas est fermé")
    await parent.hears(room, "le cadenas est fermé")


async def test_who_turns_away_from_it_has_nothing_renewed_and_may_come_back(
    ouest: Academy, schools: dict[str, School], authority: Authority, trusted: ssl.SSLContext, acme: str
) -> None:
    assert schools["ouest"].people
    renewal = ouest.host("proxy").root / "etc/letsencrypt/renewal/preau.conf"
    public, own = _subject(authority.certificate.read_text()), _subject(ouest.secret(_INTERNAL))
    wanted = {"web_acme_email": "exploitation@rectorat.example", "web_acme_directory_url": acme}
    for source in ("acme", "internal", "acme"):
        ouest.set(web_tls_source=source, **wanted)
        ouest.play("site", "--tags", "web_tls").expect_success()
        assert renewal.exists() == (source == "acme")
        signer = public if source == "acme" else own
        await _until(ouest, trusted, lambda shown, signer=signer: shown.issuer == signer)
