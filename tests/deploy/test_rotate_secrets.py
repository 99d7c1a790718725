"""A secret is replaced where it stands, what must not be replaced is refused, and nothing else in the vault changes."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
import yaml
from signedjson.key import read_old_signing_keys, read_signing_keys
from signedjson.sign import sign_json, verify_signed_json

from tests.deploy.playbooks import DEPLOY, Inventory, ansible, ansible_playbook, single_host

TABLE = yaml.safe_load((DEPLOY / "secrets.yml").read_text())["preau_secrets"]
# The tasks of rotate_secrets.yml that touch the vault, and what a play after them sees: no host is asked.
PLAYBOOK = f"""
- hosts: all
  gather_facts: false
  vars_files: [{DEPLOY}/secrets.yml]
  tasks:
    - import_tasks: {DEPLOY}/tasks/rotate_secrets/refuse.yml
    - debug: {{msg: "before={{{{ vault_redis_password | hash('sha256') }}}}"}}
    - import_tasks: {DEPLOY}/tasks/rotate_secrets/replace.yml
- hosts: all
  gather_facts: false
  tasks:
    - debug: {{msg: "after={{{{ vault_redis_password | hash('sha256') }}}}"}}
"""


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    made = single_host(tmp_path)
    ansible_playbook("bootstrap_secrets.yml", made, "-e", "bootstrap_secrets_in_clear=true")
    return made


@pytest.fixture
def vault_password(tmp_path: Path) -> tuple[str, str]:
    file = tmp_path / "password"
    file.write_text("not a real one")
    return ("--vault-password-file", str(file))


def rotate(inventory: Inventory, names: str, *more: str, ok: bool = True) -> str:
    playbook = inventory.folder.parent / "rotate.yml"
    playbook.write_text(PLAYBOOK)
    plugins = playbook.with_name("action_plugins")
    if not plugins.exists():
        plugins.symlink_to(DEPLOY / "action_plugins")
    command = ["-i", str(inventory.folder), str(playbook), "-e", f"rotate={names}"]
    return ansible("ansible-playbook", *command, *more, ok=ok)


IN_CLEAR = ("-e", "rotate_secrets_in_clear=true")


def values(inventory: Inventory) -> dict[str, str]:
    found: dict[str, str] = yaml.safe_load(inventory.vault.read_text())
    return found


def test_every_secret_that_may_go_is_replaced_where_it_stands_and_nothing_else_changes(inventory: Inventory) -> None:
    names = [row["name"] for row in TABLE if row["rotation"] != "refused" and row["kind"] != "given"]
    before, text = values(inventory), inventory.vault.read_text()
    rotate(inventory, ",".join(names), *IN_CLEAR)
    after = values(inventory)
    new = {name for name in before if any(name.startswith(each) for each in names)}
    assert {name for name in before if after[name] != before[name]} == new
    assert [*after][: len(before)] == [*before]
    comments = [re.findall("^#.*", each, re.MULTILINE) for each in (text, inventory.vault.read_text())]
    assert comments[1][: len(comments[0])] == comments[0]


def test_the_plays_that_follow_see_the_new_one(inventory: Inventory) -> None:
    said = rotate(inventory, "vault_redis_password", *IN_CLEAR)
    before, after = re.findall("(?:before|after)=([0-9a-f]{64})", said)
    assert before != after


def test_the_old_signing_key_goes_on_verifying_what_it_signed(inventory: Inventory) -> None:
    (old,) = read_signing_keys(values(inventory)["vault_synapse_signing_key"].splitlines())
    signed = sign_json({"said": "before"}, "nord.example", old)
    rotate(inventory, "vault_synapse_signing_key", *IN_CLEAR)
    published = json.loads(values(inventory)["vault_synapse_old_signing_keys"])
    ((name, entry),) = published.items()
    (key,) = read_old_signing_keys([f"{' '.join(name.split(':'))} {entry['expired_ts']} {entry['key']}"])
    verify_signed_json(signed, "nord.example", key)
    assert time.time() < entry["expired_ts"] / 1000 < time.time() + 86400
    # The one before it stays, too, as it was published.
    rotate(inventory, "vault_synapse_signing_key", *IN_CLEAR)
    again = json.loads(values(inventory)["vault_synapse_old_signing_keys"])
    assert len(again) == 2
    assert again[name] == entry


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ("vault_redis_passwort", "vault_redis_passwort is no secret of this table"),
        ("vault_redis_password,vault_synapse_password_pepper", "vault_synapse_password_pepper is not replaced"),
        ("", "Say which secrets to replace"),
    ],
)
def test_what_cannot_be_replaced_is_refused_before_anything_is_written(
    inventory: Inventory, names: str, why: str
) -> None:
    before = inventory.vault.read_bytes()
    assert why in rotate(inventory, names, *IN_CLEAR, ok=False)
    assert inventory.vault.read_bytes() == before


def test_a_secret_that_is_not_there_yet_is_for_bootstrap_secrets(inventory: Inventory) -> None:
    inventory.vault.write_text(re.sub("vault_redis_password: .*\n", "", inventory.vault.read_text()))
    assert "deploy/bootstrap_secrets.yml makes it" in rotate(inventory, "vault_redis_password", *IN_CLEAR, ok=False)


def test_check_mode_writes_nothing(inventory: Inventory) -> None:
    before = inventory.vault.read_bytes()
    assert "vault_redis_password" in rotate(inventory, "vault_redis_password", *IN_CLEAR, "--check")
    assert inventory.vault.read_bytes() == before


def test_values_never_show(inventory: Inventory) -> None:
    before = values(inventory)
    said = rotate(inventory, "vault_redis_password,vault_base_internal_ca", *IN_CLEAR, "-vvv", "--diff")
    shown = [value for found in (before, values(inventory)) for value in found.values() if value.strip() in said]
    assert shown == []


def test_an_encrypted_vault_stays_encrypted(inventory: Inventory, vault_password: tuple[str, str]) -> None:
    before = values(inventory)
    ansible("ansible-vault", "encrypt", *vault_password, str(inventory.vault))
    rotate(inventory, "vault_redis_password", *vault_password)
    assert inventory.vault.read_text().startswith("$ANSIBLE_VAULT;1.1;AES256\n")
    after = yaml.safe_load(ansible("ansible-vault", "view", *vault_password, str(inventory.vault)))
    assert [name for name in before if before[name] != after[name]] == ["vault_redis_password"]


def test_without_the_vault_password_nothing_is_replaced(inventory: Inventory) -> None:
    before = inventory.vault.read_bytes()
    assert "there is no vault password" in rotate(inventory, "vault_redis_password", ok=False)
    assert inventory.vault.read_bytes() == before


def test_in_a_file_encrypted_value_by_value_one_value_changes(
    inventory: Inventory, vault_password: tuple[str, str]
) -> None:
    secret = values(inventory)["vault_synapse_signing_key"]
    key = ansible("ansible-vault", "encrypt_string", *vault_password, "--name", "vault_synapse_signing_key", secret)
    inventory.vault.write_text(f"vault_redis_password: 'in clear'  # why\n{key}")
    said = rotate(inventory, "vault_redis_password,vault_synapse_signing_key", *vault_password)
    text = inventory.vault.read_text()
    assert text.startswith("vault_redis_password: !vault |\n")
    assert "\n# why\n" in text
    assert "in clear" not in text
    assert text.count("!vault") == 3, said
    show = ("-m", "ansible.builtin.debug", "-a", "var=synapse_old", "-c", "local")
    old = ("-e", '{"synapse_old": "{{ vault_synapse_old_signing_keys | from_json }}"}')
    version = secret.split()[1]
    host = "preau.nord.example"
    assert f"ed25519:{version}" in ansible("ansible", *vault_password, "-i", str(inventory.folder), host, *show, *old)


def test_where_there_are_several_academies_somebody_says_whose(tmp_path: Path) -> None:
    inventory = Inventory(tmp_path / "two", "nord")
    Inventory(inventory.folder, "sud").write({})
    inventory.write({"academie_nord": ["a"], "academie_sud": ["b"]})
    ansible_playbook("bootstrap_secrets.yml", inventory, "-e", "bootstrap_secrets_in_clear=true")
    other = inventory.folder / "group_vars/academie_sud/vault.yml"
    before = other.read_bytes(), inventory.vault.read_bytes()
    assert "`-e academy=NAME`, one of nord, sud" in rotate(inventory, "vault_redis_password", *IN_CLEAR, ok=False)
    rotate(inventory, "vault_redis_password", *IN_CLEAR, "-e", "academy=nord")
    assert other.read_bytes() == before[0]
    assert inventory.vault.read_bytes() != before[1]


def test_part_of_an_academie_is_refused(tmp_path: Path) -> None:
    inventory = Inventory(tmp_path / "spread", "nord")
    inventory.write({"academie_nord": ["a", "b"]})
    ansible_playbook("bootstrap_secrets.yml", inventory, "-e", "bootstrap_secrets_in_clear=true")
    before = inventory.vault.read_bytes()
    said = rotate(inventory, "vault_redis_password", *IN_CLEAR, "--limit", "a", ok=False)
    assert "Without b" in said
    assert inventory.vault.read_bytes() == before


def test_the_playbook_asks_before_it_touches_and_ends_with_the_whole_site() -> None:
    plays = yaml.safe_load((DEPLOY / "rotate_secrets.yml").read_text())
    first, last = plays[0]["tasks"], plays[-1]
    assert first[0]["ansible.builtin.import_tasks"] == "tasks/rotate_secrets/refuse.yml"
    assert last["ansible.builtin.import_playbook"] == "site.yml"
