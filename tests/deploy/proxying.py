"""The proxy of the role ``web``, rendered by Ansible and run on loopback, and visitors who send it anything.

::

    Visitor ─ TLS, any name, any path ─► nginx as the role has it ─► Behind: says what reached it
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import yaml

from preau.demo.authority import Authority, Certificate
from preau.demo.processes import free_ports
from tests.deploy.playbooks import ROOT, ansible
from tests.nginx_server import nginx_version, running_nginx

ROLE: Final = ROOT / "roles/web"
MATRIX, CHAT, PORTAL, APEX = "matrix.nord.example", "chat.nord.example", "portail.nord.example", "nord.example"
NAMES: Final = (MATRIX, CHAT, PORTAL, APEX)
CLIENT_PAGE: Final = "<!doctype html><title>Le client</title>"


# --- What stands behind -------------------------------------------------------------------------------------------


class _Telling(BaseHTTPRequestHandler):
    """Answers every request with what it was."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for each answer: two of them wait for each other

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        told = {
            "who": self.server.name,  # type: ignore[attr-defined]
            "method": self.command,
            "path": self.path,
            "headers": dict(self.headers),
            "body": body,
        }
        text = json.dumps(told).encode()
        self.send_response(200)
        # As Synapse does for media.
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = answer  # noqa: N815 -- the names that http.server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the name that http.server gives it
        """Says nothing."""


class Behind:
    """A server that stands in for one process of the homeserver; it may speak TLS."""

    def __init__(self, name: str, certificate: Certificate | None = None) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Telling)
        self._server.name = name  # type: ignore[attr-defined]
        self._server.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.certificate, certificate.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def server(self) -> dict[str, Any]:
        """As ``web_upstreams`` names it."""
        return {"address": "127.0.0.1", "port": self._server.server_address[1]}

    def stop(self) -> None:
        """From now on nobody listens there."""
        self._server.shutdown()
        self._server.server_close()


# --- Who comes ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What a visitor got."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def who(self) -> str:
        """Which server behind answered; the proxy itself if none did."""
        try:
            return str(self.json["who"])
        except (ValueError, KeyError, TypeError):
            return "proxy"


@dataclass(frozen=True)
class Proxy:
    """A running proxy."""

    folder: Path
    http_port: int
    https_port: int
    status_port: int
    federation_port: int
    authority: Authority

    def ask(
        self,
        path: str,
        host: str = MATRIX,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        greeting: str = "",
        port: int | None = None,
    ) -> Answer:
        """One request, its path sent byte for byte; ``greeting`` is the name in the TLS greeting, where another."""
        with self.connect(greeting or host, port=port) as connection:
            return _ask(connection, path, host, method, headers or {}, body)

    @contextmanager
    def connect(
        self, name: str, context: ssl.SSLContext | None = None, port: int | None = None
    ) -> Iterator[ssl.SSLSocket]:
        """A connection with that name in its greeting; its certificate is checked."""
        trusting = context or ssl.create_default_context(cafile=str(self.authority.certificate))
        with (
            socket.create_connection(("127.0.0.1", port or self.https_port), timeout=20) as plain,
            trusting.wrap_socket(plain, server_hostname=name) as secure,
        ):
            yield secure

    def ask_plainly(self, path: str, host: str, port: int | None = None) -> Answer:
        """One request without TLS."""
        with socket.create_connection(("127.0.0.1", port or self.http_port), timeout=20) as connection:
            return _ask(connection, path, host, "GET", {}, b"")

    def records(self, *expected: str) -> str:
        """All that nginx has written anywhere, once it has written these: it writes after it has answered."""
        files = [*self.folder.glob("logs/*"), self.folder / "nginx.log"]
        deadline = time.monotonic() + 10
        while True:
            text = "".join(file.read_text(errors="replace") for file in files)
            missing = [each for each in expected if each not in text]
            if not missing:
                return text
            assert time.monotonic() < deadline, f"nginx wrote down no {missing}"
            time.sleep(0.05)


def _ask(
    connection: socket.socket, path: str, host: str, method: str, headers: Mapping[str, str], body: bytes
) -> Answer:
    http = HTTPConnection(host)
    http.sock = connection
    http.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    given = {"Host": host, "Content-Length": str(len(body)), **headers}
    for name, value in given.items():
        http.putheader(name, value)
    http.endheaders(body)
    response: HTTPResponse = http.getresponse()
    return Answer(response.status, response.getheaders(), response.read())


# --- The proxy ----------------------------------------------------------------------------------------------------


@contextmanager
def running_proxy(folder: Path, upstreams: Mapping[str, Any], **variables: Any) -> Iterator[Proxy]:
    """The role's nginx in front of these, with these variables.

    Raises:
        NginxMissing: nginx is not here, or does not start.
    """
    http, https, status, federation = free_ports(4)
    proxy = Proxy(folder, http, https, status, federation, Authority(folder / "authority"))
    certificate = proxy.authority.issue("public", hosts=NAMES)
    given = {
        "web_server_name": APEX,
        "web_public_host": MATRIX,
        "web_client_host": CHAT,
        "web_portal_host": PORTAL,
        "web_listen_addresses": ["127.0.0.1"],
        "web_http_port": http,
        "web_https_port": https,
        "web_status_port": status,
        "web_federation_port": federation,
        "web_upstreams": dict(upstreams),
        "web_client_folder": str(folder / "client"),
        "web_client_config": str(folder / "config.json"),
        "__web_data": str(folder / "data"),
        "__web_logs": str(folder / "logs"),
        "__web_cache": str(folder / "cache"),
        "__web_certificate": str(certificate.certificate),
        "__web_private_key": str(certificate.key),
        "__web_http2_directive": nginx_version() >= (1, 25, 1),
        **variables,
    }
    _lay_down_files(folder)
    render(folder, given)
    with ExitStack() as stack:
        stack.enter_context(running_nginx(folder / "nginx.conf", https))
        yield proxy


def _lay_down_files(folder: Path) -> None:
    for name in ("logs", "cache", "client/bundles/abc", "data/acme/.well-known/acme-challenge"):
        (folder / name).mkdir(parents=True)
    (folder / "client/index.html").write_text(CLIENT_PAGE)
    (folder / "client/bundles/abc/app.js").write_text("// " + "x" * 2000)
    (folder / "config.json").write_text("{}")
    (folder / "data/acme/.well-known/acme-challenge/token").write_text("answer")


FILES: Final = {
    "nginx.conf": "lookup('template', role ~ '/templates/nginx.conf.j2')",
    "data/portal/index.html": "lookup('template', role ~ '/templates/portal.html.j2')",
    "data/portal/page.css": "lookup('file', role ~ '/files/page.css')",
    **{
        f"data/documents/.well-known/matrix/{name}": f"__web_documents.{name} | to_json"
        for name in ("client", "server", "support")
    },
}
"""Files that the role writes, and what Ansible is asked for their text."""


def render(folder: Path, variables: Mapping[str, Any]) -> None:
    """Has Ansible work out what the role would write, and writes it."""
    result = folder / "rendered.json"
    texts = "{{ {" + ", ".join(f'"{name}": {text}' for name, text in FILES.items()) + "} | to_json }}"
    tasks = [
        {"include_vars": {"file": str(ROLE / "defaults/main.yml")}},
        {"include_vars": {"file": str(ROLE / "vars/main.yml")}},
        {"copy": {"content": texts, "dest": str(result), "mode": "0600"}},
    ]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    given = {"role": str(ROLE), "__web_authority": {"stat": {}}, **variables}
    (folder / "render.yml").write_text(yaml.safe_dump([play]))
    (folder / "given.json").write_text(json.dumps(given))
    ansible("ansible-playbook", "-i", "localhost,", str(folder / "render.yml"), "-e", f"@{folder / 'given.json'}")
    for name, text in json.loads(result.read_text()).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
