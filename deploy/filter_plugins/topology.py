"""Filters over the inventory: which ports a host opens, and to whom.

Ansible finds this file because it stands beside the playbooks. Pure functions of the inventory; no fact of a host is
needed, so everything can be rendered, and tested, without hosts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

Ports = list[dict[str, Any]]

ANYBODY = "anybody"
ADMINS = "admins"


def preau_open_ports(
    table: Iterable[Mapping[str, Any]],
    host: str,
    groups: Mapping[str, list[str]],
    hostvars: Mapping[str, Mapping[str, Any]],
) -> Ports:
    """The rows of ``preau_ports`` that ``host`` listens on, as ``{name, port, sources}``.

    ``sources`` is None for anybody, else the sorted addresses and networks that may come in; a row that nobody else
    reaches is left out. ``port`` is a number or ``from-to``, as text.

    Raises:
        AnsibleFilterError: if a row names a group that no playbook knows.
    """
    mine = hostvars[host]
    rows = [row for row in table if _listens(row, host, groups) and (mine["preau_spread"] or not row.get("spread"))]
    opened = ({"name": row["name"], "port": str(row["port"]), "sources": _sources(row, host, groups, hostvars)} for row in rows)
    return [row for row in opened if row["sources"] is None or row["sources"]]


def _listens(row: Mapping[str, Any], host: str, groups: Mapping[str, list[str]]) -> bool:
    return any(group == "all" or host in groups.get(group, []) for group in row["on"])


def _sources(
    row: Mapping[str, Any],
    host: str,
    groups: Mapping[str, list[str]],
    hostvars: Mapping[str, Mapping[str, Any]],
) -> list[str] | None:
    if ANYBODY in row["from"]:
        return None
    mine = hostvars[host]
    addresses: set[str] = set()
    for group in row["from"]:
        if group == ADMINS:
            addresses.update(mine["preau_admin_networks"])
        elif group in FUNCTIONS:
            others = [other for other in groups.get(group, []) if other in mine["preau_members"] and other != host]
            addresses.update(str(hostvars[other]["preau_address"]) for other in others)
        else:
            raise AnsibleFilterError(f"preau_ports: the row {row['name']} lets in {group}, which is no group of Préau")
    return sorted(addresses)


FUNCTIONS = frozenset(
    {"backup", "database", "homeserver", "monitoring", "proxy", "redis", "service", "workers"},
)


class FilterModule:
    """What Ansible asks a plugin for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name in templates → function."""
        return {"preau_open_ports": preau_open_ports}
