"""Settings of rooms stay as the school, or the guard, made them; no room is public or has a member's address."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from preau.model.ids import UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from tests.guard.guarded import Guarded, Reply

pytestmark = pytest.mark.live

VERSIONS = pytest.mark.parametrize("version", ["12", "11"])
CLIENT = "/_matrix/client/v3"

CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("m.room.name", {"name": "Direction"}),
    ("m.room.topic", {"topic": "Direction"}),
    ("m.room.avatar", {"url": "mxc://nord.example/x"}),
    ("m.room.power_levels", {"users_default": 100}),
    ("m.room.join_rules", {"join_rule": "public"}),
    ("m.room.history_visibility", {"history_visibility": "world_readable"}),
    ("m.room.guest_access", {"guest_access": "can_join"}),
    ("m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"}),
    ("m.room.server_acl", {"allow": []}),
    ("m.room.pinned_events", {"pinned": []}),
    ("m.room.tombstone", {"body": "Par ici", "replacement_room": "!ailleurs:nord.example"}),
    ("im.vector.modular.widgets", {"url": "https://nulle.part.example"}),
    ("org.matrix.msc3401.call.member", {}),
    ("m.space.child", {"via": ["nord.example"]}),
    ("fr.example.anything", {}),
]


async def all_state(guarded: Guarded, room: str) -> dict[tuple[str, str], str]:
    """The id of each state event: what is replaced by itself counts as changed too."""
    path = f"/_synapse/admin/v1/rooms/{quote(room)}/state"
    reply = await guarded.call("GET", path, guarded.homeserver.bot)
    return {(each["type"], each["state_key"]): each["event_id"] for each in reply.body["state"]}


async def try_everything(guarded: Guarded, room: str, user: UserId) -> list[Reply]:
    tried = [await guarded.put_state(room, user, event_type, content) for event_type, content in CHANGES]
    tried.append(await guarded.put_state(room, user, "m.room.name", {"name": "Direction"}, "x"))
    return [*tried, await upgrade(guarded, room, user, "11")]


async def upgrade(guarded: Guarded, room: str, user: UserId, version: str) -> Reply:
    """To version 11 Synapse makes the tombstone first, to version 12 the new room's first event."""
    path = f"{CLIENT}/rooms/{quote(room)}/upgrade"
    return await guarded.call("POST", path, user, {"new_version": version})


@VERSIONS
async def test_no_member_changes_a_managed_room_whatever_their_power(guarded: Guarded, version: str) -> None:
    principal = await guarded.person(Function.DIRECTION)
    room = await guarded.managed(RoomKind.STAFF, version=version, levels={principal: 100})
    await guarded.bring_in(room, principal)
    before = await all_state(guarded, room)
    tried = await try_everything(guarded, room, principal)
    assert {(each.status, each.rule) for each in tried} == {(403, "managed_room")}
    assert (await upgrade(guarded, room, principal, "12")).rule == "room_creation"
    assert await all_state(guarded, room) == before


@VERSIONS
async def test_the_creator_of_a_conversation_does_not_change_it(guarded: Guarded, version: str) -> None:
    guardian, teacher = await guarded.person(Function.GUARDIAN), await guarded.person(Function.TEACHER)
    made = await guarded.talk(guardian, teacher, room_version=version)
    room = made.body["room_id"]
    await guarded.join(room, teacher)
    before = await all_state(guarded, room)
    for user in (guardian, teacher):
        tried = await try_everything(guarded, room, user)
        assert {(each.status, each.rule) for each in tried} == {(403, "direct_room")}
        assert (await upgrade(guarded, room, user, "12")).rule == "room_creation"
    assert await all_state(guarded, room) == before


@VERSIONS
async def test_the_service_changes_its_rooms(guarded: Guarded, version: str) -> None:
    room = await guarded.managed(RoomKind.STAFF, version=version)
    assert (await guarded.put_state(room, guarded.homeserver.bot, "m.room.name", {"name": "Personnels"})).status == 200
    assert await guarded.state(room, "m.room.name") == {"name": "Personnels"}


@VERSIONS
async def test_nobody_gives_a_room_an_address_or_publishes_it(guarded: Guarded, version: str) -> None:
    principal, teacher = await guarded.person(Function.DIRECTION), await guarded.person(Function.TEACHER)
    managed = await guarded.managed(RoomKind.STAFF, version=version, levels={principal: 100})
    await guarded.bring_in(managed, principal)
    direct = (await guarded.talk(principal, teacher, room_version=version)).body["room_id"]
    for room in (managed, direct):
        alias = quote(f"#salon{version}:{guarded.homeserver.server_name}")
        tried = [
            await guarded.call("PUT", f"{CLIENT}/directory/room/{alias}", principal, {"room_id": room}),
            await guarded.call(
                "PUT", f"{CLIENT}/directory/list/room/{quote(room)}", principal, {"visibility": "public"}
            ),
        ]
        assert [(each.status, each.rule) for each in tried] == [(403, "public")] * 2
    assert (await guarded.call("GET", f"{CLIENT}/directory/room/{alias}", principal)).status == 404


async def test_not_even_the_service_publishes_a_room(guarded: Guarded) -> None:
    bot, room = guarded.homeserver.bot, await guarded.managed(RoomKind.ANNOUNCE_SCHOOL)
    tried = await guarded.call("PUT", f"{CLIENT}/directory/list/room/{quote(room)}", bot, {"visibility": "public"})
    assert (tried.status, tried.rule) == (403, "public")


async def test_the_service_gives_its_rooms_their_alias(guarded: Guarded) -> None:
    bot, room = guarded.homeserver.bot, await guarded.managed(RoomKind.ANNOUNCE_SCHOOL)
    alias = quote(f"#_preau_essai:{guarded.homeserver.server_name}")
    assert (await guarded.call("PUT", f"{CLIENT}/directory/room/{alias}", bot, {"room_id": room})).status == 200
    guardian = await guarded.person(Function.GUARDIAN)
    assert (await guarded.call("DELETE", f"{CLIENT}/directory/room/{alias}", guardian)).status == 403


async def test_what_a_client_remembers_for_its_person_is_its_own_affair(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER)
    room = await guarded.managed(RoomKind.STAFF)
    await guarded.bring_in(room, teacher)
    path = f"{CLIENT}/user/{quote(teacher)}/rooms/{quote(room)}/tags/m.favourite"
    assert (await guarded.call("PUT", path, teacher, {"order": 1})).status == 200
