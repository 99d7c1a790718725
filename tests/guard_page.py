"""The tables of docs/guard.md, as they follow from the policy. ``python -m tests.guard_page`` writes them there."""

from __future__ import annotations

import re
from pathlib import Path

from preau.model.facts import Language
from preau.model.people import Function
from preau.policy import fan_out, takebacks, uploads
from preau.policy.refusals import Rule, sentence

PAGE = Path(__file__).parents[1] / "docs" / "guard.md"


def rules_table() -> str:
    rows = ["| rule | what people read |", "|---|---|"]
    rows += [
        f"| `{rule}` | {sentence(rule, Language.FRENCH)}<br>*{sentence(rule, Language.ENGLISH)}* |" for rule in Rule
    ]
    return "\n".join(rows)


def limits_table() -> str:
    rows = [
        "| function | rooms an hour | new conversations a day | taken back an hour | largest file | files a day |",
        "|---|---|---|---|---|---|",
    ]
    rows += [_limits_of(function) for function in Function]
    new = fan_out.FROM_A_NEW_DEVICE
    rows += ["", f"From all new devices of one account together: {new.things} rooms in {new.seconds // 3600} hours."]
    return "\n".join(rows)


def _limits_of(function: Function) -> str:
    files = uploads.ALLOWANCES[function]
    numbers = (
        fan_out.rooms([function]).things,
        fan_out.conversations([function]).things,
        takebacks.takebacks([function]).things,
        f"{files.file // 2**20} MiB",
        f"{files.day // 2**20} MiB",
    )
    return f"| `{function}` | " + " | ".join(map(str, numbers)) + " |"


TABLES = {"rules": rules_table, "limits": limits_table}


def with_tables(page: str) -> str:
    """The page with its tables as they are now."""
    for name, table in TABLES.items():
        marks = re.compile(rf"(<!-- {name}: [^\n]* -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        page, found = marks.subn(lambda match, table=table: f"{match[1]}\n{table()}\n\n{match[2]}", page)
        assert found == 1, name
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text("utf-8")), "utf-8")
