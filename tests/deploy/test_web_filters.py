"""What the proxy is told of an académie's processes: who answers what, and where."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("ansible", reason="needs the extra `deploy`")

PLUGINS = Path(__file__).parents[2] / "deploy/filter_plugins"


def load(name: str) -> ModuleType:
    """The plugin, which Ansible too finds by its path."""
    spec = importlib.util.spec_from_file_location(f"plugin_{name}", PLUGINS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


PROXY, WORKERS = load("proxy"), load("workers")
HOSTS = {
    "w1": {"synapse_workers": [{"kind": "generic", "count": 2}, {"kind": "pusher"}]},
    "w2": {"synapse_workers": [{"kind": "generic"}, {"kind": "media"}]},
}


def of(hosts: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    instances = WORKERS.preau_synapse_instances(hosts, hosts)
    return instances, WORKERS.preau_synapse_routes(instances)


def test_on_one_host_without_workers_there_are_two_doors_on_loopback() -> None:
    instances, routes = of({"h": {}})
    assert PROXY.preau_proxy_upstreams(instances, routes, "h", "") == {
        "client": {"servers": [{"address": "127.0.0.1", "port": 8008}], "tls": False, "server_name": ""},
        "federation": {"servers": [{"address": "127.0.0.1", "port": 8009}], "tls": False, "server_name": ""},
    }
    assert PROXY.preau_proxy_routes(routes) == []
    assert PROXY.preau_proxy_search(routes) == "client"


def test_between_hosts_every_kind_that_answers_is_called_by_its_host_with_tls() -> None:
    upstreams = PROXY.preau_proxy_upstreams(*of(HOSTS), "main", "hosts.nord.internal")
    assert {name: [(it["address"], it["port"]) for it in row["servers"]] for name, row in upstreams.items()} == {
        "client": [("main", 8008)],
        "federation": [("main", 8009)],
        "generic": [("w1", 8100), ("w1", 8110), ("w2", 8100)],
        "media": [("w2", 8110)],
    }
    assert {(row["tls"], row["server_name"]) for row in upstreams.values()} == {(True, "hosts.nord.internal")}


def test_every_path_of_a_worker_is_handed_on_in_the_same_order_but_for_inner_ones() -> None:
    instances, routes = of(HOSTS)
    handed_on = PROXY.preau_proxy_routes(routes)
    assert [row["regex"] for row in handed_on] == [
        row["regex"] for row in routes if not row["regex"].startswith("^/_synapse/")
    ]
    assert {row["balance"] for row in handed_on} == {"least_conn", "user", "room", "address"}
    assert {row["upstream"] for row in handed_on} <= PROXY.preau_proxy_upstreams(instances, routes, "main", "x").keys()


def test_workers_search_for_people_where_there_are_any() -> None:
    assert PROXY.preau_proxy_search(of(HOSTS)[1]) == "generic"
    assert PROXY.preau_proxy_search(of({"w": {"synapse_workers": [{"kind": "media"}]}})[1]) == "client"
