"""What takes something away reaches the guard before the homeserver is asked to act on it; what gives, before joins."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from preau.demo.homeserver import Homeserver as Synapse
from preau.matrix.calls import Endpoint
from preau.matrix.client import Homeserver
from preau.model.decisions import Override, Restriction
from preau.model.people import RosterSource
from preau.sync import settle
from tests.live.schools import ACTOR, School, only_children, school_at, with_links_of
from tests.live.way import FACTS, Way, way_to

pytestmark = pytest.mark.live

PUSH = f"PUT {FACTS}"


@pytest.fixture
async def way(nord: Synapse) -> AsyncIterator[Way]:
    async with way_to(nord) as way:
        yield way


@pytest.fixture
async def school(nord: Synapse, way: Way, tmp_path: Path) -> AsyncIterator[School]:
    """A school whose service reaches the homeserver by that way."""
    endpoint = Endpoint(way.url, nord.as_token, nord.bot, nord.server_name)
    async with school_at(nord, tmp_path) as school, Homeserver(endpoint) as watched:
        school.context = replace(school.context, homeserver=watched)
        yield school


def deeds(way: Way) -> list[str]:
    """What was asked to be done, in order: pushes, accounts, and everything that changes a room."""
    return [asked for asked in way.asked if not asked.startswith("GET")]


def is_account(asked: str) -> bool:
    return "/_synapse/admin/v2/users/" in asked


async def test_an_account_is_made_then_told_of_then_brought_into_rooms(school: School, way: Way) -> None:
    child = await school.guardian(next(iter(only_children(school.demo))))
    await school.activate(child)
    done = deeds(way)
    first = done.index(PUSH)
    assert done[:first]
    assert all(is_account(asked) for asked in done[:first])
    assert not any(is_account(asked) for asked in done[first:])
    assert done[-1] == PUSH  # the rooms that were made


async def test_a_courts_decision_reaches_the_guard_before_the_rooms(school: School, way: Way) -> None:
    key, child = next(iter(only_children(school.demo).items()))
    person, pupil = await school.guardian(key), await school.person(RosterSource.SIECLE_PUPIL, child)
    await school.activate(person)
    way.asked.clear()
    now = school.context.clock.now()
    override = Override(person, pupil, school.uai, Restriction.NO_ACCESS, "JAF 26/1", "dir", now, None)
    await settle.set_override(school.context, override, actor=ACTOR)
    assert deeds(way)[0] == PUSH
    assert len(deeds(way)) > 1


async def test_accepted_rosters_reach_the_guard_before_the_rooms(school: School, way: Way) -> None:
    guardians = iter(only_children(school.demo).items())
    (key, child), (_, other) = next(guardians), next(guardians)
    assert child != other
    await school.activate(await school.guardian(key))
    await school.take_in(with_links_of(school.demo, key, other))
    way.asked.clear()
    await school.apply()
    assert deeds(way)[0] == PUSH
