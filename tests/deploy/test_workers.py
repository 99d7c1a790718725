"""The table of worker processes, and the paths that the proxy gives them, held against Synapse's own registrations."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("ansible", reason="needs the extra `deploy`")

from ansible.errors import AnsibleFilterError

from tests.everything.routes import served

ROOT = Path(__file__).parents[2]


def load() -> ModuleType:
    """The plugin, which Ansible too finds by its path."""
    spec = importlib.util.spec_from_file_location("workers", ROOT / "deploy/filter_plugins/workers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["workers"] = module
    spec.loader.exec_module(module)
    return module


WORKERS = load()
ALL_KINDS = [{"kind": kind} for kind in WORKERS.KINDS]


def instances(**hosts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    variables: Mapping[str, Any] = {host: {"synapse_workers": workers} for host, workers in hosts.items()}
    found: list[dict[str, Any]] = WORKERS.preau_synapse_instances(list(hosts), variables)
    return found


# --- The table ----------------------------------------------------------------------------------------------------


def test_a_row_says_who_where_and_on_which_ports() -> None:
    assert instances(w1=[{"kind": "generic", "count": 2}, {"kind": "persister"}])[1:] == [
        {
            "name": "w1-generic2",
            "kind": "generic",
            "host": "w1",
            "index": 1,
            "resources": ["client", "federation"],
            "http": 8110,
            "replication": 0,
            "metrics": 8112,
        },
        {
            "name": "w1-persister1",
            "kind": "persister",
            "host": "w1",
            "index": 2,
            "resources": ["health"],
            "http": 8120,
            "replication": 8121,
            "metrics": 8122,
        },
    ]


def test_another_host_and_another_worker_at_the_end_change_nothing_of_the_others() -> None:
    first = [{"kind": "generic", "count": 2}]
    before = instances(w1=first, w2=first)
    after = instances(w1=[*first, {"kind": "pusher"}], w2=first, w3=first)
    assert [row for row in before if row not in after] == []


def test_a_host_named_in_two_groups_has_its_workers_once() -> None:
    rows = WORKERS.preau_synapse_instances(["h", "w", "h"], {"h": {"synapse_workers": ALL_KINDS[:1]}, "w": {}})
    assert [row["name"] for row in rows] == ["h-generic1"]


def test_names_and_ports_are_never_shared() -> None:
    rows = instances(w1=ALL_KINDS, w2=[{"kind": "generic", "count": 23}])
    assert len({row["name"] for row in rows}) == len(rows) == 30
    taken = [(row["host"], row[port]) for row in rows for port in ("http", "replication", "metrics") if row[port]]
    assert len(set(taken)) == len(taken)
    assert max(port for _, port in taken) < 8400


@pytest.mark.parametrize(
    ("workers", "why"),
    [
        ([{"kind": "synchrotron"}], "w1: synapse_workers knows no kind synchrotron"),
        ([{"kind": "generic", "count": "2"}], "count is a whole number"),
        ([{"kind": "generic", "count": -1}], "count is a whole number"),
        ([{"kind": "generic", "count": 31}], "30 at most"),
        ([{"kind": "background", "count": 2}], "one worker background"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(workers: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(AnsibleFilterError, match=why):
        instances(w1=workers)


def test_files_are_kept_on_one_host() -> None:
    assert len(instances(w1=[{"kind": "media", "count": 2}])) == 2
    with pytest.raises(AnsibleFilterError, match="w1, w2"):
        instances(w1=[{"kind": "media"}], w2=[{"kind": "media"}])


# --- The paths ----------------------------------------------------------------------------------------------------

REGISTERED = """
import json, sys
from synapse._scripts.generate_workers_map import MockHomeserver, get_registered_paths_for_hs
from synapse.config.homeserver import HomeServerConfig
found = {}
for name, app in (("main", None), ("worker", "synapse.app.generic_worker")):
    homeserver = MockHomeserver(HomeServerConfig.load_config("", ["-c", sys.argv[1]]), app)
    homeserver.setup()
    found[name] = list(get_registered_paths_for_hs(homeserver))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[tuple[str, str]]]:
    """Method and path of everything that Synapse itself says main and a worker serve."""
    folder = tmp_path_factory.mktemp("synapse")
    (folder / "signing.key").write_text("ed25519 a_1234 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1\n")
    least = {
        "server_name": "nord.example",
        "report_stats": False,
        "signing_key_path": str(folder / "signing.key"),
        "media_store_path": str(folder),
        "database": {"name": "sqlite3", "args": {"database": ":memory:"}},
        "trusted_key_servers": [],
        "macaroon_secret_key": "m",
        "form_secret": "f",
    }
    (folder / "homeserver.yaml").write_text(json.dumps(least))
    command = [sys.executable, "-c", REGISTERED, str(folder / "homeserver.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name: _paths(found) for name, found in json.loads(done.stdout.splitlines()[-1]).items()}


def _paths(found: list[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(route.method, route.path) for route in served((method, pattern, "") for method, pattern in found)}


def matching(regex: str, paths: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(method, path) for method, path in paths if re.search(regex, path)}


GENERIC = [pattern for paths in WORKERS.PATHS if paths.kind in {"generic", "writer"} for pattern in paths.patterns]
OWN = "preau/v1"


@pytest.mark.parametrize("regex", sorted({pattern for pattern in GENERIC if OWN not in pattern}))
def test_a_worker_serves_all_that_is_routed_to_it(regex: str, registered: dict[str, set[tuple[str, str]]]) -> None:
    mains, workers = matching(regex, registered["main"]), matching(regex, registered["worker"])
    assert workers, "Synapse serves nothing there"
    assert {route for route in mains - workers if not _the_writers(*route)} == set()


def _the_writers(method: str, path: str) -> bool:
    """A worker that is no writer of push rules refuses to change them; Synapse's listing knows no writer."""
    return method in {"PUT", "DELETE"} and path.endswith("/pushrules/{path}")


def test_push_rules_go_to_their_writer_or_to_main() -> None:
    path = "/_matrix/client/v3/pushrules/global/override/x"
    matching_kinds = {paths.kind for paths in WORKERS.PATHS for regex in paths.patterns if re.search(regex, path)}
    assert matching_kinds == {"writer"}


@pytest.mark.parametrize(
    "path",
    [
        "/_matrix/client/v3/logout",
        "/_matrix/client/v3/refresh",
        "/_matrix/client/v3/pushers/set",
        "/_matrix/client/v3/rooms/!r/report/$e",
        "/_matrix/client/v3/rooms/!r/upgrade",
        "/_matrix/client/v3/user/@a:nord.example/openid/request_token",
        "/_matrix/client/v1/login/get_token",
        "/_matrix/client/v3/auth/m.login.password/fallback/web",
        "/_synapse/admin/v1/server_version",
        "/_synapse/client/preau/v1/facts",
        "/_synapse/client/preau/v1/rooms",
        "/_matrix/key/v2/server",
        "/_synapse/replication/fed_send_events",
    ],
)
def test_main_keeps_what_only_main_can_do(path: str) -> None:
    routes = WORKERS.preau_synapse_routes(instances(w1=ALL_KINDS))
    assert [route["regex"] for route in routes if re.search(route["regex"], path)] == []


@pytest.mark.parametrize(
    ("path", "kind", "balance"),
    [
        ("/_matrix/client/v3/sync", "generic", "user"),
        ("/_matrix/client/unstable/org.matrix.simplified_msc3575/sync", "generic", "user"),
        ("/_matrix/client/v3/rooms/!r/send/m.room.message/1", "generic", "room"),
        ("/_matrix/client/v3/rooms/!r/messages", "generic", "room"),
        ("/_matrix/client/v3/login", "generic", ""),
        ("/_matrix/client/v3/user_directory/search", "generic", ""),
        ("/_matrix/federation/v1/send/1", "generic", "address"),
        ("/_matrix/federation/v1/media/download/x", "media", ""),
        ("/_matrix/client/v1/media/download/nord.example/x", "media", ""),
        ("/_matrix/client/v3/rooms/!r/typing/@a:nord.example", "writer", ""),
        ("/_matrix/client/v3/keys/upload", "writer", ""),
    ],
)
def test_the_first_match_says_who_answers(path: str, kind: str, balance: str) -> None:
    routes = WORKERS.preau_synapse_routes(instances(w1=ALL_KINDS))
    first = next(route for route in routes if re.search(route["regex"], path))
    assert (first["kind"], first["balance"]) == (kind, balance)


def test_only_kinds_that_there_are_get_paths() -> None:
    assert WORKERS.preau_synapse_routes([]) == []
    assert {route["kind"] for route in WORKERS.preau_synapse_routes(instances(w=[{"kind": "pusher"}]))} == set()
    generic = WORKERS.preau_synapse_routes(instances(w=[{"kind": "generic"}]))
    assert any("keys/upload" in route["regex"] for route in generic)


def test_no_path_stands_twice() -> None:
    regexes = [route["regex"] for route in WORKERS.preau_synapse_routes(instances(w=ALL_KINDS))]
    assert len(set(regexes)) == len(regexes)
