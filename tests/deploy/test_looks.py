"""What preflight and selfcheck say where something is wrong: what, and what to do. Tables over what a host tells."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from deploy.filter_plugins import hosts as preflight

from preau.demo.authority import Authority

pytest.importorskip("ansible", reason="needs the extra `deploy`")
from deploy.library import preau_selfcheck as selfcheck

# --- Preflight ------------------------------------------------------------------------------------------------------

FACTS = {
    "distribution": "Debian",
    "distribution_major_version": "12",
    "architecture": "x86_64",
    "service_mgr": "systemd",
    "memtotal_mb": 8000,
}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, []),
        ({"distribution_major_version": "13", "architecture": "aarch64"}, []),
        ({"distribution_major_version": "11"}, ["this is Debian 11. → Install Debian 12 or 13"]),
        ({"distribution": "Ubuntu"}, ["this is Ubuntu 12. → Install Debian"]),
        ({"architecture": "i386"}, ["of kind i386. → Take one of x86_64"]),
        ({"service_mgr": "sysvinit"}, ["started by sysvinit. → Boot the host with systemd"]),
        ({"memtotal_mb": 900}, ["memory: 900 MB, wanted 1800 (preau_preflight_memory_mb). → Give it more"]),
    ],
)
def test_the_system(changed: dict[str, Any], says: list[str]) -> None:
    _says(preflight.system_findings({**FACTS, **changed}, 1800), says)


def test_a_disk_with_too_little_room_is_named_and_the_others_are_not() -> None:
    printed = " Avail\n  5000M\n   300M\n"
    _says(preflight.disk_findings(printed, {"/var": 4000, "/opt": 800}), ["disk: 300 MB free in /opt, wanted 800"])


@pytest.mark.parametrize(("told", "off"), [("100.5", 0), ("99", 1), ("105", 4), ("93", 7), ("500", 399)])
def test_a_clock_may_be_off_by_what_was_allowed(told: str, off: int) -> None:
    """Looked at between the seconds 100 and 101 of the controller; five are allowed."""
    _says(preflight.clock_findings(told, 100, 101, 5), [f"clock: {off} s off"] if off > 5 else [])


SOCKETS = """\
LISTEN 0 511 0.0.0.0:443 0.0.0.0:* users:(("nginx",pid=7,fd=6),("nginx",pid=6,fd=6))
LISTEN 0 128 [::]:8107 [::]:* users:(("java",pid=9,fd=3))
LISTEN 0 128 0.0.0.0:5432 0.0.0.0:*
"""


@pytest.mark.parametrize(
    ("group", "programs", "says"),
    [
        ("proxy", {"https": "nginx"}, []),
        ("proxy", {"https": "apache2"}, ["port 443 (https) is taken by nginx. → Stop it, or move it"]),
        ("workers", {"workers": "python3?"}, ["port 8107 (workers) is taken by java"]),
        ("database", {"postgresql": "postgres"}, []),
    ],
)
def test_a_port_that_somebody_else_holds(group: str, programs: dict[str, str], says: list[str]) -> None:
    rows = [
        {"name": "https", "port": 443, "at": ["proxy"]},
        {"name": "workers", "port": "8100-8109", "at": ["workers"]},
        {"name": "postgresql", "port": 5432, "at": ["database"]},
    ]
    _says(preflight.port_findings(SOCKETS, rows, [group], programs), says)


@pytest.mark.parametrize(
    ("clusters", "release", "says"),
    [
        ([], "13", []),
        (["17"], "13", []),
        (["15"], "13", ["a cluster of version 15, this Debian has 17. → Run `pg_upgradecluster 15 main`"]),
        (["15", "17"], "13", ["a cluster of version 15"]),
        (["15"], "12", []),
    ],
)
def test_a_database_that_stayed_behind_its_system(clusters: list[str], release: str, says: list[str]) -> None:
    _says(preflight.postgresql_findings(clusters, release), says)


@pytest.mark.parametrize(
    ("printed", "says"),
    [
        ("192.0.2.10 STREAM matrix\n192.0.2.10 DGRAM\n", []),
        ("127.0.1.1 STREAM matrix\n", []),
        ("", ["matrix.nord.example leads nowhere. → Make an A (and AAAA) record that leads to 192.0.2.10"]),
        ("198.51.100.1 STREAM x\n", ["leads to 198.51.100.1. → Correct the record"]),
    ],
)
def test_a_public_name_that_leads_elsewhere(printed: str, says: list[str]) -> None:
    answers = [{"item": "matrix.nord.example", "stdout": printed}, {"item": "chat.nord.example", "skipped": True}]
    _says(preflight.name_findings(answers, ["192.0.2.10"]), says)


@pytest.mark.parametrize(
    ("names", "days", "says"),
    [
        (["nord.example", "matrix.nord.example"], 0, []),
        (["chat.nord.example"], 0, ["it does not hold chat.nord.example. → Have one made for all public names"]),
        (["nord.example"], -2, ["it is not valid yet. → Look at the clock"]),
        (["nord.example"], 36_500, ["0 days left. → Have a new one made"]),
    ],
)
def test_a_public_certificate(tmp_path: Path, names: list[str], days: int, says: list[str]) -> None:
    """As it will be seen so many days from now."""
    issued = Authority(tmp_path).issue("nord", hosts=("nord.example", "matrix.nord.example"))
    now = time.time() + days * 86_400
    _says(preflight.certificate_findings(issued.certificate.read_text(), names, now), says)


def test_what_is_no_certificate_is_said_to_be_none() -> None:
    _says(preflight.certificate_findings("-----BEGIN", ["x"], 0), ["holds none in PEM form. → Give the chain"])


def _says(found: list[str], says: list[str]) -> None:
    """Each finding in turn holds that text; there are no others, and each says what to do."""
    assert len(found) == len(says), found
    for line, part in zip(found, says, strict=True):
        assert part in line
        assert " → " in line


# --- Selfcheck ------------------------------------------------------------------------------------------------------


def problems(lines: Iterator[dict[str, Any]]) -> dict[str, str]:
    """What is not well, with what to do about it."""
    found = list(lines)
    assert found
    assert all(line["do"] for line in found if not line["ok"])
    return {line["what"]: line["said"] for line in found if not line["ok"]}


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts a program in place of a host's own, which prints a text."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, prints: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{prints}\nEND\n")
        (folder / name).chmod(0o755)

    return put


def test_a_failed_unit_a_clock_that_drifts_and_a_full_disk(
    programs: Callable[[str, str], None], tmp_path: Path
) -> None:
    settings = {
        "folders": [str(tmp_path), str(tmp_path / "none")],
        "disk_percent": 0,
        "time_managed": True,
        "certificate": "/nowhere",
        "name": "",
    }
    programs("systemctl", "preau.service loaded failed failed Préau")
    programs("timedatectl", "no")
    found = problems(selfcheck.system(settings))
    assert found.pop("units") == "failed: preau.service"
    assert found.pop("clock") == "it is not synchronised"
    ((disk, said),) = found.items()
    assert disk == f"disk {tmp_path}"
    assert "are used" in said
    programs("systemctl", "")
    programs("timedatectl", "yes")
    assert problems(selfcheck.system({**settings, "disk_percent": 101})) == {}


@pytest.mark.parametrize(("days", "well"), [(13, False), (15, True)])
def test_a_certificate_between_hosts_that_ends_soon(
    programs: Callable[[str, str], None], tmp_path: Path, days: int, well: bool
) -> None:
    ends = time.strftime("%b %d %H:%M:%S %Y GMT", time.gmtime(time.time() + days * 86_400))
    programs("openssl", f"notAfter={ends}")
    programs("systemctl", "")
    settings = {"folders": [], "disk_percent": 90, "time_managed": False, "certificate": str(tmp_path), "name": ""}
    assert ("certificate between hosts" in problems(selfcheck.system(settings))) is not well


def test_a_host_that_takes_its_name_for_another_address(programs: Callable[[str, str], None]) -> None:
    programs("systemctl", "")
    settings = {"folders": [], "disk_percent": 90, "time_managed": False, "certificate": "/nowhere"}
    named = {**settings, "name": "localhost", "address": "192.0.2.1"}
    assert problems(selfcheck.system(named)) == {"own name": "localhost is 127.0.0.1 to itself, and not 192.0.2.1"}
    assert problems(selfcheck.system({**named, "address": "127.0.0.1"})) == {}


@pytest.mark.parametrize(("state", "said"), [("active", ""), ("failed", "it is failed"), ("", "it is unknown")])
def test_a_unit_that_does_not_run(programs: Callable[[str, str], None], state: str, said: str) -> None:
    programs("systemctl", state)
    found = problems(selfcheck.units({"units": ["nginx.service"]}))
    assert found == ({"nginx.service": said} if said else {})


def test_a_process_that_is_cut_off_from_the_others(programs: Callable[[str, str], None]) -> None:
    programs("ss", "0 0 192.0.2.1:5000 192.0.2.2:6379")
    bus = {"port": 6379, "processes": 2, "host": "bus"}
    assert problems(selfcheck.bus(bus)) == {"bus": "1 connections to port 6379, of 2 processes"}
    assert problems(selfcheck.bus({**bus, "processes": 1})) == {}


def test_a_part_that_does_not_answer() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = {"name": "main", "unit": "preau-synapse.service", "url": f"http://127.0.0.1:{port}/health"}
    (said,) = problems(selfcheck.health({"addresses": [address]})).values()
    assert "refused" in said


@pytest.mark.parametrize(
    ("printed", "found"),
    [
        ('{"checks": [{"check": "lag", "well": true, "said": "nothing waits", "advice": ""}]}', {}),
        (
            '{"checks": [{"check": "lag", "well": false, "said": "9 wait", "advice": "look"}]}',
            {"doctor: lag": "9 wait"},
        ),
        ("Traceback", {"preau doctor": "it could not look"}),
    ],
)
def test_what_the_doctor_found(programs: Callable[[str, str], None], printed: str, found: dict[str, str]) -> None:
    programs("preau", printed)
    assert problems(selfcheck.doctor({"command": "preau"})) == found


@pytest.mark.parametrize(
    ("hours_ago", "error", "said"),
    [
        (1, "", ""),
        (1, "no room", "the last one failed: no room"),
        (30, "no room", "the last good one is 30 hours old (at most 26). no room"),
        (None, "", "there never was a good one (at most 26)."),
    ],
)
def test_a_backup_that_is_too_old(tmp_path: Path, hours_ago: float | None, error: str, said: str) -> None:
    succeeded = 0 if hours_ago is None else time.time() - hours_ago * 3600
    (tmp_path / "files.json").write_text(json.dumps({"succeeded": succeeded, "error": error}))
    job = {"name": "files", "timer": "files", "hours": 26}
    found = problems(selfcheck.backups({"folder": str(tmp_path), "jobs": [job]}))
    assert found == ({"backup: files": said} if said else {})


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"server_name": "nord.example", "verify_keys": {"ed25519:a": {}}, "valid_until_ts": 9e15}, ""),
        ({"server_name": "sud.example"}, "it shows the keys of sud.example, not of nord.example"),
        ({"server_name": "nord.example", "verify_keys": {}}, "it shows no key"),
        (
            {"server_name": "nord.example", "verify_keys": {"ed25519:a": {}}, "valid_until_ts": 1},
            "its keys are no longer valid",
        ),
    ],
)
def test_the_key_that_a_homeserver_shows(keys: dict[str, Any], said: str) -> None:
    assert selfcheck._key_problem(keys, "nord.example") == said


def test_through_public_names_that_nobody_knows_every_line_says_so_and_what_to_do() -> None:
    server = "nord.invalid"
    settings = {
        "server_name": server,
        "public_host": f"matrix.{server}",
        "names": [server],
        "client_host": f"chat.{server}",
        "portal_host": f"portail.{server}",
    }
    found = problems(selfcheck.public(settings))
    assert len(found) == 8
    assert set(found.values()) == {"DNS does not know the name"}


def test_a_host_that_could_not_be_looked_at_is_in_the_report() -> None:
    well = {"what": "units", "ok": True, "said": "none failed", "do": ""}
    wrong = {"what": "bus", "ok": False, "said": "1 of 2", "do": "look"}
    hosts = {"a": {"__selfcheck_lines": [well, wrong], "__selfcheck_done": True}, "b": {"__selfcheck_lines": []}}
    report = preflight.selfcheck_report(hosts, ["a", "b"])
    assert report["told"][:2] == ["ok  a: units: none failed", "!!  a: bus: 1 of 2 → look"]
    assert report["told"][2].startswith("!!  b: the host: it could not be looked at → is it up")
    assert not report["well"]
