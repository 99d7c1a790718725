"""Between the hosts of an académie: each reaches what the table of ports gives it, and nothing is said in clear."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import yaml

from tests.hosts.academies import Academy
from tests.hosts.outsiders import first_words, listening, listening_outwards, open_doors
from tests.hosts.playbooks import CHECKOUT

_TABLE: Final = CHECKOUT / "deploy/group_vars/all/network.yml"
_SSH: Final = 22
_POSTGRESQL: Final = 5432
_STARTUP: Final = b"user\0preau\0database\0preau\0\0"
_PLAIN: Final = {_POSTGRESQL: struct.pack("!II", 8 + len(_STARTUP), 3 << 16) + _STARTUP}
"""What a client without TLS says first, by port; everywhere else a line that programs of Redis and HTTP understand."""

_LINE: Final = b"GET / HTTP/1.0\r\n\r\n"
_REASONS: Final = (b"The plain HTTP request was sent to HTTPS port", b"Client sent an HTTP request to an HTTPS server")
_TLS_ALERT: Final = b"\x15"


def _ports(said: int | str) -> range:
    first, _, last = str(said).partition("-")
    return range(int(first), int(last or first) + 1)


def _given(groups: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str, range]]:
    """Who may reach whom, at which ports, as the table says."""
    rows: list[dict[str, Any]] = yaml.safe_load(_TABLE.read_text())["preau_ports"]
    everybody = {host for hosts in groups.values() for host in hosts}
    for row in rows:
        targets = {host for group in row["at"] for host in groups.get(group, ())}
        sources = (
            everybody if "anybody" in row["from"] else {host for each in row["from"] for host in groups.get(each, ())}
        )
        for target in targets:
            for source in sources:
                yield source, target, _ports(row["port"])


def test_each_host_reaches_what_the_table_gives_it_and_nothing_else(sud: Academy) -> None:
    sud.up()
    given = list(_given(sud.plan.groups()))
    listened = {host.name: listening(host) - {_SSH} for host in sud.machines.values()}
    outwards = {host.name: listening_outwards(host) for host in sud.machines.values()}
    for source in sud.machines.values():
        others = [host for host in sud.machines.values() if host is not source]
        doors = {(host.address, port): host.name for host in others for port in listened[host.name]}
        wanted = {
            (address, port)
            for (address, port), name in doors.items()
            if port in outwards[name]
            and any((source.name, name) == (one, other) and port in ports for one, other, ports in given)
        }
        assert open_doors(source, doors) == wanted, source.name


def test_nothing_is_said_in_clear_between_hosts(sud: Academy) -> None:
    """A client without TLS is turned away at every door between hosts, before anybody asks who it is."""
    sud.up()
    reached = 0
    for source, target, ports in _given(sud.plan.groups()):
        host = sud.machines.get(target)
        if source == target or host is None or source not in sud.machines or ports == range(80, 81):
            continue
        tried = {(host.address, port): _PLAIN.get(port, _LINE) for port in listening_outwards(host) if port in ports}
        for (_, port), answer in first_words(sud.machines[source], tried).items():
            reached += 1
            assert _turned_away(port, answer), (source, target, port, answer)
    assert reached > 20


def _turned_away(port: int, answer: bytes) -> bool:
    """PostgreSQL, nginx and programs in Go say why in clear; the others break off."""
    if port == _POSTGRESQL:
        return answer.startswith(b"E") and b"no encryption" in answer
    return not answer or answer.startswith(_TLS_ALERT) or any(reason in answer for reason in _REASONS)
