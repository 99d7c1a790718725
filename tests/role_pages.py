"""The table of variables in each role's README.md, from its defaults and argument specification.

``python -m tests.role_pages`` writes them anew.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
ROLES = ROOT / "roles"
PAGES = sorted(ROLES.glob("*/README.md"))
BETWEEN = re.compile(r"(?<=<!-- variables -->\n).*?(?=<!-- end of variables -->)", re.DOTALL)
# Longer than this, a default is read in the file of defaults.
LONGEST = 60
MARKUP = re.compile(r"\b[COVMP]\(([^)]+)\)")


def render(page: Path) -> str:
    """The text of ``page`` with the table of today."""
    role = page.parent
    options = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    file = role / "defaults/main.yml"
    defaults = (yaml.safe_load(file.read_text()) or {}) if file.exists() else {}
    lines = ["| variable | kind | default | meaning |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(_cells(name, option, defaults))} |" for name, option in options.items()]
    table = "\n".join(lines) + "\n"
    return BETWEEN.sub(lambda _: table, page.read_text("utf-8"))


def _cells(name: str, option: dict[str, Any], defaults: dict[str, Any]) -> list[str]:
    kind = str(option.get("type", "str"))
    if choices := option.get("choices"):
        kind = " or ".join(f"`{choice}`" for choice in choices)
    return [f"`{name}`", kind, _default(name, defaults), _escaped(_meaning(option["description"]))]


def _default(name: str, defaults: dict[str, Any]) -> str:
    if name not in defaults:
        return "none: must be given"
    text = yaml.safe_dump(defaults[name], default_flow_style=True, allow_unicode=True, width=10_000)
    text = text.removesuffix("...\n").strip()
    return f"`{_escaped(text)}`" if len(text) <= LONGEST else "see `defaults/main.yml`"


def _meaning(description: str | list[str]) -> str:
    text = description if isinstance(description, str) else " ".join(description)
    return " ".join(MARKUP.sub(r"`\1`", text).split())


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    for each in PAGES:
        each.write_text(render(each), "utf-8")
