"""Every alert has its runbook, every runbook its alert, and Prometheus itself reads the rules and fires them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from preau.demo.render import environment, role_variables

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "roles/monitoring/templates"
RUNBOOKS = ROOT / "docs/operate/alerts"
EXPECTED: Final = {
    "monitoring_runbooks": "https://books.example",
    "monitoring_backups": [
        {"kind": "files", "hours": 2, "hosts": ["bdd", "service"]},
        {"kind": "database", "hours": 4, "hosts": ["bdd"]},
    ],
    "monitoring_results": [
        {"figure": "preau_doctor", "command": "doctor", "hours": 1},
        {"figure": "preau_journal", "command": "journal verify", "hours": 2},
    ],
}

# --- What Prometheus saw for six hours, minute by minute, and the alerts that then fire. Times begin at 0.
MINUTES: Final = 6 * 60
NODE: Final = 'up{job="node",instance="bdd"}'
SERVICE: Final = 'up{job="preau",instance="service"}'
BACKUP: Final = 'preau_backup_last_success_timestamp_seconds{instance="bdd",kind="%s"}'
WRITTEN: Final = 'node_textfile_mtime_seconds{instance="bdd",file="/x/preau-figures.prom"}'
ALWAYS: Final = f"1x{MINUTES}"
NEVER: Final = f"0x{MINUTES}"
LATELY: Final = f"0+60x{MINUTES}"
LONG_AGO: Final = f"60x{MINUTES}"
FILES: Final = {NODE: ALWAYS, WRITTEN: LATELY}
SAVED: Final = {BACKUP % "files": LATELY, BACKUP % "database": LATELY}
CHECKED: Final = {
    f'preau_{name}_timestamp_seconds{{job="preau",instance="service"}}': LATELY for name in ("doctor", "journal")
}
CASES: Final[dict[str, tuple[dict[str, str], set[str]]]] = {
    "all is well": ({**FILES, **SAVED, SERVICE: ALWAYS, **CHECKED}, set()),
    "backups are no longer made": ({**FILES, BACKUP % "files": LONG_AGO, BACKUP % "database": LATELY}, {"BackupOld"}),
    "one kind was never made": ({**FILES, BACKUP % "files": LATELY}, {"BackupNever"}),
    "a run failed before any succeeded": ({**FILES, **SAVED, BACKUP % "database": NEVER}, {"BackupOld"}),
    "a new host had no time yet": ({NODE: f"_x{MINUTES - 60} 1x60", WRITTEN: LATELY}, set()),
    "a host is down": ({**FILES, NODE: NEVER}, {"HostDown"}),
    "the file of figures gets old": ({**FILES, **SAVED, WRITTEN: LONG_AGO}, {"FiguresOld"}),
    "the file of figures was never there": ({NODE: ALWAYS, **SAVED}, {"FiguresOld"}),
    "a file of figures cannot be read": (
        {**FILES, **SAVED, 'node_textfile_scrape_error{job="node",instance="bdd"}': ALWAYS},
        {"FiguresOld"},
    ),
    "doctor stopped": (
        {SERVICE: ALWAYS, **CHECKED, 'preau_doctor_timestamp_seconds{job="preau",instance="service"}': LONG_AGO},
        {"CheckMissed"},
    ),
    "the service never checked": ({SERVICE: ALWAYS}, {"CheckMissed"}),
    "the service cannot read its database": (
        {SERVICE: ALWAYS, **CHECKED, 'preau_store_up{job="preau",instance="service"}': NEVER},
        {"ServiceDown"},
    ),
    "Redis does not answer its exporter": (
        {'up{job="redis",instance="bdd"}': ALWAYS, 'redis_up{job="redis",instance="bdd"}': NEVER},
        {"RedisDown"},
    ),
    "nobody asks the pages any more": ({'up{job="pages",instance="https://nord.example"}': NEVER}, {"SourceDown"}),
    "a certificate between hosts ends": (
        {'preau_certificate_end_timestamp_seconds{instance="bdd",path="/host.pem"}': f"{20 * 86400}x{MINUTES}"},
        {"InternalCertificateEnds"},
    ),
    "a certificate was renewed": (
        {'preau_certificate_end_timestamp_seconds{instance="bdd",path="/host.pem"}': f"{90 * 86400}x{MINUTES}"},
        set(),
    ),
    "mail waits": ({'preau_mail_oldest_age_seconds{instance="bdd"}': f"9000x{MINUTES}"}, {"MailWaits"}),
    "there were never signatures": (
        {'preau_antivirus_signatures_timestamp_seconds{instance="bdd"}': f"{-8 * 86400}x{MINUTES}"},
        {"SignaturesOld"},
    ),
}


def rules() -> str:
    """The rules as Prometheus gets them."""
    given = role_variables("monitoring", EXPECTED)
    return environment(TEMPLATES).get_template("rules.yml.j2").render(ansible_managed="Ansible", **given)


def alerts() -> list[dict[str, Any]]:
    """Every rule."""
    return [rule for group in yaml.safe_load(rules())["groups"] for rule in group["rules"]]


def promtool(folder: Path, *words: str) -> None:
    """Runs Prometheus' own program on the rules, written into ``folder``; skips where it is not installed."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (apt install prometheus): the hosts' tests run it")
    (folder / "rules.yml").write_text(rules())
    done = subprocess.run([program, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout + done.stderr


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {rule["alert"] for rule in alerts()} == {page.stem for page in RUNBOOKS.glob("*.md")}


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_a_runbook_says_what_it_means_where_to_look_and_what_to_do(page: Path) -> None:
    title, *rest = page.read_text().splitlines()
    assert title == f"# {page.stem}"
    assert rest[1], "it opens with what the alert means"
    assert [line for line in rest if line.startswith("## ")][:2] == ["## Look", "## Do"]


def test_an_alert_links_to_its_own_runbook_and_says_what_is_wrong() -> None:
    for rule in alerts():
        assert rule["annotations"]["runbook_url"] == f"https://books.example/{rule['alert']}.md"
        assert rule["annotations"]["summary"]


def test_prometheus_reads_the_rules(tmp_path: Path) -> None:
    promtool(tmp_path, "check", "rules", "rules.yml")


def test_what_stopped_or_never_ran_is_told_like_what_failed(tmp_path: Path) -> None:
    firing = 'count by (alertname) (ALERTS{alertstate="firing"})'
    tests = [
        {
            "name": name,
            "interval": "1m",
            "input_series": [{"series": series, "values": values} for series, values in seen.items()],
            "promql_expr_test": [
                {
                    "expr": f"{firing} > bool 0",
                    "eval_time": "6h",
                    "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(told)],
                }
            ],
        }
        for name, (seen, told) in CASES.items()
    ]
    document = {"rule_files": ["rules.yml"], "evaluation_interval": "5m", "tests": tests}
    (tmp_path / "cases.yml").write_text(yaml.safe_dump(document))
    promtool(tmp_path, "test", "rules", "cases.yml")
