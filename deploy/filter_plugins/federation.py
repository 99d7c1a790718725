"""Filters over all académies of an inventory: who names whom, and how each pair gets on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

Hosts = Mapping[str, Mapping[str, Any]]


def peer_findings(hosts: Hosts, names: Sequence[str]) -> list[str]:
    """Lists that name an académie of the same inventory that does not name them."""
    peers = {str(hosts[host]["preau_server_name"]): list(hosts[host]["preau_peers"]) for host in names}
    return [
        f"{one} names {other}, but {other} does not name {one}. "
        f"→ Add {one} to preau_peers of {other}, or take {other} out of those of {one}."
        for one in sorted(peers)
        for other in peers[one]
        if other in peers and one not in peers[other]
    ]


def pairs(hosts: Hosts, names: Sequence[str]) -> dict[str, Any]:
    """What each homeserver found of each of its peers: ``told`` (a line per ordered pair), and whether all is ``well``.

    A homeserver that did not answer at all has a line for each of its peers, too.
    """
    lines = [line for host in names for line in _from(hosts[host])]
    return {"told": [line for line, _ in lines], "well": all(ok for _, ok in lines)}


def _from(host: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    looked = host.get("__federate_looked") or {}
    found = {line["what"].removeprefix("federation with "): line for line in _lines(looked)}
    for peer in host["preau_peers"]:
        line = found.get(peer) or {"ok": False, "said": "nobody could look", "do": _why(looked)}
        mark, do = ("ok", "") if line["ok"] else ("!!", f". → {line['do']}")
        yield f"{mark} {host['preau_server_name']} → {peer}: {line['said']}{do}", bool(line["ok"])


def _lines(looked: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return looked.get("lines") or []


def _why(looked: Mapping[str, Any]) -> str:
    said = looked.get("msg") or "the host does not answer"
    return f"run deploy/selfcheck.yml ({said})"


class FilterModule:
    """What Ansible asks a plugin for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name in templates → function."""
        return {"preau_pairs": pairs, "preau_peer_findings": peer_findings}
