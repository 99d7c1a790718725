"""Every inventory of the repository, rendered once for all laws, with secrets made as an operator would make them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.playbooks import ROOT, Inventory, ansible_playbook
from tests.deploy.rendering import TRIXIE, File, Rendering

INVENTORIES = tuple(sorted(path.parent.name for path in (ROOT / "inventories").glob("*/hosts.yml")))
# Values in the vault that everybody may see.
PUBLIC_ENDINGS = ("_certificate", "_public_key", "_old_signing_keys")
# By inventory, what its hosts have otherwise: laws hold on both Debians.
FACTS = {"multi_host": TRIXIE}
# The example, with what its operators may leave out: a login at the mail server, whose password somebody else gave.
LOGIN = {"mail_relay_user": "preau"}
GIVEN = {"vault_mail_relay_password": "given-by-whoever-runs-the-mail-server"}


@dataclass
class World:
    """One inventory, with secrets, and what the roles make of it."""

    name: str
    folder: Path

    def render(self) -> Rendering:
        """Anew."""
        return Rendering(self.folder, FACTS.get(self.name))

    @cached_property
    def rendering(self) -> Rendering:
        return self.render()

    @cached_property
    def files(self) -> list[File]:
        return self.rendering.files()

    @cached_property
    def secrets(self) -> dict[str, str]:
        return secrets_of(self.folder)


def secrets_of(inventory: Path) -> dict[str, str]:
    """Every value of the vaults that must not show, by académie and name; of keys the lines between first and last."""
    return {
        f"{file.parent.name}: {name}": telling(str(value))
        for file in inventory.glob("group_vars/academie_*/vault.yml")
        for name, value in yaml.safe_load(file.read_text()).items()
        if not name.endswith(PUBLIC_ENDINGS)
    }


def telling(value: str) -> str:
    """The part of a secret by which a text that holds it is known."""
    lines = value.strip().splitlines()
    return lines[1] if len(lines) > 1 else lines[0].split()[-1]


def make_worlds(folder: Path) -> list[World]:
    """A copy of each inventory with a vault of its own."""
    worlds = []
    for name in INVENTORIES:
        copy = folder / name
        shutil.copytree(ROOT / "inventories" / name, copy)
        for vault in copy.glob("group_vars/*/vault.yml"):
            vault.unlink()
        ansible_playbook("bootstrap_secrets.yml", Inventory(copy, "nord"), "-e", "bootstrap_secrets_in_clear=true")
        if name == "example":
            _add_login(copy / "group_vars/academie_nord")
        worlds.append(World(name, copy))
    return worlds


def _add_login(settings: Path) -> None:
    (settings / "login.yml").write_text(yaml.safe_dump(LOGIN))
    with (settings / "vault.yml").open("a") as vault:
        vault.write(yaml.safe_dump(GIVEN))


def role_specs() -> dict[str, dict[str, Any]]:
    """Role → option → specification."""
    files = sorted((ROOT / "roles").glob("*/meta/argument_specs.yml"))
    return {file.parts[-3]: _options(yaml.safe_load(file.read_text())) for file in files}


def _options(described: dict[str, Any]) -> dict[str, Any]:
    points = described["argument_specs"].values()
    return {name: option for point in points for name, option in (point.get("options") or {}).items()}
