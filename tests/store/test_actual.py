"""What we know the homeserver has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from preau.errors import StoreError
from preau.model.ids import PersonId, RoomId, Uai, UserId
from preau.model.rooms import RoomKey, RoomKind
from preau.model.wanted import ActualAccount, ActualRoom, Membership, StateKey
from preau.store import actual, people
from preau.store.actual import Place
from preau.store.engine import Store
from tests.store.samples import ALICE, BOB, CHLOE, NOON, NORTH, SOUTH, counted, introduce_all, key


def user(person: str) -> UserId:
    return UserId(f"@{person}:nord.example")


NAME, POWERS = StateKey("m.room.name"), StateKey("m.room.power_levels")
CHILD = StateKey("m.space.child", "!other")
ROOM = ActualRoom(
    key=RoomKey(RoomKind.ANNOUNCE_DIVISION, NORTH, "5 A"),
    room=RoomId("!opaque-without-domain"),
    version="12",
    state={NAME: {"name": "Annonces — 5 A"}, POWERS: {"users": {user(CHLOE): 50}, "ban": 100}},
    members={user(ALICE): Membership.JOIN, user(BOB): Membership.INVITE},
)
ACADEMY = replace(ROOM, key=RoomKey(RoomKind.SPACE_ACADEMY, Uai("")), room=RoomId("!academy"), state={}, members={})
ACCOUNT = ActualAccount(user(BOB), BOB, "Bob MARTIN · parent", active=True, activated_at=NOON)


async def save(store: Store, *rooms: ActualRoom) -> None:
    async with store.writing() as db:
        for room in rooms:
            await actual.save_room(db, room)


async def load(store: Store, room: RoomId = ROOM.room) -> ActualRoom | None:
    async with store.reading() as db:
        return await actual.room_by_id(db, room)


async def test_a_room_comes_back_whole(store: Store) -> None:
    await save(store, ROOM, ACADEMY)
    assert await load(store) == ROOM
    assert await load(store, RoomId("!unknown")) is None
    async with store.reading() as db:
        assert await actual.place_of(db, ROOM.room) == (ROOM.key, ROOM.version)
        assert await actual.place_of(db, RoomId("!unknown")) is None
        assert await actual.rooms_of_school(db, NORTH) == {ROOM.key: ROOM}
        assert await actual.rooms_of_school(db, Uai("")) == {ACADEMY.key: ACADEMY}
        assert await actual.rooms_of_school(db, SOUTH) == {}


async def test_saving_a_room_again_replaces_all_of_it(store: Store) -> None:
    changed = replace(ROOM, version="11", state={CHILD: {}}, members={user(CHLOE): Membership.BAN})
    await save(store, ROOM, changed)
    assert await load(store) == changed


async def test_a_room_that_was_upgraded_takes_the_place_of_the_old_one(store: Store) -> None:
    successor = replace(ROOM, room=RoomId("!successor"))
    await save(store, ROOM, successor)
    assert await load(store) is None
    async with store.reading() as db:
        assert await actual.rooms_of_school(db, NORTH) == {ROOM.key: successor}
        assert await actual.rooms_of_user(db, user(ALICE)) == (Place(ROOM.key, successor.room, Membership.JOIN),)


async def test_state_is_added_changed_and_forgotten_piece_by_piece(store: Store) -> None:
    await save(store, ROOM)
    async with store.writing() as db:
        await actual.save_state(
            db, ROOM.room, {NAME: {"name": "Nouveau"}, POWERS: None, CHILD: {"via": ["nord.example"]}}
        )
        await actual.save_state(db, ROOM.room, {})
    room = await load(store)
    assert room is not None
    assert room.state == {NAME: {"name": "Nouveau"}, CHILD: {"via": ["nord.example"]}}


async def test_members_are_added_changed_and_forgotten(store: Store) -> None:
    await save(store, ROOM, ACADEMY)
    async with store.writing() as db:
        await actual.save_members(
            db,
            [
                (ROOM.room, user(ALICE), Membership.LEAVE),
                (ROOM.room, user(BOB), Membership.JOIN),
                (ROOM.room, user(CHLOE), Membership.JOIN),
                (ROOM.room, user(CHLOE), Membership.BAN),
                (ACADEMY.room, user(BOB), Membership.KNOCK),
            ],
        )
        await actual.save_members(db, [])
    room = await load(store)
    assert room is not None
    assert room.members == {user(BOB): Membership.JOIN, user(CHLOE): Membership.BAN}
    async with store.reading() as db:
        assert await actual.rooms_of_user(db, user(BOB)) == (
            Place(ROOM.key, ROOM.room, Membership.JOIN),
            Place(ACADEMY.key, ACADEMY.room, Membership.KNOCK),
        )


@pytest.mark.parametrize(
    ("who", "where", "how"),
    [
        (ALICE, ROOM.room, Membership.JOIN),
        (BOB, ROOM.room, Membership.INVITE),
        (CHLOE, ROOM.room, Membership.LEAVE),
        (ALICE, ACADEMY.room, Membership.LEAVE),
    ],
)
async def test_one_membership_is_told_and_whoever_is_not_known_has_left(
    store: Store, who: str, where: RoomId, how: Membership
) -> None:
    await save(store, ROOM, ACADEMY)
    async with store.reading() as db:
        assert await actual.membership(db, where, user(who)) is how


async def test_a_membership_in_an_unknown_room_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="contradict"):
        async with store.writing() as db:
            await actual.save_members(db, [(RoomId("!unknown"), user(BOB), Membership.JOIN)])


async def test_accounts_are_added_and_changed(store: Store) -> None:
    await introduce_all(store)
    alice = replace(ACCOUNT, user=user(ALICE), person=ALICE)
    locked = replace(ACCOUNT, active=False, display_name="Bob DURAND · parent")
    async with store.writing() as db:
        await actual.save_accounts(db, [ACCOUNT, alice])
        await actual.save_accounts(db, [locked])
        await actual.save_accounts(db, [])
    async with store.reading() as db:
        assert await actual.accounts(db) == {user(BOB): locked, user(ALICE): alice}
        assert await actual.accounts(db, [ALICE, CHLOE]) == {user(ALICE): alice}
        assert await actual.accounts(db, []) == {}


def a_big_school(count: int) -> tuple[dict[str, PersonId], ActualRoom]:
    persons = {str(number): PersonId(f"{count}.{number}") for number in range(count)}
    members = {user(person): Membership.JOIN for person in persons.values()}
    school = Uai(f"school{count}")
    return persons, replace(ROOM, key=replace(ROOM.key, school=school), room=RoomId(f"!{count}"), members=members)


async def test_a_thousand_persons_cost_as_many_queries_as_ten(store: Store) -> None:
    counts = []
    for count in (10, 1000):
        persons, room = a_big_school(count)
        accounts = [replace(ACCOUNT, user=user(person), person=person) for person in persons.values()]
        async with store.writing() as db:
            pairs = {key(number, room.key.school): person for number, person in persons.items()}
            await people.introduce(db, pairs, NOON)
            with counted(db) as sent:
                await actual.save_accounts(db, accounts)
                await actual.save_room(db, room)
                assert await actual.rooms_of_school(db, room.key.school) == {room.key: room}
                assert len(await actual.accounts(db, persons.values())) == count
        counts.append(len(sent))
    assert counts[0] == counts[1] > 0
