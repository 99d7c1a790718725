"""Child processes end when they should: asked, forced, or because we are gone."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from pathlib import Path

from preau.demo.processes import ChildProcess, free_ports

HOLDS_A_PORT = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)"
STARTS_ONE = f"""
import pathlib, sys, time
from preau.demo.processes import ChildProcess
command = [sys.executable, "-c", {HOLDS_A_PORT!r}, sys.argv[1]]
ChildProcess.start("child", command, log=pathlib.Path(sys.argv[2]))
time.sleep(600)
"""
IGNORES_REQUESTS = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


async def test_a_child_of_a_killed_parent_does_not_survive(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARTS_ONE, str(port), str(tmp_path / "child.log")
    )
    await until_port_is(port, taken=True)
    parent.kill()
    await parent.wait()
    await until_port_is(port, taken=False)


async def test_a_child_that_does_not_listen_is_forced(tmp_path: Path) -> None:
    child = ChildProcess.start("deaf", [sys.executable, "-c", IGNORES_REQUESTS], log=tmp_path / "child.log")
    while "ready" not in child.log_tail():  # noqa: ASYNC110 -- a file tells nobody that it grew
        await asyncio.sleep(0.02)
    assert child.exit_status() is None
    assert await asyncio.to_thread(child.stop, 0.1) == -signal.SIGKILL


async def test_a_child_that_listens_ends_by_itself(tmp_path: Path) -> None:
    child = ChildProcess.start("polite", ["sleep", "600"], log=tmp_path / "child.log")
    assert await asyncio.to_thread(child.stop) == -signal.SIGTERM
    assert await asyncio.to_thread(child.stop) == -signal.SIGTERM, "stopping twice is harmless"


async def test_killing_a_child_ends_its_own_children(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    command = ["sh", "-c", f'"{sys.executable}" -c "{HOLDS_A_PORT}" {port} & wait']
    child = ChildProcess.start("family", command, log=tmp_path / "child.log")
    await until_port_is(port, taken=True)
    child.kill()
    await until_port_is(port, taken=False)


def test_the_log_holds_both_outputs_and_its_tail_is_short(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo first; echo second; echo third >&2"]
    child = ChildProcess.start("talker", command, log=tmp_path / "deep" / "child.log")
    child._process.wait()
    assert child.log_tail(lines=2) == "second\nthird"


def test_ports_chosen_together_are_distinct() -> None:
    assert len(set(free_ports(50))) == 50


def test_no_port_is_chosen_again_before_its_use() -> None:
    assert not {*free_ports(50)} & {*free_ports(50)}


def test_no_port_is_one_that_a_connection_out_may_take() -> None:
    assert max(free_ports(50)) < 32_768  # Linux's default


def test_a_port_that_somebody_has_is_passed_over() -> None:
    with socket.socket() as somebody, socket.socket() as another:
        (before,) = free_ports(1)
        somebody.bind(("127.0.0.1", before + 1))
        another.bind(("127.0.0.1", before + 2))
        assert not {before + 1, before + 2} & {*free_ports(2)}


async def until_port_is(port: int, *, taken: bool) -> None:
    """Waits; the test's own time limit ends the wait."""
    while await is_taken(port) is not taken:  # noqa: ASYNC110 -- a port tells nobody that it closed
        await asyncio.sleep(0.02)


async def is_taken(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
