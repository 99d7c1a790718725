"""Everything that the roles would write onto hosts, rendered without hosts.

::

    inventory + vault ─► Ansible's own variables of a host ─► each role that site.yml gives it
    ─► each task that writes a file ─► (once per item of its loop) path, mode, owner, text

Ansible itself reads inventories, plays, roles and tasks and templates their values; here only those tasks that write
files are looked at, and nothing runs. What a task would have learnt from a host before (`register`) is not known: a
condition that asks for it counts as met, and a file that holds it is not rendered, but named in `Rendering.untold`.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.playbooks import DEPLOY, ROOT

ROLES = ROOT / "roles"
WRITERS = {"template", "copy"}


@dataclass(frozen=True)
class File:
    """One file as a task would write it."""

    inventory: str
    host: str
    role: str
    task: str
    path: str
    mode: str
    no_log: bool
    validate: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.inventory}, {self.host}, role {self.role}: {self.path}"


# What Ansible would have read from a host of ours.
FACTS: dict[str, Any] = {
    "architecture": "x86_64",
    "default_ipv4": {"address": "192.0.2.10", "interface": "host0"},
    "distribution": "Debian",
    "distribution_major_version": "12",
    "distribution_release": "bookworm",
    "distribution_version": "12.9",
    "fqdn": "host.nord.example",
    "hostname": "host",
    "memtotal_mb": 8000,
    "os_family": "Debian",
    "pkg_mgr": "apt",
    "processor_vcpus": 4,
    "service_mgr": "systemd",
    "swaptotal_mb": 0,
    "virtualization_role": "guest",
    "virtualization_type": "kvm",
    "mounts": [],
    "user_id": "root",
    "python": {"executable": "/usr/bin/python3"},
    "python_version": "3.11.2",
}


TRIXIE: dict[str, Any] = {
    "distribution_major_version": "13",
    "distribution_release": "trixie",
    "distribution_version": "13.1",
    "python_version": "3.13.5",
}
"""What it would have read otherwise from one with the next Debian."""


def plays() -> list[dict[str, Any]]:
    """The plays of site.yml that give roles to hosts."""
    return [play for play in yaml.safe_load((DEPLOY / "site.yml").read_text()) if "roles" in play]


class Rendering:
    """What the roles would write for one inventory (a folder with ``hosts.yml``)."""

    def __init__(self, inventory: Path, facts: dict[str, Any] | None = None) -> None:
        # Ansible reads its settings when it is imported; they are those of the checkout.
        os.environ["ANSIBLE_CONFIG"] = str(ROOT / "ansible.cfg")
        from ansible.inventory.manager import InventoryManager  # noqa: PLC0415 -- said above
        from ansible.parsing.dataloader import DataLoader  # noqa: PLC0415 -- said above
        from ansible.vars.hostvars import HostVars  # noqa: PLC0415 -- said above
        from ansible.vars.manager import VariableManager  # noqa: PLC0415 -- said above

        _load_plugins()
        self.inventory = inventory
        self.loader = DataLoader()
        self.loader.set_basedir(str(DEPLOY))
        self.hosts = InventoryManager(loader=self.loader, sources=[str(inventory)])
        self.variables = VariableManager(loader=self.loader, inventory=self.hosts)
        # As the queue of tasks does before a play: registers itself.
        HostVars(inventory=self.hosts, variable_manager=self.variables, loader=self.loader)
        self.facts = {**FACTS, **(facts or {})}
        self.untold: set[tuple[str, str]] = set()

    def files(self) -> list[File]:
        """All of them, in the order of the plays."""
        given = [(play, host) for play in plays() for host in self.hosts.get_hosts(play["hosts"])]
        return [file for play, host in given for file in self._play(play, host)]

    def _play(self, described: dict[str, Any], host: Any) -> Iterator[File]:
        from ansible.playbook.play import Play  # noqa: PLC0415 -- see __init__

        roles = [role for role in described["roles"] if (ROLES / role).is_dir()]
        described = {"name": described["name"], "hosts": described["hosts"], "gather_facts": False, "roles": roles}
        play = Play().load(described, variable_manager=self.variables, loader=self.loader)
        noted: dict[str, Any] = {}
        for block in play.compile():
            for task in _tasks(block):
                yield from self._task(play, host, task, noted)

    def _task(self, play: Any, host: Any, task: Any, noted: dict[str, Any]) -> Iterator[File]:
        action = task.action.rpartition(".")[2]
        if action == "include_tasks":
            for inner in self._included(play, task):
                yield from self._task(play, host, inner, noted)
        # What is copied on the host itself was written there by another task.
        if action not in {*WRITERS, "set_fact"} or task.args.get("remote_src"):
            return
        variables = self.variables.get_vars(play=play, host=host, task=task)
        variables.update(
            _results(task._role.get_name()), **noted, ansible_facts=self.facts, ansible_check_mode=False, omit=None
        )
        try:
            for scope in self._scopes(task, variables):
                if not self._wanted(task, scope):
                    continue
                if action == "set_fact":
                    noted.update(self._templar(scope).template(dict(task.args)))
                else:
                    yield self._file(host, task, scope, action)
        except Exception as error:
            if not _only_a_host_knows(error, task):
                raise
            self.untold.add((task._role.get_name(), task.get_name()))

    def _included(self, play: Any, task: Any) -> Iterator[Any]:
        from ansible.playbook.block import Block  # noqa: PLC0415 -- see __init__

        name = task.args.get("file") or task.args.get("_raw_params")
        path = ROLES / task._role.get_name() / "tasks" / name
        if not path.exists():
            return
        blocks = Block.load(
            {"block": self.loader.load_from_file(str(path), trusted_as_template=True)},
            play=play,
            parent_block=None,
            role=task._role,
            task_include=task,
            variable_manager=self.variables,
            loader=self.loader,
        )
        yield from _tasks(blocks)

    def _scopes(self, task: Any, variables: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The variables of each turn of the task's loop."""
        if task.loop is None and task.loop_with is None:
            yield variables
            return
        items = self._templar(variables).template(task.loop)
        name = task.loop_control.loop_var if task.loop_control else "item"
        yield from ({**variables, name or "item": item} for item in items)

    def _wanted(self, task: Any, scope: dict[str, Any]) -> bool:
        templar = self._templar(scope)
        for condition in task.get_when() if hasattr(task, "get_when") else task.when:
            try:
                if not templar.evaluate_conditional(condition):
                    return False
            except Exception as error:
                if not _only_a_host_knows(error, task):
                    raise
        return True

    def _file(self, host: Any, task: Any, scope: dict[str, Any], action: str) -> File:
        templar = self._templar(scope)
        given = {name: templar.template(value) for name, value in task.args.items() if name != "content"}
        if action == "template":
            lookup = f"lookup('ansible.builtin.template', {given['src']!r})"
            text = templar.evaluate_expression(_trusted(lookup))
        elif "content" in task.args:
            text = templar.template(task.args["content"])
        else:
            source = ROLES / task._role.get_name() / "files" / str(given["src"])
            text = source.read_text("utf-8") if source.is_file() else ""
        return File(
            self.inventory.name,
            host.name,
            task._role.get_name(),
            task.get_name(),
            str(given["dest"]),
            str(given.get("mode", "")),
            bool(task.no_log),
            str(given.get("validate") or ""),
            text if isinstance(text, str) else str(text),
        )

    def _templar(self, variables: dict[str, Any]) -> Any:
        from ansible.template import Templar  # noqa: PLC0415 -- see __init__

        return Templar(loader=self.loader, variables=variables)


@functools.cache
def _load_plugins() -> None:
    from ansible.plugins.loader import add_all_plugin_dirs, init_plugin_loader  # noqa: PLC0415 -- see Rendering

    init_plugin_loader()
    add_all_plugin_dirs(str(DEPLOY))


# How a task went before, as far as one can say without running it: well, and everything was there already.
RESULT: dict[str, Any] = {"changed": False, "failed": False, "skipped": False, "rc": 0, "stat": {"exists": True}}


@functools.cache
def _results(role: str) -> dict[str, dict[str, Any]]:
    """The names under which the tasks of a role keep results."""
    texts = "".join(file.read_text("utf-8") for file in (ROLES / role / "tasks").glob("*.yml"))
    return dict.fromkeys(re.findall(r"^\s+register: (\w+)$", texts, re.MULTILINE), RESULT)


def _only_a_host_knows(error: Exception, task: Any) -> bool:
    """Whether a value is missing that a task before this one would have learnt: results are private names."""
    asked = f"{task.args} {task.loop} {task.when} {task.vars}"
    learnt = any(name in asked for name in _results(task._role.get_name()))
    words = _whole(error)
    return bool(re.search(r"'__[a-z0-9_]+' is undefined", words)) or (learnt and "has no attribute" in words)


def _whole(error: BaseException | None) -> str:
    """The error and what caused it."""
    return f"{error} {_whole(error.__cause__)}" if error else ""


def _trusted(text: str) -> Any:
    from ansible.template import trust_as_template  # noqa: PLC0415 -- see Rendering

    return trust_as_template(text)


def _tasks(block: Any) -> Iterator[Any]:
    """The tasks of a block and of the blocks in it."""
    from ansible.playbook.block import Block  # noqa: PLC0415 -- see Rendering

    for found in [*block.block, *block.rescue, *block.always]:
        if isinstance(found, Block):
            yield from _tasks(found)
        else:
            yield found


@functools.cache
def inventories() -> tuple[Path, ...]:
    """Every inventory of the repository."""
    return tuple(sorted(path.parent for path in (ROOT / "inventories").glob("*/hosts.yml")))
