"""Where a rendered configuration listens, for the kinds of files that the roles write."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import yaml

Listener = tuple[str, int]


def listeners(path: str, text: str) -> list[Listener]:
    """Address and port of each listener that the file asks for; nothing where it is no such file."""
    return [found for pattern, reader in READERS if re.search(pattern, path) for found in reader(text)]


def _nginx(text: str) -> Iterator[Listener]:
    for value in re.findall(r"^\s*listen\s+([^;]+);", text, re.MULTILINE):
        if not value.startswith("unix:"):
            yield _split(value.split()[0])


def _synapse(text: str) -> Iterator[Listener]:
    settings: dict[str, Any] = yaml.safe_load(text) or {}
    for listener in settings.get("listeners") or settings.get("worker_listeners") or []:
        if "path" not in listener:
            for address in listener.get("bind_addresses") or ["*"]:
                yield address, int(listener["port"])


def _postgresql(text: str) -> Iterator[Listener]:
    settings = dict(re.findall(r"^(listen_addresses|port)\s*=\s*'?([^'\n#]*)'?", text, re.MULTILINE))
    for address in filter(None, re.split(r"[,\s]+", settings.get("listen_addresses", ""))):
        yield address, int(settings.get("port") or 5432)


def _redis(text: str) -> Iterator[Listener]:
    settings: dict[str, str] = dict(re.findall(r"^(bind|port|tls-port)\s+(.+)$", text, re.MULTILINE))
    for name in ("port", "tls-port"):
        if int(settings.get(name, "0")):
            for address in settings.get("bind", "*").split():
                yield address.strip("-"), int(settings[name])


def _postfix(text: str) -> Iterator[Listener]:
    for value in re.findall(r"^(\S+)\s+inet\s", text, re.MULTILINE):
        yield _split(value)


def _service(text: str) -> Iterator[Listener]:
    service = tomllib.loads(text).get("service", {})
    yield service.get("host", "127.0.0.1"), int(service.get("port", 9800))


def _options(text: str) -> Iterator[Listener]:
    """Command lines: exporters, Prometheus, rest-server."""
    for value in re.findall(r"--(?:web\.|cluster\.)?(?:tls-)?listen(?:-address)?[= ]+\"?([^\s\"']*\d)", text):
        yield _split(value)


def _pgbackrest(text: str) -> Iterator[Listener]:
    settings = dict(re.findall(r"^tls-server-(address|port)=(.+)$", text, re.MULTILINE))
    if settings:
        yield settings.get("address", "localhost"), int(settings.get("port", 8432))


def _socket(text: str) -> Iterator[Listener]:
    """A unit's sockets; those in the file system or of the kernel are no ports."""
    for value in re.findall(r"^Listen(?:Stream|Datagram|SequentialPacket)=(\S+)$", text, re.MULTILINE):
        if value[0] not in "/@%" and not value.startswith("vsock:"):
            yield _split(value)


def _split(value: str) -> Listener:
    address, _, port = value.rpartition(":")
    return address.strip("[]") or "*", int(port)


READERS: tuple[tuple[str, Callable[[str], Iterator[Listener]]], ...] = (
    (r"nginx.*\.conf$|/nginx/", _nginx),
    (r"/synapse/.*\.yaml$", _synapse),
    (r"/postgresql/.*\.conf$", _postgresql),
    (r"/redis/.*\.conf$", _redis),
    (r"/postfix/master\.cf$", _postfix),
    (r"preau\.toml$", _service),
    (r"/pgbackrest/.*\.conf$", _pgbackrest),
    (r"\.socket$|\.socket\.d/", _socket),
    (r"\.service$|/etc/default/|\.service\.d/", _options),
)
