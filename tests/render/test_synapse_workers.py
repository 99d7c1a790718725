"""The files of worker mode, as the table of workers makes them, held to what Synapse itself reads out of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from preau.demo.render import environment, render_role, role_folder, role_variables
from tests.deploy.test_workers import ALL_KINDS, instances

ROLE = role_folder("synapse")
SIGNING_KEY = "ed25519 a_1234 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1\n"
LAYERS = ("10-underride.yaml", "20-operator.yaml", "30-override.yaml", "40-secrets.yaml", "50-workers.yaml")

DUTIES: Final = (
    "worker.send_federation",
    "worker.start_pushers",
    "worker.run_background_tasks",
    "worker.should_notify_appservices",
    "worker.should_update_user_directory",
    "media.can_load_media_repo",
)
READ: Final = """
import json, operator, sys
from synapse.config.homeserver import HomeServerConfig
duties = sys.argv[1].split()
found = {}
for process, files in json.loads(sys.argv[2]).items():
    config = HomeServerConfig.load_config("", files)
    found[process] = [duty for duty in duties if operator.attrgetter(duty)(config)]
print(json.dumps(found))
"""


def required() -> dict[str, Any]:
    options = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    secrets = {name: f"secret-of-{name}" for name, option in options.items() if option.get("required")}
    return {**secrets, "synapse_server_name": "nord.example", "synapse_public_baseurl": "https://matrix.nord.example/"}


class Rendered:
    """A homeserver's files, with those of each worker."""

    def __init__(self, folder: Path, rows: list[dict[str, Any]], **more: Any) -> None:
        self.folder = folder
        self.rows = rows
        given = {
            "synapse_config_folder": str(folder),
            "synapse_data_folder": str(folder),
            "synapse_metrics_port": 8011,
            "synapse_instances": rows,
            "synapse_replication_secret": "secret-of-replication",
            "synapse_redis": {"path": "/run/redis/redis-server.sock"},
            **required(),
            **more,
        }
        render_role("synapse", given, folder)
        (folder / "signing.key").write_text(SIGNING_KEY)
        self.variables = {**role_variables("synapse", given), "ansible_managed": "Ansible managed"}
        self._render("50-workers.yaml.j2", "50-workers.yaml")
        for row in rows:
            self._render("worker.yaml.j2", f"{row['name']}.yaml", item=row)

    def _render(self, template: str, name: str, **more: Any) -> None:
        made = environment(ROLE / "templates").get_template(f"host/{template}")
        (self.folder / name).write_text(made.render({**self.variables, **more}))

    def shared(self) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load((self.folder / "50-workers.yaml").read_text())
        return found

    def duties(self) -> dict[str, set[str]]:
        """What Synapse makes of the files: the duties of each process."""
        names = {"main": LAYERS, **{row["name"]: (*LAYERS, f"{row['name']}.yaml") for row in self.rows}}
        files = {
            process: [part for name in each for part in ("-c", str(self.folder / name))]
            for process, each in names.items()
        }
        command = [sys.executable, "-c", READ, " ".join(DUTIES), json.dumps(files)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return {process: set(duties) for process, duties in json.loads(done.stdout).items()}


@pytest.fixture(scope="module")
def all_kinds(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    rows = instances(w1=[*ALL_KINDS, {"kind": "persister"}, {"kind": "media"}])
    return Rendered(tmp_path_factory.mktemp("workers"), rows)


def test_without_workers_main_does_all_but_the_stock_directory(tmp_path: Path) -> None:
    rendered = Rendered(tmp_path, [])
    assert rendered.shared() == {}
    assert rendered.duties() == {"main": set(DUTIES) - {"worker.should_update_user_directory"}}


def test_a_duty_is_its_workers_and_nobody_keeps_the_stock_directory(all_kinds: Rendered) -> None:
    expected: dict[str, set[str]] = {row["name"]: set() for row in all_kinds.rows} | {"main": set()}
    expected["w1-federation-sender1"] = {"worker.send_federation"}
    expected["w1-pusher1"] = {"worker.start_pushers"}
    expected["w1-background1"] = {"worker.run_background_tasks", "worker.should_notify_appservices"}
    expected["w1-media1"] = expected["w1-media2"] = {"media.can_load_media_repo"}
    assert all_kinds.duties() == expected


def test_events_are_shared_out_and_the_other_streams_have_their_writer(all_kinds: Rendered) -> None:
    writers = all_kinds.shared()["stream_writers"]
    assert writers.pop("events") == ["w1-persister1", "w1-persister2"]
    assert writers.pop("quarantined_media_changes") == ["w1-media1", "w1-media2"]
    assert {tuple(names) for names in writers.values()} == {("w1-writer1",)}


def test_every_process_that_is_called_is_in_the_map_at_the_port_it_listens_on(all_kinds: Rendered) -> None:
    mapped = {name: place["port"] for name, place in all_kinds.shared()["instance_map"].items()}
    assert mapped.pop("main") == 8010
    listens = {row["name"]: row["replication"] for row in all_kinds.rows if row["replication"]}
    assert mapped == listens
    for name, port in listens.items():
        listeners = yaml.safe_load((all_kinds.folder / f"{name}.yaml").read_text())["worker_listeners"]
        assert [
            each["port"] for each in listeners if each.get("resources", [{}])[0].get("names") == ["replication"]
        ] == [port]


def test_over_the_network_everything_but_metrics_speaks_tls_and_metrics_stay_on_loopback(tmp_path: Path) -> None:
    certificate = {"synapse_tls_certificate_path": "/c.pem", "synapse_tls_private_key_path": "/c.key"}
    given = {"synapse_tls": True, "synapse_bind_addresses": ["192.0.2.1"], "synapse_main_host": "main.nord.example"}
    rendered = Rendered(tmp_path, instances(w1=ALL_KINDS), **given, **certificate)
    main = yaml.safe_load((tmp_path / "30-override.yaml").read_text())["listeners"]
    workers = [yaml.safe_load((tmp_path / f"{row['name']}.yaml").read_text()) for row in rendered.rows]
    for listener in [*main, *(listener for worker in workers for listener in worker["worker_listeners"])]:
        if listener["type"] == "metrics":
            assert listener["bind_addresses"] == ["127.0.0.1"]
        else:
            assert (listener["bind_addresses"], listener["tls"]) == (["192.0.2.1"], True)
    assert {place["tls"] for place in rendered.shared()["instance_map"].values()} == {True}
    assert rendered.shared()["instance_map"]["w1-persister1"]["host"] == "w1"


def test_no_worker_says_anything_of_modules_so_that_each_loads_the_guard(all_kinds: Rendered) -> None:
    assert (
        yaml.safe_load((all_kinds.folder / "30-override.yaml").read_text())["modules"][0]["module"]
        == "preau.guard.Guard"
    )
    for row in all_kinds.rows:
        assert "modules" not in yaml.safe_load((all_kinds.folder / f"{row['name']}.yaml").read_text())
