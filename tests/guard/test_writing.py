"""Who may write at all, where, and how widely."""

from __future__ import annotations

import asyncio
import secrets
from urllib.parse import quote

import pytest

from preau.model.facts import FactKind, Party, PersonFacts
from preau.model.ids import PersonId, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from preau.policy.fan_out import CONVERSATIONS_IN_A_DAY, ROOMS_IN_AN_HOUR
from tests.builders import SOUTH
from tests.guard.guarded import Guarded, Reply

pytestmark = pytest.mark.live

PUPIL_ROOMS = ROOMS_IN_AN_HOUR[Function.PUPIL]
PUPIL_CONVERSATIONS = CONVERSATIONS_IN_A_DAY[Function.PUPIL]


async def send(guarded: Guarded, room: str, user: UserId | str, event_type: str, content: dict[str, object]) -> Reply:
    path = f"/_matrix/client/v3/rooms/{quote(room)}/send/{event_type}/{secrets.token_hex(8)}"
    return await guarded.call("PUT", path, user, content)


async def conversation(guarded: Guarded, one: UserId, other: UserId) -> str:
    made = await guarded.talk(one, other)
    assert made.status == 200, made
    room = str(made.body["room_id"])
    assert (await guarded.join(room, other)).status == 200
    return room


async def test_two_people_talk_until_the_table_no_longer_allows_it(guarded: Guarded) -> None:
    guardian, teacher = await guarded.person(Function.GUARDIAN), await guarded.person(Function.TEACHER)
    room = await conversation(guarded, guardian, teacher)
    assert (await guarded.say(room, guardian)).status == (await guarded.say(room, teacher)).status == 200
    gone = Party(PersonId("t"), SOUTH, frozenset({Function.TEACHER}))
    await guarded.push(PersonFacts(teacher, "Nour GABARIT · professeur", (gone,)))
    assert (await guarded.say(room, guardian)).rule == "contact"
    assert (await guarded.say(room, teacher)).rule == "contact"


@pytest.mark.parametrize("event_type", ["m.room.message", "m.reaction", "m.poll.start", "m.sticker", "org.example.any"])
async def test_whoever_has_no_place_any_more_writes_nothing_of_any_type(guarded: Guarded, event_type: str) -> None:
    teacher = await guarded.person(Function.TEACHER)
    room = await guarded.managed(RoomKind.STAFF)
    await guarded.bring_in(room, teacher)
    content: dict[str, object] = {"body": "x", "msgtype": "m.text"}
    assert (await send(guarded, room, teacher, event_type, content)).status == 200
    await guarded.push(gone=[(FactKind.PERSON, teacher)])
    assert (await send(guarded, room, teacher, event_type, content)).rule == "unknown"


async def test_a_room_of_a_school_is_closed_to_whoever_left_the_school(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER)
    room = await guarded.managed(RoomKind.STAFF)
    await guarded.bring_in(room, teacher)
    elsewhere = Party(PersonId("t"), SOUTH, frozenset({Function.TEACHER}))
    await guarded.push(PersonFacts(teacher, "Nour GABARIT · professeur", (elsewhere,)))
    assert (await guarded.say(room, teacher)).rule == "membership"


async def test_nothing_is_hidden_from_moderation(guarded: Guarded) -> None:
    guardian = await guarded.person(Function.GUARDIAN, divisions=["5 A"])
    teacher = await guarded.person(Function.TEACHER, divisions=["5 A"])
    content: dict[str, object] = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x", "session_id": "s"}
    room = await guarded.managed(RoomKind.DIVISION_PARENTS_STAFF, "5 A")
    await guarded.bring_in(room, guardian, teacher)
    assert (await send(guarded, room, teacher, "m.room.encrypted", content)).rule == "managed_room"
    direct = await conversation(guarded, guardian, teacher)
    assert (await send(guarded, direct, guardian, "m.room.encrypted", content)).rule == "managed_room"


async def test_a_pupil_writes_in_so_many_rooms_and_goes_on_in_those(guarded: Guarded) -> None:
    pupil = await guarded.person(Function.PUPIL, divisions=["5 A"])
    rooms = [await guarded.managed(RoomKind.PUPILS_DIVISION, "5 A") for _ in range(PUPIL_ROOMS + 1)]
    for room in rooms:
        await guarded.bring_in(room, pupil)
    *allowed, last = rooms
    for room in allowed:
        assert (await guarded.say(room, pupil)).status == 200
    refused = await guarded.say(last, pupil)
    assert (refused.status, refused.body["errcode"], refused.rule) == (403, "M_FORBIDDEN", "fan_out")
    assert (await guarded.say(allowed[0], pupil)).status == 200
    reaction: dict[str, object] = {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$x", "key": "👍"}}
    assert (await send(guarded, last, pupil, "m.reaction", reaction)).rule == "fan_out"


async def test_writes_at_the_same_moment_do_not_get_round_the_limit(guarded: Guarded) -> None:
    pupil = await guarded.person(Function.PUPIL, divisions=["5 A"])
    rooms = [await guarded.managed(RoomKind.PUPILS_DIVISION, "5 A") for _ in range(PUPIL_ROOMS + 3)]
    for room in rooms:
        await guarded.bring_in(room, pupil)
    replies = await asyncio.gather(*(guarded.say(room, pupil) for room in rooms))
    assert sorted(reply.rule for reply in replies) == [""] * PUPIL_ROOMS + ["fan_out"] * 3


async def test_a_pupil_begins_so_many_conversations_in_a_day(guarded: Guarded) -> None:
    pupil, teacher = await guarded.person(Function.PUPIL), await guarded.person(Function.TEACHER)
    for _ in range(PUPIL_CONVERSATIONS):
        assert (await guarded.talk(pupil, teacher)).status == 200
    refused = await guarded.talk(pupil, teacher)
    assert (refused.status, refused.rule) == (403, "fan_out")
