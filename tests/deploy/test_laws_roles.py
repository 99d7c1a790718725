"""Laws over what the roles and playbooks are written in, before anything is rendered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.playbooks import DEPLOY, ROOT
from tests.deploy.rendered import PUBLIC_ENDINGS, World, role_specs
from tests.deploy.rendering import plays

pytestmark = pytest.mark.timeout(600)  # whoever is first renders everything
ROLES = ROOT / "roles"
TASK_FILES = sorted({*ROLES.glob("*/tasks/*.yml"), *ROLES.glob("*/handlers/*.yml"), *DEPLOY.glob("tasks/**/*.yml")})
SPECS = role_specs()
OF_SITE = sorted({role for play in plays() for role in play["roles"]})
PHASES = ("preflight", "install", "configure", "run")
PREFIXES = {"preau": "preau_service_"}
# What a unit that is made in passing must say at least, beside whose it is.
FETTERS = ("ProtectSystem=strict", "NoNewPrivileges=true", "PrivateTmp=", "MemoryMax=")
OWNER = re.compile(r"--uid=\S|User=\S|DynamicUser=true")
# A value of the vault that not everybody may see.
SECRET = re.compile(rf"\bvault_[a-z]\w*(?<!{')(?<!'.join(PUBLIC_ENDINGS)})\b")
# What of a task is neither handed to its module nor printed.
SAY_NOTHING = ("name", "when", "until", "failed_when", "changed_when", "notify", "register")


def test_every_task_file_fits_on_a_screen_or_two() -> None:
    lengths = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in TASK_FILES}
    assert lengths
    assert {name: length for name, length in lengths.items() if length > 70} == {}


@pytest.mark.parametrize("role", OF_SITE)
def test_every_role_goes_the_same_way(role: str) -> None:
    tasks = ROLES / role / "tasks"
    assert {f"{phase}.yml" for phase in (*PHASES, "remove")} <= {file.name for file in tasks.iterdir()}
    found = re.findall(rf"\b{role}_({'|'.join(PHASES)})\b", (tasks / "main.yml").read_text())
    assert tuple(dict.fromkeys(found)) == PHASES
    assert found == sorted(found, key=PHASES.index)


# --- Variables ----------------------------------------------------------------------------------------------------


def test_every_role_has_a_specification() -> None:
    assert SPECS.keys() == {folder.parent.name for folder in ROLES.glob("*/tasks")}


@pytest.mark.parametrize("role", SPECS)
def test_every_variable_is_required_or_has_the_default_that_the_specification_says(role: str) -> None:
    defaults = _defaults(role)
    assert defaults.keys() <= SPECS[role].keys()
    for name, option in SPECS[role].items():
        if option.get("required"):
            assert name not in defaults, name
        else:
            assert defaults.get(name, "not in defaults") == option.get("default"), name


@pytest.mark.parametrize("role", SPECS)
def test_every_variable_has_the_prefix_of_the_role_a_type_and_a_description(role: str) -> None:
    for name, option in SPECS[role].items():
        assert name.startswith(PREFIXES.get(role, f"{role}_")), name
        assert option["type"], name
        assert "".join(option["description"]).endswith("."), name


@pytest.mark.parametrize("role", SPECS)
def test_at_most_forty_variables_are_left_to_operators(role: str) -> None:
    assert len(_defaults(role)) <= 40


def _defaults(role: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROLES / role / "defaults/main.yml").read_text()) or {}
    return found


def test_what_a_task_learns_hides_no_variable_of_its_role() -> None:
    learnt = {
        (file.parts[-3], name)
        for file in TASK_FILES
        for name in re.findall(r"^\s+register: (\w+)$", file.read_text(), re.MULTILINE)
    }
    named = {
        (file.parts[-3], name)
        for file in (*ROLES.glob("*/vars/*.yml"), *ROLES.glob("*/defaults/*.yml"))
        for name in yaml.safe_load(file.read_text()) or {}
    }
    assert len(learnt) > 50
    assert len(named) > 50
    assert learnt & named == set()


# --- Secrets ------------------------------------------------------------------------------------------------------


def test_every_task_that_is_handed_a_secret_keeps_it_to_itself() -> None:
    """A module's arguments stand in the journal of its host, a loop's items in what the playbook prints."""
    names = _secret_variables()
    assert len(names) > 20
    shown, hidden = {}, []
    for file in [*TASK_FILES, *DEPLOY.glob("*.yml")]:
        for task in _tasks(file):
            told = str({key: value for key, value in task.items() if key not in SAY_NOTHING})
            found = {name for name in names if re.search(rf"\b{name}\b(?!\.(?:host|port)\b)", told)}
            found |= set(SECRET.findall(told))
            if found and task.get("no_log"):
                hidden.append(task["name"])
            elif found:
                shown[f"{file.relative_to(ROOT)}: {task['name']}"] = found
    assert hidden
    assert shown == {}


def _secret_variables() -> set[str]:
    """Variables that hold a value of the vault, by themselves or by another variable."""
    files = [*DEPLOY.glob("group_vars/all/*.yml"), *ROLES.glob("*/defaults/main.yml"), *ROLES.glob("*/vars/main.yml")]
    said: dict[str, str] = {}
    for file in files:
        for name, value in (yaml.safe_load(file.read_text()) or {}).items():
            said[name] = f"{said.get(name, '')} {value}"
    found = {name for name, value in said.items() if SECRET.search(value)}
    while more := {name for name, value in said.items() if found & {*re.findall(r"\w+", value)}} - found:
        found |= more
    return found


# --- Units made in passing ----------------------------------------------------------------------------------------


def test_every_unit_made_in_passing_has_an_owner_and_fetters(worlds: dict[str, World]) -> None:
    """By `systemd-run`, in a task or in a program of ours: what there is no file of, `systemd-analyze` cannot rate."""
    said = {f"{file.relative_to(ROOT)}: {task['name']}": str(task) for file in TASK_FILES for task in _tasks(file)}
    said |= {file.name: file.text.replace("'", "") for world in worlds.values() for file in world.files}
    found = {
        where: text for where, text in said.items() if re.search(r"\bsystemd-run\b(?! \()", _without_comments(text))
    }
    assert (
        len(found) >= len({path for path in _all_files() if "systemd-run" in _without_comments(path.read_text())}) > 0
    )
    lacking = {where: [fetter for fetter in FETTERS if fetter not in text] for where, text in found.items()}
    assert {where: each for where, each in lacking.items() if each} == {}
    assert [where for where, text in found.items() if not OWNER.search(text)] == []
    # Unlike in a file of a unit, such a word stands alone in its property.
    together = re.compile(r"IPAddress(?:Allow|Deny)=(?:any|localhost|link-local|multicast) ")
    assert [where for where, text in found.items() if together.search(text)] == []


def _tasks(file: Path) -> Iterator[dict[str, Any]]:
    """The tasks of a file of tasks or plays, and of their blocks."""

    def walk(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for entry in entries:
            inner = [each for name in ("tasks", "block", "rescue", "always") for each in entry.get(name, [])]
            yield from walk(inner) if inner else [entry]

    yield from walk([entry for entry in yaml.safe_load(file.read_text()) or [] if isinstance(entry, dict)])


def _without_comments(text: str) -> str:
    return re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)


def _all_files() -> list[Path]:
    places = [
        *DEPLOY.rglob("*.yml"),
        *ROLES.glob("*/tasks/*.yml"),
        *ROLES.glob("*/templates/**/*"),
        *ROLES.glob("*/files/*"),
    ]
    return [path for path in places if path.is_file()]
