"""Facts on their way: what differs is queued in numbered pushes, until the guard confirms them."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from preau.model.facts import Fact, FactKey, Party, PersonFacts, RoomFacts, key_of
from preau.model.ids import PersonId, RoomId, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from preau.store import facts_outbox as outbox
from preau.store.engine import Store
from preau.store.facts_outbox import Stream
from tests.store.samples import NOON, NORTH, SOUTH, counted


def person(name: str, function: Function = Function.TEACHER) -> PersonFacts:
    return PersonFacts(UserId(f"@{name}:nord.example"), name, (Party(PersonId(name), NORTH, frozenset({function})),))


def room(name: str) -> RoomFacts:
    return RoomFacts(RoomId(f"!{name}"), RoomKind.STAFF, NORTH)


async def queue(store: Store, *facts: Fact, gone: tuple[FactKey, ...] = ()) -> Stream:
    async with store.writing() as db:
        told: dict[FactKey, Fact | None] = {key_of(fact): fact for fact in facts}
        return await outbox.queue(db, await outbox.take_turn(db), told | dict.fromkeys(gone), NOON)


async def bodies(store: Store) -> list[dict[str, Any]]:
    async with store.reading() as db:
        return [json.loads(push.body) for push in await outbox.waiting(db, 100)]


async def test_the_first_push_takes_over_and_each_follows_the_one_before(store: Store) -> None:
    await queue(store, person("ali"))
    mine = await queue(store, person("zoe"))
    told = await bodies(store)
    assert [(each["after"], each["version"], each["stream"]) for each in told] == [
        (None, 1, mine.name),
        (1, 2, mine.name),
    ]
    assert list(told[1]["facts"]["person"]) == ["@zoe:nord.example"]


async def test_what_was_queued_before_is_not_queued_again(store: Store) -> None:
    await queue(store, person("ali"), room("one"))
    assert (await queue(store, person("ali"), room("one"))).version == 1
    assert (await queue(store, person("ali", Function.DIRECTION), room("one"))).version == 2
    assert list((await bodies(store))[1]["facts"]) == ["person"]


async def test_a_fact_that_is_no_more_is_told_once(store: Store) -> None:
    await queue(store, person("ali"))
    gone = (key_of(person("ali")),)
    await queue(store, gone=gone)
    assert (await queue(store, gone=gone)).version == 2
    assert (await bodies(store))[1]["facts"] == {"person": {"@ali:nord.example": None}}
    assert (await queue(store, person("ali"))).version == 3


async def test_many_facts_go_in_several_pushes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "AT_MOST", 4)
    await queue(store, *(person(f"p{number}") for number in range(10)))
    assert [len(each["facts"]["person"]) for each in await bodies(store)] == [4, 4, 2]


async def test_what_is_undone_was_never_queued(store: Store) -> None:
    async def stopped_short() -> None:
        async with store.writing() as db:
            await outbox.queue(db, await outbox.take_turn(db), {key_of(person("ali")): person("ali")}, NOON)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await stopped_short()
    assert await bodies(store) == []
    assert (await queue(store, person("ali"))).version == 1


async def test_confirmed_pushes_go_and_those_of_another_stream_stay(store: Store) -> None:
    await queue(store, person("ali"))
    mine = await queue(store, person("zoe"))
    async with store.writing() as db:
        await outbox.confirmed(db, "another", 2)
        assert await outbox.lag(db) == (2, NOON)
        await outbox.confirmed(db, mine.name, 1)
        assert [push.version for push in await outbox.waiting(db, 9)] == [2]


async def test_a_reload_begins_above_the_guard_tells_everything_and_ends_by_forgetting_the_rest(store: Store) -> None:
    judged = await queue(store, person("ali"))
    async with store.writing() as db:
        assert await outbox.begin_reload(db, judged, above=40)
    again = await queue(store, person("ali"))
    async with store.writing() as db:
        await outbox.end_reload(db, again, NOON)
    told = [(each["after"], each["version"], each["forget_before"]) for each in await bodies(store)]
    assert told == [(None, 41, 0), (41, 42, 41)]
    assert (await queue(store, person("zoe"))).reload_from is None


async def test_two_who_find_the_same_trouble_begin_one_reload(store: Store) -> None:
    await queue(store, person("ali"))
    async with store.writing() as db:
        await outbox.end_reload(db, await outbox.take_turn(db), NOON)
        judged = await outbox.take_turn(db)

    async def begin() -> bool:
        async with store.writing() as db:
            return await outbox.begin_reload(db, judged, above=9)

    assert sorted(await asyncio.gather(begin(), begin())) == [False, True]


async def test_pushers_at_once_take_turns(store: Store) -> None:
    await asyncio.gather(*(queue(store, person(f"p{number}")) for number in range(8)))
    assert [each["version"] for each in await bodies(store)] == list(range(1, 9))


async def test_rooms_are_remembered_by_school(store: Store) -> None:
    await queue(store, room("one"), person("ali"))
    async with store.reading() as db:
        assert await outbox.rooms_told_of(db, [NORTH, SOUTH]) == {"!one"}
        assert await outbox.rooms_told_of(db, [SOUTH]) == frozenset()
        assert await outbox.counts(db) == {"room": 1, "person": 1}


async def test_by_what_schools_were_worked_out_is_kept_until_everything_is_told_anew(store: Store) -> None:
    mine, later = await queue(store, person("ali")), NOON + timedelta(days=1)
    async with store.writing() as db:
        assert await outbox.derived_longest_ago(db) is None
        await outbox.note_derived(db, {NORTH: "lax"}, NOON)
        await outbox.note_derived(db, {SOUTH: "lax"}, later)
        await outbox.note_derived(db, {NORTH: "strict"}, later + timedelta(days=1))
        assert await outbox.derived(db) == {NORTH: "strict", SOUTH: "lax"}
        assert await outbox.derived_longest_ago(db) == SOUTH
        await outbox.begin_reload(db, mine, above=0)
        assert await outbox.derived(db) == {}


async def test_without_a_guard_nothing_is_kept_for_it(store: Store) -> None:
    await queue(store, person("ali"))
    async with store.writing() as db:
        await outbox.forget_everything(db)
        assert (await outbox.stream(db), await outbox.lag(db), await outbox.counts(db)) == (None, (0, None), {})


async def test_queueing_takes_as_many_statements_for_many_as_for_few(store: Store) -> None:
    async def statements(names: list[str]) -> int:
        async with store.writing() as db:
            mine = await outbox.take_turn(db)
            with counted(db) as sent:
                await outbox.queue(db, mine, {key_of(person(name)): person(name) for name in names}, NOON)
            return len(sent)

    assert await statements(["a", "b"]) == await statements([f"p{number}" for number in range(50)])
