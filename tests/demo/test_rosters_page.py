"""The page for a school's office lists every finding that the readers can make, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from preau.roster.findings import FINDING_CODES

PAGE = Path(__file__).parents[2] / "docs" / "rosters.md"


def wanted_table() -> str:
    rows = ["| code | weight | meaning |", "|---|---|---|"]
    rows += [
        f"| `{slug}` | {code.severity}{', refuses' if code.refuses else ''} | {code.meaning} |"
        for slug, code in FINDING_CODES.items()
    ]
    return "\n".join(rows)


def test_the_page_lists_the_findings_that_exist() -> None:
    found = re.search(r"<!-- findings: .* -->\n\n(.*)\n\n<!-- end of findings -->", PAGE.read_text("utf-8"), re.DOTALL)
    assert found
    assert found.group(1) == wanted_table()
