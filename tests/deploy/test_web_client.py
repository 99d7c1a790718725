"""What Element is told: this homeserver, and nobody else; nothing to press that is refused anyway."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.playbooks import ROOT, ansible

ROLE = ROOT / "roles/client"
PORTAL = "https://portail.nord.example/"


def settings(folder: Path, **variables: Any) -> dict[str, Any]:
    """config.json as the role writes it."""
    given = {
        "client_server_name": "nord.example",
        "client_homeserver_url": "https://matrix.nord.example",
        "client_portal_url": PORTAL,
        **variables,
    }
    written = folder / "config.json"
    tasks = [
        {"include_vars": {"file": str(ROLE / "defaults/main.yml")}},
        {"include_vars": {"file": str(ROLE / "vars/main.yml")}},
        {"copy": {"content": "{{ __client_config | to_json }}", "dest": str(written), "mode": "0600"}},
    ]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    (folder / "given.json").write_text(json.dumps(given))
    ansible("ansible-playbook", "-i", "localhost,", str(folder / "play.yml"), "-e", f"@{folder / 'given.json'}")
    found: dict[str, Any] = json.loads(written.read_text())
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return settings(tmp_path_factory.mktemp("plain"))


def test_the_client_knows_one_homeserver_and_speaks_french(plain: dict[str, Any]) -> None:
    server = {"base_url": "https://matrix.nord.example", "server_name": "nord.example"}
    assert plain["default_server_config"] == {"m.homeserver": server}
    assert plain["disable_custom_urls"] is True
    assert plain["disable_guests"] is True
    assert plain["setting_defaults"]["language"] == "fr"
    assert plain["brand"] == "Préau"


def test_the_client_is_given_no_address_of_a_stranger(plain: dict[str, Any]) -> None:
    addresses = set(re.findall(r"https?://[^\"/ ]+", json.dumps(plain)))
    # Links to rooms are written so that every client reads them; nothing is asked there.
    assert addresses == {"https://matrix.nord.example", "https://portail.nord.example", "https://matrix.to"}
    assert [plain[key] for key in ("posthog", "sentry", "bug_report_endpoint_url", "integrations_ui_url")] == [None] * 4


def test_what_is_refused_is_not_offered(plain: dict[str, Any]) -> None:
    shown = {name for name, value in plain["setting_defaults"].items() if name.startswith("UIFeature.") and value}
    assert shown == set()
    for feature in ("registration", "passwordReset", "identityServer", "voip", "widgets", "allowCreatingPublicRooms"):
        assert plain["setting_defaults"][f"UIFeature.{feature}"] is False


def test_an_operator_changes_how_it_looks_but_not_what_keeps_people_inside(tmp_path: Path) -> None:
    wishes = {
        "brand": "Messagerie de Nord",
        "default_theme": "dark",
        "branding": {"auth_header_logo_url": "logo.svg"},
        "disable_custom_urls": False,
        "posthog": {"project_api_key": "x", "api_host": "https://compteur.example"},
        "default_server_config": {"m.homeserver": {"base_url": "https://autre.example"}},
        "setting_defaults": {"UIFeature.registration": True, "showTypingNotifications": False},
    }
    found = settings(tmp_path, client_operator=wishes, client_footer_links=[{"text": "Données", "url": "/rgpd"}])
    assert (found["brand"], found["default_theme"]) == ("Messagerie de Nord", "dark")
    assert found["branding"]["auth_header_logo_url"] == "logo.svg"
    assert [link["text"] for link in found["branding"]["auth_footer_links"]][1:] == ["Données"]
    assert found["setting_defaults"]["showTypingNotifications"] is False
    assert found["setting_defaults"]["UIFeature.registration"] is False
    assert found["disable_custom_urls"] is True
    assert "autre.example" not in json.dumps(found)
    assert "compteur.example" not in json.dumps(found)


def test_version_and_checksum_are_pinned() -> None:
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    assert re.fullmatch(r"\d+\.\d+\.\d+", defaults["client_version"])
    assert re.fullmatch(r"[0-9a-f]{64}", defaults["client_sha256"])
