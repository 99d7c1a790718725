"""Laws over everything that the roles write onto the hosts of every inventory. New roles and templates are covered as
they come: the files are found by following the tasks.
"""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.deploy.listening import READERS, listeners
from tests.deploy.playbooks import DEPLOY
from tests.deploy.rendered import World
from tests.deploy.rendering import File

pytestmark = pytest.mark.timeout(600)
# Read by their owner, and by one group at most.
CLOSED = re.compile(r"0?[4-7][04]0")
# What `systemd-analyze security` may say at most; and units that cannot get there, each with its reason.
EXPOSURE = 4.0
EXPOSED: dict[str, str] = {}
DEBIAN_UNITS = Path(__file__).parent / "debian_units"
UNIT = re.compile(r"^/etc/systemd/system/([^/]+\.(?:service|socket))(?:\.d/[^/]+\.conf)?$")


def test_every_role_of_the_site_writes_something_somewhere(worlds: dict[str, World]) -> None:
    found = {file.role for world in worlds.values() for file in world.files}
    named = {role for play in yaml.safe_load((DEPLOY / "site.yml").read_text()) for role in play.get("roles", [])}
    assert found == named


def test_files_that_only_a_host_can_tell_are_known(worlds: dict[str, World]) -> None:
    """What is not rendered is not held to these laws: signed certificates, the wheel, and nothing else."""
    untold = {role for world in worlds.values() if world.files for role, _ in world.rendering.untold}
    assert untold <= {"base", "web", "wheel"}, {world.name: world.rendering.untold for world in worlds.values()}


def test_rendering_twice_gives_the_same_bytes(world: World) -> None:
    assert world.render().files() == world.files


def test_no_file_is_written_twice_with_different_words(world: World) -> None:
    seen: dict[tuple[str, str], File] = {}
    for file in world.files:
        before = seen.setdefault((file.host, file.path), file)
        assert before.text == file.text, f"{file.name}: {before.task} and {file.task} disagree"


def test_every_file_has_a_mode(world: World) -> None:
    assert [file.name for file in world.files if not re.fullmatch("0?[0-7]{3}|preserve", file.mode)] == []


def test_secrets_stand_only_in_files_that_are_closed_and_hidden(world: World) -> None:
    found = []
    for file in world.files:
        shown = [name for name, value in world.secrets.items() if value in file.text]
        if shown and not (CLOSED.fullmatch(file.mode) and file.no_log and not UNIT.match(file.path)):
            found.append(f"{file.name} ({file.mode}, no_log: {file.no_log}) holds {', '.join(shown)}")
    assert found == []


def test_secrets_of_one_academie_are_on_no_host_of_another(worlds: dict[str, World]) -> None:
    world = worlds["federation_demo"]
    for file in world.files:
        academy = file.host.split(".")[1]
        shown = [name for name, value in world.secrets.items() if value in file.text]
        assert [name for name in shown if f"academie_{academy}" not in name] == [], file.name


def test_every_port_is_in_the_table_or_on_loopback(world: World) -> None:
    table = yaml.safe_load((DEPLOY / "group_vars/all/network.yml").read_text())["preau_ports"]
    groups = {host.name: [*host.get_groups()] for host in world.rendering.hosts.get_hosts()}
    found = []
    for file in world.files:
        mine = {group.name for group in groups[file.host]}
        allowed = {
            port
            for row in table
            if {*row["at"]} & mine
            for first, _, last in [str(row["port"]).partition("-")]
            for port in range(int(first), int(last or first) + 1)
        }
        if "/synapse/" in file.path and "homeserver" not in mine and "/workers/" not in file.path:
            # Main's own listeners; a worker reads the same file and leaves them alone.
            continue
        for address, port in listeners(file.path, file.text):
            if address not in {"127.0.0.1", "::1", "localhost"} and port not in allowed:
                found.append(f"{file.name} listens on {address}:{port}")
    assert found == []


def test_every_reader_of_ports_finds_some(worlds: dict[str, World]) -> None:
    """One that finds nothing anywhere guards nothing; the sockets of units are paths, so far."""
    texts = [file for world in worlds.values() for file in world.files]
    silent = {
        pattern
        for pattern, reader in READERS
        if not any(re.search(pattern, file.path) and list(reader(file.text)) for file in texts)
    }
    assert silent == {r"\.socket$|\.socket\.d/"}


def test_a_unit_socket_is_read() -> None:
    text = "[Socket]\nListenStream=\nListenStream=/run/a.ctl\nListenStream=9100\nListenDatagram=[::1]:53\n"
    assert listeners("/etc/systemd/system/a.socket.d/preau.conf", text) == [("*", 9100), ("::1", 53)]


# --- Units --------------------------------------------------------------------------------------------------------


def _units(files: list[File]) -> Iterator[tuple[str, list[File]]]:
    """The units of a host, each with the files that make it: its own and drop-ins."""
    names = sorted({match[1] for file in files if (match := UNIT.match(file.path))})
    for name in names:
        yield name, [file for file in files if (match := UNIT.match(file.path)) and match[1] == name]


def _exposure(folder: Path, name: str, parts: list[File]) -> float:
    root = folder / f"{parts[0].inventory}-{parts[0].host}-{name}"
    for file in parts:
        path = root / file.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text)
    own = root / "etc/systemd/system" / name
    if not own.exists():
        # A unit of Debian's: as it ships it where that matters, else as if it had nothing.
        theirs = DEBIAN_UNITS / name
        own.write_text(theirs.read_text() if theirs.exists() else "[Service]\nExecStart=/bin/true\n")
    template = name.replace("@.", "@any.")
    command = ["systemd-analyze", "security", "--offline=true", f"--root={root}", "--no-pager", template]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, f"{name}: {done.stdout}{done.stderr}"
    return float(found[1])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_every_unit_is_hardened(world: World, tmp_path: Path) -> None:
    found = {}
    for host in {file.host for file in world.files}:
        for name, parts in _units([file for file in world.files if file.host == host]):
            if name.endswith(".service") and name not in EXPOSED:
                found[name] = max(found.get(name, 0.0), _exposure(tmp_path, name, parts))
    assert found
    assert {name: exposure for name, exposure in found.items() if exposure > EXPOSURE} == {}


def test_every_service_of_ours_has_an_owner_a_bound_and_a_restart(world: World) -> None:
    for file in world.files:
        if not re.fullmatch(r"/etc/systemd/system/preau[^/]*\.service", file.path):
            continue
        unit = configparser.RawConfigParser(strict=False, interpolation=None)
        unit.optionxform = str  # type: ignore[method-assign,assignment] -- systemd's names keep their capitals
        unit.read_string(file.text)
        service = unit["Service"]
        assert "MemoryMax" in service, f"{file.name} has no MemoryMax"
        assert unit["Unit"].get("Description"), file.name
        if service.get("Type") != "oneshot":
            assert service.get("Restart") in {"on-failure", "always"}, f"{file.name} does not restart"


# --- Every file ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".yaml", ".yml", ".json"])
def test_every_file_of_data_can_be_read(world: World, ending: str) -> None:
    for file in world.files:
        if file.path.endswith(ending):
            yaml.safe_load(file.text)


def test_no_file_holds_what_jinja_left_behind(world: World) -> None:
    """A variable that was never filled in, or a value of Python's where the file's own language has another.

    What begins with a dollar within the braces is Prometheus' own.
    """
    left = re.compile(r"\{\{ (?!\$)|\{% |(?<![\w'\"])(?:None|True|False)(?![\w'\"])")
    found = []
    for file in world.files:
        if file.path.endswith((".py", ".json")) or "/bin/" in file.path or "/sbin/" in file.path:
            continue
        lines = [line.strip() for line in file.text.splitlines()]
        found += [
            f"{file.name}: {line}" for line in lines if not line.startswith(("#", ";", "//")) and left.search(line)
        ]
    assert found == []
