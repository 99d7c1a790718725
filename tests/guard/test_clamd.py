"""The real ClamAV daemon: what it finds is refused, and so is what it cannot look at."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver
from preau.guard.clamd import Verdict, scan
from preau.model.people import Function
from tests.guard.clamav import VIRUS, Clamd, ClamdMissing, running_clamd
from tests.guard.files import PDF, png, send_picture, status
from tests.guard.guarded import Guarded, Reply, guarded_spec

pytestmark = pytest.mark.live

MIB = 2**20


@pytest.fixture(scope="module")
def clamd() -> Iterator[Clamd]:
    """A daemon that the whole module shares; skipped, with the reason, where it cannot run."""
    try:
        with running_clamd() as running:
            yield running
    except ClamdMissing as reason:
        pytest.skip(f"ClamAV: {reason}")


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        (b"", Verdict.CLEAN),
        (b"Bonjour", Verdict.CLEAN),
        (PDF.ljust(300_000), Verdict.CLEAN),
        (b"Bonjour " + VIRUS, Verdict.INFECTED),
        (VIRUS.rjust(65_550), Verdict.INFECTED),  # cut in two on its way
        (b"a" * (MIB + 1), Verdict.UNCHECKED),  # beyond MaxFileSize: not looked at whole
        (b"a" * (2 * MIB + 1), Verdict.UNCHECKED),  # beyond StreamMaxLength: not taken
        (b"a" * (16 * MIB), Verdict.UNCHECKED),  # the same, hung up while we send
    ],
    ids=["nothing", "clean", "clean, larger", "infected", "infected across pieces", "large", "larger", "huge"],
)
def test_a_file_gets_its_verdict(clamd: Clamd, content: bytes, verdict: Verdict) -> None:
    assert scan(clamd.socket, io.BytesIO(content), 10) is verdict


def test_whoever_reads_the_log_learns_that_a_file_was_too_large(clamd: Clamd, caplog: pytest.LogCaptureFixture) -> None:
    scan(clamd.socket, io.BytesIO(bytes(16 * MIB)), 10)
    assert "size limit exceeded" in caplog.text


def test_a_daemon_that_is_not_there_gives_none() -> None:
    assert scan("/nowhere/clamd.socket", io.BytesIO(b"Bonjour"), 1) is Verdict.UNCHECKED


def test_a_daemon_that_does_not_answer_in_time_gives_none(tmp_path: Path) -> None:
    address = str(tmp_path / "silent")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(address)
        silent.listen()
        assert scan(address, io.BytesIO(b"Bonjour"), 0.2) is Verdict.UNCHECKED


@pytest.mark.parametrize("answer", [b"", b"stream: OK", b"stream: OKAY\0", b"UNKNOWN COMMAND\0", b"\xff" * 5000])
def test_an_answer_that_is_none_opens_nothing(tmp_path: Path, answer: bytes) -> None:
    """Only ``stream: OK`` and the end of the answer do; hanging up after it counts as its end."""
    address = str(tmp_path / "odd")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as odd:
        odd.bind(address)
        odd.listen()
        with _answering(odd, answer):
            verdict = scan(address, io.BytesIO(b"Bonjour"), 5)
    assert verdict is (Verdict.CLEAN if answer == b"stream: OK" else Verdict.UNCHECKED)


@contextmanager
def _answering(server: socket.socket, answer: bytes) -> Iterator[None]:
    """Somebody else at the socket: hears one file out, answers and hangs up."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            heard = b""
            while not heard.endswith(b"\0\0\0\0"):
                heard += connection.recv(4096)
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        thread.join(10)


@pytest.fixture(scope="module")
async def scanned(
    tmp_path_factory: pytest.TempPathFactory, guard_authority: Authority, clamd: Clamd
) -> AsyncIterator[Guarded]:
    """A guarded homeserver whose files that daemon looks at."""
    folder = tmp_path_factory.mktemp("scanned")
    spec = guarded_spec(folder, guard_authority, clamd_socket=clamd.socket, operator={"dynamic_thumbnails": True})
    async with Homeserver(spec) as homeserver:
        yield Guarded(homeserver)


async def _upload(guarded: Guarded, content: bytes) -> Reply:
    teacher = await guarded.person(Function.TEACHER)
    return await guarded.call("POST", "/_matrix/media/v3/upload", teacher, raw=content)


async def test_an_infected_file_is_refused(scanned: Guarded) -> None:
    assert (await _upload(scanned, PDF)).status == 200
    refused = await _upload(scanned, PDF + VIRUS)
    assert (refused.status, refused.rule) == (403, "media_infected")
    assert "antivirus" in refused.body["error"]


async def test_a_file_too_large_for_the_scanner_is_refused(scanned: Guarded) -> None:
    assert (await _upload(scanned, PDF.ljust(3 * MIB))).rule == "media_unchecked"


async def test_without_an_answer_no_file_is_accepted_and_those_known_are_shown(scanned: Guarded, clamd: Clamd) -> None:
    """The last of the module: it ends the daemon. The thumbnail is made after that."""
    teacher = await scanned.person(Function.TEACHER)
    picture = await send_picture(scanned, teacher, png(800, 600))
    clamd.process.stop()
    assert (await _upload(scanned, PDF)).rule == "media_unchecked"
    thumbnail = f"/_matrix/client/v1/media/thumbnail/{picture}?width=48&height=48&method=crop"
    assert await status(scanned, teacher, thumbnail) == 200
