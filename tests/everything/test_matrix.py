"""The matrix: everybody tries everything with everybody, on every path, and the homeserver answers as policy says.

The expectations come from `preau.policy` and from nowhere else. ``make test`` takes a fixed sample of the tries,
``make test-matrix`` all of them.
"""

from __future__ import annotations

import pytest

from preau.model.ids import UserId
from tests.everything import conversations
from tests.everything.cast import Actor
from tests.everything.trial import WHOLE, Record, chosen
from tests.everything.world import World

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]

Rooms = list[tuple[Actor, Actor, str]]


@pytest.fixture(scope="session")
async def begun(world: World, record: Record) -> Rooms:
    """The conversations that began when everybody tried to begin one with everybody."""
    answers = await record.run(world, chosen(list(conversations.beginnings(world))))
    return conversations.begun_by(answers, world)


async def test_everybody_begins_conversations_with_those_whom_the_table_allows(begun: Rooms, record: Record) -> None:
    assert begun
    record.insist()


async def test_nobody_makes_another_room(world: World, record: Record) -> None:
    await record.run(world, chosen(list(conversations.other_rooms(world))))
    record.insist()


async def test_a_search_shows_those_whom_one_may_write_to_and_nobody_else(world: World) -> None:
    for tried, expected in conversations.searches(world):
        reply = await world.ask(tried.route.method, tried.path, tried.user, tried.body)
        found = {UserId(each["user_id"]) for each in reply.body["results"]}
        assert (found - expected, expected - found) == (set(), set()), tried.who


async def test_a_conversation_stays_between_the_two_and_as_it_is(world: World, record: Record, begun: Rooms) -> None:
    one_of_each = list({writer.part: (writer, reader, room) for writer, reader, room in begun}.values())
    await record.run(world, chosen(list(conversations.inside(world, one_of_each if WHOLE else one_of_each[:4]))))
    await record.run(world, conversations.entering(world, begun if WHOLE else begun[:4]))
    await record.run(world, conversations.writing_back(world, begun if WHOLE else begun[:4]))
    record.insist()
