"""What somebody on a neighbouring host tries: every port, and requests no client would send. Bare Python runs there."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.hosts.machines import Machine

_LISTENING: Final = re.compile(r"^\S+\s+\d+\s+\d+\s+(\S+):(\d+)\s", re.MULTILINE)

_KNOCK: Final = """
import asyncio, json, sys
async def knock(address, port):
    try:
        async with asyncio.timeout(3):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
async def main(doors):
    return await asyncio.gather(*(knock(*door) for door in doors))
doors = json.load(sys.stdin)
print(json.dumps([door for door, open_ in zip(doors, asyncio.run(main(doors))) if open_]))
"""

_ASK: Final = """
import json, socket, ssl, sys
def ask(address, name, request):
    context = ssl.create_default_context()
    with socket.create_connection((address, 443), timeout=20) as raw:
        with context.wrap_socket(raw, server_hostname=name) as connection:
            connection.sendall(request.encode())
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
    return answer.decode(errors="replace")
print(json.dumps([ask(*one) for one in json.load(sys.stdin)]))
"""


_SPEAK: Final = """
import asyncio, base64, json, sys
async def speak(address, port, words):
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(address, port)
            writer.write(base64.b64decode(words))
            answer = await reader.read(4096)
            writer.close()
    except OSError:
        return ""
    return base64.b64encode(answer).decode()
async def main(doors):
    return await asyncio.gather(*(speak(*door) for door in doors))
print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one raw request."""

    status: int
    headers: dict[str, str]
    body: str


def listening(host: Machine) -> set[int]:
    """Every TCP port that something on the host listens on, at whatever address."""
    return {int(port) for _, port in _LISTENING.findall(host.run("ss", "-Hltn"))}


def listening_outwards(host: Machine) -> set[int]:
    """Those of them that something listens on at an address by which others may come."""
    found = _LISTENING.findall(host.run("ss", "-Hltn"))
    return {int(port) for address, port in found if not address.startswith(("127.", "[::1]"))}


def open_doors(neighbour: Machine, doors: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
    """Of these addresses and ports, those that let the neighbour in."""
    said = neighbour.run("python3", "-c", _KNOCK, stdin=json.dumps(sorted(doors)), seconds=120)
    return {(address, port) for address, port in json.loads(said)}


def first_words(host: Machine, doors: Mapping[tuple[str, int], bytes]) -> dict[tuple[str, int], bytes]:
    """What each of these addresses and ports answers to that, asked from a host; nothing where it breaks off."""
    given = [(*door, base64.b64encode(words).decode()) for door, words in doors.items()]
    said = json.loads(host.run("python3", "-c", _SPEAK, stdin=json.dumps(given), seconds=120))
    return {door: base64.b64decode(answer) for door, answer in zip(doors, said, strict=True)}


def ask(neighbour: Machine, address: str, name: str, paths: Sequence[str], *headers: str) -> list[Answer]:
    """GETs each path exactly as written, from the neighbour, with a certificate that it must believe."""
    more = "".join(f"{header}\r\n" for header in headers)
    requests = [
        (address, name, f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n{more}\r\n") for path in paths
    ]
    said = neighbour.run("python3", "-c", _ASK, stdin=json.dumps(requests), seconds=300)
    return [_parsed(text) for text in json.loads(said)]


def _parsed(text: str) -> Answer:
    head, _, body = text.partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split()[1]), headers, body)
