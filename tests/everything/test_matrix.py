"""The matrix: everybody tries everything with everybody, on every path, and the homeserver answers as policy says.

The expectations come from `preau.policy` and from nowhere else. ``make test`` takes a fixed sample of the tries,
``make test-matrix`` all of them.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest

from preau.model.ids import UserId
from preau.model.rooms import RoomKind
from tests.everything import conversations, limited, managed, personal
from tests.everything.cast import Actor
from tests.everything.classified import ALLOWED_TO_SOME, RULED
from tests.everything.trial import OPEN, WHOLE, Answered, Record, Try, chosen
from tests.everything.world import World

pytestmark = [pytest.mark.live, pytest.mark.timeout(1800)]

Rooms = list[tuple[Actor, Actor, str]]


async def test_the_guard_does_without_what_is_not_as_expected(world: World, changed: tuple[str, ...]) -> None:
    status = await world.guarded.status()
    missing = {part.rpartition(".")[2] for part in status["missing_inner_parts"]}
    assert missing == {part.rpartition(".")[2] for part in changed}
    assert status["open_doors"] == []


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
    few = one_of_each if WHOLE else one_of_each[:4]
    await record.run(world, chosen(list(conversations.inside(world, few))))
    await record.run(world, conversations.entering(world, begun if WHOLE else few))
    await record.run(world, chosen(list(conversations.resetting(world, few))))
    await record.run(world, conversations.writing_back(world, begun if WHOLE else few))
    record.insist()


@pytest.fixture(scope="session")
async def scenes(world: World) -> list[managed.Scene]:
    """A managed room of every kind, with everybody in it who may enter; of every room version in the whole matrix."""
    wanted = [(kind, version) for kind in RoomKind for version in conversations.VERSIONS]
    return [await managed.make(world, *each) for each in (wanted if WHOLE else wanted[::5])]


async def test_in_managed_rooms_people_write_and_take_back_as_the_tables_say(
    world: World, record: Record, scenes: list[managed.Scene]
) -> None:
    sent = await record.run(world, [each for scene in scenes for each in _some(list(managed.writing(world, scene)))])
    back = [list(managed.taking_back(world, scene, [each for each in sent if _is_in(each, scene)])) for scene in scenes]
    await record.run(world, [each for tries in back for each in _some(tries)])
    record.insist()


async def test_nobody_changes_a_managed_room_or_who_is_in_it(
    world: World, record: Record, scenes: list[managed.Scene]
) -> None:
    before = [await _state(world, scene) for scene in scenes]
    tries = [each for scene in scenes for make in (managed.settings, managed.entering) for each in make(world, scene)]
    await record.run(world, chosen(tries))
    assert [await _state(world, scene) for scene in scenes] == before
    record.insist()


async def test_profiles_are_seen_by_those_who_share_a_room_and_changed_by_nobody(
    world: World, record: Record, scenes: list[managed.Scene]
) -> None:
    shared: dict[UserId, set[str]] = {}
    for scene in scenes:
        for actor in scene.inside:
            shared.setdefault(actor.user, set()).add(scene.room)
    await personal.give_fields(world)
    await record.run(world, chosen(list(personal.profiles(world, shared))))
    await record.run(world, chosen(list(personal.names(world))))
    record.insist()


async def test_files_messages_to_devices_and_ignoring_follow_the_tables(world: World, record: Record) -> None:
    for make in (personal.uploads, personal.device_messages, personal.ignored):
        await record.run(world, chosen(list(make(world))))
    await record.run(world, chosen(await personal.later_uploads(world)))
    record.insist()


async def test_nobody_makes_or_ends_accounts_nor_gives_them_an_address(world: World, record: Record) -> None:
    for make in (personal.accounts, personal.addresses):
        await record.run(world, chosen(list(make(world))))
    record.insist()


async def test_the_stock_directory_shows_nobody(world: World, record: Record) -> None:
    answers = await record.run(world, chosen(list(personal.stock_searches(world))))
    assert [each.reply.body["results"] for each in answers] == [[]] * len(answers)
    record.insist()


async def test_whoever_leaves_a_managed_room_comes_back_by_the_service_alone(
    world: World, record: Record, scenes: list[managed.Scene]
) -> None:
    left = scenes if WHOLE else scenes[1:2]
    await record.run(world, [each for scene in left for each in managed.leaving(world, scene)])
    await record.run(world, [each for scene in left for each in managed.coming_back(world, scene)])
    await record.run(world, [each for scene in left for each in managed.brought_back(world, scene)])
    await record.run(world, [each for scene in left for each in managed.coming_back(world, scene, OPEN)])
    record.insist()


@pytest.fixture(scope="session")
async def crowd(world: World) -> limited.Crowd:
    """New people, since what they do is counted."""
    return await limited.gather(world)


@pytest.mark.parametrize(
    "limit", [limited.conversations_of_a_day, limited.rooms_of_an_hour, limited.takebacks_of_an_hour]
)
async def test_an_account_does_as_much_as_its_function_may_and_no_more(
    world: World, record: Record, crowd: limited.Crowd, limit: limited.Limit
) -> None:
    await limit(world, record, crowd)
    record.insist()


async def test_a_second_device_reaches_few_until_it_is_confirmed(
    world: World, record: Record, crowd: limited.Crowd
) -> None:
    await limited.new_devices(world, record, crowd)
    record.insist()


async def test_every_ruled_route_was_tried_with_each_verdict_that_it_can_have(world: World, record: Record) -> None:
    """Each verdict in the whole matrix; the sample has too few tries for that."""
    found = {route: record.verdicts(route) for route in world.routes if RULED.get(route.deed, "search") != "search"}
    assert not {str(route) for route, verdicts in found.items() if not verdicts}
    if WHOLE:
        possible = {route: _possible(RULED[route.deed]) for route in found}
        assert {str(route): found[route] for route in found if found[route] != possible[route]} == {}
    print(f"{record.tried.total()} tries on {', '.join(world.urls)}: {record}")


def _possible(action: str) -> set[bool]:
    return {True, False} if action in ALLOWED_TO_SOME else {action == "stock search"}


def _some(tries: list[Try]) -> list[Try]:
    """Of one room: all, or every seventh."""
    return tries if WHOLE else tries[::7]


def _is_in(answered: Answered, scene: managed.Scene) -> bool:
    return f"/rooms/{scene.room}/" in unquote(answered.tried.path)


async def _state(world: World, scene: managed.Scene) -> object:
    """The room's state, by ids of events."""
    found = await world.as_bot("GET", f"/_matrix/client/v3/rooms/{quote(scene.room)}/state")
    return {event["event_id"] for event in found}
