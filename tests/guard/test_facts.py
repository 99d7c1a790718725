"""Facts reach the guard once, in order, and count from then on; what cannot be read opens nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver
from preau.model.facts import Cell, FactKind, SchoolFacts
from preau.model.people import Function
from tests.builders import SOUTH
from tests.guard.guarded import GUARD, Guarded, Reply, guarded_spec

pytestmark = pytest.mark.live


async def _put(guarded: Guarded, body: dict[str, Any]) -> Reply:
    return await guarded.call("PUT", f"{GUARD}/facts", guarded.homeserver.bot, body)


def _database(guarded: Guarded) -> sqlite3.Connection:
    return sqlite3.connect(guarded.homeserver.spec.folder / "data" / "homeserver.db", timeout=10)


async def test_a_fact_pushed_counts_at_once(guarded: Guarded) -> None:
    teacher, guardian = await guarded.person(Function.TEACHER), await guarded.person(Function.GUARDIAN)
    assert (await guarded.talk(guardian, teacher)).status == 200
    await guarded.push(gone=[(FactKind.PERSON, teacher)])
    assert (await guarded.talk(guardian, teacher)).rule == "contact"


async def test_once_a_push_is_answered_none_of_many_at_once_is_judged_by_what_was_before(guarded: Guarded) -> None:
    guardian, teacher = await guarded.person(Function.GUARDIAN), await guarded.person(Function.TEACHER)
    room = (await guarded.talk(guardian, teacher)).body["room_id"]
    assert (await guarded.say(room, guardian)).status == 200
    await guarded.push(gone=[(FactKind.PERSON, guardian)])
    replies = await asyncio.gather(*(guarded.say(room, guardian) for _ in range(8)))
    assert {(reply.status, reply.rule) for reply in replies} == {(403, "unknown")}


async def test_a_school_that_tightens_its_table_is_obeyed(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER, school=SOUTH, divisions=["5 A"])
    mine = await guarded.person(Function.GUARDIAN, school=SOUTH, divisions=["5 A"])
    other = await guarded.person(Function.GUARDIAN, school=SOUTH, divisions=["4 B"])
    await guarded.push(SchoolFacts(SOUTH, {(Function.GUARDIAN, Function.TEACHER): Cell.SAME_DIVISION}))
    try:
        assert (await guarded.talk(other, teacher)).rule == "contact"
        assert (await guarded.talk(mine, teacher)).status == 200
    finally:
        await guarded.push(SchoolFacts(SOUTH))


async def test_the_same_push_again_changes_nothing_and_is_taken(guarded: Guarded) -> None:
    await guarded.push()
    body = {"stream": guarded.stream, "after": guarded.version - 1, "version": guarded.version, "facts": {}}
    again = await _put(guarded, body)
    assert (again.status, again.body["version"]) == (200, guarded.version)


@pytest.mark.parametrize("ahead", [-1, 1])
async def test_a_push_out_of_order_is_not_taken(guarded: Guarded, ahead: int) -> None:
    await guarded.push()
    await guarded.push()
    after = guarded.version + ahead
    body = {"stream": guarded.stream, "after": after, "version": guarded.version + 5, "facts": {}}
    refused = await _put(guarded, body)
    assert (refused.status, refused.body) == (409, {"stream": guarded.stream, "version": guarded.version})


async def test_another_service_must_say_that_it_takes_over(guarded: Guarded) -> None:
    await guarded.push()
    body = {"stream": "another", "after": guarded.version, "version": guarded.version + 1, "facts": {}}
    assert (await _put(guarded, body)).status == 409


@pytest.fixture
async def alone(tmp_path: Path, guard_authority: Authority) -> AsyncIterator[Guarded]:
    """A guarded homeserver whose facts this test may lose."""
    async with Homeserver(guarded_spec(tmp_path, guard_authority)) as homeserver:
        yield Guarded(homeserver)


async def test_whoever_takes_over_may_forget_what_it_did_not_repeat(alone: Guarded) -> None:
    guarded = alone
    kept, lost = await guarded.person(Function.DIRECTION), await guarded.person(Function.TEACHER)
    others = dict((await guarded.status())["facts"])
    repeated = {"person": {kept: {"name": "N", "schools": {"0990001N": {"functions": ["direction"]}}}}}
    version = guarded.version + 100
    taken = await _put(guarded, {"stream": "restored", "after": None, "version": version, "facts": repeated})
    assert taken.status == 200
    guarded.stream, guarded.version = "restored", version
    assert dict((await guarded.status())["facts"]) == others
    last = {"stream": "restored", "after": version, "version": version + 1, "facts": {}, "forget_before": version}
    assert (await _put(guarded, last)).status == 200
    assert dict((await guarded.status())["facts"]) == {"person": 1}
    assert (await guarded.talk(kept, lost)).rule == "contact"


async def test_a_fact_that_cannot_be_read_opens_nothing(guarded: Guarded) -> None:
    teacher, guardian = await guarded.person(Function.TEACHER), await guarded.person(Function.GUARDIAN)
    with _database(guarded) as database:
        database.execute("UPDATE preau_guard_fact SET body = '{\"name\": 7}' WHERE id = ?", (teacher,))
    refused = await guarded.talk(guardian, teacher)
    assert (refused.status, refused.rule) == (403, "not_ready")


async def test_only_the_bot_pushes_facts(guarded: Guarded) -> None:
    principal = await guarded.person(Function.DIRECTION)
    body = {"stream": "x", "after": None, "version": 10**9, "facts": {}}
    assert (await guarded.call("PUT", f"{GUARD}/facts", principal, body)).status == 403
    del guarded.tokens[principal]  # the application service acting for somebody else than its bot
    assert (await guarded.call("PUT", f"{GUARD}/facts", principal, body)).status == 403


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stream": ""}, "stream"),
        ({"version": "2"}, "version"),
        ({"version": True}, "version"),
        ({"after": 2**60}, "after"),
        ({"after": 5, "version": 5}, "higher than after"),
        ({"facts": []}, "facts"),
        ({"facts": {"person": []}}, "facts"),
        ({"facts": {"king": {}}}, "unknown kinds king"),
        ({"facts": {"person": {"nobody": {}}}}, "no Matrix user id"),
    ],
)
async def test_a_push_that_is_not_understood_stores_nothing(
    guarded: Guarded, change: dict[str, object], said: str
) -> None:
    before = await guarded.status()
    refused = await _put(guarded, {"stream": "x", "after": None, "version": 10**9, "facts": {}, **change})
    assert (refused.status, refused.body["errcode"]) == (400, "M_BAD_JSON")
    assert said in refused.body["error"]
    assert (await guarded.status())["version"] == before["version"]


async def test_the_guard_says_how_it_stands(guarded: Guarded) -> None:
    await guarded.person(Function.TEACHER)
    status = await guarded.status()
    assert (status["stream"], status["version"]) == (guarded.stream, guarded.version)
    assert status["facts"]["person"] > 0
    assert status["missing_inner_parts"] == []
    assert [process["name"] for process in status["processes"]] == ["master"]


async def test_a_process_that_a_decision_brought_up_to_date_says_so_at_the_next_look(guarded: Guarded) -> None:
    teacher, guardian = await guarded.person(Function.TEACHER), await guarded.person(Function.GUARDIAN)
    said = []
    for _ in range(2):
        await guarded.push()
        assert (await guarded.talk(guardian, teacher)).status == 200  # the decision is what catches up, not the look
        said.append(await _said_at(guarded, guarded.version))
    assert said[1] - said[0] < 10_000, "it waited for its next sign of life"


async def _said_at(guarded: Guarded, version: int) -> int:
    """When the process said, in Synapse's milliseconds, that it decides by that version."""
    for _ in range(200):
        with _database(guarded) as database:
            known, at = database.execute("SELECT version, seen_at FROM preau_guard_process").fetchone()
        if known >= version:
            return int(at)
        await asyncio.sleep(0.1)
    raise AssertionError(f"no process says that it decides by version {version}")
