"""The table of ports in docs/operate/network.md, from the one that the firewalls are made of.

``python -m tests.network_page`` writes it anew.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/operate/network.md"
TABLE = ROOT / "deploy/group_vars/all/network.yml"
BETWEEN = re.compile(r"(?<=<!-- ports -->\n).*?(?=<!-- end of ports -->)", re.DOTALL)
WORDS = {"anybody": "everybody", "admins": "administrators", "all": "every host"}


def render(page: str) -> str:
    """``page`` with the table of today."""
    lines = ["| port | what | listens on | open to | |", "|---|---|---|---|---|"]
    for row in yaml.safe_load(TABLE.read_text())["preau_ports"]:
        at, whom = (", ".join(WORDS.get(group, group) for group in row[key]) for key in ("at", "from"))
        lines.append(f"| {row['port']} | {row['name']} | {at} | {whom} | {'spread' if row.get('spread') else ''} |")
    return BETWEEN.sub("\n".join(lines) + "\n", page)


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text()))
