"""A host: a real systemd machine with an address, sshd and a disk of its own, in a private network.

```text
 make ──► boot ──► … ──► kill ──► boot ──► …          cut/join: its cable
             │              └─ lose_power: with what its disk had not written lost
             └──► destroy_disk ──► boot: an empty machine of the same name and address
```

It lives in `NETWORK/hosts/NAME/` and is found again there by any process.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from tests.hosts import trust
from tests.hosts.base_trees import ADMIN, CACHE, base_tree, locked
from tests.hosts.commands import Process, detached, run
from tests.hosts.disks import Disk
from tests.hosts.networks import Network, networks, outer_mtu

_BOOT_SECONDS: Final = 60
_POLL_SECONDS: Final = 0.1
_FIRST_ADDRESS: Final = 10


@dataclass(frozen=True, slots=True)
class Description:
    """What a host was made from; kept beside it."""

    name: str
    release: str
    number: int
    disk: str | None
    base: str


class Machine:
    """One host; all methods may be called from any process, one at a time."""

    def __init__(self, network: Network, description: Description) -> None:
        self.network = network
        self.name = description.name
        self.release = description.release
        self.address = network.address(description.number)
        self.folder = network.folder / "hosts" / description.name
        self._description = description
        self._disk = Disk(self.folder, description.disk)

    @classmethod
    def make(cls, network: Network, name: str, release: str, disk: str | None = None) -> Self:
        """Makes its disk; it is not running yet."""
        base = base_tree(release)
        with locked(network.folder / "hosts.lock"):
            if (network.folder / "hosts" / name).exists():
                raise ValueError(f"there is a host {name} in the network {network.name} already")
            taken = {machine._description.number for machine in machines(network)}
            number = next(number for number in range(_FIRST_ADDRESS, 250) if number not in taken)
            machine = cls(network, Description(name, release, number, disk, str(base)))
            machine.folder.mkdir(parents=True)
            (machine.folder / "host.json").write_text(json.dumps(asdict(machine._description)))
        machine._fill()
        return machine

    def boot(self) -> None:
        """Starts it and waits until its sshd answers.

        Raises:
            TimeoutError: it does not answer; the text holds the end of its console.
        """
        if not self._disk.root.is_mount():
            self._disk.mount(Path(self._description.base))
        self._drop_stale_cable()
        archives = self._archives()
        pip_cache = CACHE / "pip"
        pip_cache.mkdir(exist_ok=True)
        command = [
            "systemd-nspawn",
            "--register=no",
            "--keep-unit",
            "--quiet",
            f"--machine={self._short_name}",
            f"--hostname={self.name}",
            f"--directory={self._disk.root}",
            f"--network-bridge={self.network.bridge}",
            "--resolv-conf=off",
            "--link-journal=no",
            f"--bind={archives}:/var/cache/apt/archives",
            f"--bind={pip_cache}:{trust.PIP_CACHE}",
            "--boot",
        ]
        enter = f'echo $$ > {self._control_group()}/cgroup.procs && exec "$@"'
        in_group = ["sh", "-c", enter, "systemd-nspawn", *command]
        nspawn = detached(in_group, self.folder / "console.log", {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})
        (self.folder / "nspawn").write_text(str(nspawn))
        self._wait_for_ssh(nspawn)

    def running(self) -> bool:
        leader = self._leader()
        return leader is not None and leader.alive()

    def kill(self) -> None:
        """Ends it from one moment to the next: nothing inside gets to finish. What was written stays on its disk.

        Its first process dies, and with it, by the kernel's rule, everything in it; `systemd-nspawn` alone would leave
        it running.
        """
        for process in (self._leader(), self._nspawn()):
            if process is not None:
                process.kill()
        for name in ("leader", "nspawn"):
            (self.folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # the kernel may still be burying; the next boot clears it
            self._control_group().rmdir()

    def lose_power(self) -> None:
        """As `kill`, and what its disk had not been told to write through is lost. Needs a disk with a size."""
        self._disk.lose_power()
        self.kill()
        self._disk.unmount()

    def destroy_disk(self) -> None:
        """Ends it and everything it ever wrote; `boot` then starts an empty machine of the same name and address."""
        self.kill()
        self._save_archives()
        self._disk.destroy()
        self._fill()

    def remove(self) -> None:
        self.kill()
        self._save_archives()
        self._disk.destroy()
        shutil.rmtree(self.folder)
        _forget_key(self.network, self.address)

    def cut(self) -> None:
        """Pulls its network cable."""
        run("ip", "link", "set", self._cable, "down")

    def join(self) -> None:
        run("ip", "link", "set", self._cable, "up")

    def run(self, *command: str, seconds: float = 60, stdin: str = "") -> str:
        """Runs a command inside as root and returns what it printed; needs neither its network nor its sshd."""
        leader = self._leader()
        if leader is None or not leader.alive():
            raise RuntimeError(f"{self.name} is not running")
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        enter = ["nsenter", "--target", str(leader.pid), "--all", "--wdns=/"]
        inside = [*enter, "env", "-i", path, "LC_ALL=C.UTF-8", "HOME=/root"]
        return run(*inside, *command, seconds=seconds, stdin=stdin)

    def shell(self, script: str, seconds: float = 60) -> str:
        """Runs a shell script inside as root; it stops at the first error."""
        return self.run("bash", "-euo", "pipefail", "-c", script, seconds=seconds)

    @property
    def root(self) -> Path:
        """Its file system, seen from outside."""
        return self._disk.root

    def _control_group(self) -> Path:
        """A fresh control group of its own. Without one, hosts would share one tree, and end each other's services."""
        group = control_groups() / f"preau-test-{self._short_name}"
        for old in sorted(group.rglob("*/"), reverse=True):
            old.rmdir()
        group.mkdir(exist_ok=True)
        return group

    @property
    def _short_name(self) -> str:
        """Unique on this machine, and short enough that its cable is called after it in full."""
        return f"p{self.network.number}h{self._description.number}"

    @property
    def _cable(self) -> str:
        return f"vb-{self._short_name}"

    def _drop_stale_cable(self) -> None:
        """A host killed while it started may leave its end of the cable behind; the next one needs the name."""
        if not self.running() and Path(f"/sys/class/net/{self._cable}").exists():
            run("ip", "link", "delete", self._cable)

    def _nspawn(self) -> Process | None:
        file = self.folder / "nspawn"
        return Process.parse(file.read_text()) if file.exists() else None

    def _leader(self) -> Process | None:
        """The first process inside; None before there is one."""
        file = self.folder / "leader"
        nspawn = self._nspawn()
        if not file.exists() and nspawn is not None and (children := nspawn.children()):
            file.write_text(str(Process.of(children[0])))
        return Process.parse(file.read_text()) if file.exists() else None

    def _fill(self) -> None:
        """A fresh disk with what makes this host this host: name, address, keys."""
        self._disk.make()
        self._disk.mount(Path(self._description.base))
        root = self.root
        short = self.name.partition(".")[0]
        (root / "etc/hostname").write_text(f"{self.name}\n")
        own_names = self.name if short == self.name else f"{self.name} {short}"
        (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {own_names}\n")
        (root / "etc/resolv.conf").write_text(f"nameserver {self.network.gateway}\n")
        (root / "etc/systemd/network/10-host0.network").write_text(
            f"[Match]\nName=host0\n\n[Link]\nMTUBytes={outer_mtu()}\n\n"
            f"[Network]\nAddress={self.address}/24\nGateway={self.network.gateway}\nIPv6AcceptRA=no\n",
        )
        self._write_keys()
        run("sync", "--file-system", root)  # a power cut in the first minute would take its keys

    def _write_keys(self) -> None:
        """Its own host key, told to whoever will log in; our key for root and for the administrator."""
        key = self.root / "etc/ssh/ssh_host_ed25519_key"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", key)
        _forget_key(self.network, self.address)
        with locked(self.network.folder / "known_hosts.lock"), self.network.known_hosts.open("a") as known:
            known.write(f"{self.address} {' '.join(key.with_suffix('.pub').read_text().split()[:2])}\n")
        for home in ("root", f"home/{ADMIN}"):
            folder = self.root / home / ".ssh"
            folder.mkdir(mode=0o700, exist_ok=True)
            shutil.copy(self.network.key.with_suffix(".pub"), folder / "authorized_keys")
            owner = (self.root / home).stat()
            for path in (folder, folder / "authorized_keys"):
                os.chown(path, owner.st_uid, owner.st_gid)

    def _archives(self) -> Path:
        """Its own folder of downloaded packages, with links to all that any host of the release has loaded before.

        Its own, because apt locks the folder; links, because they cost nothing.
        """
        for machine in every_machine():
            if machine.release == self.release:
                machine._save_archives()
        own = self.folder / "archives"
        own.mkdir(exist_ok=True)
        _link_new(self._shared_archives, own)
        return own

    def _save_archives(self) -> None:
        own = self.folder / "archives"
        if own.exists():
            self._shared_archives.mkdir(parents=True, exist_ok=True)
            _link_new(own, self._shared_archives)

    @property
    def _shared_archives(self) -> Path:
        return CACHE / "archives" / self.release

    def _wait_for_ssh(self, nspawn: Process) -> None:
        deadline = time.monotonic() + _BOOT_SECONDS
        while not _greets(self.address, 22):
            if not nspawn.alive() or time.monotonic() > deadline:
                console = (self.folder / "console.log").read_text(errors="replace")[-3000:]
                raise TimeoutError(f"{self.name} does not answer on port 22; its console:\n{console}")
            time.sleep(_POLL_SECONDS)


def control_groups() -> Path:
    """Where the kernel shows its control groups, of the second version.

    Raises:
        RuntimeError: nowhere.
    """
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, point, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(point)
    raise RuntimeError("real hosts need control groups of version 2; none are mounted here")


def machines(network: Network) -> list[Machine]:
    """All hosts of a network, running or not, in the order they were made."""
    found = []
    for file in network.folder.glob("hosts/*/host.json"):
        with contextlib.suppress(FileNotFoundError):  # another process may be taking it away
            found.append(Description(**json.loads(file.read_text())))
    return [Machine(network, one) for one in sorted(found, key=lambda one: one.number)]


def every_machine() -> Iterator[Machine]:
    for network in networks():
        yield from machines(network)


def find_machine(network: Network, name: str) -> Machine:
    """Raises KeyError if there is none of that name."""
    for machine in machines(network):
        if machine.name == name:
            return machine
    raise KeyError(name)


def _link_new(source: Path, target: Path) -> None:
    """Hard links for the packages that only ``source`` has; half-loaded ones stay in their folder `partial`."""
    for package in source.glob("*.deb"):
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            os.link(package, target / package.name)


def _forget_key(network: Network, address: str) -> None:
    with locked(network.folder / "known_hosts.lock"):
        lines = network.known_hosts.read_text().splitlines(keepends=True)
        network.known_hosts.write_text("".join(line for line in lines if line.split()[0] != address))


def _greets(address: str, port: int) -> bool:
    """Whether an SSH server answers there."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1) as connection:
        return connection.recv(4) == b"SSH-"
    return False
