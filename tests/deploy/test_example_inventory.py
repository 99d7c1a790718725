"""The inventory that operators copy says everything that can be said, and would go through preflight."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.deploy.playbooks import DEPLOY, ROOT, Inventory, ansible_playbook
from tests.deploy.rendered import role_specs
from tests.example_inventory import PAGE, operators_variables, render, wired

EXAMPLE = ROOT / "inventories/example"
# What these files of deploy/group_vars/all set for operators to change; in the others stands what belongs together.
FOR_OPERATORS = {
    "preflight.yml": re.compile("^(preau_.*):", re.MULTILINE),
    "selfcheck.yml": re.compile("^(preau_selfcheck_(?:disk_percent|backup_hours|output)):", re.MULTILINE),
    "topology.yml": re.compile("^(preau_(?:address|peers|(?:public|client|portal)_host)):", re.MULTILINE),
    "network.yml": re.compile("^(preau_admin_networks):", re.MULTILINE),
    "release.yml": re.compile("^(preau_acknowledged_release):", re.MULTILINE),
    "antivirus.yml": re.compile("^(antivirus_enabled):", re.MULTILINE),
    "synapse.yml": re.compile("^(synapse_workers):", re.MULTILINE),
}


def test_the_page_of_the_roles_is_written_anew_where_defaults_change() -> None:
    assert PAGE.read_text() == render(), "run python -m tests.example_inventory"


def test_a_variable_comes_with_its_comment_and_all_lines_of_its_value() -> None:
    defaults = "---\n# The head.\n\n# --- Part ---\n# Why.\none: >-\n  two\n  lines\nours: 1\n# List.\nthree:\n  - a\n"
    assert operators_variables(defaults, {"ours"}) == [
        "# Why.", "# one: >-", "#   two", "#   lines", "# List.", "# three:", "#   - a",
    ]  # fmt: skip


@pytest.mark.parametrize("file", FOR_OPERATORS)
def test_every_variable_of_the_playbooks_that_is_an_operators_is_explained(file: str) -> None:
    said = "".join(each.read_text() for each in (EXAMPLE / "hosts.yml", PAGE.with_name("main.yml")))
    names = FOR_OPERATORS[file].findall((DEPLOY / "group_vars/all" / file).read_text())
    assert names
    assert [name for name in names if not re.search(rf"\b{name}\b", said)] == []


def test_every_variable_that_a_role_demands_is_said_by_somebody() -> None:
    said = yaml.safe_load(PAGE.with_name("main.yml").read_text()).keys() | wired()
    demanded = {
        name
        for role, options in role_specs().items()
        if role != "wheel"
        for name, option in options.items()
        if option.get("required")
    }
    assert demanded - said == set()


def test_it_goes_through_preflight_up_to_where_hosts_are_asked(tmp_path: Path) -> None:
    copy = Inventory(tmp_path / "copy", "nord")
    shutil.copytree(EXAMPLE, copy.folder)
    ansible_playbook("bootstrap_secrets.yml", copy, "-e", "bootstrap_secrets_in_clear=true")
    # No host of it exists.
    said = ansible_playbook("preflight.yml", copy, "-e", "ansible_ssh_common_args='-o ConnectTimeout=1'", ok=False)
    assert "PLAY [Look at the hosts]" in said
    assert "UNREACHABLE" in said
