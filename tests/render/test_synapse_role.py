"""Laws over the templates of the role ``synapse``: documented, complete, repeatable, accepted by Synapse itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import jinja2.meta
import pytest
import yaml

from preau.demo.render import environment, render_role, role_folder
from preau.errors import ConfigError
from preau.guard.settings import parse

ROLE = role_folder("synapse")
SPECS: dict[str, Any] = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"][
    "options"
]
TEMPLATES = sorted(ROLE.glob("templates/*.j2"))
LAYERS = ("10-underride.yaml", "20-operator.yaml", "30-override.yaml", "40-secrets.yaml")
SIGNING_KEY = "ed25519 a_1234 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1\n"


def required(folder: Path) -> dict[str, object]:
    """The least an operator must give: names and secrets; and a folder that may be written here."""
    secrets = {name: f"secret-of-{name}" for name, option in SPECS.items() if option.get("required")}
    names = {"synapse_server_name": "nord.example", "synapse_public_baseurl": "https://matrix.nord.example/"}
    return {**secrets, **names, "synapse_config_folder": str(folder)}


def render(folder: Path, **more: object) -> dict[str, str]:
    files = render_role("synapse", {**required(folder), **more}, folder)
    return {file.name: file.read_text() for file in files}


READ: Final = """
import json, operator, sys
from synapse.config.homeserver import HomeServerConfig
options, arguments = sys.argv[1].split(), sys.argv[2:]
config = HomeServerConfig.load_config("", arguments)
print(json.dumps([operator.attrgetter(option)(config) for option in options], default=str))
"""


def synapse_reads(folder: Path, *options: str) -> list[Any]:
    """What Synapse itself makes of the files. In a process of its own: Synapse warns when imported."""
    command = [sys.executable, "-c", READ, " ".join(options), *_arguments(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    values: list[Any] = json.loads(done.stdout)
    return values


def _arguments(folder: Path) -> list[str]:
    (folder / "signing.key").write_text(SIGNING_KEY)
    return [argument for name in LAYERS for argument in ("-c", str(folder / name))]


# --- Documented ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_variable_of_a_template_is_specified(template: Path) -> None:
    used = jinja2.meta.find_undeclared_variables(environment(ROLE / "templates").parse(template.read_text()))
    assert used - SPECS.keys() == {"ansible_managed"}


def test_every_variable_is_used_by_some_template_or_task() -> None:
    used = [*TEMPLATES, *ROLE.glob("templates/host/*"), *ROLE.glob("tasks/*.yml"), ROLE / "vars/main.yml"]
    texts = "".join(file.read_text() for file in used)
    assert [name for name in SPECS if not re.search(rf"\b{name}\b", texts)] == []


def test_a_missing_variable_is_named(tmp_path: Path) -> None:
    given = required(tmp_path)
    del given["synapse_form_secret"]
    with pytest.raises(ConfigError, match="needs synapse_form_secret"):
        render_role("synapse", given, tmp_path)


def test_a_misspelt_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="synapse_sever_name"):
        render(tmp_path, synapse_sever_name="nord.example")


# --- The guard ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("peers", [[], ["sud.example", "est.example"]])
def test_the_guard_is_loaded_first_and_knows_its_bot_and_the_peers(tmp_path: Path, peers: list[str]) -> None:
    other = {"module": "other.Module", "config": {"a": [1]}}
    given = {"synapse_federation_peers": peers, "synapse_bot_localpart": "robot", "synapse_modules": [other]}
    modules = yaml.safe_load(render(tmp_path, **given)["30-override.yaml"])["modules"]
    expected = {
        "bot": "@robot:nord.example",
        "peers": {peer: f"@robot:{peer}" for peer in peers},
        "clamd_socket": "",
    }
    assert modules == [{"module": "preau.guard.Guard", "config": expected}, other]


def test_the_guard_takes_the_settings_that_the_role_gives_it(tmp_path: Path) -> None:
    rendered = render(tmp_path, synapse_federation_peers=["sud.example"], synapse_guard_clamd_socket="/run/clamd.sock")
    found = parse(yaml.safe_load(rendered["30-override.yaml"])["modules"][0]["config"])
    assert (found.bot, found.clamd_socket) == ("@preau:nord.example", "/run/clamd.sock")
    assert found.peers == {"sud.example": "@preau:sud.example"}


def test_a_peer_may_call_its_bot_otherwise(tmp_path: Path) -> None:
    peers = {
        "synapse_federation_peers": ["sud.example", "est.example"],
        "synapse_federation_bots": {"est.example": "e"},
    }
    found = parse(yaml.safe_load(render(tmp_path, **peers)["30-override.yaml"])["modules"][0]["config"])
    assert found.peers == {"sud.example": "@preau:sud.example", "est.example": "@e:est.example"}


# --- Rendered -----------------------------------------------------------------------------------------------------


def test_rendering_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    assert render(tmp_path) == render(tmp_path)


def test_secrets_stand_only_in_files_made_for_them(tmp_path: Path) -> None:
    with_secrets = {name for name, text in render(tmp_path).items() if "secret-of-" in text}
    assert with_secrets == {"40-secrets.yaml", "events-registration.yaml", "provision-registration.yaml"}


def test_only_the_owner_reads_the_files(tmp_path: Path) -> None:
    files = render_role("synapse", required(tmp_path), tmp_path)
    assert {file.stat().st_mode & 0o077 for file in files} == {0}


@pytest.mark.parametrize("engine", ["psycopg2", "sqlite3"])
def test_the_checker_that_the_role_will_validate_with_accepts_the_files(tmp_path: Path, engine: str) -> None:
    render(tmp_path, synapse_database_engine=engine, synapse_metrics_port=9000)
    command = [sys.executable, "-m", "synapse.config", *_arguments(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "Config parses OK!"), done.stderr


# --- Layers -------------------------------------------------------------------------------------------------------


def test_the_operator_wins_over_what_is_suggested_and_loses_against_what_must_hold(tmp_path: Path) -> None:
    render(tmp_path, synapse_operator={"max_upload_size": "7M", "enable_registration": True})
    read = synapse_reads(tmp_path, "media.max_upload_size", "registration.enable_registration")
    assert read == [7 * 1024 * 1024, False]


def test_an_operator_who_says_nothing_gets_a_server_closed_to_the_world(tmp_path: Path) -> None:
    render(tmp_path)
    read = synapse_reads(
        tmp_path,
        "federation.federation_domain_whitelist",
        "worker.should_update_user_directory",
        "key.key_servers",
        "server.presence_enabled",
        "registration.enable_registration",
    )
    assert read == [{}, False, [], False, False]


def test_keys_of_before_are_published(tmp_path: Path) -> None:
    old = {"ed25519:a_old": {"key": "XGX0JRS2Af3be3knz2fBiRbApjm2Dh61gXDJA8kcJNI", "expired_ts": 1790000000000}}
    render(tmp_path, synapse_old_signing_keys=old)
    (published,) = synapse_reads(tmp_path, "key.old_signing_keys")
    assert list(published) == ["ed25519:a_old"]


def test_text_that_looks_like_yaml_stays_text(tmp_path: Path) -> None:
    pepper = "a: 'b' # \"c\" {{ d }}\\ é"
    render(tmp_path, synapse_password_pepper=pepper)
    assert synapse_reads(tmp_path, "auth.password_pepper") == [pepper]


# --- Registrations ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("registration", "namespace", "name", "matches", "exclusive"),
    [
        ("provision", "users", "@k7m2q4xd:nord.example", True, False),
        ("provision", "users", "@preau:nord.example", True, False),
        ("provision", "users", "@k7m2q4xd:sud.example", False, False),
        ("provision", "users", "@k7m2q4xd:nordXexample", False, False),
        ("provision", "users", "@k7m2q4xd:nord.example.org", False, False),
        ("provision", "aliases", "#_preau_announce:nord.example", True, True),
        ("provision", "aliases", "#preau_announce:nord.example", False, True),
        ("provision", "aliases", "#_preau_announce:sud.example", False, True),
        ("events", "users", "@preau:nord.example", True, True),
        ("events", "users", "@preau2:nord.example", False, True),
        ("events", "users", "@k7m2q4xd:nord.example", False, True),
    ],
)
def test_namespaces(
    tmp_path: Path, registration: str, namespace: str, name: str, matches: bool, exclusive: bool
) -> None:
    rendered = yaml.safe_load(render(tmp_path)[f"{registration}-registration.yaml"])
    (entry,) = rendered["namespaces"][namespace]
    assert bool(re.match(entry["regex"], name)) is matches
    assert entry["exclusive"] is exclusive


def test_only_the_events_registration_receives_anything(tmp_path: Path) -> None:
    files = render(tmp_path, synapse_service_url="http://127.0.0.1:9009")
    urls = {name: yaml.safe_load(files[f"{name}-registration.yaml"])["url"] for name in ("provision", "events")}
    assert urls == {"provision": None, "events": "http://127.0.0.1:9009"}


def test_without_a_service_nothing_is_delivered(tmp_path: Path) -> None:
    assert yaml.safe_load(render(tmp_path)["events-registration.yaml"])["url"] is None


def test_neither_registration_is_slowed_down(tmp_path: Path) -> None:
    files = render(tmp_path)
    for name in ("provision", "events"):
        assert yaml.safe_load(files[f"{name}-registration.yaml"])["rate_limited"] is False
