"""Every alert has its runbook, every runbook its alert, and Prometheus itself reads the rules."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from preau.demo.render import environment

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "roles/monitoring/templates"
RUNBOOKS = ROOT / "docs/operate/alerts"


def rules() -> str:
    """The rules as Prometheus gets them."""
    rendered = environment(TEMPLATES).get_template("rules.yml.j2")
    return rendered.render(ansible_managed="Ansible", monitoring_runbooks="https://books.example")


def alerts() -> dict[str, dict[str, str]]:
    """Annotations by the alert's name."""
    groups = yaml.safe_load(rules())["groups"]
    return {rule["alert"]: rule["annotations"] for group in groups for rule in group["rules"]}


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert set(alerts()) == {page.stem for page in RUNBOOKS.glob("*.md")}


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_a_runbook_says_what_it_means_where_to_look_and_what_to_do(page: Path) -> None:
    title, *rest = page.read_text().splitlines()
    assert title == f"# {page.stem}"
    assert rest[1], "it opens with what the alert means"
    assert [line for line in rest if line.startswith("## ")][:2] == ["## Look", "## Do"]


def test_an_alert_links_to_its_own_runbook_and_says_what_is_wrong() -> None:
    for name, notes in alerts().items():
        assert notes["runbook_url"] == f"https://books.example/{name}.md"
        assert notes["summary"]


def test_prometheus_reads_the_rules(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (apt install prometheus): the hosts' tests run it")
    file = tmp_path / "rules.yml"
    file.write_text(rules())
    done = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
