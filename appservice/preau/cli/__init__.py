"""The commands people type.

Every one prints text for people by default, ``--json`` for programs; exit status 0 done, 1 refused or findings, 2 wrong
use.
"""

from __future__ import annotations

import gc
import sys
from typing import Annotated

import structlog
import typer

from preau import __version__
from preau.cli import decisions, demo, devices, doctor, people, plans, preparing, records, rosters, running

app = typer.Typer(
    name="preau",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Préau: French schools' own federated chat on Matrix.",
)
app.add_typer(rosters.app, name="roster")
app.command("plan")(plans.plan)
app.command("apply")(plans.apply)
app.command("activate")(people.activate_command)
app.add_typer(people.consent_app, name="consent")
app.command("appoint")(decisions.appoint)
app.command("override")(decisions.override)
app.add_typer(devices.device_app, name="device")
app.command("status")(records.status)
app.add_typer(records.journal_app, name="journal")
app.command("doctor")(doctor.doctor)
app.command("prepare")(preparing.prepare)
app.command("migrate")(preparing.migrate)
app.command("serve")(running.serve)
app.command("check-config")(running.check_config)
app.command("demo")(demo.demo)


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"preau {__version__}")
        raise typer.Exit


@app.callback()
def _before_every_command(
    _version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which release this is.")
    ] = False,
) -> None:
    """Options that stand before the command."""


def main() -> None:
    """The command ``preau``."""
    calm_collector()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # standard output is the answer's
    app()


def calm_collector() -> None:
    """Look for reference cycles less often.

    Rosters and plans are some hundred thousand small values without cycles that live to the end of the command; the
    collector would walk them again and again.
    """
    gc.set_threshold(100_000, 50, 50)
