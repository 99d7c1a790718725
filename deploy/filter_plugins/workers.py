"""Filters that turn "two generic workers on this host" into the processes of an académie, and their paths.

::

    host vars: synapse_workers ─► preau_synapse_instances ─┬─► role synapse: units, listeners, instance map
     [{kind: generic, count: 2}]   (one row per process)   └─► preau_synapse_routes ─► role web: which path to whom

Pure functions of the inventory, without facts of hosts. Adding a host, or a worker at the end of a host's list, renames
and moves nothing: a name is the host, the kind and the number on that host, and ports are counted on each host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ansible.errors import AnsibleFilterError

Row = dict[str, Any]

FIRST_PORT: Final = 8100
PORTS_EACH: Final = 10
MOST_ON_A_HOST: Final = 30
"""The firewall opens 8100 to 8399."""


@dataclass(frozen=True)
class Kind:
    """What a worker of a kind listens for, and how many there may be."""

    resources: tuple[str, ...] = ("health",)
    replicates: bool = False
    single: bool = False


KINDS: Final[Mapping[str, Kind]] = {
    "generic": Kind(resources=("client", "federation")),
    "persister": Kind(replicates=True),
    "writer": Kind(resources=("client",), replicates=True, single=True),
    "federation-sender": Kind(),
    "media": Kind(resources=("media",), replicates=True),
    "pusher": Kind(),
    "background": Kind(single=True),
}


def preau_synapse_instances(hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """Every worker process of the hosts, in their order.

    A row is ``{name, kind, host, index, resources, http, replication, metrics}``; the last three are ports, and
    ``replication`` is 0 where nobody calls the process.

    Raises:
        AnsibleFilterError: a host asks for a kind that there is not, for too many, or for what Synapse cannot run.
    """
    rows = [row for host in dict.fromkeys(hosts) for row in _on_host(host, hostvars[host].get("synapse_workers") or [])]
    _check_together(rows)
    return rows


def _on_host(host: str, wanted: Sequence[Mapping[str, Any]]) -> list[Row]:
    kinds = [kind for row in wanted for kind in [_kind(host, row)] * _count(host, row)]
    if len(kinds) > MOST_ON_A_HOST:
        raise AnsibleFilterError(
            f"{host}: synapse_workers asks for {len(kinds)} workers; a host has {MOST_ON_A_HOST} at most"
        )
    numbers = [kinds[: place + 1].count(kind) for place, kind in enumerate(kinds)]
    return [_row(host, kind, number, index) for index, (kind, number) in enumerate(zip(kinds, numbers, strict=True))]


def _kind(host: str, row: Mapping[str, Any]) -> str:
    kind = row.get("kind")
    if kind not in KINDS:
        raise AnsibleFilterError(f"{host}: synapse_workers knows no kind {kind}; there are {', '.join(KINDS)}")
    return str(kind)


def _count(host: str, row: Mapping[str, Any]) -> int:
    count = row.get("count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise AnsibleFilterError(f"{host}: synapse_workers: count is a whole number, not {count!r}")
    return count


def _row(host: str, kind: str, number: int, index: int) -> Row:
    port = FIRST_PORT + PORTS_EACH * index
    return {
        "name": f"{host}-{kind}{number}",
        "kind": kind,
        "host": host,
        "index": index,
        "resources": list(KINDS[kind].resources),
        "http": port,
        "replication": port + 1 if KINDS[kind].replicates else 0,
        "metrics": port + 2,
    }


def _check_together(rows: Sequence[Row]) -> None:
    """Refuses what Synapse would start with and do wrongly."""
    for kind, of_kind in KINDS.items():
        names = [row["name"] for row in rows if row["kind"] == kind]
        if of_kind.single and len(names) > 1:
            raise AnsibleFilterError(
                f"synapse_workers: there is one worker {kind} in an académie, not {', '.join(names)}"
            )
    places = sorted({row["host"] for row in rows if row["kind"] == "media"})
    if len(places) > 1:
        raise AnsibleFilterError(
            f"synapse_workers: media workers share one folder, so they stand on one host, not on {', '.join(places)}"
        )


# --- Which path is answered by whom -------------------------------------------------------------------------------

_ANY: Final = "(api/v1|r0|v3|unstable)"
_NEWER: Final = "(r0|v3|unstable)"


@dataclass(frozen=True)
class Paths:
    """Paths that workers of a kind may answer, by what keeps requests together.

    ``balance`` names what all requests that belong together share: ``user``, ``room``, ``address``, or nothing.
    """

    kind: str
    balance: str
    patterns: tuple[str, ...]


PATHS: Final = (
    Paths(
        "media",
        "",
        ("^/_matrix/media/", "^/_matrix/client/v1/media/", "^/_matrix/federation/v1/media/", "^/_synapse/media/"),
    ),
    Paths(
        "writer",
        "",
        (
            f"^/_matrix/client/{_ANY}/rooms/[^/]+/typing/",
            f"^/_matrix/client/{_NEWER}/sendToDevice/",
            f"^/_matrix/client/{_NEWER}/user/[^/]+/(rooms/[^/]+/)?(tags|account_data)",
            f"^/_matrix/client/{_NEWER}/rooms/[^/]+/(receipt|read_markers)",
            f"^/_matrix/client/{_ANY}/presence/",
            f"^/_matrix/client/{_ANY}/pushrules/",
            f"^/_matrix/client/{_ANY}/devices(/|$)",
            "^/_matrix/client/(r0|v3)/delete_devices$",
            f"^/_matrix/client/{_NEWER}/keys/upload",
            f"^/_matrix/client/{_ANY}/keys/(device_signing|signatures)/upload$",
        ),
    ),
    Paths(
        "generic",
        "user",
        (
            "^/_matrix/client/(r0|v3)/sync$",
            "^/_matrix/client/unstable/org.matrix.simplified_msc3575/sync$",
            "^/_matrix/client/(api/v1|r0|v3)/(events|initialSync)$",
            "^/_matrix/client/(api/v1|r0|v3)/rooms/[^/]+/initialSync$",
        ),
    ),
    Paths(
        "generic",
        "room",
        (
            # One process per room: pages of one conversation must not come from two.
            f"^/_matrix/client/{_ANY}/rooms/[^/]+/messages$",
            f"^/_matrix/client/{_ANY}/rooms/[^/]+/(redact|send|state)/",
            f"^/_matrix/client/{_ANY}/rooms/[^/]+/(join|invite|leave|ban|unban|kick)$",
        ),
    ),
    Paths("generic", "address", ("^/_matrix/federation/v1/send/",)),
    Paths(
        "generic",
        "",
        (
            f"^/_matrix/client/{_ANY}/(createRoom|publicRooms|joined_rooms|search|login)$",
            f"^/_matrix/client/{_ANY}/rooms/[^/]+/(joined_members|members|state)$",
            f"^/_matrix/client/{_ANY}/rooms/[^/]+/(context|event)/",
            f"^/_matrix/client/{_NEWER}/rooms/[^/]+/aliases$",
            "^/_matrix/client/v1/rooms/[^/]+/(hierarchy|threads|timestamp_to_event)$",
            "^/_matrix/client/(v1|unstable)/rooms/[^/]+/relations/",
            "^/_matrix/client/unstable/im.nheko.summary/summary/",
            f"^/_matrix/client/{_NEWER}/account/(3pid|whoami|deactivate)$",
            "^/_matrix/client/(r0|v3)/delete_devices$",
            f"^/_matrix/client/{_ANY}/devices(/|$)",
            "^/_matrix/client/versions$",
            f"^/_matrix/client/{_ANY}/voip/turnServer$",
            f"^/_matrix/client/{_NEWER}/user/[^/]+/filter(/|$)",
            f"^/_matrix/client/{_ANY}/directory/room/",
            f"^/_matrix/client/{_NEWER}/(capabilities|notifications|password_policy)$",
            f"^/_matrix/client/{_NEWER}/keys/(query|changes|claim)$",
            f"^/_matrix/client/{_NEWER}/keys/upload",
            f"^/_matrix/client/{_ANY}/keys/(device_signing|signatures)/upload$",
            f"^/_matrix/client/{_NEWER}/room_keys/",
            f"^/_matrix/client/{_NEWER}/register(/available)?$",
            "^/_matrix/client/v1/register/m.login.registration_token/validity$",
            f"^/_matrix/client/{_ANY}/(join|knock|profile)/",
            # The search for people is the guard's, in every process; the proxy turns the clients' path into it.
            f"^/_matrix/client/{_NEWER}/user_directory/search$",
            "^/_synapse/client/preau/v1/search$",
            "^/_matrix/federation/v1/version$",
            "^/_matrix/federation/v1/(event|state|state_ids|backfill|get_missing_events|event_auth|query)/",
            "^/_matrix/federation/v1/publicRooms",
            "^/_matrix/federation/v1/(make_join|make_leave|make_knock|send_knock|timestamp_to_event|hierarchy)/",
            "^/_matrix/federation/v1/(exchange_third_party_invite|user/devices)/",
            "^/_matrix/federation/(v1|v2)/(send_join|send_leave|invite)/",
            "^/_matrix/key/v2/query",
        ),
    ),
)
"""From Synapse 1.163's documentation of workers, in the order in which a proxy has to try them. tests/deploy compares
them with what Synapse registers in a worker. What is not here is main's: administration, logging out, pushers, reports,
openid, upgrades of rooms. A federation sender, a pusher, a persister and the background worker answer no path."""


def preau_synapse_routes(instances: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Paths that the proxy hands to workers, as ``{regex, kind, balance}``, for the kinds that there are.

    The first match wins; whatever matches none is main's.
    """
    there = {row["kind"] for row in instances}
    return list(_routes(there))


def _routes(there: set[str]) -> Iterator[Row]:
    seen: set[str] = set()
    for paths in PATHS:
        if paths.kind in there:
            fresh = [pattern for pattern in paths.patterns if pattern not in seen]
            seen.update(fresh)
            yield from ({"regex": pattern, "kind": paths.kind, "balance": paths.balance} for pattern in fresh)


class FilterModule:
    """What Ansible asks a plugin for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name in templates → function."""
        return {"preau_synapse_instances": preau_synapse_instances, "preau_synapse_routes": preau_synapse_routes}
