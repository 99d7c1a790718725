"""Every playbook can be read, and those that could do harm refuse to, before they touch a host."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from deploy.filter_plugins.federation import pairs
from deploy.filter_plugins.inventory import option_findings, role_options, variable_findings, wiring_names

from tests.deploy.playbooks import DEPLOY, ROOT, Inventory, ansible_playbook
from tests.deploy.rendered import INVENTORIES

ROLES = DEPLOY.parent / "roles"
TABLES = {"secrets", "removed"}
PLAYBOOKS = sorted(file.name for file in DEPLOY.glob("*.yml") if file.stem not in TABLES)
PEERS = {"nord": ["sud.example"], "sud": ["nord.example"], "est": []}


def plays(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((DEPLOY / name).read_text())
    return found


@pytest.fixture
def three(tmp_path: Path) -> Inventory:
    return academies(tmp_path, PEERS)


def academies(folder: Path, peers: dict[str, list[str]]) -> Inventory:
    """One inventory with an académie per entry, each on a host of its own that nobody can reach."""
    inventories = [Inventory(folder / "inventory", name) for name in peers]
    hosts = {name: f"preau.{name}.example" for name in peers}
    groups = {f"academie_{name}": [host] for name, host in hosts.items()}
    functions = {each: list(hosts.values()) for each in ("database", "homeserver", "proxy", "service")}
    for inventory in inventories:
        inventory.write({**groups, **functions}, preau_peers=peers[inventory.academy])
    return inventories[0]


# --- All ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_every_playbook_can_be_read(name: str, three: Inventory) -> None:
    ansible_playbook(name, three, "--syntax-check")


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_every_playbook_names_its_page_and_says_how_it_is_called(name: str) -> None:
    head = (DEPLOY / name).read_text().split("\n- name:")[0]
    if name != "site.yml":
        assert f"docs/operate/{Path(name).stem.replace('_', '-')}.md" in head
        assert f"deploy/{name}" in head


# --- federate -----------------------------------------------------------------------------------------------------


def test_federate_refuses_a_list_that_the_other_does_not_return(tmp_path: Path) -> None:
    inventory = academies(tmp_path, {**PEERS, "est": ["nord.example"]})
    said = ansible_playbook("federate.yml", inventory, ok=False)
    assert "est.example names nord.example, but nord.example does not name est.example" in said
    assert "Add est.example to preau_peers of nord.example" in said
    assert "sud.example names" not in said
    assert "Gathering Facts" not in said


def test_a_peer_outside_the_inventory_is_for_its_own_operators(tmp_path: Path) -> None:
    inventory = academies(tmp_path, {"nord": ["ailleurs.example"]})
    said = ansible_playbook("federate.yml", inventory, ok=False)
    assert "Nothing was touched" not in said
    # It went on, to the next play.
    assert "preflight | controller" in said


def test_there_is_a_line_for_each_pair_and_direction_even_of_a_homeserver_that_does_not_answer() -> None:
    well = {"what": "federation with sud.example", "ok": True, "said": "it takes what we sign", "do": ""}
    refused = {"what": "federation with est.example", "ok": False, "said": "it answers 403", "do": "ask est"}
    hosts = {
        "n": _host("nord", ["sud.example", "est.example"], {"lines": [well, refused]}),
        "s": _host("sud", ["nord.example"], {"unreachable": True, "msg": "no route"}),
        "e": _host("est", [], {"skipped": True}),
    }
    found = pairs(hosts, ["n", "s", "e"])
    assert found["told"] == [
        "ok nord.example → sud.example: it takes what we sign",
        "!! nord.example → est.example: it answers 403. → ask est",
        "!! sud.example → nord.example: nobody could look. → run deploy/selfcheck.yml (no route)",
    ]
    assert not found["well"]
    assert pairs({"n": _host("nord", ["sud.example"], {"lines": [well]})}, ["n"])["well"]


def _host(academy: str, peers: list[str], looked: dict[str, Any]) -> dict[str, Any]:
    return {"preau_server_name": f"{academy}.example", "preau_peers": peers, "__federate_looked": looked}


# --- decommission -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "Say which académie goes"),
        (("-e", "decommission=nord"), "Say which académie goes"),
        (("-e", "decommission=nord.example"), "preau.sud.example belongs to sud.example: add `--limit academie_NAME`"),
        (("-e", "decommission=nord.example", "--limit", "academie_sud"), "Say which académie goes"),
        (
            ("-e", "decommission=nord.example", "--limit", "academie_nord", "-e", "backup_target_remove_backups=true"),
            "This playbook keeps all backups",
        ),
    ],
)
def test_decommission_wants_the_name_of_one_whole_academie_and_keeps_backups(
    three: Inventory, arguments: tuple[str, ...], why: str
) -> None:
    said = ansible_playbook("decommission.yml", three, *arguments, ok=False)
    assert why in said
    assert "Nobody comes in" not in said


def test_decommission_refuses_half_an_academie(tmp_path: Path) -> None:
    inventory = Inventory(tmp_path / "inventory", "nord")
    inventory.write({"academie_nord": ["a", "b"], "homeserver": ["a"], "database": ["b"]})
    said = ansible_playbook("decommission.yml", inventory, "-e", "decommission=nord.example", "--limit", "a", ok=False)
    assert "b would be left without the others" in said


def test_decommission_undoes_site_play_by_play_from_its_end() -> None:
    made = [(play["hosts"], role) for play in plays("site.yml") if "roles" in play for role in play["roles"]]
    removed = [
        (play["hosts"], task["ansible.builtin.include_role"]["name"])
        for play in plays("decommission.yml")
        for task in play.get("tasks", [])
        if task.get("ansible.builtin.include_role", {}).get("tasks_from") == "remove"
    ]
    assert removed == made[::-1]


@pytest.mark.parametrize("name", INVENTORIES)
def test_upgrade_brings_every_role_of_site_to_every_host_that_has_it(name: str) -> None:
    hosts = InventoryManager(loader=DataLoader(), sources=[str(ROOT / "inventories" / name)])
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    reached: defaultdict[str, set[str]] = defaultdict(set)
    for play in plays("site.yml"):
        for role in play.get("roles", []):
            wanted[role] |= {str(host) for host in hosts.get_hosts(play["hosts"])}
    for play in plays("upgrade.yml"):
        for step in (task for task in play.get("tasks", []) if "step.yml" in str(task)):
            roles = re.findall("[a-z_]+", str(step.get("loop", "")) + str(step.get("vars", {}).get("step_role", "")))
            for role in roles:
                reached[role] |= {str(host) for host in hosts.get_hosts(play["hosts"])}
    assert {role: missed for role, those in wanted.items() if (missed := those - reached[role])} == {}


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_a_pattern_of_hosts_is_written_one_way(name: str) -> None:
    """Ansible cuts at commas if there is one, and then takes what stands around a colon for the name of a group."""
    assert [play["hosts"] for play in plays(name) if "hosts" in play and "," in str(play["hosts"])] == []


def test_the_last_backup_comes_after_the_last_writer_and_before_the_first_removal() -> None:
    steps = [yaml.safe_dump(play) for play in plays("decommission.yml")]
    order = [
        next(number for number, step in enumerate(steps) if what in step)
        for what in ("decommission/sure.yml", "decommission/stop.yml", "backup.yml", "tasks_from: remove")
    ]
    assert all(first < second for first, second in pairwise(order))


# --- preflight, a second time in one run ----------------------------------------------------------------------------


def _noted(node: Any) -> Iterator[str]:
    """The names under which tasks keep what they found."""
    if isinstance(node, list):
        for each in node:
            yield from _noted(each)
    elif isinstance(node, dict):
        yield from node.get("ansible.builtin.set_fact") or {}
        yield from [node["register"]] if isinstance(node.get("register"), str) else []
        for each in node.values():
            yield from _noted(each)


def test_what_a_run_has_noted_is_no_wrong_setting_when_preflight_comes_again() -> None:
    files = [*DEPLOY.rglob("*.yml"), *ROLES.glob("*/tasks/*.yml"), *ROLES.glob("*/handlers/*.yml")]
    noted = sorted({name for file in files for name in _noted(yaml.safe_load(file.read_text()))})
    assert "__release_installed" in noted
    wiring = wiring_names(str(DEPLOY / "group_vars/all"))
    assert option_findings({"h": dict.fromkeys(noted, 1)}, ["h"], role_options(str(ROLES)), wiring, []) == []
    assert option_findings({"h": {"synapse_noted": 1}}, ["h"], role_options(str(ROLES)), wiring, []) != []


# --- preflight, over an inventory ---------------------------------------------------------------------------------

HOSTS = ("a", "b", "c")
WELL: dict[str, Any] = {
    "preau_academy": "nord",
    "preau_server_name": "nord.example",
    "preau_peers": ["sud.example"],
    "preau_admin_networks": ["192.0.2.0/24"],
    "web_tls_source": "files",
    "vault_word": "one that was drawn",
}
SECRETS = [{"name": "vault_word", "kind": "word"}, {"name": "vault_key", "kind": "given"}]


@pytest.mark.parametrize(
    ("changed", "says", "advises"),
    [
        ({}, "", ""),
        ({"preau_academy": "Nord !"}, "preau_academy is 'Nord !'", "small letters"),
        ({"preau_academy": "sud"}, "the host is not in academie_sud", "Name the group academie_sud"),
        ({"preau_server_name": "nord.example:8448"}, "preau_server_name is 'nord.example:8448'", "no port"),
        ({"preau_peers": "sud.example"}, "is not a list", "[sud.example, est.example]"),
        ({"preau_peers": ["nord.example"]}, "names the académie itself", "Name every other"),
        ({"preau_admin_networks": []}, "let nobody in by ssh", "the controller must be in one"),
        ({"preau_admin_networks": ["192.0.2.0/33"]}, "192.0.2.0/33", "Write an address"),
        ({"web_tls_source": "acme"}, "a and b would each ask for a certificate in vain", "web_tls_source: files"),
        ({"vault_word": None}, "missing: vault_word", "bootstrap_secrets.yml"),
        ({"vault_word": "CHANGE-ME"}, "placeholder: vault_word", "Remove these lines"),
        ({"vault_key": " "}, "empty, or still the example's placeholder: vault_key", "the other side gave you"),
    ],
)
def test_what_is_wrong_with_an_inventory_is_said_once_with_its_hosts(
    changed: dict[str, Any], says: str, advises: str
) -> None:
    hosts = {host: {**WELL, "inventory_hostname": host, **changed} for host in HOSTS}
    groups = {"academie_nord": [*HOSTS], "proxy": ["a", "b"]}
    found = variable_findings(hosts, HOSTS, groups, SECRETS)
    assert [line.startswith("a, b, c: ") and says in line and advises in line for line in found] == [True] * bool(says)
