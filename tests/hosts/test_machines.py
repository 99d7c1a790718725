"""The hosts themselves: what the other tests do to them does what it says."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.hosts.base_trees import RELEASES
from tests.hosts.commands import CommandFailed, run
from tests.hosts.laboratory import Wish, ssh_command, sweep, up
from tests.hosts.machines import Machine, machines
from tests.hosts.networks import Network, find_network
from tests.hosts.playbooks import CHECKOUT


@pytest.fixture(scope="module", params=RELEASES)
def host(request: pytest.FixtureRequest, network: Network) -> Iterator[Machine]:
    """With a small disk of its own, so that everything can happen to it."""
    (machine,) = up(network, [Wish(f"essai-{request.param}", request.param, "600M")])
    yield machine
    machine.remove()


def reachable(host: Machine) -> bool:
    command = ["timeout", "3", *ssh_command(host, "true")]
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0


def test_a_host_runs_its_own_systemd_without_a_failed_unit(host: Machine) -> None:
    assert host.run("systemctl", "is-system-running", "--wait").strip() == "running"
    assert host.run("hostname").strip() == host.name


def test_an_administrator_logs_in_with_the_key_and_becomes_root(host: Machine) -> None:
    output = subprocess.check_output(ssh_command(host, "sudo", "id", "-u"), text=True, timeout=30)
    assert output.strip() == "0"


def test_a_cut_host_is_not_reached_until_it_is_joined_again(host: Machine) -> None:
    host.cut()
    assert not reachable(host)
    host.join()
    assert any(reachable(host) for _ in range(10))  # neighbours find each other again within seconds


def test_a_killed_host_comes_back_with_what_it_had_written(host: Machine) -> None:
    host.shell("echo here > /root/written")
    host.kill()
    assert not reachable(host)
    host.boot()
    assert host.shell("cat /root/written").strip() == "here"


def test_a_power_cut_takes_what_was_not_written_through_and_nothing_else(host: Machine) -> None:
    host.shell("echo kept > /root/kept; sync /root/kept /root; echo lost > /root/lost")
    host.lose_power()
    host.boot()
    assert host.shell("cat /root/kept").strip() == "kept"
    assert host.shell("cat /root/lost 2>/dev/null || true").strip() == ""


def test_a_full_disk_is_full_for_the_host_alone(host: Machine) -> None:
    with pytest.raises(CommandFailed, match="No space left"):
        host.shell("head -c 1G /dev/zero > /root/full")
    host.shell("rm /root/full; echo room > /root/again")


def test_the_sweeper_ends_what_a_killed_run_left_and_nothing_of_the_living(network: Network) -> None:
    code = (
        "import os, signal\n"
        "from tests.hosts.laboratory import Wish, up\n"
        "from tests.hosts.networks import make_network\n"
        "up(make_network('left-behind', owned=True), [Wish('seul')])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    left = find_network("left-behind")
    assert left is not None
    (alone,) = machines(left)
    assert alone.running()
    assert sweep() == ["left-behind"]
    assert not alone.running()
    assert find_network("left-behind") is None
    assert find_network(network.name) is not None


def test_a_machine_on_which_root_may_not_make_them_is_said_to_be_one() -> None:
    code = "from tests.hosts.laboratory import missing; print(missing())"
    without = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")
    assert "lets root make file systems" in run(*without, sys.executable, "-c", code, cwd=CHECKOUT)
