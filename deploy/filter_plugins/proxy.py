"""Filters that tell the proxy who stands behind it, from the table of an académie's processes.

::

    preau_synapse_instances ─► preau_proxy_upstreams ─► {client: …, federation: …, generic: {servers, tls, server_name}}
    preau_synapse_routes ─────► preau_proxy_routes ───► [{regex, upstream, balance}]

Pure functions, without facts of hosts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

Row = dict[str, Any]

LOOPBACK: Final = "127.0.0.1"
MAIN: Final[Mapping[str, int]] = {"client": 8008, "federation": 8009}
INNER: Final = "^/_synapse/"
"""Paths that only requests turned inwards by the proxy itself have: no visitor is let near them."""


def preau_proxy_upstreams(
    instances: Iterable[Mapping[str, Any]], routes: Iterable[Mapping[str, Any]], homeserver: str, internal_name: str
) -> dict[str, Row]:
    """The two doors of the main process on the host ``homeserver``, and one upstream for each kind that has paths.

    ``internal_name`` is in every host’s certificate; empty: all stands on one host, on loopback, without TLS.
    """
    servers = {name: [_server(homeserver, port, internal_name)] for name, port in MAIN.items()}
    for kind in dict.fromkeys(row["kind"] for row in routes):
        servers[kind] = [_server(row["host"], row["http"], internal_name) for row in instances if row["kind"] == kind]
    return {
        name: {"servers": those, "tls": bool(internal_name), "server_name": internal_name}
        for name, those in servers.items()
    }


def _server(host: str, port: int, internal_name: str) -> Row:
    return {"address": host if internal_name else LOOPBACK, "port": port}


def preau_proxy_routes(routes: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The paths as the proxy tries them; ``balance`` names what keeps requests together, or ``least_conn``."""
    return [
        {"regex": row["regex"], "upstream": row["kind"], "balance": row["balance"] or "least_conn"}
        for row in routes
        if not row["regex"].startswith(INNER)
    ]


def preau_proxy_search(routes: Iterable[Mapping[str, Any]]) -> str:
    """The upstream that searches for people."""
    return next((row["kind"] for row in routes if row["regex"] == f"{INNER}client/preau/v1/search$"), "client")


class FilterModule:
    """What Ansible asks a plugin for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name in templates → function."""
        return {
            "preau_proxy_upstreams": preau_proxy_upstreams,
            "preau_proxy_routes": preau_proxy_routes,
            "preau_proxy_search": preau_proxy_search,
        }
