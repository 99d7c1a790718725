"""A private network on a bridge of its own: addresses, names, and the one way out.

```text
   host ── vb-p7h2 ─┐
   host ── vb-p7h3 ─┴─ bridge preau-7 (10.213.7.1, dnsmasq) ── masquerade ── packages only: HTTP, HTTPS, DNS
```

Networks do not see each other. Everything is found again by its name on the disk, so that one process may make a
network and another one end it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.hosts.base_trees import CACHE, locked
from tests.hosts.commands import CommandFailed, Process, run

NETWORKS: Final = CACHE / "networks"
_RANGE: Final = "10.213"
_NUMBERS: Final = range(1, 250)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")


@dataclass(frozen=True, slots=True)
class Network:
    """One bridge and its range. ``number`` is in every name that the kernel knows it by."""

    name: str
    number: int

    @property
    def folder(self) -> Path:
        return NETWORKS / self.name

    @property
    def bridge(self) -> str:
        return f"preau-{self.number}"

    @property
    def gateway(self) -> str:
        return self.address(1)

    @property
    def range(self) -> str:
        return f"{_RANGE}.{self.number}.0/24"

    def address(self, host: int) -> str:
        return f"{_RANGE}.{self.number}.{host}"

    @property
    def key(self) -> Path:
        return self.folder / "key"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def owner(self) -> Process | None:
        """The process that the network ends with; None for one that is kept until `down`."""
        file = self.folder / "owner"
        return Process.parse(file.read_text()) if file.exists() else None

    def tell_names(self, names: dict[str, str]) -> None:
        """Makes every host of the network know these names, name → address, and no older ones."""
        (self.folder / "names").write_text("".join(f"{address} {name}\n" for name, address in sorted(names.items())))
        os.kill(int((self.folder / "dnsmasq.pid").read_text()), signal.SIGHUP)

    def remove(self) -> None:
        """Takes bridge, rules and name server away; what is gone already does not matter."""
        pid = self.folder / "dnsmasq.process"
        if pid.exists():
            Process.parse(pid.read_text()).kill()
        for command in (("nft", "delete", "table", "ip", self._table), ("ip", "link", "delete", self.bridge)):
            try:
                run(*command)
            except CommandFailed:
                continue

    @property
    def _table(self) -> str:
        return f"preau_hosts_{self.number}"

    def bring_up(self) -> None:
        """Bridge, address, way out, names."""
        run("ip", "link", "add", self.bridge, "mtu", str(outer_mtu()), "type", "bridge")
        run("ip", "address", "add", f"{self.gateway}/24", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")
        run("sysctl", "--quiet", "--write", "net.ipv4.ip_forward=1")
        run("nft", "--file", "-", stdin=self._rules())
        self._start_names()

    def _rules(self) -> str:
        return f"""
            table ip {self._table} {{
                chain forward {{
                    type filter hook forward priority 0;
                    iifname "{self.bridge}" oifname "{self.bridge}" accept
                    iifname "{self.bridge}" oifname "preau-*" drop
                    iifname "{self.bridge}" tcp dport {{ 53, 80, 443 }} accept
                    iifname "{self.bridge}" udp dport 53 accept
                    iifname "{self.bridge}" drop
                }}
                chain postrouting {{
                    type nat hook postrouting priority 100;
                    ip saddr {self.range} oifname != "{self.bridge}" masquerade
                }}
            }}
        """

    def _start_names(self) -> None:
        """A name server on the bridge. Names in `example` are ours alone and never asked for outside."""
        (self.folder / "names").touch()
        pid = self.folder / "dnsmasq.pid"
        listen = [
            "--bind-interfaces",
            f"--listen-address={self.gateway}",
            f"--interface={self.bridge}",
            "--except-interface=lo",
        ]
        files = ["--no-hosts", f"--addn-hosts={self.folder / 'names'}", f"--pid-file={pid}", "--conf-file=/dev/null"]
        run("dnsmasq", *listen, *files, "--local=/example/", "--local-ttl=1", "--user=root")
        (self.folder / "dnsmasq.process").write_text(str(Process.of(int(pid.read_text()))))


def make_network(name: str, *, owned: bool) -> Network:
    """Makes a network; an owned one ends with this process, at the latest when the next one sweeps.

    Raises:
        ValueError: there is one of that name, or the name is none.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a network: small letters, digits, hyphens")
    with locked(CACHE / "networks.lock"):
        if (NETWORKS / name).exists():
            raise ValueError(f"there is a network {name} already")
        network = Network(name, _free_number())
        network.folder.mkdir(parents=True, mode=0o700)
        (network.folder / "network.json").write_text(json.dumps({"number": network.number}))
        if owned:
            (network.folder / "owner").write_text(str(Process.of(os.getpid())))
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "preau-test-hosts", "-f", network.key)
    network.known_hosts.touch()
    network.bring_up()
    return network


def networks() -> list[Network]:
    """All there are on this machine."""
    files = sorted(NETWORKS.glob("*/network.json"))
    return [Network(file.parent.name, json.loads(file.read_text())["number"]) for file in files]


def find_network(name: str) -> Network | None:
    return next((network for network in networks() if network.name == name), None)


def outer_mtu() -> int:
    """The largest packet on this machine's own way out: with a larger one, hosts wait for ever for some answers."""
    routes = json.loads(subprocess.check_output(["ip", "-json", "-4", "route", "show", "default"], timeout=10) or "[]")
    if not routes:
        return 1500
    return min(1500, int(Path(f"/sys/class/net/{routes[0]['dev']}/mtu").read_text()))


def _free_number() -> int:
    taken = {network.number for network in networks()}
    addresses = subprocess.check_output(["ip", "-4", "address"], text=True, timeout=10)
    for number in _NUMBERS:
        if (
            number not in taken
            and f" {_RANGE}.{number}." not in addresses
            and not Path(f"/sys/class/net/preau-{number}").exists()
        ):
            return number
    raise RuntimeError(f"no free range below {_RANGE}.0.0/16")
