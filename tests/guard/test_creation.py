"""Which rooms people can make: conversations that the contact table allows, and nothing else."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from preau.model.people import Function
from tests.guard.guarded import Guarded

pytestmark = pytest.mark.live


async def test_a_guardian_begins_a_conversation_with_a_teacher(guarded: Guarded) -> None:
    guardian, teacher = await guarded.person(Function.GUARDIAN), await guarded.person(Function.TEACHER)
    made = await guarded.talk(guardian, teacher, name="Salle des profs", room_alias_name="prof")
    assert made.status == 200, made
    state = await guarded.call("GET", f"/_matrix/client/v3/rooms/{quote(made.body['room_id'])}/state", guardian)
    found = {event["type"]: event["content"] for event in state.body if event["type"] != "m.room.member"}
    assert found["m.room.create"]["fr.preau.direct"] == sorted((guardian, teacher))
    assert found["m.room.create"]["m.federate"] is False
    assert "additional_creators" not in found["m.room.create"]
    assert found["m.room.guest_access"] == {"guest_access": "forbidden"}
    assert not {"m.room.name", "m.room.canonical_alias", "m.room.encryption"} & found.keys()


async def test_a_pupil_does_not_begin_one_with_another_pupil(guarded: Guarded) -> None:
    pupil, other = await guarded.person(Function.PUPIL), await guarded.person(Function.PUPIL)
    refused = await guarded.talk(pupil, other)
    assert (refused.status, refused.body["errcode"], refused.rule) == (403, "M_FORBIDDEN", "contact")
    assert "direction de votre établissement" in refused.body["error"]


async def test_somebody_of_whom_nothing_is_known_makes_no_room(guarded: Guarded) -> None:
    nobody, teacher = await guarded.person(), await guarded.person(Function.TEACHER)
    assert (await guarded.talk(nobody, teacher)).rule == "unknown"


async def test_people_make_no_other_rooms(guarded: Guarded) -> None:
    principal = await guarded.person(Function.DIRECTION)
    made = await guarded.call("POST", "/_matrix/client/v3/createRoom", principal, {"preset": "public_chat"})
    assert (made.status, made.rule) == (403, "room_creation")
