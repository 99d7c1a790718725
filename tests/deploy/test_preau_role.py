"""The settings that the role `preau` writes: each can be reached, each arrives as it was said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from sqlalchemy import make_url

from preau.config import Settings, load
from preau.demo.render import environment
from preau.model.facts import Cell, Language
from preau.model.ids import Uai
from preau.model.people import Function

ROLE = Path(__file__).parents[2] / "roles/preau"
DEFAULTS: dict[str, Any] = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
VARS: dict[str, Any] = yaml.safe_load((ROLE / "vars/main.yml").read_text())
REQUIRED = {
    "preau_service_academy": "nord",
    "preau_service_server_name": "nord.example",
    "preau_service_school_year": 2026,
}
SECRETS = {"homeserver_as_token": "jeton-a", "homeserver_hs_token": "jeton-b", "store_url": "sqlite:////tmp/preau.db"}
CELL = {"writer": "guardian", "reader": "teacher", "when": "same division"}
EVERYTHING: dict[str, Any] = {
    "preau_service_homeserver_url": "https://synapse-1:8008",
    "preau_service_homeserver_workers": ["generic-1"],
    "preau_service_bot": "robot",
    "preau_service_room_version": "11",
    "preau_service_listen_address": "192.0.2.7",
    "preau_service_port": 9999,
    "preau_service_tls_certificate": "/etc/preau/tls/host.pem",
    "preau_service_tls_private_key": "/etc/preau/tls/host.key",
    "preau_service_brakes_share": 0.25,
    "preau_service_brakes_people": 7,
    "preau_service_federation_peers": ["sud.example", "est.example:8448"],
    "preau_service_federation_bots": {"est.example:8448": "automate"},
    "preau_service_school_defaults": {
        "pupil_accounts": True,
        "pupil_rooms": True,
        "pupil_media": True,
        "language": "en",
        "contact": [CELL],
    },
    "preau_service_schools": {"0990001N": {"contact": [CELL, {**CELL, "when": "no", "reader": "health"}]}},
}


def written(folder: Path, **given: Any) -> Settings:
    """What the service reads of what the role writes."""
    folder.mkdir(exist_ok=True)
    variables = {**DEFAULTS, **VARS, **REQUIRED, **given, "ansible_managed": "Ansible"}
    file = folder / "preau.toml"
    file.write_text(environment(ROLE / "templates").get_template("preau.toml.j2").render(variables), encoding="utf-8")
    for name, value in SECRETS.items():
        (folder / name).write_text(value + "\n")
    return load(file, folder)


def leaves(section: BaseModel) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        inner = leaves(value) if isinstance(value, BaseModel) else {"": value}
        found |= {f"{name}.{key}".rstrip("."): each for key, each in inner.items()}
    return found


def test_the_least_that_is_said_is_understood_and_leaves_the_service_s_own_defaults(tmp_path: Path) -> None:
    found = written(tmp_path)
    assert (found.service.host, found.service.port, found.service.tls_certificate) == ("127.0.0.1", 9800, None)
    assert (found.brakes.share, found.brakes.people) == (0.10, 3)
    assert (found.academy.school_year, found.homeserver.room_version, found.schools) == (2026, "12", {})
    assert found.school_defaults.as_choices() == type(found.school_defaults)().as_choices()


def test_every_setting_can_be_reached(tmp_path: Path) -> None:
    plain, changed = leaves(written(tmp_path / "plain")), leaves(written(tmp_path / "changed", **EVERYTHING))
    always = {name for name in plain if name.startswith(("academy.", "store.", "metrics."))}
    same = {name for name, value in changed.items() if value == plain[name]} - always
    assert same == {"homeserver.as_token", "homeserver.hs_token"}


def test_a_school_s_table_of_contacts_arrives_cell_by_cell(tmp_path: Path) -> None:
    found = written(tmp_path, **EVERYTHING)
    chosen = found.as_academy().choices_of(Uai("0990001N"))
    assert chosen.contact == {
        (Function.GUARDIAN, Function.TEACHER): Cell.SAME_DIVISION,
        (Function.GUARDIAN, Function.HEALTH): Cell.NO,
    }
    assert chosen.language is Language.FRENCH
    assert found.school_defaults.language is Language.ENGLISH
    assert found.as_academy().peers["est.example:8448"] == "@automate:est.example:8448"  # type: ignore[index] -- a plain text


def test_without_a_port_there_are_no_figures(tmp_path: Path) -> None:
    assert written(tmp_path, preau_service_metrics_port=0).metrics.port is None


@pytest.mark.parametrize(
    ("given", "query"),
    [
        ({}, {"host": "/run/postgresql", "port": "5432"}),
        (
            {"preau_service_database_host": "db-1", "preau_service_database_password": "a/b:c@d?e#f%g h"},
            {"sslmode": "verify-full", "sslrootcert": "/etc/preau/tls/ca.pem"},
        ),
    ],
)
def test_the_database_is_reached_over_its_socket_or_verified(given: dict[str, str], query: dict[str, str]) -> None:
    template = environment(ROLE / "templates").from_string(VARS["__preau_database_url"])
    url = make_url(template.render({**DEFAULTS, **given}).strip())
    assert (url.username, url.database, dict(url.query)) == ("preau", "preau", query)
    assert (url.host or "", url.password or "") == (
        given.get("preau_service_database_host", ""),
        given.get("preau_service_database_password", ""),
    )
