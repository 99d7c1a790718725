"""The command as people call it, with files and a store of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from preau.cli import app
from preau.demo.cast import invent_school, invented_uai
from preau.demo.rosters import write_rosters
from preau.demo.school import DemoSchool

CONFIGURATION = """
[academy]
name = "nord"
server_name = "nord.example"
school_year = 2025

[homeserver]
url = "http://127.0.0.1:1"
as_token = "jeton-a"
hs_token = "jeton-b"

[store]
url = "sqlite:///{folder}/preau.db"
"""


@dataclass
class Shell:
    """Runs `preau` with a configuration file in a folder of its own."""

    folder: Path
    config: Path

    def __call__(self, *words: object, stdin: str | None = None) -> Result:
        environment = {"PREAU_CONFIG": str(self.config)}
        return CliRunner().invoke(app, [str(word) for word in words], input=stdin, env=environment)

    def json(self, *words: object) -> Any:
        return json.loads(self(*words, "--json").stdout)


@pytest.fixture
def preau(tmp_path: Path) -> Shell:
    config = tmp_path / "preau.toml"
    config.write_text(CONFIGURATION.format(folder=tmp_path))
    return Shell(tmp_path, config)


WriteRosters = Callable[..., list[Path]]


@pytest.fixture
def demo() -> DemoSchool:
    return invent_school(11, invented_uai(4001), "Collège Essai", pupils=20)


@pytest.fixture
def rosters(tmp_path: Path) -> WriteRosters:
    """``rosters(school, day=17)`` writes its files as exported on that day of September."""

    def write(school: DemoSchool, day: int = 17) -> list[Path]:
        exported = datetime(2025, 9, day, 19, 2, 11)  # noqa: DTZ001 - HORODATAGE has no zone
        return write_rosters(school, tmp_path / f"rosters-{day}", taken_at=exported)

    return write
