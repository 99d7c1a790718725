"""Inner parts of Synapse are used in one package only, which says which and why."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import preau.guard

FOLDER = Path(preau.guard.__file__).parent
OTHERS = sorted(FOLDER.glob("*.py"))


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.name)
def test_a_part_of_the_guard_uses_the_module_api_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    inner = {name for name in imported if name.split(".")[0] in {"synapse", "twisted"}}
    assert inner <= {"synapse.module_api", "synapse.module_api.errors"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "_hs"]
    assert not [text for text in _texts(tree) if text.startswith("synapse.")], "an import by name"


def _texts(tree: ast.AST) -> list[str]:
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
