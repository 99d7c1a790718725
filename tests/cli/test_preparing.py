"""`preau prepare` and `preau migrate` as far as they need no homeserver; what the role reads of their answers."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from preau.demo.school import DemoSchool
from preau.store import journal, schema
from preau.store.engine import Store
from preau.sync.results import Command, Result, kept, note
from tests.cli.conftest import Shell, WriteRosters


@pytest.mark.parametrize("given", ["", "no JSON", "[]", "{}", '{"registration_shared_secret": "x"}'])
def test_secrets_that_are_not_all_there_are_wrong_use(preau: Shell, given: str) -> None:
    result = preau("prepare", "--secrets-stdin", stdin=given)
    assert result.exit_code == 2
    assert "events_as_token" in result.stderr


def test_a_database_is_brought_up_to_date_once(preau: Shell) -> None:
    before = preau("migrate", "--check", "--json")
    assert (before.exit_code, json.loads(before.stdout)) == (1, {"changed": True})
    assert preau.json("migrate") == {"changed": True}
    after = preau("migrate", "--check", "--json")
    assert (after.exit_code, json.loads(after.stdout)) == (0, {"changed": False})
    assert preau.json("migrate") == {"changed": False}


def test_a_database_of_a_newer_release_is_refused_without_an_answer(
    preau: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    preau("migrate")
    monkeypatch.setattr(schema, "_found", lambda _connection: "9999")
    for words in (["migrate", "--check", "--json"], ["migrate", "--json"]):
        result = preau(*words)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "newer" in result.stderr


@pytest.fixture
def results(preau: Shell) -> Path:
    folder = preau.folder / "results"
    folder.mkdir()
    with preau.config.open("a") as config:
        config.write(f'[metrics]\nresults = "{folder}"\n')
    return folder


def ended(folder: Path) -> dict[Command, bool]:
    return {result.command: result.well for result in kept(folder)}


def test_how_commands_end_is_kept_the_last_end_alone(
    preau: Shell, results: Path, demo: DemoSchool, rosters: WriteRosters
) -> None:
    preau("roster", "import", *rosters(demo))
    assert preau("apply").exit_code == 0
    assert preau("journal", "verify").exit_code == 0
    assert preau("doctor").exit_code == 1, "there is no homeserver"
    assert ended(results) == {Command.APPLY: True, Command.DOCTOR: False, Command.JOURNAL: True}
    asyncio.run(_break_the_journal(preau))
    assert preau("journal", "verify").exit_code == 1
    assert ended(results)[Command.JOURNAL] is False
    assert {file.suffix for file in results.iterdir()} == {".json"}


async def _break_the_journal(preau: Shell) -> None:
    store = Store(f"sqlite:///{preau.folder}/preau.db")
    async with store.writing() as db:
        await journal.append(db, [journal.Entry("test", "look", "nobody")], datetime(2026, 9, 15, tzinfo=UTC))
        await db.exec_driver_sql("UPDATE journal_head SET seq = seq + 1")
    await store.close()


def test_a_result_that_cannot_be_kept_ends_nothing(preau: Shell, results: Path) -> None:
    results.rmdir()
    result = preau("journal", "verify", "--json")
    assert result.exit_code == 0
    assert "could not be kept" in result.stderr


def test_a_result_says_when_it_was(tmp_path: Path) -> None:
    at = datetime(2026, 9, 15, 4, 30, tzinfo=UTC)
    note(tmp_path, Result(Command.APPLY, well=True, at=at))
    assert list(kept(tmp_path)) == [Result(Command.APPLY, well=True, at=at)]
