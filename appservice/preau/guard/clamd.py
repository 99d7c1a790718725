"""Asks ClamAV's daemon about a file, over its Unix socket: ``INSTREAM``, in pieces, with a time limit.

::

    us                     zINSTREAM, NUL │ length, piece │ length, piece │ … │ length 0
    clamd    "stream: OK"  │  "stream: NAME FOUND"  │  "INSTREAM size limit exceeded. ERROR"

(clamd(8), section COMMANDS.) These functions wait: run them in a thread.

Of a file larger than its ``MaxFileSize`` clamd says OK without a look, unless ``AlertExceedsMax`` is on. Set that, and
``StreamMaxLength`` to no less than Synapse's ``max_upload_size``.
"""

from __future__ import annotations

import logging
import socket
import struct
import time
from collections.abc import Iterator
from enum import Enum
from typing import IO, Final

log = logging.getLogger(__name__)

_PIECE: Final = 64 * 1024
_LONGEST_ANSWER: Final = 4096
_LIMITS: Final = b"Heuristics.Limits.Exceeded"
"""What ``AlertExceedsMax`` answers of a file that was not looked at whole."""


class Verdict(Enum):
    """What is known of a file."""

    CLEAN = "clean"
    INFECTED = "infected"
    UNCHECKED = "unchecked"


def scan(address: str, file: IO[bytes], seconds: float) -> Verdict:
    """Whether ClamAV finds something in the file.

    Args:
        address: path of clamd's Unix socket.
        file: read from where it stands to its end.
        seconds: how long the whole may take.

    Returns:
        the verdict; `Verdict.UNCHECKED`, with the reason in the log, when clamd cannot be reached in time or does not
        take the file (larger than its ``StreamMaxLength``, for one).
    """
    try:
        answer = _ask(address, file, time.monotonic() + seconds)
    except OSError as error:
        log.warning("clamd at %s did not answer: %s", address, error)
        return Verdict.UNCHECKED
    if answer == b"stream: OK":
        return Verdict.CLEAN
    if answer.endswith(b" FOUND") and _LIMITS not in answer:
        log.warning("clamd refused a file: %s", answer.decode(errors="replace"))
        return Verdict.INFECTED
    log.warning("clamd at %s did not check a file: %s", address, answer.decode(errors="replace") or "no answer")
    return Verdict.UNCHECKED


def _ask(address: str, file: IO[bytes], deadline: float) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        _limit(connection, deadline)
        connection.connect(address)
        try:
            for part in _instream(file):
                _limit(connection, deadline)
                connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass  # clamd has heard enough: it says why and hangs up
        return _answer(connection, deadline)


def _instream(file: IO[bytes]) -> Iterator[bytes]:
    yield b"zINSTREAM\0"
    while piece := file.read(_PIECE):
        yield struct.pack("!L", len(piece)) + piece
    yield struct.pack("!L", 0)


def _answer(connection: socket.socket, deadline: float) -> bytes:
    answer = b""
    while not answer.endswith(b"\0") and len(answer) < _LONGEST_ANSWER:
        _limit(connection, deadline)
        more = connection.recv(_LONGEST_ANSWER)
        if not more:
            break
        answer += more
    return answer.rstrip(b"\0")


def _limit(connection: socket.socket, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    connection.settimeout(left)
