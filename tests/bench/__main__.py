"""``make bench``: measures the budgets of the design, prints a table, writes ``docs/benchmarks.md``::

    part ─► fresh processes, each measured alone ─► rows ─► table, page

``--only NAME`` runs one part and prints it; the page is written by a whole run only.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.bench import activation, batches, guard, inbox, moved, rates, reading, second_run
from tests.bench.measure import Row, WrongResult
from tests.bench.report import as_markdown, table

PARTS: Final[dict[str, Callable[[Path], Iterable[Row]]]] = {
    "reading": reading.run,
    "second-run": second_run.run,
    "moved": moved.run,
    "rates": rates.run,
    "activation": activation.run,
    "inbox": inbox.run,
    "guard": guard.run,
    "batches": batches.run,
}
PAGE: Final = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def main(arguments: Sequence[str]) -> int:
    """The exit status: 0, or 1 when a result was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measures the budgets of the design.")
    parser.add_argument("--only", choices=PARTS, action="append", help="a part to run; may be repeated")
    asked: list[str] | None = parser.parse_args(arguments).only
    started, at = time.monotonic(), datetime.now(UTC)
    rows: list[Row] = []
    try:
        _measure(asked or list(PARTS), rows)
    except WrongResult as wrong:
        print(f"WRONG: {wrong}", file=sys.stderr)
        return 1
    finally:
        print("\n".join(table(rows)))
    if asked is None:
        PAGE.write_text(as_markdown(rows, "make bench", at, time.monotonic() - started), encoding="utf-8")
    return 0


def _measure(names: Sequence[str], rows: list[Row]) -> None:
    """Adds the rows of these parts, each as soon as it is known."""
    with tempfile.TemporaryDirectory(prefix="preau-bench-") as folder:
        for name in names:
            started = time.monotonic()
            rows += PARTS[name](Path(folder))
            print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
