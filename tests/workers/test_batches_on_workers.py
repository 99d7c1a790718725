"""Batches asked of any process: the events are written by the one that Synapse made responsible for the room."""

from __future__ import annotations

import asyncio
import time
from itertools import cycle, islice
from urllib.parse import quote

import pytest

from tests.guard.batching import CLIENT, Tables, make, members, move, new_alias, order, staff
from tests.guard.guarded import GUARD, Guarded
from tests.workers.harness import MAIN, PERSISTERS, WORKERS, SeveralProcesses

pytestmark = [pytest.mark.live, pytest.mark.postgresql]


@pytest.mark.parametrize("version", ["11", "12"])
@pytest.mark.parametrize("asked", [MAIN, *WORKERS])
async def test_any_process_makes_rooms_and_moves_people(
    several: Guarded, processes: SeveralProcesses, asked: str, version: str
) -> None:
    url, people = processes.urls[asked], await staff(several, 130)
    made = await make(several, order(several, people[:120], version=version), at=url)
    assert (made["new"], set(made["joined"]), made["refused"]) == (True, set(people[:120]), {})
    room = made["room_id"]
    moved = await move(several, room, join=people[120:], leave=people[:10], at=url)
    assert (set(moved["joined"]), set(moved["left"]), moved["refused"]) == (set(people[120:]), set(people[:10]), {})
    assert await members(several, room) == set(people[10:])
    assert (await several.say(room, people[-1])).status == 200
    tables = Tables(processes)
    assert tables.faults(room) == []
    assert len(tables.extremities(room)) == 1
    assert tables.hops(room) <= 100


async def test_all_processes_together_make_one_room_of_an_alias(several: Guarded, processes: SeveralProcesses) -> None:
    people, alias = await staff(several, len(processes.urls)), new_alias()
    asked = zip(processes.urls.values(), people, strict=True)
    made = await asyncio.gather(*(make(several, order(several, [user], alias=alias), at=url) for url, user in asked))
    assert len({each["room_id"] for each in made}) == 1
    assert [each["new"] for each in made].count(True) == 1
    assert await members(several, made[0]["room_id"]) == set(people)


async def test_what_a_dead_process_had_begun_is_taken_over_at_once(
    several: Guarded, processes: SeveralProcesses
) -> None:
    (person,), alias = await staff(several, 1), new_alias()
    started = (await several.status())["processes"]
    (alive,) = (each["started_ms_ago"] for each in started if each["name"] == "generic1")
    now = time.time() * 1000
    for before, status in ((0, 503), (60_000, 200)):  # begun by the life that goes on, and by the one before
        _leave_begun(processes, f"#{alias}:{processes.server_name}", int(now - alive - before), int(now))
        reply = await several.call(
            "POST",
            f"{GUARD}/rooms",
            processes.bot,
            order(several, [person], alias=alias),
            at=processes.urls["generic2"],
        )
        assert reply.status == status, reply


def _leave_begun(processes: SeveralProcesses, alias: str, started: int, since: int) -> None:
    """What generic1 notes when it begins a room."""
    Tables(processes).write(
        "INSERT INTO preau_guard_building (alias, process, started_at, since) VALUES (?, 'generic1', ?, ?) "
        "ON CONFLICT (alias) DO UPDATE SET started_at = EXCLUDED.started_at",
        alias,
        started,
        since,
    )


async def test_all_processes_together_fill_one_room(several: Guarded, processes: SeveralProcesses) -> None:
    people = await staff(several, 120)
    room = (await make(several, order(several)))["room_id"]
    parts = [people[start :: len(processes.urls)] for start in range(len(processes.urls))]
    asked = zip(processes.urls.values(), parts, strict=True)
    moved = await asyncio.gather(*(move(several, room, join=part, at=url) for url, part in asked))
    assert {user for each in moved for user in each["joined"]} == set(people)
    assert await members(several, room) == set(people)
    assert (await several.say(room, people[0])).status == 200  # follows them all
    assert Tables(processes).faults(room) == []
    assert len(Tables(processes).extremities(room)) == 1


async def _room_of_each_writer(several: Guarded, processes: SeveralProcesses) -> dict[str, str]:
    """Rooms by the process that writes their events, one for each; they are asked of all processes in turn."""
    found: dict[str, str] = {}
    for _ in range(4):  # eight rooms each time: all of them of one writer would be a wonder
        asked = islice(cycle(processes.urls.values()), 8)
        made = await asyncio.gather(*(make(several, order(several), at=url) for url in asked))
        found |= {writer: room["room_id"] for room in made for writer in _writers(processes, room["room_id"])}
        if found.keys() == set(PERSISTERS):
            break
    assert found.keys() == set(PERSISTERS)
    return found


def _writers(processes: SeveralProcesses, room: str) -> set[str]:
    """The processes that wrote a room's events."""
    rows = Tables(processes).rows("SELECT DISTINCT instance_name FROM events WHERE room_id = ?", room)
    return {name for (name,) in rows}


async def test_rooms_of_both_writers_are_filled_and_emptied_by_whichever_process(
    several: Guarded, processes: SeveralProcesses
) -> None:
    people = await staff(several, 30)
    rooms = await _room_of_each_writer(several, processes)
    for writer, room in rooms.items():
        (other,) = set(PERSISTERS) - {writer}
        for asked in (other, "generic1"):
            url = processes.urls[asked]
            filled = await move(several, room, join=people, at=url)
            assert (set(filled["joined"]), filled["refused"]) == (set(people), {})
            assert await members(several, room) == set(people)
            emptied = await move(several, room, leave=people, at=url)
            assert (set(emptied["left"]), emptied["refused"]) == (set(people), {})
            assert await members(several, room) == set()
        assert (await several.say(room, several.homeserver.bot)).status == 200  # follows them all
        assert _writers(processes, room) == {writer}
        assert Tables(processes).faults(room) == []
        assert len(Tables(processes).extremities(room)) == 1


async def test_a_client_misses_nothing_of_what_two_writers_do_at_once(
    several: Guarded, processes: SeveralProcesses
) -> None:
    (person,) = await staff(several, 1)
    rooms = await _room_of_each_writer(several, processes)
    at = processes.urls["generic2"]
    begun = await several.call("GET", f"{CLIENT}/sync", person, query="timeout=0", at=at)
    since = begun.body["next_batch"]
    for heading, body in (("join", {"join": [person]}), ("leave", {"leave": [person]})):
        moves = (
            move(several, room, **body, at=processes.urls[asked])
            for room, asked in zip((rooms[writer] for writer in PERSISTERS), reversed(PERSISTERS), strict=True)
        )
        await asyncio.gather(*moves)
        told = set[str]()
        async with asyncio.timeout(5):
            while told != set(rooms.values()):
                query = f"timeout=5000&since={quote(since)}"
                reply = await several.call("GET", f"{CLIENT}/sync", person, query=query, at=at)
                since = reply.body["next_batch"]
                told |= set(reply.body.get("rooms", {}).get(heading, {}))


async def test_a_client_at_one_process_sees_at_once_what_another_did(
    several: Guarded, processes: SeveralProcesses
) -> None:
    (person,) = await staff(several, 1)
    room = (await make(several, order(several), at=processes.urls["generic1"]))["room_id"]
    at = processes.urls["generic2"]
    begun = await several.call("GET", f"{CLIENT}/sync", person, query="timeout=0", at=at)
    query = f"timeout=30000&since={quote(begun.body['next_batch'])}"
    waiting = asyncio.create_task(several.call("GET", f"{CLIENT}/sync", person, query=query, at=at))
    await asyncio.sleep(0.3)
    await move(several, room, join=[person], at=processes.urls["generic1"])
    async with asyncio.timeout(5):
        assert room in (await waiting).body["rooms"]["join"]
