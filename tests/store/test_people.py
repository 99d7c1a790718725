"""Register keys and the humans behind them."""

from __future__ import annotations

import pytest

from preau.errors import StoreError
from preau.model.ids import PersonId, Uai
from preau.model.people import RosterKey, RosterSource
from preau.store import people
from preau.store.engine import Store
from tests.store.samples import ALICE, BOB, CHLOE, NOON, NORTH, SOUTH, counted, introduce_all, key


async def test_a_key_introduced_is_recognised_and_no_other(store: Store) -> None:
    pairs = {key(1): ALICE, key(1, source=RosterSource.SIECLE_PUPIL): BOB, key(1, SOUTH): CHLOE}
    async with store.writing() as db:
        await people.introduce(db, pairs, NOON)
    async with store.reading() as db:
        asked = {*pairs, key(2), key(1, source=RosterSource.STS_STATE)}
        assert await people.recognised(db, asked) == pairs


async def test_one_person_may_have_several_keys(store: Store) -> None:
    async with store.writing() as db:
        await people.introduce(db, {key(1): ALICE}, NOON)
        await people.introduce(db, {key(1): ALICE, key(9, SOUTH): ALICE}, NOON)
    async with store.reading() as db:
        assert await people.keys_of(db, ALICE) == {key(1), key(9, SOUTH)}
        assert await people.schools_of(db, [ALICE, BOB]) == {ALICE: frozenset({NORTH, SOUTH})}
        assert await people.people_of(db, [SOUTH]) == {ALICE}


async def test_a_key_of_somebody_else_is_refused_and_nothing_is_kept(store: Store) -> None:
    await introduce_all(store)
    with pytest.raises(StoreError, match=f"siecle.personne/{NORTH}/0 already leads to {ALICE}"):
        async with store.writing() as db:
            await people.introduce(db, {key(77): BOB, key(0): BOB}, NOON)
    async with store.reading() as db:
        assert await people.recognised(db, [key(77)]) == {}


async def test_taken_tells_ids_that_were_ever_given(store: Store) -> None:
    await introduce_all(store)
    async with store.reading() as db:
        assert await people.taken(db, [ALICE, PersonId("zzzzzzzz")]) == {ALICE}
        assert await people.taken(db, []) == set()


@pytest.mark.parametrize("deed", ["recognised", "introduce", "schools_of", "taken"])
async def test_a_thousand_persons_cost_as_many_queries_as_ten(store: Store, deed: str) -> None:
    counts = []
    for count in (10, 1000):
        pairs = {key(n, Uai(f"school{count}")): PersonId(f"{count}.{n}") for n in range(count)}
        async with store.writing() as db:
            if deed != "introduce":
                await people.introduce(db, pairs, NOON)
            with counted(db) as sent:
                match deed:
                    case "recognised":
                        assert await people.recognised(db, pairs) == pairs
                    case "introduce":
                        await people.introduce(db, pairs, NOON)
                    case "schools_of":
                        assert len(await people.schools_of(db, pairs.values())) == count
                    case _:
                        assert len(await people.taken(db, pairs.values())) == count
        counts.append(len(sent))
    assert counts[0] == counts[1] > 0


async def test_a_hundred_thousand_persons_are_introduced_and_recognised(store: Store) -> None:
    pairs: dict[RosterKey, PersonId] = {
        key(n, Uai(f"{990000 + n // 1000:07}X")): PersonId(f"p{n:07}") for n in range(100_000)
    }
    async with store.writing() as db:
        await people.introduce(db, pairs, NOON)
    async with store.reading() as db:
        assert await people.recognised(db, pairs) == pairs
