"""An académie on real hosts: the inventory that is shipped, put to the test hosts, with what only an operator knows.

```text
 inventories/NAME (as it is) ─┐
 how to reach the hosts ──────┼─► NETWORK/inventories/NAME ─► bootstrap_secrets ─► check on bare hosts ─► site ─► …
 settings of the tests ───────┘
```
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from preau.demo.authority import Authority
from tests.hosts.laboratory import Wish, add_aliases, reach, up
from tests.hosts.machines import Machine
from tests.hosts.networks import Network
from tests.hosts.playbooks import CHECKOUT, Played, play
from tests.hosts.web_client import stand_in

PUBLIC: Final = ("", "matrix.", "chat.", "portail.")  # what stands before the server name in public names


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be put up: which of the shipped inventories, on which Debian."""

    name: str
    inventory: str
    release: str
    without: frozenset[str] = frozenset()  # hosts of the inventory that are left out, by the first part of their name
    more: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # group → hosts that are in it besides
    told: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # host → variables of its own
    disks: Mapping[str, str] = field(default_factory=dict)  # group → size of its hosts' disks, for power cuts
    own_certificate: bool = True  # bought by its operator; else the académie's internal authority signs
    plainly: bool = False  # its first `site` is run as an operator runs it, see `Academy.play`
    shipped_for: str = "nord"  # the académie that the inventory describes; its name is replaced by ours

    @property
    def server(self) -> str:
        return f"{self.name}.example"

    @property
    def source(self) -> Path:
        return CHECKOUT / "inventories" / self.inventory

    def hosts_file(self) -> dict[str, Any]:
        """The shipped list of hosts, for our académie, without those left out and with what is said of them besides."""
        tree: dict[str, Any] = yaml.safe_load(self.ours((self.source / "hosts.yml").read_text()))
        groups = tree["all"]["children"]
        for group, hosts in self.more.items():
            groups.setdefault(group, {"hosts": {}})["hosts"].update(dict.fromkeys(hosts))
        for content in groups.values():
            kept = {host: told for host, told in content["hosts"].items() if host.partition(".")[0] not in self.without}
            content["hosts"] = kept
        for host, told in self.told.items():
            groups[f"academie_{self.name}"]["hosts"][host] |= told
        return tree

    def ours(self, text: str) -> str:
        """A shipped text with the two académies' names exchanged, if it was written for the other one."""
        exchanged = {self.shipped_for: self.name, self.name: self.shipped_for}
        return re.sub(
            rf"\b(?:{self.shipped_for}|{self.name})\b|(?<=academie_)\w+", lambda found: exchanged[found[0]], text
        )

    def groups(self) -> dict[str, list[str]]:
        """By group, the hosts in it."""
        return {group: list(content["hosts"]) for group, content in self.hosts_file()["all"]["children"].items()}

    def disk_of(self, host: str) -> str | None:
        groups = self.groups()
        return next((size for group, size in self.disks.items() if host in groups[group]), None)

    def hosts(self) -> list[str]:
        """Those of this académie."""
        return self.groups()[f"academie_{self.name}"]

    def one(self, group: str) -> str:
        """The first host of a group."""
        return self.groups()[group][0]


class Academy:
    """One académie on its hosts. Nothing is deployed before `play` is called."""

    def __init__(self, plan: Plan, network: Network, machines: Iterable[Machine], authority: Authority) -> None:
        self.plan = plan
        self.network = network
        self.machines = {machine.name: machine for machine in machines}
        self.authority = authority
        self.inventory = network.folder / "inventories" / plan.name
        self.logs = network.folder / "logs"
        self.logs.mkdir(exist_ok=True)
        self.checkout = CHECKOUT  # whose playbooks its operators run
        self.past_secrets: dict[str, str] = {}  # those that others have taken the place of, by name
        self._once: dict[str, Played] = {}

    @property
    def server(self) -> str:
        return self.plan.server

    def host(self, group: str) -> Machine:
        """The first host of a group, such as `homeserver`."""
        return self.machines[self.plan.one(group)]

    @property
    def proxy_address(self) -> str:
        return self.host("proxy").address

    def play(
        self,
        playbook: str,
        *options: str,
        seconds: float = 2400,
        checkout: Path | None = None,
        plainly: bool = False,
    ) -> Played:
        """Runs one of the playbooks against this académie; ``checkout``: of another state of this project than
        the académie's.

        Starting Python anew on the host for each task is nearly all that a run costs on two cores. So it stays there
        from the first task to the last, but where a run is ``plainly`` what an operator would start.
        """
        number = len(list(self.logs.iterdir()))
        log = self.logs / f"{number:02}-{self.plan.name}-{playbook}.txt"
        how = {"checkout": checkout or self.checkout, "resident": not plainly}
        return play(self.inventory, playbook, *options, log=log, seconds=seconds, **how)

    def checked_bare(self) -> Played:
        """Check mode before anything was ever deployed here."""
        return self._first("bare", "site", "--check", "--diff")

    def up(self) -> Played:
        """Deployed.

        Raises:
            AssertionError: the playbook failed.
        """
        if "up" not in self._once:
            self.checked_bare()
        return self._first("up", "site", "--diff", plainly=self.plan.plainly).expect_success()

    def up_from(self, checkout: Path) -> Played:
        """Deployed by another state of this project, without a look before.

        Raises:
            AssertionError: the playbook failed.
        """
        self._once["up"] = self.play("site", checkout=checkout)
        return self._once["up"].expect_success()

    def again(self) -> Played:
        """The same once more, where nothing is left to do."""
        self.up()
        return self._first("again", "site")

    def checked_up(self) -> Played:
        """Check mode where nothing is left to do."""
        self.again()
        return self._first("checked", "site", "--check", "--diff")

    def _first(self, what: str, playbook: str, *options: str, plainly: bool = False) -> Played:
        """The outcome of the first run: the first call runs it, and a failure stays one."""
        if what not in self._once:
            self._once[what] = self.play(playbook, *options, plainly=plainly)
        return self._once[what]

    def preau(self, *arguments: str, stdin: str = "", seconds: float = 300) -> str:
        """Runs the product's own command on the service's host, as its operator does."""
        return self.host("service").run("preau", *arguments, stdin=stdin, seconds=seconds)

    def grow(self, plan: Plan) -> None:
        """Bare hosts for those that a larger plan has besides, and the inventory that lists them; nothing is put up."""
        added = [host for host in plan.hosts() if host not in self.machines]
        self.plan = plan
        for machine in up(self.network, [Wish(host, plan.release, plan.disk_of(host)) for host in added]):
            trust_authority(machine, self.authority)
            self.machines[machine.name] = machine
        self._write_hosts()

    def _write_hosts(self) -> None:
        (self.inventory / "hosts.yml").write_text(yaml.safe_dump(self.plan.hosts_file()))
        (self.inventory / "reach.json").write_text(reach(self.network, list(self.machines.values())))

    def write_inventory(self, settings: Mapping[str, Any]) -> None:
        """The shipped inventory with the settings and the secrets of this try."""
        self.inventory.mkdir(parents=True)
        self._write_hosts()
        folder = self._variables
        folder.mkdir(parents=True)
        for shipped in (self.plan.source / "group_vars" / f"academie_{self.plan.shipped_for}").iterdir():
            if shipped.name != "vault.yml":  # a shipped one holds nothing but placeholders
                (folder / shipped.name).write_text(self.plan.ours(shipped.read_text()))
        bought = self._public_certificate() if self.plan.own_certificate else {}
        self._told.write_text("{}")
        self.set(**bought, **stand_in(self.network.folder), **settings)
        self.play("bootstrap_secrets", "-e", "bootstrap_secrets_in_clear=true").expect_success()

    @property
    def _variables(self) -> Path:
        return self.inventory / "group_vars" / f"academie_{self.plan.name}"

    @property
    def _told(self) -> Path:
        """What the tests say beside the shipped inventory."""
        return self._variables / "zz_tests.yml"

    def set(self, **variables: Any) -> None:
        """Writes variables into the inventory, over what it said of them; the next playbook reads them."""
        self._told.write_text(json.dumps(json.loads(self._told.read_text()) | variables, indent=2))

    def secret(self, name: str) -> str:
        """What the vault holds by that name, now."""
        return str(yaml.safe_load((self._variables / "vault.yml").read_text())[name])

    def _public_certificate(self) -> dict[str, str]:
        names = tuple(f"{prefix}{self.server}" for prefix in PUBLIC)
        issued = self.authority.issue(self.plan.name, hosts=names)
        return {
            "web_tls_source": "files",
            "web_tls_certificate": str(issued.certificate),
            "web_tls_private_key": str(issued.key),
        }


def raise_academy(plan: Plan, network: Network, authority: Authority) -> Academy:
    """Bare hosts for a plan, which trust the test's authority as real ones trust those of the world."""
    machines = up(network, [Wish(host, plan.release, plan.disk_of(host)) for host in plan.hosts()])
    add_aliases(network, {f"{prefix}{plan.server}": plan.one("proxy") for prefix in PUBLIC})
    for machine in machines:
        trust_authority(machine, authority)
    return Academy(plan, network, machines, authority)


def side_by_side(academies: Iterable[Academy], what: Callable[[Academy], Played]) -> None:
    """Does the same for each at the same time: a playbook waits more than it works."""
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(what, academies):
            pass


def trust_authority(machine: Machine, authority: Authority) -> None:
    """Installs the test's public authority on a host, as part of its system."""
    target = machine.root / "usr/local/share/ca-certificates/public-authority.crt"
    shutil.copy(authority.certificate, target)
    machine.run("update-ca-certificates")
