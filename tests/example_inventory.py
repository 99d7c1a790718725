"""Every variable of the roles that is an operator's, with its default: inventories/example/…/roles.yml.

Written from the roles' own defaults, so that none is missing and none differs: ``python -m tests.example_inventory``.
What deploy/group_vars/all says itself is left out: an operator who sets it breaks what belongs together.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "inventories/example/group_vars/academie_nord/roles.yml"
WIRING = ROOT / "deploy/group_vars/all"
HEAD = """\
---
# Every variable of the roles that is yours to set, with its default. Made by `python -m tests.example_inventory` from
# roles/*/defaults/main.yml; what each may be, roles/NAME/meta/argument_specs.yml says. What you want different, write
# into main.yml.
"""
# Called by other roles, which say everything to it.
INTERNAL_ROLES = {"wheel"}
NAME = re.compile(r"^([a-z][a-z0-9_]*):", re.MULTILINE)


def wired() -> set[str]:
    """What deploy/group_vars/all says for the roles."""
    return {name for file in WIRING.glob("*.yml") for name in yaml.safe_load(file.read_text())}


def operators_variables(defaults: str, ours: set[str]) -> list[str]:
    """The paragraphs (a comment, a variable, and the lines of its value) of a file of defaults that are operators'."""
    kept, comment = [], list[str]()
    lines = iter([*defaults.splitlines()[1:], "end:"])
    block: list[str] = []
    name = ""
    for line in lines:
        starts = NAME.match(line)
        if starts or not line.strip() or line.startswith("#"):
            if block and name not in ours:
                kept += [*comment, *(f"# {each}" for each in block)]
            if block:
                block, comment = [], []
            if starts:
                block, name = [line], starts[1]
            elif line.startswith("# ---") or not line.strip():
                comment = []
            else:
                comment.append(line)
        else:
            block.append(line)
    return kept


def render() -> str:
    """The whole file."""
    ours, text = wired(), HEAD
    for file in sorted((ROOT / "roles").glob("*/defaults/main.yml")):
        role = file.parts[-3]
        kept = operators_variables(file.read_text(), ours)
        if kept and role not in INTERNAL_ROLES:
            text += f"\n# --- {role} ".ljust(121, "-") + "\n" + "\n".join(kept) + "\n"
    return text


if __name__ == "__main__":
    PAGE.write_text(render())
