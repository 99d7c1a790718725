"""What hosts show, and what is expected of them: whoever watches asks for what is there, and is let in."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import pytest
import yaml
from cryptography import x509

from preau.demo.authority import Authority
from preau.demo.render import environment
from tests.deploy.playbooks import DEPLOY
from tests.deploy.rendered import World
from tests.redis_server import RedisMissing, running_redis

# As the other laws: every inventory is rendered once.
pytestmark = pytest.mark.timeout(600)
ROLES = Path(__file__).parents[2] / "roles"
PROGRAM = ROLES / "monitoring/files/preau_figures.py"


def load() -> ModuleType:
    """The program, which is no module of a package."""
    spec = importlib.util.spec_from_file_location("preau_figures", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


figures = load()


def shown(folder: Path, *words: str) -> dict[str, float]:
    """What the program writes, by the figure with its labels."""
    into = folder / "preau-figures.prom"
    figures.main(["--into", str(into), *words])
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in into.read_text().splitlines())}


def waiting(spool: Path, queue: str, name: str, came: float) -> None:
    """A message in one of Postfix' queues, whose file says the future, as that of mail to be tried again does."""
    file = spool / queue / name
    file.parent.mkdir(parents=True, exist_ok=True)
    time = b"%d 12345" % came
    # Its size, an attribute of 130 bytes, when it came, the sender.
    file.write_bytes(b"C\x05  120" + b"A\x82\x01" + b"x" * 130 + b"T" + bytes([len(time)]) + time + b"S\x00")
    os.utime(file, (came + 10**9, came + 10**9))


def test_the_end_of_a_certificate_is_the_one_that_stands_in_it(tmp_path: Path) -> None:
    made = Authority(tmp_path / "authority").certificate
    ends = x509.load_pem_x509_certificate(made.read_bytes()).not_valid_after_utc.timestamp()
    assert shown(tmp_path, "--certificate", str(made)) == {
        f'preau_certificate_end_timestamp_seconds{{path="{made}"}}': ends
    }


def test_mail_is_counted_by_queue_and_is_as_old_as_its_arrival(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    waiting(tmp_path, "deferred", "A/A1B2", (now - timedelta(hours=3)).timestamp())
    waiting(tmp_path, "deferred", "B/B1B2", (now - timedelta(hours=1)).timestamp())
    waiting(tmp_path, "incoming", "C1B2", now.timestamp())
    (tmp_path / "active").mkdir()
    (tmp_path / "active/D1").write_bytes(b"C\x7f  1")  # half written
    found = shown(tmp_path, "--mail-queue", str(tmp_path))
    age = found.pop("preau_mail_oldest_age_seconds")
    assert timedelta(hours=3) <= timedelta(seconds=age) <= timedelta(hours=3, minutes=10)
    assert found == {
        f'preau_mail_waiting_messages{{queue="{queue}"}}': count
        for queue, count in {"maildrop": 0, "incoming": 1, "active": 1, "deferred": 2}.items()
    }


def test_no_mail_is_no_age(tmp_path: Path) -> None:
    assert shown(tmp_path, "--mail-queue", str(tmp_path))["preau_mail_oldest_age_seconds"] == 0


def test_signatures_are_as_new_as_the_newest_of_their_files(tmp_path: Path) -> None:
    for name, came in {"main.cvd": 1000, "daily.cld": 3000, "freshclam.dat": 9000}.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (came, came))
    assert shown(tmp_path, "--signatures", str(tmp_path)) == {"preau_antivirus_signatures_timestamp_seconds": 3000}


def test_a_certificate_that_cannot_be_read_leaves_the_old_figures_to_get_old(tmp_path: Path) -> None:
    (tmp_path / "preau-figures.prom").write_text("before 1\n")
    with pytest.raises(subprocess.CalledProcessError):
        shown(tmp_path, "--certificate", str(tmp_path / "none.pem"))
    assert (tmp_path / "preau-figures.prom").read_text() == "before 1\n"


def test_who_watches_redis_reads_its_figures_and_no_key() -> None:
    jinja = environment(ROLES / "redis/templates")
    jinja.filters["hash"] = lambda text, kind: hashlib.new(kind, text.encode()).hexdigest()
    given = {"redis_password": "", "redis_watch_password": "invented"}
    users = jinja.get_template("users.acl.j2").render(given).splitlines()
    (watch,) = [line.split()[1:] for line in users if line.startswith("user watch ")]
    try:
        # A socket's path is short.
        with TemporaryDirectory() as folder, running_redis(Path(folder)) as server:

            def ask(*words: str) -> str:
                command = ["redis-cli", "-s", str(server.socket), *words]
                return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

            assert ask("ACL", "SETUSER", *watch) == "OK"
            for words in (["INFO"], ["PING"], ["SLOWLOG", "LEN"], ["LATENCY", "LATEST"], ["CLIENT", "SETNAME", "x"]):
                assert ask("ACL", "DRYRUN", "watch", *words) == "OK"
            for words in (["GET", "x"], ["KEYS", "*"], ["SUBSCRIBE", "x"], ["CONFIG", "GET", "*"], ["MONITOR"]):
                assert "no permissions" in ask("ACL", "DRYRUN", "watch", *words)
    except RedisMissing as missing:
        pytest.skip(str(missing))


# --- Over every inventory -----------------------------------------------------------------------------------------


def watched(world: World) -> list[tuple[str, str, str]]:
    """Who asks which host for what: every target behind a door that a Prometheus of the inventory has."""
    return [
        (file.host, target.rpartition(":")[0], job["job_name"])
        for file in world.files
        if file.path == "/etc/prometheus/prometheus.yml"
        for job in yaml.safe_load(file.text)["scrape_configs"]
        if job.get("metrics_path") == "/proxy"
        for targets in job["static_configs"]
        for target in targets["targets"]
    ]


def test_every_source_that_is_asked_for_is_shown_by_its_host(world: World) -> None:
    shows = {
        file.host: {*yaml.safe_load(file.text)["modules"]}
        for file in world.files
        if file.path == "/etc/prometheus/exporter-exporter.yml"
    }
    assert [row for row in watched(world) if row[2] not in shows[row[1]]] == []
    assert {(host, name) for host, names in shows.items() for name in names} == {row[1:] for row in watched(world)}


def test_every_host_that_is_asked_lets_who_asks_in(world: World) -> None:
    (row,) = [
        row
        for row in yaml.safe_load((DEPLOY / "group_vars/all/network.yml").read_text())["preau_ports"]
        if row["name"] == "metrics"
    ]
    groups = {host.name: {group.name for group in host.get_groups()} for host in world.rendering.hosts.get_hosts()}
    assert [asked for asker, asked, _ in watched(world) if asked != asker and not groups[asked] & {*row["at"]}] == []


def test_every_host_that_saves_is_expected_to_and_every_clock_of_the_service(worlds: dict[str, World]) -> None:
    world = worlds["multi_host"]
    (text,) = [file.text for file in world.files if file.path == "/etc/prometheus/rules/preau.yml"]
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    never = {rule["labels"]["kind"]: rule["expr"] for rule in rules if rule["alert"] == "BackupNever"}
    assert never.keys() == {"files", "database", "keep", "verify"}
    for host in ("bdd", "synapse", "service"):
        assert f"{host}.nord.example" in never["files"]
    assert "sauvegarde.nord.example" in never["database"]
    assert {rule["labels"]["command"] for rule in rules if rule["alert"] == "CheckMissed"} == {
        "doctor",
        "journal verify",
    }
