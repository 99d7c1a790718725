"""Worker mode: every process of the homeserver decides by the same facts, and at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from preau.model.facts import Cell, Fact, FactKey, FactKind, Party, PersonFacts, RoomFacts, SchoolFacts
from preau.model.ids import PersonId, RoomId, UserId, split_user_id
from preau.model.people import Function
from preau.model.rooms import RoomKind
from tests.builders import NORTH
from tests.guard.guarded import Guarded, Reply
from tests.workers.harness import MAIN, WORKERS, SeveralProcesses

pytestmark = [pytest.mark.live, pytest.mark.postgresql]

WITHIN = 1.0
"""Seconds in which a fact counts on every process: a budget of the design."""

_PATIENCE = 20.0


def guardian_of(user: UserId, *children: UserId) -> PersonFacts:
    """What is known of somebody who is a guardian and nothing else."""
    own = frozenset(PersonId(split_user_id(child)[0]) for child in children)
    party = Party(PersonId(split_user_id(user)[0]), NORTH, frozenset({Function.GUARDIAN}), children=own)
    return PersonFacts(user, "Camille ESSAI · parent", (party,))


Trying = Callable[[str], Awaitable[Reply]]
"""Something that people do, at the address of one of the homeserver's processes."""


async def spread(
    processes: SeveralProcesses, tried: Trying, rule: str, pushing: Awaitable[None] | None = None
) -> float:
    """Seconds from the beginning of a push until every process answers by that rule (``""``: it is granted).

    What counts is when the request began: making a room takes its own time.
    """
    started = time.monotonic()
    if pushing is not None:
        await pushing

    async def until(url: str) -> float:
        expected = (403, rule) if rule else (200, "")
        while True:
            began = time.monotonic() - started
            reply = await tried(url)
            if (reply.status, reply.rule) == expected:
                return began
            assert began < _PATIENCE, reply
            await asyncio.sleep(0.01)

    return max(await asyncio.gather(*(until(url) for url in processes.urls.values())))


def talking(several: Guarded, user: UserId, other: UserId) -> Trying:
    """The wish for a conversation."""
    return lambda url: several.talk(user, other, at=url)


@pytest.mark.parametrize("pushed_to", [MAIN, *WORKERS])
async def test_a_fact_pushed_once_counts_on_every_process_within_a_second(
    several: Guarded, processes: SeveralProcesses, pushed_to: str
) -> None:
    url = processes.urls[pushed_to]
    guardian, teacher, pupil = [
        await several.person(function, logged_in=False)
        for function in (Function.GUARDIAN, Function.TEACHER, Function.PUPIL)
    ]
    room = await several.managed(RoomKind.STAFF)
    await several.bring_in(room, teacher)

    def saying(at: str) -> Awaitable[Reply]:
        return several.say(room, teacher, at=at)

    asking, pupils = talking(several, teacher, guardian), talking(several, guardian, pupil)
    closed = SchoolFacts(NORTH, {(Function.TEACHER, Function.GUARDIAN): Cell.NO})
    shut = RoomFacts(RoomId(room), RoomKind.DIRECTION, NORTH)
    changes: list[tuple[Trying, str, str, list[Fact], list[FactKey]]] = [
        (pupils, "contact", "unknown", [], [(FactKind.PERSON, guardian)]),
        (pupils, "unknown", "contact", [guardian_of(guardian)], []),
        (pupils, "contact", "", [guardian_of(guardian, pupil)], []),
        (asking, "", "contact", [closed], []),
        (asking, "contact", "", [SchoolFacts(NORTH)], []),
        (saying, "", "membership", [shut], []),
        (saying, "membership", "", [RoomFacts(RoomId(room), RoomKind.STAFF, NORTH)], []),
    ]
    took = []
    for tried, before, after, facts, gone in changes:
        await spread(processes, tried, before)  # from here on every process has what it decides by in its cache
        took.append(await spread(processes, tried, after, several.push(*facts, gone=gone, at=url)))
    print(f"pushed to {pushed_to}: after " + ", ".join(f"{1000 * span:.0f} ms" for span in took))
    assert max(took) < WITHIN


async def test_without_redis_a_change_counts_all_the_same(several: Guarded, processes: SeveralProcesses) -> None:
    guardian, pupil = (
        await several.person(Function.GUARDIAN, logged_in=False),
        await several.person(Function.PUPIL, logged_in=False),
    )
    asking = talking(several, guardian, pupil)
    await spread(processes, asking, "contact")  # from here on every process has them in its cache
    processes.redis.stop()
    try:
        took = await spread(processes, asking, "unknown", several.push(gone=[(FactKind.PERSON, guardian)]))
    finally:
        processes.redis.start()
    print(f"without Redis: after {took:.1f} s")
    assert took < 5  # each process looks once a second by itself


async def test_a_worker_decides_from_its_first_request_on(several: Guarded, processes: SeveralProcesses) -> None:
    pupil, other = (
        await several.person(Function.PUPIL, logged_in=False),
        await several.person(Function.PUPIL, logged_in=False),
    )
    processes.end("generic1")
    processes.run("generic1")
    await processes.answers("generic1")
    assert (await several.talk(pupil, other, at=processes.urls["generic1"])).rule == "contact"


async def test_facts_outlive_all_processes(several: Guarded, processes: SeveralProcesses) -> None:
    guardian, teacher = (
        await several.person(Function.GUARDIAN, logged_in=False),
        await several.person(Function.TEACHER, logged_in=False),
    )
    await processes.kill()
    await processes.start()
    for url in processes.urls.values():
        assert (await several.talk(guardian, teacher, at=url)).status == 200
    names = {process["name"] for process in (await several.status())["processes"]}
    assert names >= {"master", *WORKERS}
