"""What the system's users are told, and alerts, reach the operators: to a mail server that proves who it is."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from preau.demo.authority import Authority
from tests.hosts.academies import Academy
from tests.hosts.laboratory import OUTSIDE, add_aliases
from tests.hosts.networks import Network
from tests.hosts.settings import MAIL_HOST, MAIL_OPERATORS, MAIL_PORT, mail_sender


class _Arrived:
    """Takes whatever comes; asked by the mail server (`aiosmtpd`)."""

    def __init__(self) -> None:
        self.letters: asyncio.Queue[tuple[Envelope, EmailMessage, bool]] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 -- its name
        letter = message_from_bytes(envelope.original_content or b"", policy=default)
        assert isinstance(letter, EmailMessage)
        self._loop.call_soon_threadsafe(self.letters.put_nowait, (envelope, letter, session.ssl is not None))
        return "250 taken"


@pytest.fixture
async def arrived(network: Network, authority: Authority) -> AsyncIterator[_Arrived]:
    """The operators' mail server, outside, with a certificate that the hosts believe."""
    issued = authority.issue("mail", hosts=(MAIL_HOST,))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(issued.certificate, issued.key)
    add_aliases(network, {MAIL_HOST: OUTSIDE})
    handler = _Arrived()
    server = Controller(handler, hostname=network.gateway, port=MAIL_PORT, tls_context=context, require_starttls=True)
    server.start()
    try:
        yield handler
    finally:
        server.stop()


async def test_what_root_is_told_reaches_the_operators_over_tls(nord: Academy, arrived: _Arrived) -> None:
    nord.up()
    host = nord.host("service")
    host.run("sendmail", "root", stdin="Subject: Une sauvegarde a échoué\n\nVoir le journal.\n")
    async with asyncio.timeout(40):
        envelope, letter, encrypted = await arrived.letters.get()
    assert encrypted
    assert (envelope.mail_from, envelope.rcpt_tos) == (mail_sender(nord.plan), list(MAIL_OPERATORS))
    assert letter.get_content().strip() == "Voir le journal."
    assert host.run("mailq").strip() == "Mail queue is empty"


async def test_an_alert_reaches_the_operators_from_a_host_that_only_watches(sud: Academy, arrived: _Arrived) -> None:
    sud.up()
    host = sud.host("monitoring")
    told = ("alertname=Essai", "severity=critical", "--annotation=summary=Ceci est un essai")
    host.run("amtool", "--alertmanager.url=http://127.0.0.1:9093", "alert", "add", *told)
    async with asyncio.timeout(60):
        while True:
            envelope, letter, encrypted = await arrived.letters.get()
            if "Essai" in str(letter["Subject"]):
                break
    assert encrypted
    assert (envelope.mail_from, envelope.rcpt_tos) == (mail_sender(sud.plan), list(MAIL_OPERATORS))
    body = letter.get_body(("html", "plain"))
    assert body is not None
    assert "Ceci est un essai" in body.get_content()
