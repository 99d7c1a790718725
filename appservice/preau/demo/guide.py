"""The page that ``preau demo`` prints when all is ready: where to log in, as whom, what to try, how to stop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from preau.demo.academy import DemoAcademy
from preau.demo.parts import Part
from preau.demo.run import Demo

_WIDTH: Final = 132
"""Columns where the output is no terminal: wide enough that no login is cut."""

_SHOWN: Final = {
    Part.PRINCIPAL: "head of the school: write in Annonces, everybody reads it",
    Part.COUNSELLOR: "CPE: talk in Direction; read Annonces",
    Part.HEAD_TEACHER: "head teacher of {home}: moderate Parents et professeurs",
    Part.TEACHER: "teaches {home}: write to its parents",
    Part.GROUP_TEACHER: "teaches a group of {home} only, and is in its rooms all the same",
    Part.PARENT_OF_TWO: "children in two divisions: the rooms of both, each once",
    Part.APART: "parent of the same two, lives apart: the same rooms, but no Parents (no consent)",
    Part.OPTED_IN: "child in {home}: talk in Parents {home}, leave it; be refused in Annonces",
    Part.NOT_OPTED_IN: "child in {home}: react in Annonces; no Parents {home} (no consent)",
    Part.IN_CHARGE: "in charge of a child, no legal guardian: what parents have",
    Part.PUPIL: "a child of the parent above: read and react in Annonces (this school gives pupils accounts)",
}
_ELSEWHERE: Final = (Part.PRINCIPAL, Part.TEACHER, Part.PARENT_OF_TWO, Part.PUPIL)
"""Who is shown of the schools after the first."""


def print_guide(demo: Demo, console: Console, *, description: Path) -> None:
    """Prints the guide.

    Args:
        demo: the running demo.
        console: where to; need not be a terminal.
        description: the file that lists everybody.
    """
    if not console.is_terminal:
        console.width = _WIDTH
    console.rule("Two académies are running")
    console.print("Log in with any Matrix client, by user name and password. Your rooms are there already.\n")
    for academy in demo.academies:
        _print_academy(demo, academy, console)
    console.print(*_commands(demo.nord), sep="\n", highlight=False, soft_wrap=True)
    console.print(f"\nEverybody who can log in, and every room: {escape(str(description))}", soft_wrap=True)
    console.print("[bold]Ctrl-C[/bold] ends everything.", highlight=False)


def _print_academy(demo: Demo, academy: DemoAcademy, console: Console) -> None:
    console.print(f"[bold]Académie {academy.name}[/bold], homeserver [bold]{academy.homeserver.client_url}[/bold]")
    visitors = {visitor.user for visitor in demo.visitors}
    for uai, school in academy.schools.items():
        table = Table("user name", "password", "who", "what to try", title=school.name, title_justify="left", box=None)
        played = set(academy.casts[uai].players.values())
        for part in _SHOWN if uai == demo.shared.school else _ELSEWHERE:
            if part not in played:
                continue
            player = academy.player(uai, part)
            shared = f"; {demo.shared.scope}, the room shared by both académies" if player.user in visitors else ""
            what = _SHOWN[part].format(home=academy.casts[uai].home) + shared
            table.add_row(player.person, player.password, escape(player.name), escape(what))
        console.print(table)
        console.print()


def _commands(academy: DemoAcademy) -> Iterator[str]:
    config = escape(str(academy.config))
    yield f"In a second terminal, as the IT staff of {academy.name}:"
    for command in ("status --people", "plan", "journal verify"):
        yield f"  .venv/bin/preau {command} --config {config}"
    yield f"Its roster files: {escape(str(academy.rosters_folder))}"
