#!/usr/bin/env python3
"""Figures of a host that no exporter has, as a file for the node exporter.

    certificates between hosts ──┐
    Postfix' queues ─────────────┼─► preau-figures.prom
    the virus scanner's files ───┘

Names, addresses and what is written in mail are not looked at. Python's standard library only: most hosts have no
environment of ours.
"""

from __future__ import annotations

import argparse
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# Where mail waits: not taken in yet, being sent, to be tried again.
QUEUES = ("maildrop", "incoming", "active", "deferred")
# The record with the time of arrival is among the first of a file of Postfix'.
HEAD = 4096


def certificate_end(path: Path) -> float:
    """When the first certificate of a file ends, in seconds since 1970."""
    command = ["openssl", "x509", "-noout", "-enddate", "-in", str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 -- paths are the role's
    return ssl.cert_time_to_seconds(done.stdout.strip().partition("=")[2])


def arrival(head: bytes) -> float | None:
    """When a message came, from the beginning of its file; None where that is not written yet.

    The times of the file itself do not tell: Postfix sets them to the next try. A record is a letter, a length in
    sevens of bits, the lowest first, and text; that of the letter T holds the time (Postfix, ``src/global/record.c``).
    """
    place = 0
    while place < len(head):
        kind, length, shift = head[place : place + 1], 0, 0
        place += 1
        while place < len(head):
            byte = head[place]
            place += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if kind == b"T":
            return float(head[place : place + length].split()[0])
        place += length
    return None


def mail(spool: Path, now: float) -> Iterator[str]:
    """How much mail waits in each queue, and since when the oldest of all."""
    oldest = now
    for queue in QUEUES:
        count = 0
        for file in (spool / queue).rglob("*"):
            # What is delivered meanwhile is gone.
            with suppress(FileNotFoundError):
                if file.is_file():
                    with file.open("rb") as opened:
                        oldest = min(oldest, arrival(opened.read(HEAD)) or now)
                    count += 1
        yield f'preau_mail_waiting_messages{{queue="{queue}"}} {count}'
    yield f"preau_mail_oldest_age_seconds {now - oldest:.0f}"


def signatures(folder: Path) -> str:
    """When the newest signatures came; 0 where there are none."""
    newest = max((file.stat().st_mtime for file in folder.glob("*.c[luv]d")), default=0)
    return f"preau_antivirus_signatures_timestamp_seconds {newest:.0f}"


def lines(arguments: argparse.Namespace, now: float) -> Iterator[str]:
    """Every figure that was asked for."""
    for path in arguments.certificate:
        yield f'preau_certificate_end_timestamp_seconds{{path="{path}"}} {certificate_end(path):.0f}'
    if arguments.mail_queue:
        yield from mail(arguments.mail_queue, now)
    if arguments.signatures:
        yield signatures(arguments.signatures)


def arguments_of(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="preau-figures", description="Figures of a host that no exporter has.")
    parser.add_argument("--into", type=Path, required=True, help="file that is written")
    parser.add_argument("--certificate", type=Path, action="append", default=[])
    parser.add_argument("--mail-queue", type=Path, help="folder of Postfix' queues")
    parser.add_argument("--signatures", type=Path, help="folder of the virus scanner's signatures")
    return parser.parse_args(words)


def main(words: list[str]) -> None:
    """Replace the file as a whole; one that could not be written gets old, and an alert tells."""
    arguments = arguments_of(words)
    text = "".join(f"{line}\n" for line in lines(arguments, time.time()))
    draft = arguments.into.with_suffix(".new")
    draft.write_text(text)
    draft.chmod(0o644)
    draft.replace(arguments.into)


if __name__ == "__main__":
    main(sys.argv[1:])
