"""Commands as people and programs meet them: words, JSON, exit statuses."""

from __future__ import annotations

import json

import pytest

from preau import __version__
from preau.demo.changes import without_pupils
from preau.demo.school import DemoSchool
from tests.cli.conftest import Shell, WriteRosters

COUNTS = [
    "pupils",
    "pupils_left",
    "guardians_legal",
    "guardians_in_charge",
    "contacts",
    "institutions",
    "staff",
    "divisions",
    "groups",
    "association_consent",
]


def test_roster_check_prints_the_contract_s_object(preau: Shell, demo: DemoSchool, rosters: WriteRosters) -> None:
    files = rosters(demo)
    result = preau("roster", "check", *files, "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 0
    assert list(report) == ["school", "year", "counts", "findings"]
    assert (report["school"], report["year"]) == (demo.uai, 2025)
    assert list(report["counts"]) == COUNTS
    assert report["counts"] == demo.truth
    for finding in report["findings"]:
        assert list(finding) == ["severity", "code", "file", "line", "message"]
        assert finding["severity"] in {"error", "warning", "info"}


def test_the_release_is_said_without_a_configuration(preau: Shell) -> None:
    preau.config.unlink()
    assert preau("--version").stdout == f"preau {__version__}\n"


def test_roster_check_needs_no_configuration(preau: Shell, demo: DemoSchool, rosters: WriteRosters) -> None:
    preau.config.unlink()
    assert preau("roster", "check", *rosters(demo)).exit_code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--year", 2026], "school year 2025-2026"),
        (["--school", "0990001N"], "0990001N"),
        (["--school", "x"], "no UAI"),
    ],
)
def test_a_roster_that_is_not_the_one_expected_is_refused(
    preau: Shell, demo: DemoSchool, rosters: WriteRosters, words: list[object], told: str
) -> None:
    result = preau("roster", "check", *rosters(demo), *words)
    assert result.exit_code in {1, 2}
    assert told in result.stdout + result.stderr


def test_a_file_that_does_not_exist_is_wrong_use(preau: Shell) -> None:
    assert preau("roster", "check", preau.folder / "nowhere.xml").exit_code == 2


def test_import_keeps_a_school_and_says_what_comes_next(preau: Shell, demo: DemoSchool, rosters: WriteRosters) -> None:
    result = preau("roster", "import", *rosters(demo))
    assert result.exit_code == 0
    assert "preau activate" in result.stdout
    status = preau.json("status", "--people")
    assert [school["school"] for school in status["schools"]] == [demo.uai]
    assert {person["active"] for person in status["people"]} == {False}
    assert {"guardian", "direction", "teacher"} <= {code for person in status["people"] for code in person["functions"]}
    again = preau.json("roster", "import", *rosters(demo))
    assert (again["imported"], again["new"], again["new_people"]) == (True, False, 0)


def test_a_refused_import_keeps_nothing_and_shows_the_findings(
    preau: Shell, demo: DemoSchool, rosters: WriteRosters
) -> None:
    preau("roster", "import", *rosters(demo, 18))
    result = preau("roster", "import", *rosters(demo, 17), "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["imported"] is False
    assert {"older-file"} <= {finding["code"] for finding in report["findings"]}
    assert "refused" in result.stderr
    assert preau.json("status")["schools"][0]["pending_snapshot"] is False


def test_a_plan_that_a_brake_holds_says_so_and_exits_1(preau: Shell, demo: DemoSchool, rosters: WriteRosters) -> None:
    preau("roster", "import", *rosters(demo, 17))
    preau("roster", "import", *rosters(without_pupils(demo, 0.3, seed=3), 18))
    result = preau("plan", "--json")
    plan = json.loads(result.stdout)
    assert list(plan) == ["fingerprint", "steps", "waiting", "stopped_by"]
    assert result.exit_code == 1
    assert "people_removed" in {brake["brake"] for brake in plan["stopped_by"]}
    text = preau("plan")
    assert f"--accept {plan['fingerprint']}" in text.stderr
    refused = preau("apply")
    assert refused.exit_code == 1
    assert plan["fingerprint"] in refused.stderr
    assert preau.json("status")["schools"][0]["pending_snapshot"] is True
    assert preau("apply", "--accept", "0123456789ab").exit_code == 1
    assert preau("apply", "--accept", plan["fingerprint"]).exit_code == 0
    assert preau.json("plan") == {**preau.json("plan"), "steps": [], "stopped_by": []}


def test_a_homeserver_that_does_not_answer_is_named(preau: Shell, demo: DemoSchool, rosters: WriteRosters) -> None:
    preau("roster", "import", *rosters(demo))
    result = preau("check-config", "--online")
    assert result.exit_code == 1
    assert "127.0.0.1:1" in result.stderr


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["activate"], 2, "--all"),
        (["activate", "nobody"], 1, "Nobody is known"),
        (["plan", "--school", "0990001N"], 1, "No roster of the school"),
        (["plan", "--school", "collège"], 1, "no UAI"),
        (["appoint", "x", "--as", "king", "--school", "0990001N"], 2, "no function"),
        (["appoint", "--as", "teacher", "--school", "0990001N"], 2, "Say who"),
        (["override", "a", "b", "--school", "0990001N"], 2, "--reference"),
        (["consent", "grant", "x", "--school", "0990001N"], 1, "No roster of the school"),
        (["journal", "verify", "--noted", "x"], 2, "ENTRIES:HASH"),
        (["plan", "--config", "/nowhere/preau.toml"], 2, "There is no configuration file"),
        (["fly"], 2, "fly"),
    ],
)
def test_wrong_use_and_unknown_subjects_are_explained(preau: Shell, words: list[str], status: int, told: str) -> None:
    result = preau(*words)
    assert (result.exit_code, told in result.stderr) == (status, True), result.output
    assert "Traceback" not in result.output


def test_the_journal_is_exported_as_lines_and_verified_against_a_noted_head(
    preau: Shell, demo: DemoSchool, rosters: WriteRosters
) -> None:
    preau("roster", "import", *rosters(demo))
    head = preau.json("journal", "verify")
    lines = [json.loads(line) for line in preau("journal", "export").stdout.splitlines()]
    assert [line["action"] for line in lines] == ["import_roster"]
    assert (len(lines), lines[-1]["hash"]) == (head["entries"], head["head"])
    assert not {pupil.family for pupil in demo.pupils} & set(json.dumps(lines).split())
    assert preau("journal", "verify", "--noted", f"1:{head['head']}").exit_code == 0
    forged = preau("journal", "verify", "--noted", f"1:{'0' * 64}")
    assert forged.exit_code == 1
    assert "noted" in forged.stderr


def test_a_short_password_is_refused_before_anything_is_done(preau: Shell) -> None:
    result = preau("activate", "k7m2q4xd", "--password-stdin")
    assert result.exit_code == 2
    assert "fewer than 8" in result.stderr
