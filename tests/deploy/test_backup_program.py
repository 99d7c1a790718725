"""The program behind every backup timer: what it chooses, compares and leaves behind."""

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[2] / "roles/backup/files/preau_backup.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("preau_backup", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["preau_backup"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


backup = _load()


@pytest.fixture
def settings(tmp_path: Path) -> Any:
    return backup.Settings({"name": "db1", "status_folder": str(tmp_path), "textfile_folder": str(tmp_path)})


SNAPSHOTS = [
    {"short_id": "noon", "time": "2026-11-23T12:00:00.123456789Z"},
    {"short_id": "two", "time": "2026-11-23T15:00:00.5+01:00"},
    {"short_id": "one", "time": "2026-11-23T13:00:00Z"},
]


@pytest.mark.parametrize(
    ("at", "chosen"),
    [
        ("", "two"),
        ("2026-11-23T12:30:00+00:00", "one"),
        ("2026-11-23 13:30:00+01:00", "one"),
        ("2026-11-23T12:00:00.123456+00:00", "noon"),
        ("2026-11-23T18:00:00+00:00", "two"),
    ],
)
def test_files_are_those_of_the_first_snapshot_after_the_databases_moment(at: str, chosen: str) -> None:
    assert backup.choose(SNAPSHOTS, at)["short_id"] == chosen


def test_only_what_was_saved_is_asked_of_a_snapshot() -> None:
    paths = ["/var/lib/preau/synapse/media", "/var/lib/preau/service", "/var/lib/preau/synapse-not"]
    assert backup.within(paths, ["/var/lib/preau/synapse"]) == ["/var/lib/preau/synapse/media"]
    assert backup.within(paths, ["/"]) == paths


def _row(low: str, high: str, found: str, figure: str = "synapse.accounts") -> dict[str, str]:
    return {"figure": figure, "low": low, "high": high, "found": found}


@pytest.mark.parametrize(
    ("row", "exact", "later"),
    [
        (_row("5", "7", "5"), True, True),
        (_row("5", "7", "6"), True, True),
        (_row("5", "7", "8"), False, True),
        (_row("5", "7", "4"), False, True),
        (_row("7", "5", "6"), True, True),
        (_row("5", "7", "missing"), False, False),
        (_row("abc", "abd", "abd"), True, True),
        (_row("abc", "abd", "abe"), False, True),
        (_row("", "", ""), True, True),
        (_row("100", "100", "99", "synapse.last_event"), False, False),
        (_row("100", "100", "101", "synapse.last_event"), False, True),
    ],
)
def test_a_restored_figure_lies_between_the_two_that_were_noted(row: dict[str, str], exact: bool, later: bool) -> None:
    assert backup._fits(row, later=False) is exact
    assert backup._fits(row, later=True) is later


def test_the_last_success_stays_visible_after_a_failure(settings: Any, tmp_path: Path) -> None:
    backup.record(settings, "files", 0.0, {"snapshot": "a"}, "")
    succeeded = json.loads((tmp_path / "files.json").read_text())["succeeded"]
    backup.record(settings, "files", 0.0, {}, "BackupFailed: no network")
    found = json.loads((tmp_path / "files.json").read_text())
    assert (found["ok"], found["succeeded"], found["result"]) == (False, succeeded, {"snapshot": "a"})
    assert succeeded > 0


def test_the_exporter_reads_the_age_of_each_job(settings: Any, tmp_path: Path) -> None:
    backup.record(settings, "files", 0.0, {}, "")
    backup.metrics(settings, argparse.Namespace())
    lines = (tmp_path / "preau-backup.prom").read_text().splitlines()
    assert any(line.startswith('preau_backup_last_success_timestamp_seconds{kind="files"} 1') for line in lines)
    assert 'preau_backup_ok{kind="files"} 1.0' in lines


def test_every_figure_names_the_table_whose_absence_excuses_it() -> None:
    tables = {
        f"{database}.{name}": backup._table(statement)
        for database, statements in backup.FIGURES.items()
        for name, statement in statements.items()
    }
    assert tables["synapse.passwords"] == "users"
    assert tables["synapse.recent_events"] == "events"
    assert tables["preau.journal"] == "journal"
