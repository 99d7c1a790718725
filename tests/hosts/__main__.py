"""`python -m tests.hosts`: real hosts for people who try something out; they stay until `down`.

python -m tests.hosts up web1 db1=trixie --network mine --name matrix.nord.example=web1
ansible-playbook -i inventories/… -i "$(python -m tests.hosts inventory --network mine)" deploy/site.yml
python -m tests.hosts down --network mine
"""

from __future__ import annotations

import argparse
import os
import sys

from tests.hosts import laboratory
from tests.hosts.base_trees import RELEASES, base_tree
from tests.hosts.commands import CommandFailed
from tests.hosts.laboratory import Wish
from tests.hosts.machines import Machine, find_machine, machines
from tests.hosts.networks import Network, find_network, make_network, networks

_ON_ONE_HOST = ("cut", "join", "kill", "lose-power", "boot", "destroy-disk", "remove")


def main() -> int:
    """Exit status 0 done, 1 it could not be done."""
    arguments = _parser().parse_args()
    reason = laboratory.missing()
    if reason is not None:
        print(reason, file=sys.stderr)
        return 1
    try:
        return _do(arguments)
    except (CommandFailed, ValueError, KeyError, RuntimeError, TimeoutError) as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.hosts", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("base", help="builds the Debian trees now")
    actions.add_parser("list", help="all networks and hosts")
    actions.add_parser("sweep", help="removes what killed runs left")
    action = actions.add_parser("up", help="makes and boots hosts; adds to the network if there is one of that name")
    action.add_argument(
        "hosts", nargs="+", metavar="NAME[=RELEASE]", help=f"a host, and its Debian: {', '.join(RELEASES)}"
    )
    action.add_argument(
        "--disk", metavar="SIZE", help="a small disk of its own, such as 2G (may be full, may lose power)"
    )
    action.add_argument(
        "--name", action="append", default=[], metavar="PUBLIC=HOST", help="one more name that a host answers to"
    )
    _network_option(action)
    _network_option(actions.add_parser("down", help="removes the network and its hosts"))
    _network_option(actions.add_parser("inventory", help="prints the path of its inventory for ansible-playbook -i"))
    for name in _ON_ONE_HOST:
        action = actions.add_parser(name, help="of one host")
        action.add_argument("host")
        _network_option(action)
    for name in ("run", "ssh"):
        action = actions.add_parser(
            name, help="runs a command inside as root" if name == "run" else "logs in, as Ansible does"
        )
        _network_option(action)
        action.add_argument("host")
        action.add_argument("command", nargs=argparse.REMAINDER)
    return parser


def _network_option(action: argparse.ArgumentParser) -> None:
    user = os.environ.get("PREAU_TEST_HOSTS_NETWORK", "default")
    action.add_argument("--network", default=user, help="by default $PREAU_TEST_HOSTS_NETWORK or `default`")


def _do(arguments: argparse.Namespace) -> int:
    match arguments.action:
        case "base":
            print(*(base_tree(release) for release in RELEASES), sep="\n")
        case "list":
            _list()
        case "sweep":
            print("removed:", ", ".join(laboratory.sweep()) or "nothing was left")
        case "up":
            _up(arguments)
        case "down":
            laboratory.remove(_network(arguments.network))
        case "inventory":
            network = _network(arguments.network)
            laboratory.add_aliases(network, {})
            print(laboratory.inventory_file(network))
        case action:
            return _with_one(action, find_machine(_network(arguments.network), arguments.host), arguments)
    return 0


def _up(arguments: argparse.Namespace) -> None:
    wishes = []
    for word in arguments.hosts:
        name, _, release = word.partition("=")
        if release and release not in RELEASES:
            raise ValueError(f"{release}: only {', '.join(RELEASES)}")
        wishes.append(Wish(name, release or RELEASES[0], arguments.disk))
    network = find_network(arguments.network) or make_network(arguments.network, owned=False)
    laboratory.up(network, wishes, dict(word.split("=", 1) for word in arguments.name))
    _list(network)


def _with_one(action: str, machine: Machine, arguments: argparse.Namespace) -> int:
    if action == "run":
        print(machine.run(*arguments.command, seconds=3600), end="")
        return 0
    if action == "ssh":
        return laboratory.log_in(machine, *arguments.command)
    getattr(machine, action.replace("-", "_"))()
    if action == "remove":
        laboratory.add_aliases(machine.network, {})
    return 0


def _network(name: str) -> Network:
    network = find_network(name)
    if network is None:
        raise ValueError(f"there is no network {name}; `list` shows all")
    return network


def _list(only: Network | None = None) -> None:
    for network in [only] if only else networks():
        owner = network.owner()
        end = "kept until down" if owner is None else f"ends with process {owner.pid}"
        print(f"{network.name}: {network.range}, {end}")
        print(f"  inventory {laboratory.inventory_file(network)}")
        for machine in machines(network):
            state = "running" if machine.running() else "off"
            print(f"  {machine.name:30} {machine.address:15} {machine.release:9} {state}")


if __name__ == "__main__":
    sys.exit(main())
