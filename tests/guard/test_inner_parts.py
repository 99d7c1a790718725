"""Inner parts of Synapse are used in one package only, which says which and why, and checks each that it calls."""

from __future__ import annotations

import ast
import contextlib
import inspect
import logging
from collections.abc import Iterable
from pathlib import Path

import pytest

import preau.guard

FOLDER = Path(preau.guard.__file__).parent
OTHERS = sorted(FOLDER.glob("*.py"))
INNER = sorted((FOLDER / "inner").glob("*.py"))

PUBLIC = {
    *("run_db_interaction", "register_third_party_rules_callbacks", "worker_name"),  # the module API itself
    *("auth_event_ids", "to_string"),  # of events, users and requesters, as the module API hands them out
    *("execute", "fetchone"),  # of a database's cursor
}
GUARDED_WHERE_CALLED = {
    "current_context",  # in a try: without it the language of a refusal is French
    "get_datastores",
    "get_instance_name",
    "get_storage_controllers",
    "get_module_api_callbacks",
    "get_state_handler",
    "get_event_auth_handler",
    "get_event_builder_factory",
    "get_event_creation_handler",
    "get_notifier",
    "get_room_creation_handler",
    "get_room_member_handler",
    "get_worker_locks_handler",
    "get_account_data_handler",
    "get_deactivate_account_handler",
    "get_device_message_handler",
    "get_federation_registry",
    "get_federation_server",
    "get_identity_handler",
    "get_profile_handler",
}
"""Found or not when Synapse starts, before anything is done with what they return."""


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


def test_every_inner_method_that_is_called_is_checked_when_synapse_starts() -> None:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in INNER]
    called = set().union(*map(_called, trees))
    ours = {
        node.name
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    python = {name for kind in (dict, list, str, logging.Logger, logging, inspect, contextlib) for name in dir(kind)}
    unchecked = called - ours - python - PUBLIC - GUARDED_WHERE_CALLED - _checked(trees)
    assert not unchecked, "another Synapse's would fail in the middle of things: check it with `as_expected`"
    assert {"persist_events", "with_state", "send_events", "get_prev_state_ids"} <= called & _checked(trees)


def _called(tree: ast.AST) -> set[str]:
    """Methods by name: those that are called where they stand, and those that are given a name and called by it."""
    nodes = list(ast.walk(tree))
    calls = [node.func for node in nodes if isinstance(node, ast.Call)]
    names = {node.id for node in calls if isinstance(node, ast.Name)}
    named = [node for node in nodes if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in names]
    found = [*calls, *(node.value for node in named)]
    return {node.attr for node in found if isinstance(node, ast.Attribute)}


def _checked(trees: Iterable[ast.AST]) -> set[str]:
    """The second of three things said of a part, in the table of parts or to `as_expected`."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    said = [node.elts for node in nodes if isinstance(node, ast.Tuple)]
    said += [
        node.args for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("as_expected")
    ]
    names = [part[1] for part in said if len(part) == 3]
    return {name.value for name in names if isinstance(name, ast.Constant) and isinstance(name.value, str)}
