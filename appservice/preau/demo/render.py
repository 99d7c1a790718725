"""Renders the templates of a role outside Ansible, byte for byte as Ansible would.

The templates use only what both know: Jinja's own filters, and the few of Ansible's that are named here. Undefined
variables are errors, blocks are trimmed and the final newline is kept, as Ansible's template module does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jinja2
import yaml

from preau.errors import ConfigError

_ROLES: Final = Path(__file__).parents[3] / "roles"
_MANAGED: Final = "Ansible managed"


def role_folder(role: str) -> Path:
    """The role's folder in the checkout.

    Raises:
        ConfigError: Préau runs from an installed package, where the roles are not.
    """
    folder = _ROLES / role
    if not folder.is_dir():
        raise ConfigError(
            f"The role {role} is not beside the code ({folder}).",
            advice="The demo runs from a checkout: clone the repository and use `make demo`.",
        )
    return folder


def role_variables(role: str, given: Mapping[str, object]) -> dict[str, object]:
    """The role's defaults, with the given variables in place of some.

    Raises:
        ConfigError: a required variable is missing, or a given one is unknown to the role.
    """
    folder = role_folder(role)
    options = _read_yaml(folder / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    if unknown := sorted(given.keys() - options.keys()):
        raise ConfigError(f"The role {role} knows no variable {', '.join(unknown)}.")
    required = {name for name, option in options.items() if option.get("required")}
    if missing := sorted(required - given.keys()):
        raise ConfigError(f"The role {role} needs {', '.join(missing)}.")
    return {**_read_yaml(folder / "defaults" / "main.yml"), **given}


def render_role(role: str, given: Mapping[str, object], destination: Path) -> tuple[Path, ...]:
    """Renders the templates of the role into the destination and returns the files, sorted by name.

    Those in folders below `templates/` are for hosts only, such as units of systemd, and are left out. Each file is
    readable by its owner only, since some hold secrets.

    Raises:
        ConfigError: as `role_variables`, or a template uses a variable that is not defined.
    """
    variables = {**role_variables(role, given), "ansible_managed": _MANAGED}
    destination.mkdir(parents=True, exist_ok=True)
    templates = environment(role_folder(role) / "templates")
    names = sorted(name for name in templates.list_templates() if "/" not in name)
    return tuple(_render_one(templates, name, variables, destination) for name in names)


def _render_one(templates: jinja2.Environment, name: str, variables: Mapping[str, object], destination: Path) -> Path:
    try:
        text = templates.get_template(name).render(variables)
    except jinja2.UndefinedError as error:
        raise ConfigError(f"The template {name} cannot be rendered: {error}.") from error
    file = destination / name.removesuffix(".j2")
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    return file


def environment(folder: Path) -> jinja2.Environment:
    """Jinja as Ansible sets it up, with the filters that our templates may use."""
    jinja = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 -- YAML, not HTML; values go through to_json
    )
    jinja.filters["to_json"] = json.dumps
    jinja.filters["regex_escape"] = re.escape
    return jinja


def _read_yaml(file: Path) -> dict[str, Any]:
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ConfigError(f"{file} holds no mapping.")
    return content
