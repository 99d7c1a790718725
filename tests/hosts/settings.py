"""The three académies of the deployment tests, and what an operator must say of each beside the shipped inventory."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Final

from preau.demo.cast import DEMO_YEAR
from tests.hosts.academies import Plan

NORD: Final = Plan(
    "nord",
    "single_host",
    "bookworm",
    without=frozenset({"sauvegarde"}),
    plainly=os.environ.get("PREAU_TEST_HOSTS") == "plainly",
)

_OUEST_HOST: Final = ("preau.ouest.example",)
OUEST: Final = Plan(
    "ouest",
    "single_host",
    "trixie",
    more={"redis": _OUEST_HOST, "workers": _OUEST_HOST},
    disks={"homeserver": "6G"},
    own_certificate=False,
)

_EACH_KIND: Final = ("generic", "persister", "federation-sender", "media", "pusher")
SUD: Final = Plan(
    "sud",
    "multi_host",
    "trixie",
    without=frozenset({"synapse-2", "entree-2"}),
    told={"synapse-1.sud.example": {"synapse_workers": [{"kind": kind, "count": 1} for kind in _EACH_KIND]}},
)
GROWN_SUD: Final = replace(SUD, without=frozenset({"entree-2"}))
"""The same with one worker host more, which says nothing of its workers."""

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


MAIL_HOST: Final = "poste.example"
MAIL_PORT: Final = 2525
MAIL_OPERATORS: Final = ("exploitation@rectorat.example",)


def mail_sender(plan: Plan) -> str:
    """By which address an académie's hosts write."""
    return f"preau@{plan.server}"


def mailing(plan: Plan) -> dict[str, Any]:
    """What `NORD` and `SUD` have besides: a mail server to hand over to, and whom alerts are sent to."""
    return {
        "mail_enabled": True,
        "mail_relay_host": MAIL_HOST,
        "mail_relay_port": MAIL_PORT,
        "mail_sender": mail_sender(plan),
        "mail_operators": list(MAIL_OPERATORS),
        "monitoring_mail_to": list(MAIL_OPERATORS),
        "monitoring_mail_from": mail_sender(plan),
    }


IN_A_FOLDER: Final = {"backup_repository": "folder"}
"""What `NORD` has besides: its backups in a folder of its own."""

ALONE: Final[dict[str, Any]] = {"preau_peers": []}
"""What `OUEST` has besides: nobody to talk to."""


def settings(plan: Plan) -> dict[str, Any]:
    """What stands on top of the inventory's own variables."""
    return {
        "preau_peers": [server for server in _SERVERS if server != plan.server],
        "preau_service_school_year": DEMO_YEAR,
        "synapse_ip_range_blacklist": _NOT_TALKED_TO,
        # A fresh Synapse otherwise takes a second's rest before each of its first minute's updates.
        "synapse_operator": {"background_updates": {"sleep_enabled": False}},
        "base_time_managed": False,  # a guest's clock is its machine's
        # The vendor's signatures are 300 MB a host: one of our own instead, of the file all scanners know as a test.
        "antivirus_database_mirror": "none",
        "antivirus_local_signatures": {"test.hdb": "44d88612fea8a8f36de82e1278abb02f:68:Preau-Test"},
    }
