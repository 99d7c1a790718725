"""Several hosts in one network, told about each other, with an inventory for Ansible; and their end.

```text
 laboratory(…) ─► up(names) ─► use ─► removed, whatever happens (an exception, Ctrl-C, SIGTERM)
                                        └─ SIGKILL: the next run's sweep finds the owner dead and removes it
```
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from tests.hosts.base_trees import ADMIN, CACHE, locked
from tests.hosts.commands import CommandFailed, run
from tests.hosts.machines import Machine, machines
from tests.hosts.networks import Network, make_network, networks

OUTSIDE: Final = "outside"
"""What an alias leads to that is no host of the network: the machine that they all run on."""

PROGRAMS: Final = ("debootstrap", "dnsmasq", "ip", "mkfs.ext4", "nft", "nsenter", "ssh", "ssh-keygen", "systemd-nspawn")

_TRIAL: Final = """
mount -t tmpfs none /mnt
mkdir /mnt/lower /mnt/upper /mnt/work /mnt/root /mnt/disk
mount -t overlay none -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
truncate --size 8M /mnt/image
mkfs.ext4 -q /mnt/image
mount -o loop /mnt/image /mnt/disk
ip link add preau-trial type bridge
nft add table ip preau_trial
"""
"""What root of a container may be forbidden; nothing of it remains, since its namespaces end with it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A host to be made."""

    name: str
    release: str = "bookworm"
    disk: str | None = None


def missing() -> str | None:
    """Why no hosts can be made here; None if they can."""
    if os.geteuid() != 0:
        return "real hosts need root"
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if absent:
        return f"real hosts need {', '.join(absent)} (bash tests/needs-hosts.sh)"
    try:
        run("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-ec", _TRIAL)
    except CommandFailed as refused:
        return f"real hosts need a machine that lets root make file systems and networks: {refused.output.strip()}"
    return None


def up(network: Network, wishes: Sequence[Wish], aliases: Mapping[str, str] | None = None) -> list[Machine]:
    """Makes and boots hosts. ``aliases``: more names, each with the host that answers to it."""
    made = [Machine.make(network, wish.name, wish.release, wish.disk) for wish in wishes]
    add_aliases(network, aliases or {})
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(machine.boot) for machine in made]:
            done.result()
    return made


def add_aliases(network: Network, aliases: Mapping[str, str]) -> None:
    """Makes public names known to all hosts, each with the host that answers to it, and writes the inventory anew."""
    with locked(network.folder / "aliases.lock"):
        file = network.folder / "aliases.json"
        known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        known.update(aliases)
        file.write_text(json.dumps(known))
        addresses = {machine.name: machine.address for machine in machines(network)} | {OUTSIDE: network.gateway}
        given = {alias: addresses[host] for alias, host in known.items() if host in addresses}
        network.tell_names(addresses | given)
        inventory_file(network).write_text(reach(network, machines(network)))


def names(network: Network) -> dict[str, str]:
    """Every name that the network's hosts know, with its address."""
    lines = (network.folder / "names").read_text().splitlines()
    return {name: address for address, name in (line.split() for line in lines)}


def inventory_file(network: Network) -> Path:
    """How Ansible reaches the hosts; to be given beside an inventory that says what they do (`-i … -i …`)."""
    return network.folder / "reach.json"


def reach(network: Network, hosts: Sequence[Machine]) -> str:
    """An inventory, as text, that says nothing but how to reach these hosts.

    Each host has its own copy of every variable: what stands at `all` loses against the playbooks' own folder.
    """
    options = [
        f"-o UserKnownHostsFile={network.known_hosts}",
        "-o IdentitiesOnly=yes",
        "-o ServerAliveInterval=5",  # a host that was killed is noticed, not waited for
        "-o ServerAliveCountMax=3",
    ]
    same = {
        "ansible_user": ADMIN,
        "ansible_ssh_private_key_file": str(network.key),
        "ansible_ssh_common_args": " ".join(options),
        "ansible_python_interpreter": "/usr/bin/python3",
        "preau_admin_networks": [network.gateway],
    }
    return json.dumps({"all": {"hosts": {one.name: {"ansible_host": one.address, **same} for one in hosts}}}, indent=2)


def remove(network: Network) -> None:
    """Ends all of its hosts and the network itself."""
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(machine.remove) for machine in machines(network)]:
            done.result()
    network.remove()
    shutil.rmtree(network.folder)


def sweep() -> list[str]:
    """Removes what killed runs left behind; returns the names of those networks."""
    with locked(CACHE / "sweep.lock"):  # two processes of tests begin at the same time
        left = [network for network in networks() if (owner := network.owner()) is not None and not owner.alive()]
        for network in left:
            remove(network)
    return [network.name for network in left]


@contextmanager
def laboratory(name: str) -> Iterator[Network]:
    """A network of this process alone, gone afterwards."""
    sweep()
    network = make_network(f"{name}-{os.getpid()}", owned=True)
    try:
        with terminated_as_interrupted():
            yield network
    finally:
        remove(network)


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Lets SIGTERM unwind the stack as Ctrl-C does, so that everything is cleaned up.

    Not as an exit: for pytest that is one failed test, after which it goes on.
    """

    def leave(number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt(f"signal {number}")

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def ssh_command(machine: Machine, *command: str) -> list[str]:
    """The words that log in to a host as the administrator."""
    network = machine.network
    options = ["-i", str(network.key), "-o", f"UserKnownHostsFile={network.known_hosts}", "-o", "IdentitiesOnly=yes"]
    return ["ssh", *options, f"{ADMIN}@{machine.address}", *command]


def log_in(machine: Machine, *command: str) -> int:
    """An interactive session, for people."""
    return subprocess.call(ssh_command(machine, *command))
