"""``preau roster check`` and ``preau roster import``."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from preau import service
from preau.cli.output import (
    REFUSED,
    ConfigOption,
    JsonOption,
    actor,
    explained,
    run,
    say,
    say_json,
    settings,
)
from preau.config import Settings
from preau.errors import UsageError
from preau.model.findings import Finding, Severity
from preau.model.ids import Uai, parse_uai
from preau.roster.reader import Expectation, Reading, check_report, read
from preau.sync.importer import Imported, RosterFilesRefused, import_rosters
from preau.sync.recognise import minter

app = typer.Typer(no_args_is_help=True, help="Roster files: SIECLE and STS-web exports, as .xml or .zip.")

Files = Annotated[list[Path], typer.Argument(help="The exports of one school.", exists=True, dir_okay=False)]


@app.command()
def check(
    files: Files,
    school: Annotated[str | None, typer.Option(help="The school they must be of (its UAI).")] = None,
    year: Annotated[int | None, typer.Option(help="The school year they must be of; 2025 means 2025-2026.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Read roster files and tell what is wrong with them. Nothing is kept."""
    with explained():
        expected = Expectation(school=_uai(school), year=year)
    reading = read(files, expected=expected)
    if as_json:
        say_json(check_report(reading))
    else:
        _tell(reading)
    if not reading.ok:
        raise typer.Exit(REFUSED)


@app.command("import")
def import_(files: Files, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Read a school's rosters and keep them; `preau plan` then shows what they change."""
    run(_import(settings(config), files, as_json=as_json))


async def _import(found: Settings, files: list[Path], *, as_json: bool) -> None:
    async with service.context(found) as context:
        try:
            imported = await import_rosters(context, files, mint=minter(random.SystemRandom()), actor=actor())
        except RosterFilesRefused as refused:
            _show(refused.reading, {"imported": False}, as_json=as_json)
            raise
    outcome = {"new": imported.new, "accepted": imported.accepted, "new_people": imported.new_people}
    _show(imported.reading, {"imported": True, **outcome}, as_json=as_json)
    if not as_json:
        say(_told(imported))


def _show(reading: Reading, outcome: dict[str, bool | int], *, as_json: bool) -> None:
    if as_json:
        say_json({**check_report(reading), **outcome})
    else:
        _tell(reading)


def _told(imported: Imported) -> str:
    if not imported.new:
        return f"{imported.school}: nothing new; the rosters say what the last ones said."
    what = f"{imported.school}: imported, {imported.new_people} people met for the first time."
    after = "Next: preau activate." if imported.accepted else "Next: preau plan, then preau apply."
    return f"{what} {after}"


def _uai(text: str | None) -> Uai | None:
    if text is None:
        return None
    try:
        return parse_uai(text)
    except ValueError as wrong:
        raise UsageError(f"{wrong}.") from None


def _tell(reading: Reading) -> None:
    for finding in reading.findings:
        say(_line(finding))
    counts = check_report(reading)["counts"]
    assert isinstance(counts, dict)
    say(f"School {reading.school or 'unknown'}, year {reading.year or 'unknown'}:")
    for name, number in counts.items():
        say(f"  {name.replace('_', ' '):<20}{number:>7}")
    say(_summary(reading.findings))


def _line(finding: Finding) -> str:
    place = f"{finding.file}:{finding.line}" if finding.line else finding.file
    return f"{place}: {finding.severity} [{finding.code}] {finding.message}"


def _summary(findings: Iterable[Finding]) -> str:
    by_severity = Counter(finding.severity for finding in findings)
    return ", ".join(f"{by_severity[severity]} {severity}" for severity in Severity)
