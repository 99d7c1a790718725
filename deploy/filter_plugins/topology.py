"""Filters over the inventory: which ports a host opens, and to whom.

Ansible finds this file because it stands beside the playbooks. Pure functions of the inventory; no fact of a host is
needed, so everything can be rendered, and tested, without hosts.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Ports = list[dict[str, Any]]
    Groups = Mapping[str, list[str]]
    Hosts = Mapping[str, Mapping[str, Any]]

ANYBODY = "anybody"
ADMINS = "admins"
EVERY_HOST = "all"
REQUIRED = frozenset({"name", "port", "at", "from"})
FUNCTIONS = frozenset(
    {"backup", "database", "drill", "homeserver", "monitoring", "proxy", "redis", "service", "workers"},
)


def preau_open_ports(table: Iterable[Mapping[str, Any]], host: str, groups: Groups, hostvars: Hosts) -> Ports:
    """The rows of ``preau_ports`` that ``host`` listens on, as ``{name, port, sources}``.

    ``sources`` is None for anybody, else the addresses and networks that may come in, sorted and each one once; a row
    that nobody else reaches is left out. ``port`` is a number or ``from-to``, as text.

    ``admins`` are the networks of ``preau_admin_networks``. While that list is empty they are anybody: an operator who
    has not said where they sit is not locked out of a new host (preflight warns until it is said).

    Raises:
        AnsibleFilterError: if a row lacks a word or names a group that Préau does not know, or a source is not an
            address. Names would be looked up when the firewall is loaded, at a boot without network: then there would
            be no firewall.
    """
    rows = [_complete(row) for row in table]
    spread = hostvars[host]["preau_spread"]
    mine = (row for row in rows if _listens(row, host, groups) and (spread or not row.get("spread")))
    opened = (
        {"name": row["name"], "port": str(row["port"]), "sources": _sources(row, host, groups, hostvars)}
        for row in mine
    )
    return [row for row in opened if row["sources"] is None or row["sources"]]


def _complete(row: Mapping[str, Any]) -> Mapping[str, Any]:
    missing = REQUIRED - row.keys()
    if missing:
        message = f"preau_ports: the row {row.get('name', row)} does not say {', '.join(sorted(missing))}"
        raise AnsibleFilterError(message)
    return row


def _listens(row: Mapping[str, Any], host: str, groups: Groups) -> bool:
    for group in row["at"]:
        _check_group(row, group, FUNCTIONS | {EVERY_HOST})
    return any(group == EVERY_HOST or host in groups.get(group, []) for group in row["at"])


def _sources(row: Mapping[str, Any], host: str, groups: Groups, hostvars: Hosts) -> list[str] | None:
    networks = hostvars[host]["preau_admin_networks"]
    if ANYBODY in row["from"] or (ADMINS in row["from"] and not networks):
        return None
    found = {
        address
        for group in row["from"]
        for address in (networks if group == ADMINS else _addresses(row, group, host, groups, hostvars))
    }
    return sorted(_checked(row, address) for address in found)


def _addresses(row: Mapping[str, Any], group: str, host: str, groups: Groups, hostvars: Hosts) -> list[str]:
    """Where the other hosts of ``group`` in the académie of ``host`` are."""
    _check_group(row, group, FUNCTIONS)
    members = hostvars[host]["preau_members"]
    others = (other for other in groups.get(group, []) if other in members and other != host)
    return [str(hostvars[other]["preau_address"]) for other in others]


def _check_group(row: Mapping[str, Any], group: str, known: frozenset[str]) -> None:
    if group not in known:
        message = f"preau_ports: the row {row['name']} names {group}, which is no group of Préau"
        raise AnsibleFilterError(message)


def _checked(row: Mapping[str, Any], address: str) -> str:
    try:
        ipaddress.ip_network(address, strict=False)
    except ValueError:
        message = (
            f"preau_ports: the row {row['name']} lets in {address}, which is no address. Give its host an ansible_host "
            "(or a preau_address) that is one; names are no good for a firewall"
        )
        raise AnsibleFilterError(message) from None
    return address


class FilterModule:
    """What Ansible asks a plugin for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name in templates → function."""
        return {"preau_open_ports": preau_open_ports}
