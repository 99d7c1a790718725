"""The tables of docs/reliability.md, from the figures that `make test-hosts` left.

``python -m tests.hosts.reliability_page [FILE]`` writes it anew; the newest figure of each thing counts.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.hosts.results import FILE

PAGE: Final = Path(__file__).parents[2] / "docs/reliability.md"
_BETWEEN: Final = re.compile(r"(<!-- (faults|drills) -->\n).*?(<!-- end -->)", re.DOTALL)

Figures = Mapping[str, Any]


def newest(lines: Iterable[str]) -> list[Figures]:
    """The last figures of each thing and académie, in the order in which they were first measured."""
    found: dict[tuple[str, str], Figures] = {}
    for line in lines:
        figures = json.loads(line)
        found[figures["what"], figures["academy"]] = figures
    return list(found.values())


def render(page: str, figures: Iterable[Figures]) -> str:
    """``page`` with the tables of these figures."""
    faults = [row for row in figures if "longest_silence_seconds" in row]
    drills = [row for row in figures if "longest_silence_seconds" not in row]
    tables = {"faults": _faults(faults), "drills": _drills(drills)}
    return _BETWEEN.sub(lambda found: found[1] + "\n".join(tables[found[2]]) + "\n" + found[3], page)


def _faults(rows: Iterable[Figures]) -> list[str]:
    head = ["| what | académie | longest silence | acknowledged | lost | twice |", "|---|---|---|---|---|---|"]
    return head + [
        f"| {row['what']} | {row['academy']} | {row['longest_silence_seconds']} s | {row['acknowledged']} |"
        f" {row['lost']} | {row['doubled']} |"
        for row in rows
    ]


def _drills(rows: Iterable[Figures]) -> list[str]:
    return ["| what | académie | figures |", "|---|---|---|"] + [
        f"| {row['what']} | {row['academy']} | {_told(row)} |" for row in rows
    ]


def _told(row: Figures) -> str:
    kept = {name: value for name, value in row.items() if name not in {"at", "what", "academy"}}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in kept.items())


def main(file: Path) -> None:
    """Writes the page from the figures of a file."""
    PAGE.write_text(render(PAGE.read_text(), newest(file.read_text().splitlines())))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)
