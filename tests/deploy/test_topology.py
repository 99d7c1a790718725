"""Which ports a host opens, and to whom, as the filter beside the playbooks works it out from an inventory."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

pytest.importorskip("ansible", reason="needs the extra `deploy`")

from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from types import ModuleType

FILTERS = Path(__file__).parents[2] / "deploy" / "filter_plugins" / "topology.py"

GROUPS = {
    "database": ["db.nord", "all.sud"],
    "homeserver": ["hs.nord", "all.sud"],
    "workers": ["w2.nord", "w1.nord", "w6.nord"],
    "proxy": ["web.nord", "all.sud"],
    "service": ["hs.nord", "all.sud"],
}
ADDRESSES = {
    "db.nord": "10.0.0.1",
    "hs.nord": "10.0.0.2",
    "w1.nord": "10.0.0.3",
    "w2.nord": "10.0.0.4",
    "w6.nord": "fd00::6",
    "web.nord": "10.0.0.5",
    "all.sud": "10.1.0.1",
}
DATABASE = {"name": "postgresql", "port": 5432, "at": ["database"], "from": ["homeserver", "workers"], "spread": True}
SSH = {"name": "ssh", "port": 22, "at": ["all"], "from": ["admins"]}


def load() -> ModuleType:
    """The filters as Ansible loads them: by path, since the folder of playbooks is no package."""
    spec = importlib.util.spec_from_file_location("topology", FILTERS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def opened(row: dict[str, Any], host: str, *, admins: tuple[str, ...] = (), **addresses: str) -> list[dict[str, Any]]:
    """What ``host`` opens for one row, in an inventory of a spread académie (nord) and one on a single host (sud)."""
    where = ADDRESSES | {name.replace("_", "."): address for name, address in addresses.items()}
    hostvars = {
        name: {
            "preau_spread": name.endswith(".nord"),
            "preau_members": [other for other in where if other.endswith(name[-5:])],
            "preau_address": address,
            "preau_admin_networks": list(admins),
        }
        for name, address in where.items()
    }
    answer: list[dict[str, Any]] = load().FilterModule().filters()["preau_open_ports"]([row], host, GROUPS, hostvars)
    return answer


def test_a_database_apart_lets_in_those_who_use_it_each_once_and_sorted() -> None:
    assert opened(DATABASE, "db.nord") == [
        {"name": "postgresql", "port": "5432", "sources": ["10.0.0.2", "10.0.0.3", "10.0.0.4", "fd00::6"]},
    ]


def test_who_does_not_listen_opens_nothing() -> None:
    assert opened(DATABASE, "web.nord") == []


def test_where_everything_stands_on_one_host_nothing_between_parts_is_opened() -> None:
    assert opened(DATABASE, "all.sud") == []


def test_what_the_world_reaches_is_open_on_one_host_too() -> None:
    https = {"name": "https", "port": 443, "at": ["proxy"], "from": ["anybody"]}
    assert opened(https, "all.sud") == [{"name": "https", "port": "443", "sources": None}]


def test_no_host_of_another_academie_is_let_in() -> None:
    row = DATABASE | {"spread": False}
    assert "10.1.0.1" not in opened(row, "db.nord")[0]["sources"]
    assert opened(row, "all.sud") == []


def test_a_host_needs_no_hole_to_reach_itself() -> None:
    replication = {"name": "replication", "port": 8010, "at": ["homeserver"], "from": ["homeserver", "proxy"]}
    assert opened(replication, "hs.nord")[0]["sources"] == ["10.0.0.5"]


def test_ssh_is_for_the_networks_of_the_admins() -> None:
    networks = ("192.0.2.0/24", "2001:db8::/32")
    assert opened(SSH, "db.nord", admins=networks)[0]["sources"] == ["192.0.2.0/24", "2001:db8::/32"]


def test_ssh_stays_open_to_anybody_while_nobody_said_where_the_admins_are() -> None:
    assert opened(SSH, "db.nord") == [{"name": "ssh", "port": "22", "sources": None}]


def test_admins_who_are_not_named_do_not_open_what_has_no_row_for_them() -> None:
    assert opened(DATABASE, "db.nord")[0]["sources"] is not None


def test_a_range_of_ports_stays_a_range() -> None:
    workers = {"name": "workers", "port": "8100-8399", "at": ["workers"], "from": ["proxy"]}
    assert opened(workers, "w1.nord")[0]["port"] == "8100-8399"


@pytest.mark.parametrize("row", [DATABASE | {"from": ["strangers"]}, DATABASE | {"at": ["databases"]}])
def test_a_group_that_preau_does_not_know_is_refused_by_name(row: dict[str, Any]) -> None:
    with pytest.raises(AnsibleFilterError, match=r"postgresql names (strangers|databases)"):
        opened(row, "db.nord")


@pytest.mark.parametrize("address", ["hs.nord.example", "10.0.0.256", ""])
def test_a_source_that_is_no_address_is_refused_with_what_to_do(address: str) -> None:
    with pytest.raises(AnsibleFilterError, match="ansible_host"):
        opened(DATABASE, "db.nord", hs_nord=address)


def test_a_network_of_admins_that_is_none_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match=r"192\.0\.2\.0/33"):
        opened(SSH, "db.nord", admins=("192.0.2.0/33",))


def test_the_word_on_which_yaml_reads_as_true_is_not_taken_for_a_group() -> None:
    row = yaml.safe_load("{name: ssh, port: 22, on: [all], from: [admins]}")
    with pytest.raises(AnsibleFilterError, match="ssh does not say at"):
        opened(row, "db.nord")


def test_the_table_of_the_playbooks_is_complete_and_every_row_is_for_somebody() -> None:
    table = yaml.safe_load((FILTERS.parents[1] / "group_vars" / "all" / "network.yml").read_text())["preau_ports"]
    names = [row["name"] for row in table]
    assert len(set(names)) == len(names)
    everywhere = [found["name"] for host in ADDRESSES for row in table for found in opened(row, host)]
    assert {"ssh", "https", "postgresql"} <= set(everywhere) <= set(names)
