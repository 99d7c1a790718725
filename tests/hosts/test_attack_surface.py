"""A neighbouring host of nobody's: what it reaches of an académie, and what it is told."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Iterator
from typing import Final

import pytest

from tests.hosts.academies import Academy, trust_authority
from tests.hosts.laboratory import Wish, up
from tests.hosts.machines import Machine
from tests.hosts.networks import Network
from tests.hosts.outsiders import ask, listening, open_doors

PUBLIC: Final = {80, 443, 8448}

NOT_FOR_OUTSIDE: Final = (
    "/_synapse/admin/v1/server_version",
    "/_synapse/admin/v2/users",
    "/_synapse/metrics",
    "/_synapse/replication/",
    "/_synapse/client/preau/v1/facts",
    "/_synapse/client/preau/v1/batch",
    "/_synapse/mas/query_user",
    "/_matrix/app/v1/transactions/1",
    "/_matrix/client/v3/admin/whois/@a:b",
    "/metrics",
    "/health",
    "/status",
    "/.env",
)
DISGUISES: Final = (
    "/_matrix/../_synapse/admin/v1/server_version",
    "/_matrix/client/../../_synapse/admin/v1/server_version",
    "/_matrix/client/v3/..%2f..%2f..%2f_synapse/admin/v1/server_version",
    "/%5fsynapse/admin/v1/server_version",
    "//_synapse/admin/v1/server_version",
    "/_synapse//admin/v1/server_version",
    "/./_synapse/admin/v1/server_version",
    "/_matrix/%2e%2e/_synapse/admin/v1/server_version",
    "/_SYNAPSE/admin/v1/server_version",
)


@pytest.fixture(scope="module")
def neighbour(network: Network, academies: tuple[Academy, Academy]) -> Iterator[Machine]:
    """A host in the same network that belongs to no académie."""
    (machine,) = up(network, [Wish("voisin")])
    trust_authority(machine, academies[0].authority)
    yield machine
    machine.remove()


def test_only_the_proxy_answers_a_neighbour_and_only_on_its_public_ports(academy: Academy, neighbour: Machine) -> None:
    doors = {(host.address, port) for host in academy.machines.values() for port in listening(host) | PUBLIC | {22}}
    assert len(doors) > 10  # something listens behind them, or this would say nothing
    assert open_doors(neighbour, doors) == {(academy.proxy_address, port) for port in PUBLIC}


def test_the_link_s_own_addresses_are_no_way_around_the_firewall(academy: Academy, neighbour: Machine) -> None:
    local = {}
    for host in academy.machines.values():
        words = host.run("ip", "-6", "-o", "address", "show", "dev", "host0", "scope", "link").split()
        local[host.name] = words[words.index("inet6") + 1].partition("/")[0]
    doors = {(f"{local[host.name]}%host0", port) for host in academy.machines.values() for port in listening(host)}
    allowed = {(f"{local[academy.host('proxy').name]}%host0", port) for port in PUBLIC}
    assert open_doors(neighbour, doors) <= allowed


def test_the_administrators_network_reaches_ssh(academy: Academy) -> None:
    for host in academy.machines.values():
        with socket.create_connection((host.address, 22), timeout=10) as connection:
            assert connection.recv(4) == b"SSH-"


@pytest.mark.parametrize("prefix", ["matrix.", "", "chat.", "portail."])
def test_nothing_that_is_not_for_outside_is_served(academy: Academy, neighbour: Machine, prefix: str) -> None:
    name = f"{prefix}{academy.server}"
    answers = ask(neighbour, academy.proxy_address, name, [*NOT_FOR_OUTSIDE, *DISGUISES])
    told = {path: answer.status for path, answer in zip([*NOT_FOR_OUTSIDE, *DISGUISES], answers, strict=True)}
    assert set(told.values()) <= {400, 403, 404, 405}, told
    assert not [answer.body for answer in answers if "server_version" in answer.body]


def test_a_forged_host_name_leads_nowhere_else(academy: Academy, neighbour: Machine) -> None:
    name = f"matrix.{academy.server}"
    for forged in ("localhost:8008", "127.0.0.1", academy.host("homeserver").name):
        request = ["/_synapse/admin/v1/server_version"]
        (answer,) = ask(neighbour, academy.proxy_address, name, request, f"X-Forwarded-Host: {forged}")
        assert answer.status == 404


def test_nobody_registers_an_account(academy: Academy, neighbour: Machine) -> None:
    paths = ["/_matrix/client/v3/register", "/_matrix/client/r0/register/available?username=intrus"]
    answers = ask(neighbour, academy.proxy_address, f"matrix.{academy.server}", paths)
    assert {answer.status for answer in answers} <= {403, 404}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_tls_before_1_2_is_refused(academy: Academy, version: ssl.TLSVersion) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # ours would offer it: it is the server that refuses
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection((academy.proxy_address, 443), timeout=10) as raw,
        pytest.raises(ssl.SSLError, match=r"(?i)alert protocol version"),
    ):
        context.wrap_socket(raw, server_hostname=f"matrix.{academy.server}")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_from_1_2_is_served_with_a_valid_certificate(academy: Academy, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=str(academy.authority.certificate))
    context.minimum_version = context.maximum_version = version
    for prefix in ("", "matrix.", "chat.", "portail."):
        with (
            socket.create_connection((academy.proxy_address, 443), timeout=10) as raw,
            context.wrap_socket(raw, server_hostname=f"{prefix}{academy.server}") as connection,
        ):
            assert connection.version() == version.name.replace("_", ".")


@pytest.mark.parametrize("prefix", ["matrix.", "chat.", "portail."])
def test_answers_carry_what_protects_a_browser(academy: Academy, neighbour: Machine, prefix: str) -> None:
    path = "/_matrix/client/versions" if prefix == "matrix." else "/"
    (answer,) = ask(neighbour, academy.proxy_address, f"{prefix}{academy.server}", [path])
    assert answer.status == 200
    assert int(answer.headers["strict-transport-security"].partition("max-age=")[2].partition(";")[0]) >= 15_552_000
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "referrer-policy" in answer.headers
    assert "frame-ancestors" in answer.headers["content-security-policy"]
    assert not any(character.isdigit() for character in answer.headers.get("server", ""))


def test_plain_http_only_points_to_https(academy: Academy) -> None:
    with socket.create_connection((academy.proxy_address, 80), timeout=10) as connection:
        connection.sendall(f"GET /_matrix/client/versions HTTP/1.0\r\nHost: matrix.{academy.server}\r\n\r\n".encode())
        answer = connection.makefile("rb").read().decode()
    assert answer.split()[1] in {"301", "308"}
    assert f"Location: https://matrix.{academy.server}/" in answer
