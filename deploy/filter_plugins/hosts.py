"""Filters over what a host says of itself: what would make a deployment fail there.

Pure functions of texts that commands printed; `deploy/tasks/preflight/host.yml` runs the commands.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

# Less is too late for the authority's mail to reach anybody.
LEAST_DAYS = 7
RELEASES = ("12", "13")
MACHINES = ("x86_64", "aarch64")
# Which PostgreSQL comes with which Debian.
POSTGRESQL = {"12": "15", "13": "17"}
# One listening socket as `ss -Hltnp` prints it: local address and port, and the programs, if any.
SOCKET = re.compile(
    r"^LISTEN\s+\S+\s+\S+\s+(?P<address>\S+):(?P<port>\d+)\s+\S+(?:\s+users:\((?P<users>.*)\))?", re.MULTILINE
)
PROGRAM = re.compile(r'\("([^"]+)"')


def system_findings(facts: Mapping[str, Any], memory_mb: int) -> list[str]:
    """The release, the machine, the memory."""
    found = []
    release = f"{facts['distribution']} {facts['distribution_major_version']}"
    if facts["distribution"] != "Debian" or facts["distribution_major_version"] not in RELEASES:
        found.append(f"this is {release}. → Install Debian 12 or 13: nothing else is tried.")
    if facts["architecture"] not in MACHINES:
        found.append(f"this is a machine of kind {facts['architecture']}. → Take one of {', '.join(MACHINES)}.")
    if facts["service_mgr"] != "systemd":
        found.append(f"processes are started by {facts['service_mgr']}. → Boot the host with systemd.")
    if facts["memtotal_mb"] < memory_mb:
        found.append(
            f"memory: {facts['memtotal_mb']} MB, wanted {memory_mb} (preau_preflight_memory_mb). → Give it more."
        )
    return found


def disk_findings(printed: str, wanted: Mapping[str, int]) -> list[str]:
    """Folders with less room than ``wanted`` (MB); ``printed`` by `df --output=avail -BM FOLDER…`, in that order."""
    found = []
    for line, (folder, least) in zip(printed.strip().splitlines()[1:], wanted.items(), strict=True):
        free = int(line.split()[0].rstrip("M"))
        if free < least:
            found.append(f"disk: {free} MB free in {folder}, wanted {least} (preau_preflight_disk_mb). → Make room.")
    return found


def clock_findings(host_seconds: str, before: float, after: float, allowed: float) -> list[str]:
    """A clock that differs from the controller's, which looked ``before`` and ``after``, by more than ``allowed``."""
    told = float(host_seconds)
    off = max(before - told, told - after, 0.0)
    if off <= allowed:
        return []
    return [
        f"clock: {off:.0f} s off the controller's. → Start systemd-timesyncd or chrony; look at the controller, too."
    ]


def port_findings(
    printed: str, rows: Iterable[Mapping[str, Any]], groups: Sequence[str], programs: Mapping[str, str]
) -> list[str]:
    """Ports of a host in ``groups`` on which a program listens that is not ours; ``printed`` by `ss -Hltnp`."""
    taken: dict[int, set[str]] = {}
    for socket in SOCKET.finditer(printed):
        taken.setdefault(int(socket["port"]), set()).update(PROGRAM.findall(socket["users"] or ""))
    found = []
    for row in rows:
        if not {"all", *groups}.intersection(row["at"]):
            continue
        first, _, last = str(row["port"]).partition("-")
        ours = re.compile(programs.get(row["name"], ".*"))
        for port in range(int(first), int(last or first) + 1):
            strangers = sorted(name for name in taken.get(port, ()) if not ours.fullmatch(name))
            if strangers:
                found.append(f"port {port} ({row['name']}) is taken by {', '.join(strangers)}. → Stop it, or move it.")
    return found


def postgresql_findings(clusters: Sequence[str], release: str) -> list[str]:
    """Clusters of PostgreSQL that this Debian does not run: somebody upgraded the system and not the database."""
    ours = POSTGRESQL.get(release, "")
    old = sorted(version for version in clusters if version.isdigit() and version != ours)
    if not old or not ours:
        return []
    do = f"Run `pg_upgradecluster {old[0]} main` after a verified backup, then drop the old one"
    return [f"PostgreSQL: there is a cluster of version {', '.join(old)}, this Debian has {ours}. → {do}."]


def name_findings(answers: Iterable[Mapping[str, Any]], wanted: Sequence[str]) -> list[str]:
    """Public names that lead nowhere, or elsewhere than to ``wanted``; ``answers`` of `getent ahosts`, one for each."""
    asked = ((answer["item"], answer["stdout"]) for answer in answers if "stdout" in answer)
    return [found for name, printed in asked for found in _led(name, printed, wanted)]


def _led(name: str, printed: str, wanted: Sequence[str]) -> Iterator[str]:
    found = {line.split()[0] for line in printed.splitlines() if line.strip()}
    if not found:
        yield f"DNS: {name} leads nowhere. → Make an A (and AAAA) record that leads to {', '.join(wanted)}."
    elif not found & {*wanted, "127.0.0.1", "127.0.1.1", "::1"}:
        do = f"Correct the record, or list the public addresses in preau_public_addresses (now {', '.join(wanted)})"
        yield f"DNS: {name} leads to {', '.join(sorted(found))}. → {do}."


def certificate_findings(pem: str, names: Sequence[str], now: float) -> list[str]:
    """A public certificate that is no certificate, over, not begun, about to end, or for other names."""
    # Only where a certificate is looked at: nothing else here needs more than the standard library.
    from cryptography import x509  # noqa: PLC0415 -- said above

    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        return ["certificate: the file holds none in PEM form. → Give the chain, our own certificate first."]
    found = []
    days = (certificate.not_valid_after_utc.timestamp() - now) / 86400
    if certificate.not_valid_before_utc.timestamp() > now:
        found.append("certificate: it is not valid yet. → Look at the clock, or wait.")
    if days < LEAST_DAYS:
        found.append(f"certificate: {max(days, 0):.0f} days left. → Have a new one made before it ends.")
    missing = [name for name in names if not _covered(name, _dns_names(certificate))]
    if missing:
        found.append(f"certificate: it does not hold {', '.join(missing)}. → Have one made for all public names.")
    return found


def _dns_names(certificate: Any) -> list[str]:
    from cryptography import x509  # noqa: PLC0415 -- as above

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name).lower() for name in names.get_values_for_type(x509.DNSName)]


def _covered(name: str, certified: Sequence[str]) -> bool:
    return name in certified or "*." + name.partition(".")[2] in certified


def selfcheck_workers(instances: Iterable[Mapping[str, Any]], base: str) -> list[dict[str, str]]:
    """The worker processes of a host as selfcheck asks them: name, unit, and where they say that they are well."""
    return [
        {
            "name": f"worker {row['name']}",
            "unit": f"preau-synapse-worker@{row['name']}.service",
            "url": f"{base}:{row['http']}/health",
        }
        for row in instances
    ]


def selfcheck_report(hosts: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """What all hosts said: ``well``, ``told`` (a line of text each) and ``lines`` (with their host).

    A host that said nothing could not be reached, or its look ended early.
    """
    lines: list[dict[str, Any]] = []
    silent = {
        "what": "the host",
        "ok": False,
        "said": "it could not be looked at",
        "do": "is it up, and does ssh reach it? The messages above say more",
    }
    for name in names:
        looked = hosts[name].get("__selfcheck_lines") or []
        lines += [{"host": name, **line} for line in looked]
        if not hosts[name].get("__selfcheck_done"):
            lines.append({"host": name, **silent})
    told = [
        f"{'ok ' if line['ok'] else '!! '} {line['host']}: {line['what']}"
        + (f": {line['said']}" if line["said"] else "")
        + (f" → {line['do']}" if line["do"] else "")
        for line in lines
    ]
    return {"well": all(line["ok"] for line in lines), "told": told, "lines": lines}


class FilterModule:
    """What Ansible asks a plugin for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name in templates → function."""
        return {
            "preau_certificate_findings": certificate_findings,
            "preau_clock_findings": clock_findings,
            "preau_disk_findings": disk_findings,
            "preau_name_findings": name_findings,
            "preau_port_findings": port_findings,
            "preau_postgresql_findings": postgresql_findings,
            "preau_selfcheck_report": selfcheck_report,
            "preau_selfcheck_workers": selfcheck_workers,
            "preau_system_findings": system_findings,
        }
