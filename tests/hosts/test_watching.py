"""Who watches sees everything that it asks for, judges it by rules that find their figures, and has nothing to tell."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import pytest

from tests.hosts.academies import Academy
from tests.hosts.commands import CommandFailed

DASHBOARDS: Final = Path(__file__).parents[2] / "roles/monitoring/files/dashboards"
# Rules look every fifteen seconds, hosts write figures every five minutes, `preau doctor` runs as often.
SECONDS: Final = 600
BETWEEN: Final = 5
# Figures that a healthy académie of the tests may not have, each with the reason.
LATER: Final = {
    "node_timex_offset_seconds": "a guest may not look at its machine's clock",
    "node_timex_sync_status": "a guest may not look at its machine's clock",
    "preau_journal_ok": "the journal is verified at night",
    "preau_journal_timestamp_seconds": "the journal is verified at night",
    "preau_apply_last_ok": "nobody lets plans be applied by the clock",
    "preau_antivirus_signatures_timestamp_seconds": "the tests fetch no signatures",
    "preau_backup_last_success_timestamp_seconds": "the first backups are made within the hour, and at night",
}
_PROGRAM: Final = """
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile="/etc/preau/tls/ca.pem")
context.load_cert_chain("/etc/preau/tls/host.pem", "/etc/preau/tls/host.key")
secure = {"context": context} if sys.argv[1].startswith("https") else {}
print(urllib.request.urlopen(sys.argv[1], timeout=5, **secure).read().decode())
"""
FETCH: Final = ("python3", "-c", _PROGRAM)
WORD: Final = re.compile(r"(?<![\w.])[a-zA-Z_]\w*(?!\w|\s*\()")
NO_FIGURES: Final = re.compile(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|on|without|ignoring)\s*\([^)]*\)')
T = TypeVar("T")
OPERATORS: Final = frozenset({"and", "bool", "offset", "or", "unless"})


def asked(academy: Academy, path: str) -> Any:
    """The answer of the académie's Prometheus."""
    return json.loads(academy.host("monitoring").run(*FETCH, f"http://127.0.0.1:9090/api/v1/{path}"))["data"]


def queried(academy: Academy, query: str) -> list[dict[str, str]]:
    """The labels of each series that an expression finds."""
    return [row["metric"] for row in asked(academy, f"query?query={quote(query)}")["result"]]


def names(query: str) -> set[str]:
    """The names of figures in an expression of Prometheus."""
    # Texts before braces: they may hold some.
    bare = NO_FIGURES.sub(" ", re.sub(r'"[^"]*"', '""', query))
    return {*WORD.findall(bare)} - OPERATORS


def left(look: Callable[[], T]) -> T:
    """What ``look`` still finds when time is up; once it finds nothing, that."""
    deadline = time.monotonic() + SECONDS
    while (found := look()) and time.monotonic() < deadline:
        time.sleep(BETWEEN)
    return found


@pytest.fixture(scope="module", autouse=True)
def _up(academies: tuple[Academy, Academy]) -> None:
    """Both académies, since what goes between them is watched, too; what runs every five minutes has just run."""
    _, sud = academies
    for host in sud.machines.values():
        host.run("systemctl", "start", "preau-figures.service")
    sud.host("service").run("systemctl", "start", "preau-doctor.service")


def test_every_source_of_every_host_answers(sud: Academy) -> None:
    def silent() -> dict[str, str]:
        return {
            f"{target['labels']['job']} of {target['labels']['instance']}": target["lastError"]
            for target in asked(sud, "targets?state=active")["activeTargets"]
            if target["health"] != "up"
        }

    assert left(silent) == {}
    shown = {target["labels"]["instance"] for target in asked(sud, "targets?state=active")["activeTargets"]}
    assert shown >= {*sud.machines}


def test_every_exporter_reaches_what_it_tells_of(sud: Academy) -> None:
    figures = ("redis_up", "pg_up", "nginx_up", "preau_store_up")
    assert left(lambda: [figure for figure in figures if not queried(sud, f"{figure} == 1")]) == []


def test_every_rule_is_judged(sud: Academy) -> None:
    def unwell() -> dict[str, str]:
        return {
            rule["name"]: f"{rule['health']} {rule.get('lastError', '')}"
            for group in asked(sud, "rules")["groups"]
            for rule in group["rules"]
            if rule["health"] != "ok"
        }

    assert left(unwell) == {}


def test_there_is_nothing_critical_to_tell(sud: Academy) -> None:
    firing = 'ALERTS{severity="critical",alertstate="firing"}'
    assert left(lambda: queried(sud, firing)) == []


def test_every_figure_that_rules_and_dashboards_ask_for_exists(sud: Academy) -> None:
    rules = [rule["query"] for group in asked(sud, "rules")["groups"] for rule in group["rules"]]
    panels = [panel for file in DASHBOARDS.glob("*.json") for panel in json.loads(file.read_text())["panels"]]
    drawn = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    wanted = {name for query in rules + drawn for name in names(query)}
    assert {"up", "redis_up", "pg_up"} <= wanted

    def missing() -> set[str]:
        return wanted - {*asked(sud, "label/__name__/values")} - LATER.keys()

    assert left(missing) == set()


def test_the_monitoring_host_alone_passes_the_door(sud: Academy) -> None:
    watcher, database = sud.host("monitoring"), sud.host("database")
    page = f"https://{database.name}:9998/proxy?module=node"
    assert "node_uname_info" in watcher.run(*FETCH, page)
    # The others have certificates of the same authority.
    with pytest.raises(CommandFailed, match=r"HTTP Error 403|ssl|SSL|timed out|refused"):
        sud.host("service").run(*FETCH, page)
