"""Secrets are made where they miss, never twice, and never in clear unless a test asks for it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from signedjson.key import read_signing_keys

from tests.deploy.playbooks import DEPLOY, Inventory, ansible, ansible_playbook, single_host

TABLE = yaml.safe_load((DEPLOY / "secrets.yml").read_text())["preau_secrets"]
IN_CLEAR = ("-e", "bootstrap_secrets_in_clear=true")
KINDS = {"token", "password", "ed25519_signing_key", "ca", "ssh_key", "given"}


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    return single_host(tmp_path)


@pytest.fixture
def vault_password(tmp_path: Path) -> tuple[str, str]:
    file = tmp_path / "password"
    file.write_text("not a real one")
    return ("--vault-password-file", str(file))


def bootstrap(inventory: Inventory, *more: str, ok: bool = True) -> str:
    return ansible_playbook("bootstrap_secrets.yml", inventory, *more, ok=ok)


def decrypted(inventory: Inventory, password: tuple[str, str]) -> str:
    return ansible("ansible-vault", "view", *password, str(inventory.vault))


def test_every_secret_of_the_table_is_made_and_a_second_run_changes_no_byte(inventory: Inventory) -> None:
    bootstrap(inventory, *IN_CLEAR)
    made = inventory.vault.read_bytes()
    names = yaml.safe_load(made).keys()
    for row in TABLE:
        assert row["kind"] == "given" or any(name.startswith(row["name"]) for name in names), row["name"]
    assert inventory.vault.stat().st_mode & 0o777 == 0o600
    assert "changed=0" in bootstrap(inventory, *IN_CLEAR)
    assert inventory.vault.read_bytes() == made


def test_values_are_what_their_readers_take(inventory: Inventory) -> None:
    bootstrap(inventory, *IN_CLEAR)
    made = yaml.safe_load(inventory.vault.read_text())
    (key,) = read_signing_keys(made["vault_synapse_signing_key"].splitlines())
    assert key.version.startswith("a_")
    authority = x509.load_pem_x509_certificate(made["vault_base_internal_ca_certificate"].encode())
    assert (authority.not_valid_after_utc - authority.not_valid_before_utc).days >= 3650
    assert re.fullmatch("[A-Za-z0-9]{40}", made["vault_redis_password"])
    assert re.fullmatch("[0-9a-f]{64}", made["vault_synapse_form_secret"])


def test_what_is_there_stays_as_it_is(inventory: Inventory) -> None:
    before = "# mine\nvault_redis_password:   'given by hand'   # why\nother: [1, 2]"
    inventory.vault.write_text(before)
    bootstrap(inventory, *IN_CLEAR)
    assert inventory.vault.read_text().startswith(before + "\n")
    assert inventory.vault.read_text().count("vault_redis_password") == 1


def test_without_a_vault_password_nothing_is_written_and_the_message_says_what_to_do(inventory: Inventory) -> None:
    said = bootstrap(inventory, ok=False)
    assert "ANSIBLE_VAULT_PASSWORD_FILE" in said
    assert not inventory.vault.exists()


def test_with_a_vault_password_the_file_is_encrypted_and_stays_so(
    inventory: Inventory, vault_password: tuple[str, str]
) -> None:
    bootstrap(inventory, *vault_password)
    assert inventory.vault.read_text().startswith("$ANSIBLE_VAULT;1.1;AES256\n")
    first = decrypted(inventory, vault_password)
    without = re.sub(r"vault_redis_password:.*\n", "", first)
    inventory.vault.write_text(without)
    ansible("ansible-vault", "encrypt", *vault_password, str(inventory.vault))
    bootstrap(inventory, *vault_password)
    assert decrypted(inventory, vault_password).startswith(without)
    assert "vault_redis_password:" in decrypted(inventory, vault_password)


def test_a_file_encrypted_under_a_name_keeps_that_name(inventory: Inventory, vault_password: tuple[str, str]) -> None:
    named = ("--vault-id", f"nord@{vault_password[1]}")
    inventory.vault.write_text("vault_redis_password: mine\n")
    ansible("ansible-vault", "encrypt", *named, str(inventory.vault))
    bootstrap(inventory, *named)
    assert inventory.vault.read_text().startswith("$ANSIBLE_VAULT;1.2;AES256;nord\n")


def test_in_a_file_encrypted_value_by_value_the_old_bytes_stay(
    inventory: Inventory, vault_password: tuple[str, str]
) -> None:
    value = ansible("ansible-vault", "encrypt_string", *vault_password, "--name", "vault_redis_password", "mine")
    inventory.vault.write_text(value)
    bootstrap(inventory, *vault_password)
    text = inventory.vault.read_text()
    assert text.startswith(value)
    assert text.count("!vault") == len(yaml.load(text, _AnyTag))


def test_values_never_show(inventory: Inventory) -> None:
    said = bootstrap(inventory, *IN_CLEAR, "-vvv", "--diff")
    values = yaml.safe_load(inventory.vault.read_text()).values()
    assert [value for value in values if value.strip() in said] == []


def test_check_mode_writes_nothing_and_says_what_it_would(inventory: Inventory) -> None:
    assert "vault_redis_password" in bootstrap(inventory, *IN_CLEAR, "--check")
    assert not inventory.vault.exists()


def test_half_a_pair_is_refused(inventory: Inventory) -> None:
    inventory.vault.write_text("vault_base_internal_ca_certificate: x\n")
    assert "not the other half" in bootstrap(inventory, *IN_CLEAR, ok=False)


def test_every_academie_gets_its_own(tmp_path: Path) -> None:
    inventory = Inventory(tmp_path / "two", "nord")
    inventory.write({"academie_nord": ["a"], "academie_sud": ["b"]})
    bootstrap(inventory, *IN_CLEAR)
    vaults = [
        yaml.safe_load((inventory.folder / f"group_vars/academie_{name}/vault.yml").read_text())
        for name in ("nord", "sud")
    ]
    assert vaults[0].keys() == vaults[1].keys()
    assert set(vaults[0].values()) & set(vaults[1].values()) == set()


def test_the_table_is_well_formed() -> None:
    for row in TABLE:
        assert row["name"].startswith("vault_")
        assert row["kind"] in KINDS
        assert row["what"].endswith(".")
        assert row["rotation"] in {"site", "signing_key", "refused"}
        assert (row["rotation"] == "refused") == ("because" in row), row["name"]
    assert len({row["name"] for row in TABLE}) == len(TABLE)


class _AnyTag(yaml.SafeLoader):
    pass


_AnyTag.add_constructor("!vault", lambda reader, node: reader.construct_scalar(node))


def test_the_playbook_needs_an_academie(tmp_path: Path) -> None:
    inventory = Inventory(tmp_path / "none", "nord")
    inventory.write({"database": ["a"]})
    assert "no group academie_NAME" in bootstrap(inventory, *IN_CLEAR, ok=False)


def test_ansible_vault_reads_what_was_written(inventory: Inventory, vault_password: tuple[str, str]) -> None:
    bootstrap(inventory, *vault_password)
    command = ["--vault-password-file", vault_password[1], "-i", str(inventory.folder), "preau.nord.example"]
    said = ansible("ansible", *command, "-m", "ansible.builtin.debug", "-a", "var=vault_redis_password", "-c", "local")
    assert re.search(r"vault_redis_password: [A-Za-z0-9]{40}", said), subprocess.list2cmdline(command)
