"""The two académies of the deployment tests, and what an operator must say of each beside the shipped inventory."""

from __future__ import annotations

from typing import Any, Final

from preau.demo.cast import DEMO_YEAR
from tests.hosts.academies import Plan

NORD: Final = Plan("nord", "single_host", "bookworm", disks={"homeserver": "6G"})
OUEST: Final = Plan("ouest", "single_host", "bookworm", without=frozenset({"sauvegarde"}))
SUD: Final = Plan("sud", "multi_host", "trixie", without=frozenset({"synapse-2", "entree-2", "veille"}))

_SERVERS: Final = tuple(plan.server for plan in (NORD, SUD))
# The académies meet on a private network here, which homeservers do not talk to unless told so.
_NOT_TALKED_TO: Final = [
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fe80::/10",
    "fc00::/7",
]


ALONE: Final = {"preau_peers": [], "backup_repository": "folder"}
"""What `OUEST` has besides: nobody to talk to, and its backups in a folder of its own."""


def settings(plan: Plan) -> dict[str, Any]:
    """What stands on top of the inventory's own variables."""
    return {
        "preau_peers": [server for server in _SERVERS if server != plan.server],
        "preau_service_school_year": DEMO_YEAR,
        "synapse_ip_range_blacklist": _NOT_TALKED_TO,
        "base_time_managed": False,  # a guest's clock is its machine's
        # The vendor's signatures are 300 MB a host: one of our own instead, of the file all scanners know as a test.
        "antivirus_database_mirror": "none",
        "antivirus_local_signatures": {"test.hdb": "44d88612fea8a8f36de82e1278abb02f:68:Preau-Test"},
    }
