"""Filters over an inventory: what would make a deployment fail, found before any host is touched.

Border: the inventory, the variables and the repository. No fact of a host is needed. A finding says where, what, and
what to do; all findings are given at once.
"""

from __future__ import annotations

import difflib
import ipaddress
import itertools
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    Groups = Mapping[str, Sequence[str]]
    Variables = Mapping[str, Any]
    Hosts = Mapping[str, Variables]
    # Where, what, what to do.
    Triple = tuple[str, str, str]

ACADEMIE = "academie_"
FUNCTIONS = ("backup", "database", "drill", "homeserver", "monitoring", "proxy", "redis", "service", "workers")
# How many hosts of an académie may do it: at least, at most (None: as many as wanted), and why.
COUNTS: dict[str, tuple[int, int | None, str]] = {
    "database": (1, 1, "Synapse has one database"),
    "homeserver": (1, 1, "an académie is one homeserver; further processes of it go into the group workers"),
    "service": (1, 1, "two services would do everything twice"),
    "proxy": (1, None, "nobody would reach the académie"),
    "redis": (0, 1, "the homeserver's processes share one bus"),
}
SERVER_NAME = re.compile(r"(?=.{1,230}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")
SHORT_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
# What stands in inventories/example in place of a value.
PLACEHOLDER = re.compile(r"(?i)change[_ -]?me|placeholder|^todo\b|à remplacer")
# What every académie must say itself.
REQUIRED = ("preau_academy", "preau_server_name")
TOP_LEVEL = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*):", re.MULTILINE)


def finding(where: str, what: str, do: str) -> str:
    """One line: where, what is wrong, what to do."""
    return f"{where}: {what}. → {do}."


# --- Groups -------------------------------------------------------------------------------------------------------


def group_findings(groups: Groups) -> list[str]:
    """Groups that are misspelt, hosts that belong nowhere or twice, functions that nobody or too many have."""
    return [*_misspelt(groups), *_homeless(groups), *_counted(groups)]


def _academies(groups: Groups) -> list[str]:
    return sorted(group for group in groups if group.startswith(ACADEMIE))


def _misspelt(groups: Groups) -> Iterator[str]:
    known = {*FUNCTIONS, "all", "ungrouped"}
    for group in sorted(set(groups) - known):
        close = difflib.get_close_matches(group, FUNCTIONS, n=1, cutoff=0.8)
        if not group.startswith(ACADEMIE) and close:
            yield finding(
                f"group {group}", "no playbook knows it", f"Did you mean {close[0]}? Else give it another name"
            )
    if not _academies(groups):
        yield finding(
            "inventory",
            "it has no group academie_NAME",
            "Put the hosts of each académie into one; see inventories/example",
        )


def _homeless(groups: Groups) -> Iterator[str]:
    owners = Counter(host for group in _academies(groups) for host in groups[group])
    busy = {host for function in FUNCTIONS for host in groups.get(function, ())}
    for host in sorted(busy | set(owners)):
        if owners[host] != 1:
            what = "it is in no group academie_NAME" if not owners[host] else "it is in two groups academie_NAME"
            yield finding(host, what, "Put it into exactly one: a host serves one académie")
        elif host not in busy:
            yield finding(host, "it has nothing to do", f"Put it into one of {', '.join(FUNCTIONS)}, or remove it")


def _counted(groups: Groups) -> Iterator[str]:
    for academy in _academies(groups):
        members = set(groups[academy])
        having = {function: sorted(members.intersection(groups.get(function, ()))) for function in FUNCTIONS}
        for function, (least, most, why) in COUNTS.items():
            count = len(having[function])
            if count < least or (most is not None and count > most):
                wanted = (
                    f"exactly {least}" if least == most else f"at least {least}" if most is None else f"at most {most}"
                )
                names = ", ".join(having[function]) or "none"
                yield finding(academy, f"group {function} has {names}", f"Give it {wanted} host of the académie: {why}")
        if having["workers"] and not having["redis"]:
            yield finding(
                academy, "there are workers and no redis", "Put one host, best the homeserver's, into the group redis"
            )


# --- Variables ----------------------------------------------------------------------------------------------------


def variable_findings(hosts: Hosts, names: Sequence[str], groups: Groups, table: Sequence[Variables]) -> list[str]:
    """What of the académies' settings is missing, malformed, or still a placeholder; each once, with its hosts."""
    homes = {host: [group for group in _academies(groups) if host in groups[group]] for host in names}
    checks = (
        lambda variables: _names(variables, homes),
        _networks,
        lambda variables: _doors(variables, homes, groups.get("proxy", ())),
        lambda variables: _secrets(variables, table),
    )
    return _for_all(hosts, names, checks)


def _for_all(
    hosts: Hosts, names: Sequence[str], checks: Iterable[Callable[[Variables], Iterator[Triple]]]
) -> list[str]:
    found: dict[Triple, list[str]] = {}
    for host, check in itertools.product(names, checks):
        for triple in check(hosts[host]):
            found.setdefault(triple, []).append(host)
    return [finding(f"{', '.join(same)}: {where}", what, do) for (where, what, do), same in found.items()]


def _names(variables: Variables, homes: Mapping[str, Sequence[str]]) -> Iterator[Triple]:
    academy, server = str(variables.get("preau_academy", "")), str(variables.get("preau_server_name", ""))
    file = f"group_vars/{ACADEMIE}NAME/main.yml"
    if not SHORT_NAME.fullmatch(academy):
        do = "Set the académie's short name: small letters, digits, underscores, such as nord"
        yield (file, f"preau_academy is {academy!r}", do)
    elif ACADEMIE + academy not in homes[variables["inventory_hostname"]]:
        do = f"Name the group {ACADEMIE}{academy}, or set preau_academy to what stands behind {ACADEMIE} in its name"
        yield (file, f"preau_academy is {academy!r}, but the host is not in {ACADEMIE}{academy}", do)
    if not SERVER_NAME.fullmatch(server):
        do = (
            "Set the part of every Matrix id after the colon, such as nord.example: no port, no capital; it is for ever"
        )
        yield (file, f"preau_server_name is {server!r}", do)
    peers = variables.get("preau_peers", [])
    if not isinstance(peers, list) or any(not SERVER_NAME.fullmatch(str(peer)) for peer in peers):
        yield (file, "preau_peers is not a list of server names", "Write such as [sud.example, est.example]")
    elif server in peers or len(set(peers)) < len(peers):
        yield (file, "preau_peers names the académie itself, or one twice", "Name every other académie once")


def _networks(variables: Variables) -> Iterator[Triple]:
    networks = variables.get("preau_admin_networks", [])
    where = "preau_admin_networks"
    if not isinstance(networks, list) or not networks:
        do = "List the networks that administrators come from, such as [192.0.2.0/24]; the controller must be in one"
        yield (where, "it is empty, so the firewall would let nobody in by ssh", do)
        return
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            yield (where, f"{error}", "Write an address or a network, such as 192.0.2.0/24")


def _doors(variables: Variables, homes: Mapping[str, Sequence[str]], proxies: Iterable[str]) -> Iterator[Triple]:
    """An authority asks any of the proxies for the file that another one laid down."""
    home = homes[variables["inventory_hostname"]]
    doors = [proxy for proxy in proxies if homes.get(proxy) == home]
    if variables.get("web_tls_source") == "acme" and len(doors) > 1:
        do = "Give them one certificate by web_tls_source: files, or keep one proxy"
        yield ("web_tls_source is acme", f"{' and '.join(doors)} would each ask for a certificate in vain", do)


def _secrets(variables: Variables, table: Iterable[Variables]) -> Iterator[Triple]:
    endings = {"ca": ("_certificate", "_private_key"), "ssh_key": ("_private_key", "_public_key")}
    missing, empty = [], []
    for row in table:
        for name in (row["name"] + ending for ending in endings.get(row["kind"], ("",))):
            value = variables.get(name)
            if value is None and row["kind"] != "given":
                missing.append(name)
            elif value is not None and (not str(value).strip() or PLACEHOLDER.search(str(value))):
                empty.append(name)
    file = f"group_vars/{ACADEMIE}NAME/vault.yml"
    if missing:
        do = "Run deploy/bootstrap_secrets.yml; it makes them and changes nothing else"
        yield (file, f"missing: {', '.join(missing)}", do)
    if empty:
        do = "Remove these lines and run deploy/bootstrap_secrets.yml (or write what the other side gave you)"
        yield (file, f"empty, or still the example's placeholder: {', '.join(empty)}", do)


def between_findings(hosts: Hosts, names: Sequence[str]) -> list[str]:
    """What no host can see alone: two académies under one server name, one address given to two hosts."""
    servers: dict[str, set[str]] = {}
    addresses: dict[tuple[str, str], list[str]] = {}
    for host in names:
        variables = hosts[host]
        academy = str(variables.get("preau_academy", ""))
        servers.setdefault(str(variables.get("preau_server_name", "")), set()).add(academy)
        addresses.setdefault((academy, str(variables.get("preau_address", host))), []).append(host)
    found = [
        finding(f"preau_server_name {server}", f"{' and '.join(sorted(claimants))} both claim it", "Give each its own")
        for server, claimants in servers.items()
        if len(claimants) > 1
    ]
    return found + [
        finding(" and ".join(same), f"both have the address {address}", "Correct ansible_host or preau_address of one")
        for (_, address), same in addresses.items()
        if len(same) > 1
    ]


# --- Names and types of the roles' variables -----------------------------------------------------------------------


def role_options(roles: str) -> dict[str, dict[str, Any]]:
    """Every variable of every role in the folder ``roles``, with its specification."""
    options: dict[str, dict[str, Any]] = {}
    for file in sorted(Path(roles).glob("*/meta/argument_specs.yml")):
        for point in yaml.safe_load(file.read_text("utf-8"))["argument_specs"].values():
            options.update(point.get("options") or {})
    return options


def wiring_names(folder: str) -> list[str]:
    """Every variable that the files of a folder of group_vars set (or of the file of that name)."""
    files = [*Path(folder).glob("**/*.yml"), Path(folder + ".yml"), Path(folder + ".yaml")]
    return sorted({name for file in files if file.is_file() for name in TOP_LEVEL.findall(file.read_text("utf-8"))})


def option_findings(
    hosts: Hosts,
    names: Sequence[str],
    options: Mapping[str, Variables],
    wiring: Sequence[str],
    removed: Sequence[Variables],
) -> list[str]:
    """Variables that no role knows (any more), and texts where a role wants yes or no; each once, with its hosts."""
    known = [*options, *wiring, *REQUIRED]
    checks = (
        lambda variables: _removed(variables, removed),
        lambda variables: _unknown(variables, known, [row["name"] for row in removed]),
        lambda variables: _texts(variables, options),
    )
    return _for_all(hosts, names, checks)


def _removed(variables: Variables, removed: Iterable[Variables]) -> Iterator[Triple]:
    for row in removed:
        if row["name"] in variables:
            yield (row["name"], f"it is gone since release {row['release']}", row["do"])


def _unknown(variables: Variables, known: Sequence[str], removed: Sequence[str]) -> Iterator[Triple]:
    # What begins with "_" the playbooks noted themselves, before they came here a second time.
    prefixes = tuple(sorted({name.split("_")[0] + "_" for name in known if not name.startswith("_")}))
    for name in sorted(set(variables) - {*known, *removed}):
        if name.startswith(prefixes):
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
            do = f"Perhaps {close[0]} is meant" if close else "Look for the right name in the README of the role"
            yield (name, "no role has such a variable", do)


def _texts(variables: Variables, options: Mapping[str, Variables]) -> Iterator[Triple]:
    for name, option in options.items():
        if option.get("type") == "bool" and isinstance(variables.get(name), str):
            yield (name, f"it is the text {variables[name]!r}", "Write true or false, without quotes")


def shadowed_findings(inventory_folder: str, deploy_folder: str) -> list[str]:
    """Settings in the inventory's ``group_vars/all`` that lose against this repository's own."""
    ours = set(wiring_names(f"{deploy_folder}/group_vars/all"))
    do = f"Move it to group_vars/{ACADEMIE}NAME/, which wins"
    return [
        finding(f"group_vars/all, {name}", "deploy/group_vars/all says something else, and wins", do)
        for name in wiring_names(f"{inventory_folder}/group_vars/all")
        if name in ours
    ]


class FilterModule:
    """What Ansible asks a plugin for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name in templates → function."""
        return {
            "preau_between_findings": between_findings,
            "preau_group_findings": group_findings,
            "preau_option_findings": option_findings,
            "preau_role_options": role_options,
            "preau_shadowed_findings": shadowed_findings,
            "preau_variable_findings": variable_findings,
            "preau_wiring_names": wiring_names,
        }
