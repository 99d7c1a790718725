"""Who is in which room: what the lists of the school say, and never what a member does."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from preau.model.facts import FactKind, Party, PersonFacts, SchoolFacts
from preau.model.facts import Cell
from preau.model.ids import PersonId, RoomId, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from tests.builders import NORTH, SOUTH
from tests.guard.guarded import Guarded, Reply

pytestmark = pytest.mark.live

VERSIONS = pytest.mark.parametrize("version", ["12", "11"])


async def put_member(guarded: Guarded, room: str, by: UserId, target: UserId | str, **content: object) -> Reply:
    return await guarded.put_state(room, by, "m.room.member", content, target)


async def membership(guarded: Guarded, room: str, user: UserId | str) -> str:
    return str((await guarded.state(room, "m.room.member", user) or {}).get("membership", ""))


@VERSIONS
async def test_the_service_brings_in_whoever_fits_and_they_talk(guarded: Guarded, version: str) -> None:
    teacher = await guarded.person(Function.TEACHER, name="Nour GABARIT · professeur")
    room = await guarded.managed(RoomKind.STAFF, version=version)
    await guarded.bring_in(room, teacher)
    assert (await guarded.say(room, teacher)).status == 200
    found = await guarded.state(room, "m.room.member", teacher)
    assert (found["membership"], found["displayname"]) == ("join", "Nour GABARIT · professeur")
