"""How commands that run by the clock ended, kept as files beside the service, which shows them to those who watch.

One file per command, replaced whole: whoever ran it last, timer or person, is whose end counts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path


class Command(StrEnum):
    """The commands whose end is kept."""

    APPLY = "apply"
    DOCTOR = "doctor"
    JOURNAL = "journal"


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended, and when."""

    command: Command
    well: bool
    at: datetime


def note(folder: Path, result: Result) -> None:
    """Keeps it.

    Raises:
        OSError: the folder cannot be written to.
    """
    file = folder / f"{result.command}.json"
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({"well": result.well, "at": result.at.timestamp()}), encoding="ascii")
    draft.replace(file)


def kept(folder: Path) -> Iterator[Result]:
    """Those that there are; one that cannot be read counts as one that never ran."""
    for command in Command:
        try:
            found = json.loads((folder / f"{command}.json").read_text(encoding="ascii"))
            yield Result(command, found["well"] is True, datetime.fromtimestamp(found["at"], UTC))
        except (OSError, ValueError, KeyError, TypeError):
            continue
