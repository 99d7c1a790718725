"""What `preau doctor` makes of what there was to see, and what it advises."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from preau.errors import HomeserverError, HomeserverUnreachable, StoreError
from preau.matrix.guard import GuardProcess, GuardStatus, Held
from preau.model.ids import ServerName, UserId
from preau.sync.diagnosis import Seen, Told, diagnose
from tests.builders import NOON

FACTS = {"person": 3, "room": 2}
SUD, EST = ServerName("sud.example"), ServerName("est.example")
PEERS = {SUD: UserId("@preau:sud.example")}
_YESTERDAY = GuardProcess("worker1", 1, 25 * 3600.0)
MASTER, WORKER = GuardProcess("master", 7, 3.0), GuardProcess("worker1", 7, 9.0)
GUARD = GuardStatus(Held("ours", 7), FACTS, (), (MASTER, WORKER), PEERS)
TOLD = Told("ours", 7, 0, None, FACTS)
WELL = Seen(synapse="1.163.2", bot_is_admin=True, guard=GUARD, told=TOLD, peers=PEERS, now=NOON)


def wrong(seen: Seen) -> dict[str, str]:
    """What is not well, by code: what was said and advised."""
    return {check.code: f"{check.said} {check.advice}" for check in diagnose(seen) if not check.well}


def test_where_all_is_well_nothing_is_advised() -> None:
    assert wrong(WELL) == {}
    said = " ".join(check.said for check in diagnose(WELL))
    assert "Synapse 1.163.2" in said
    assert "agree on version 7" in said
    assert "worker1 decides by version 7" in said


@pytest.mark.parametrize("told", [None, Told("ours", 0, 0, None, {})])
def test_a_new_service_that_has_told_nothing_agrees_with_a_new_guard(told: Told | None) -> None:
    new = replace(GUARD, held=Held("", 0), facts={}, processes=())
    assert wrong(replace(WELL, guard=new, told=told)) == {}


def test_a_guard_that_lost_everything_is_found() -> None:
    lost = replace(GUARD, held=Held("", 0), facts={}, processes=())
    assert "another database" in wrong(replace(WELL, guard=lost))["facts"]


def _behind(version: int) -> GuardStatus:
    return replace(GUARD, held=Held("ours", version), processes=())


@pytest.mark.parametrize(
    ("seen", "code", "says"),
    [
        (Seen(store_trouble=StoreError("The database is locked.", advice="Wait.")), "store", "locked. Wait."),
        (replace(WELL, trouble=HomeserverUnreachable("no answer")), "homeserver", "no answer"),
        (replace(WELL, bot_is_admin=False), "bot", "no administrator"),
        (replace(WELL, guard=None), "guard", "Load the module"),
        (replace(WELL, guard=None, guard_trouble=HomeserverError("500", status=500)), "guard", "500"),
        (replace(WELL, guard=replace(GUARD, held=Held("theirs", 7))), "facts", "another service"),
        (replace(WELL, told=None), "facts", "another service"),
        (replace(WELL, guard=_behind(5)), "facts", "version 5; it should be at 7"),
        (replace(WELL, guard=_behind(9)), "facts", "version 9; it should be at 7"),
        (replace(WELL, told=replace(TOLD, facts={"person": 4})), "facts", "3 person facts, 2 room facts; we told it 4"),
        (
            replace(WELL, guard=_behind(5), told=replace(TOLD, waiting=2, since=NOON - timedelta(seconds=90))),
            "lag",
            "2 pushes wait for the guard, the oldest for 90 s. Is `preau serve` running?",
        ),
        (replace(WELL, peers={}), "peers", "differ on sud.example. Give `synapse_federation_peers`"),
        (replace(WELL, peers={**PEERS, EST: UserId("@preau:est.example")}), "peers", "differ on est.example."),
        (replace(WELL, peers={SUD: UserId("@bot:sud.example")}), "peers", "differ on sud.example."),
        (replace(WELL, guard=replace(GUARD, missing=("Store.persist",))), "inner part Store.persist", "does without"),
        (replace(WELL, guard=replace(GUARD, doors=("messages",))), "door messages", "Nobody judges messages"),
        (
            replace(WELL, workers=frozenset({"worker1", "worker2"})),
            "process worker2",
            "worker2 has never said anything",
        ),
        (
            replace(WELL, workers=frozenset({"worker1"}), guard=replace(GUARD, processes=(MASTER, _YESTERDAY))),
            "process worker1",
            "nothing for 90000 s",
        ),
        (
            replace(WELL, guard=replace(GUARD, processes=(GuardProcess("worker1", 7, 31.0),))),
            "process worker1",
            "nothing for 31 s",
        ),
        (
            replace(WELL, guard=replace(GUARD, processes=(GuardProcess("worker1", 6, 1.0),))),
            "process worker1",
            "decides by version 6",
        ),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(seen: Seen, code: str, says: str) -> None:
    found = wrong(seen)
    assert list(found) == [code]
    assert says in found[code]


@pytest.mark.parametrize(
    "seen",
    [
        replace(WELL, told=None, guard=replace(GUARD, held=Held("", 0), facts={}, processes=())),
        replace(WELL, guard=_behind(5), told=replace(TOLD, waiting=2, since=NOON - timedelta(seconds=1))),
        replace(WELL, guard=replace(GUARD, processes=(GuardProcess("gone", 1, 25 * 3600.0),))),
    ],
    ids=["nobody has an account yet", "pushes on their way", "a worker taken away"],
)
def test_what_is_only_a_matter_of_time_is_well(seen: Seen) -> None:
    assert wrong(seen) == {}
