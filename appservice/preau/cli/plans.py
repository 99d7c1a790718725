"""``preau plan`` and ``preau apply``."""

from __future__ import annotations

from typing import Annotated

import typer

from preau import service
from preau.cli.output import (
    REFUSED,
    ConfigOption,
    JsonOption,
    actor,
    noted,
    progress,
    run,
    say,
    say_error,
    say_json,
    settings,
)
from preau.cli.subjects import SchoolOption, schools_meant
from preau.config import Settings
from preau.model.wanted import Json
from preau.sync import planning
from preau.sync.apply import Applied
from preau.sync.context import Context
from preau.sync.plan import Action, Step
from preau.sync.planning import Planned
from preau.sync.recheck import recheck
from preau.sync.results import Command
from preau.sync.schools import all_schools

RecheckOption = Annotated[bool, typer.Option("--recheck", help="First read every room again from the homeserver.")]

_SIGNS = {
    Action.UNLOCK_ACCOUNT: "+",
    Action.CREATE_ROOM: "+",
    Action.ADD_MEMBER: "+",
    Action.REMOVE_MEMBER: "-",
    Action.LOCK_ACCOUNT: "-",
    Action.SET_STATE: "~",
    Action.NAME_ACCOUNT: "~",
}


def plan(
    school: SchoolOption = None, again: RecheckOption = False, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show what `preau apply` would do, as a diff with a fingerprint. Changes nothing."""
    found = run(_plan(settings(config), school, again=again))
    if as_json:
        say_json(_as_json(found))
    else:
        _tell(found)
    if found.stopped_by:
        raise typer.Exit(REFUSED)


def apply(
    school: SchoolOption = None,
    accept: Annotated[str, typer.Option(help="Let the plan with this fingerprint through the brakes.")] = "",
    again: RecheckOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the homeserver to what the rosters and decisions want. Run it again to go on after a stop."""
    found = settings(config)
    with noted(found, Command.APPLY):
        applied, planned = run(_apply(found, school, accept, again=again))
        if as_json:
            say_json(_applied_as_json(applied, planned))
        else:
            tell_applied(applied)
        if applied.refused:
            raise typer.Exit(REFUSED)


def _applied_as_json(applied: Applied, planned: Planned) -> dict[str, Json]:
    refused: list[Json] = [
        {"action": str(refusal.step.action), "subject": refusal.step.subject, "error": refusal.error.happened}
        for refusal in applied.refused
    ]
    return {"fingerprint": planned.plan.fingerprint, "done": applied.done, "refused": refused}


async def _plan(found: Settings, school: list[str] | None, *, again: bool) -> Planned:
    async with service.context(found) as context:
        return await _planned(context, found, school, again=again)


async def _apply(found: Settings, school: list[str] | None, accept: str, *, again: bool) -> tuple[Applied, Planned]:
    async with service.context(found) as context:
        planned = await _planned(context, found, school, again=again)
        with progress("apply", len(planned.plan.steps)) as count:
            applied = await planning.carry_out(context, planned, actor=actor(), accept=accept, progress=count)
        return applied, planned


async def _planned(context: Context, found: Settings, school: list[str] | None, *, again: bool) -> Planned:
    async with context.store.reading() as db:
        schools = await schools_meant(db, school) if school else await all_schools(db)
    if again:
        with progress("recheck", None) as count:
            await recheck(context, schools, progress=count)
    return await planning.plan(context, schools, found.as_limits())


def _as_json(found: Planned) -> dict[str, Json]:
    return {
        "fingerprint": found.plan.fingerprint,
        "steps": [
            {"action": str(step.action), "subject": step.subject, "reason": step.reason} for step in found.plan.steps
        ],
        "waiting": [{"subject": step.subject, "reason": step.reason} for step in found.waiting],
        "stopped_by": [
            {"brake": brake.code, "school": brake.school, "message": brake.message} for brake in found.stopped_by
        ],
    }


def _tell(found: Planned) -> None:
    for step in found.plan.steps:
        say(_line(step))
    for pending in found.pending:
        say(f"! {pending.after.school}: a new snapshot waits to be accepted")
    for step in found.waiting:
        say(f"… {step.action:<15} {step.subject}  ({step.reason})")
    if found.is_done:
        say("Nothing to do: the homeserver is as wanted.")
        return
    say(f"{len(found.plan.steps)} steps, plan {found.plan.fingerprint}")
    for brake in found.stopped_by:
        say_error(f"STOPPED [{brake.code}] {brake.school}: {brake.message}.")
    if found.stopped_by:
        say_error(f"If that is right all the same: preau apply --accept {found.plan.fingerprint}")


def _line(step: Step) -> str:
    return f"{_SIGNS[step.action]} {step.action:<15} {step.subject}  ({step.reason})"


def tell_applied(applied: Applied) -> None:
    """What a run did, for people."""
    say(f"{applied.done} steps done, {len(applied.refused)} refused.")
    for refusal in applied.refused:
        say_error(f"refused: {refusal.step.action} {refusal.step.subject}: {refusal.error.happened}")
