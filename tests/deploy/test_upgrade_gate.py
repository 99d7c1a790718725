"""An upgrade stops before what breaks, until somebody has read it."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


def _load() -> ModuleType:
    path = Path(__file__).parents[2] / "deploy/filter_plugins/releases.py"
    spec = importlib.util.spec_from_file_location("releases", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BREAKING = [
    {"release": "0.10.0", "only_if": "you have workers", "do": "rename them"},
    {"release": "0.2.0", "only_if": "you wrote to nginx", "do": "move it"},
]


@pytest.mark.parametrize(
    ("installed", "release", "acknowledged", "stops_at"),
    [
        ("0.1.0", "0.1.5", "0.1.0", []),
        ("0.1.0", "0.2.0", "0.1.0", ["0.2.0"]),
        ("0.1.0", "0.10.1", "0.1.0", ["0.2.0", "0.10.0"]),
        ("0.1.0", "0.10.1", "0.2.0", ["0.10.0"]),
        ("0.1.0", "0.10.1", "0.10.0", []),
        ("0.9.0", "0.10.1", "0.1.0", ["0.10.0"]),
        ("0.10.0", "0.10.1", "0.1.0", []),
        ("", "0.10.1", "0.1.0", ["0.2.0", "0.10.0"]),
    ],
)
def test_what_breaks_between_two_releases_stops_the_run_until_it_is_acknowledged(
    installed: str, release: str, acknowledged: str, stops_at: list[str]
) -> None:
    found = _load().preau_unacknowledged(BREAKING, installed, release, acknowledged)
    assert [line.split(":")[0] for line in found] == stops_at
    assert all("only if" in line for line in found)
