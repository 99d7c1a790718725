"""What the pages say is there: files they link to, playbooks, variables, ports."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.deploy.playbooks import DEPLOY, ROOT
from tests.deploy.rendered import role_specs
from tests.example_inventory import wired
from tests.network_page import PAGE, render
from tests.role_pages import PAGES as ROLE_PAGES
from tests.role_pages import ROLES
from tests.role_pages import render as render_role

OPERATE = ROOT / "docs/operate"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("roles/*/README.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# Our variables, as pages write them: between backticks, or before a colon in an example.
VARIABLE = re.compile(rf"\b((?:preau|vault|{'|'.join(sorted(role_specs()))})_[a-z0-9_]*[a-z0-9])\b(?![.*/])")
PLAYBOOK = re.compile(r"\bdeploy/([a-z_]+\.yml)\b")
TABLES = {"secrets.yml", "removed.yml"}
# Said by hand when a playbook is called.
ARGUMENTS = {"backup_kind"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_of_the_checkout(page: Path) -> None:
    links = LINK.findall(FENCED.sub("", page.read_text()))
    inside = [link.partition("#")[0] for link in links if not re.match("[a-z]+:|#", link)]
    assert [link for link in inside if not (page.parent / link).exists()] == []


def test_every_playbook_has_its_page_and_the_contents_name_both() -> None:
    contents = (OPERATE / "README.md").read_text()
    for file in DEPLOY.glob("*.yml"):
        if file.name in TABLES:
            continue
        page = "installation" if file.stem == "site" else file.stem.replace("_", "-")
        assert (OPERATE / f"{page}.md").exists(), file.name
        assert f"`deploy/{file.name}`" in contents
        assert f"({page}.md)" in contents


@pytest.mark.parametrize("page", sorted(OPERATE.glob("*.md")), ids=lambda page: page.stem)
def test_a_page_names_playbooks_and_variables_that_exist_and_stays_short(page: Path) -> None:
    text = page.read_text()
    assert {name for name in PLAYBOOK.findall(text) if not (DEPLOY / name).exists()} == set()
    assert {name for name in VARIABLE.findall(text) if name not in known()} == set()
    assert len(text.splitlines()) <= 80


def known() -> set[str]:
    """Every variable that anything of ours reads, and every secret."""
    table = yaml.safe_load((DEPLOY / "secrets.yml").read_text())["preau_secrets"]
    options = {name for options in role_specs().values() for name in options}
    given = set(re.findall(r"vault_[a-z0-9_]+", "".join(f.read_text() for f in DEPLOY.glob("group_vars/all/*.yml"))))
    named = {row["name"] for row in table} | {"preau_academy", "preau_server_name"}
    return options | wired() | given | named | ARGUMENTS


def test_the_page_of_the_ports_shows_the_table_of_the_firewalls() -> None:
    assert PAGE.read_text() == render(PAGE.read_text()), "run python -m tests.network_page"


def test_every_role_has_a_page() -> None:
    roles = {file.parts[-3] for file in ROLES.glob("*/meta/argument_specs.yml")}
    assert {page.parent.name for page in ROLE_PAGES} == roles


@pytest.mark.parametrize("role", sorted(role_specs()))
def test_a_role_leaves_its_operator_no_more_than_forty_variables(role: str) -> None:
    """Besides those that the playbooks give it themselves."""
    assert len(role_specs()[role].keys() - wired()) <= 40


@pytest.mark.parametrize("page", ROLE_PAGES, ids=lambda page: page.parent.name)
def test_the_variables_of_a_role_stand_in_its_page(page: Path) -> None:
    assert page.read_text() == render_role(page), "python -m tests.role_pages"
    assert "| `" in page.read_text()
