#!/usr/bin/env python3
"""Ask a page over and over, and write down for how long nobody answered: what people noticed of an upgrade.

    probe.py URL RESULT [--connect HOST]        until it is told to end (SIGTERM); RESULT is JSON

An answer is a status below 500 within two seconds. Certificates are not looked at: this asks whether somebody answers,
`selfcheck` asks who. The standard library only.
"""

from __future__ import annotations

import argparse
import http.client
import json
import signal
import ssl
import time
from pathlib import Path
from types import FrameType
from urllib.parse import SplitResult, urlsplit

EVERY_SECONDS = 0.2
PATIENCE_SECONDS = 2


class Probe:
    """Counts questions and the gaps without an answer."""

    def __init__(self, url: str, connect: str) -> None:
        self.url = urlsplit(url)
        self.connect = connect or self.url.hostname or ""
        self.going = True
        self.questions = 0
        self.failed = 0
        self.gaps: list[float] = []

    def end(self, _signal: int, _frame: FrameType | None) -> None:
        """What a signal calls."""
        self.going = False

    def run(self) -> None:
        """Ask until told to end."""
        answered = time.monotonic()
        gap = False
        while self.going:
            self.questions += 1
            if answers(self.url, self.connect):
                if gap:
                    self.gaps.append(round(time.monotonic() - answered, 2))
                answered, gap = time.monotonic(), False
            else:
                self.failed, gap = self.failed + 1, True
            time.sleep(EVERY_SECONDS)
        if gap:
            self.gaps.append(round(time.monotonic() - answered, 2))


def answers(url: SplitResult, connect: str) -> bool:
    """Whether somebody answers with less than an error of the server."""
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        connection = _connection(url, connect, port)
        try:
            connection.request("GET", url.path or "/", headers={"Host": url.netloc})
            return connection.getresponse().status < http.client.INTERNAL_SERVER_ERROR
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):
        return False


def _connection(url: SplitResult, connect: str, port: int) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(connect, port, timeout=PATIENCE_SECONDS)
    connection.connect()
    if url.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection.sock = context.wrap_socket(connection.sock, server_hostname=url.hostname)
    return connection


def main() -> None:
    """Run until told to end, then write the result."""
    parser = argparse.ArgumentParser(prog="probe.py")
    parser.add_argument("url")
    parser.add_argument("result", type=Path)
    parser.add_argument("--connect", default="", help="the host to ask, whatever name the URL holds")
    arguments = parser.parse_args()
    probe = Probe(arguments.url, arguments.connect)
    signal.signal(signal.SIGTERM, probe.end)
    probe.run()
    found = {
        "url": arguments.url,
        "questions": probe.questions,
        "unanswered": probe.failed,
        "longest_gap_seconds": max(probe.gaps, default=0.0),
        "gaps_seconds": round(sum(probe.gaps), 2),
    }
    arguments.result.write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
