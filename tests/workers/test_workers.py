"""Worker mode: every process of the homeserver decides by the same facts, and at once."""

from __future__ import annotations

import asyncio
import time

import pytest

from preau.model.facts import FactKind, Party, PersonFacts
from preau.model.ids import PersonId, UserId, split_user_id
from preau.model.people import Function
from tests.builders import NORTH
from tests.guard.guarded import Guarded
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


async def spread(several: Guarded, processes: SeveralProcesses, user: UserId, other: UserId, rule: str) -> float:
    """Seconds until every process answers the wish for a conversation by that rule (``""``: it is granted).

    Counted is when the request began: making the room takes its own time.
    """
    started = time.monotonic()

    async def until(url: str) -> float:
        expected = (403, rule) if rule else (200, "")
        while True:
            began = time.monotonic() - started
            reply = await several.talk(user, other, at=url)
            if (reply.status, reply.rule) == expected:
                return began
            assert began < _PATIENCE, reply
            await asyncio.sleep(0.01)

    return max(await asyncio.gather(*(until(url) for url in processes.urls.values())))


@pytest.mark.parametrize("pushed_to", [MAIN, *WORKERS])
async def test_a_fact_pushed_once_counts_on_every_process_within_a_second(
    several: Guarded, processes: SeveralProcesses, pushed_to: str
) -> None:
    url = processes.urls[pushed_to]
    guardian = await several.person(Function.GUARDIAN, logged_in=False)
    teacher = await several.person(Function.TEACHER, logged_in=False)
    pupil = await several.person(Function.PUPIL, logged_in=False)
    await spread(several, processes, guardian, pupil, "contact")  # from here on every process has them in its cache
    took = {}
    await several.push(gone=[(FactKind.PERSON, guardian)], at=url)
    took["gone"] = await spread(several, processes, guardian, teacher, "unknown")
    await several.push(guardian_of(guardian), at=url)
    took["back"] = await spread(several, processes, guardian, pupil, "contact")
    await several.push(guardian_of(guardian, pupil), at=url)
    took["own child"] = await spread(several, processes, guardian, pupil, "")
    print(f"pushed to {pushed_to}: " + ", ".join(f"{what} after {1000 * span:.0f} ms" for what, span in took.items()))
    assert max(took.values()) < WITHIN


async def test_without_redis_a_change_counts_all_the_same(several: Guarded, processes: SeveralProcesses) -> None:
    guardian, pupil = (
        await several.person(Function.GUARDIAN, logged_in=False),
        await several.person(Function.PUPIL, logged_in=False),
    )
    await spread(several, processes, guardian, pupil, "contact")  # from here on every process has them in its cache
    processes.redis.stop()
    try:
        await several.push(gone=[(FactKind.PERSON, guardian)])
        took = await spread(several, processes, guardian, pupil, "unknown")
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
