"""Inventories made for a test, and Ansible run on them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Inventory:
    """A folder with ``hosts.yml`` and the variables of one académie."""

    folder: Path
    academy: str

    @property
    def variables(self) -> Path:
        return self.folder / f"group_vars/academie_{self.academy}/main.yml"

    @property
    def vault(self) -> Path:
        return self.variables.with_name("vault.yml")

    def write(self, groups: Mapping[str, Sequence[str]], **variables: Any) -> None:
        children = {group: {"hosts": dict.fromkeys(hosts)} for group, hosts in groups.items()}
        self.variables.parent.mkdir(parents=True, exist_ok=True)
        (self.folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": children}}))
        given = {"preau_academy": self.academy, "preau_server_name": f"{self.academy}.example", **variables}
        self.variables.write_text(yaml.safe_dump(given))


FUNCTIONS = ("database", "homeserver", "proxy", "service", "monitoring")


def single_host(folder: Path, **variables: Any) -> Inventory:
    """All of nord on one host."""
    inventory = Inventory(folder / "inventory", "nord")
    host = "preau.nord.example"
    inventory.write({"academie_nord": [host], **{function: [host] for function in FUNCTIONS}}, **variables)
    return inventory


def ansible(program: str, *arguments: str, ok: bool = True) -> str:
    """Runs a program of Ansible in the checkout; what it printed, where it ended as it should."""
    environment = {
        **os.environ,
        "ANSIBLE_NOCOLOR": "1",
        "COLUMNS": "1000",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    command = [str(BIN / program), *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    said = done.stdout + done.stderr
    assert (done.returncode == 0) == ok, said
    return done.stdout if program == "ansible-vault" else said


def ansible_playbook(name: str, inventory: Inventory, *more: str, ok: bool = True) -> str:
    return ansible("ansible-playbook", "-i", str(inventory.folder), str(DEPLOY / name), *more, ok=ok)
