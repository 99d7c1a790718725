"""New devices of accounts that reach many: limited until confirmed, whatever name they take."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver
from preau.model.ids import UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from preau.policy.fan_out import FROM_A_NEW_DEVICE
from preau.policy.powers import WRITER
from tests.guard.guarded import GUARD, Guarded, Reply, guarded_spec
from tests.live.homeservers import PASSWORD

pytestmark = pytest.mark.live

FIRST, SECOND = "FIRST", "SECOND"


async def devices(guarded: Guarded, user: UserId) -> Mapping[str, Mapping[str, Any]]:
    """What the guard says of an account's devices, by id."""
    reply = await guarded.call("GET", f"{GUARD}/devices", guarded.homeserver.bot, query=f"user={quote(user)}")
    assert reply.status == 200, reply
    return {device["id"]: device for device in reply.body["devices"]}


async def confirmed(guarded: Guarded, user: UserId) -> dict[str, bool]:
    return {name: device["confirmed"] for name, device in (await devices(guarded, user)).items()}


async def confirm(guarded: Guarded, user: UserId, device: str, by: UserId | str = "") -> Reply:
    body = {"user": user, "device": device, "by": "help desk"}
    return await guarded.call("POST", f"{GUARD}/devices/confirm", by or guarded.homeserver.bot, body)


async def log_in(guarded: Guarded, user: UserId, **more: str) -> Reply:
    """A login as clients do it, on a device that Synapse names unless ``device_id`` says otherwise."""
    identifier = {"type": "m.id.user", "user": user}
    body = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD, **more}
    return await guarded.call("POST", "/_matrix/client/v3/login", guarded.homeserver.bot, body)


async def test_the_first_device_is_free_and_the_second_announces_nothing_until_confirmed(guarded: Guarded) -> None:
    principal = await guarded.person(Function.DIRECTION)
    room = await guarded.managed(RoomKind.STAFF)
    announcements = await guarded.managed(RoomKind.ANNOUNCE_SCHOOL, levels={principal: WRITER})
    await guarded.bring_in(room, principal)
    await guarded.bring_in(announcements, principal)
    assert (await guarded.say(announcements, principal)).status == 200
    first = guarded.tokens[principal]

    await guarded.log_in(principal, SECOND)
    assert (await guarded.say(announcements, principal)).rule == "new_device"
    assert (await guarded.say(room, principal)).status == 200
    guarded.tokens[principal], second = first, guarded.tokens[principal]
    assert (await guarded.say(announcements, principal)).status == 200

    assert (await confirm(guarded, principal, SECOND)).status == 200
    guarded.tokens[principal] = second
    assert (await guarded.say(announcements, principal)).status == 200


async def test_a_new_device_begins_no_conversation(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER, divisions=["5 A", "4 B"])
    guardian = await guarded.person(Function.GUARDIAN)
    await guarded.log_in(teacher, SECOND)
    refused = await guarded.talk(teacher, guardian)
    assert (refused.status, refused.rule) == (403, "new_device")
    assert "confirmer" in refused.body["error"]
    await confirm(guarded, teacher, SECOND)
    assert (await guarded.talk(teacher, guardian)).status == 200


async def test_new_devices_write_in_few_rooms_all_of_them_together(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER)
    *rooms, last = [await guarded.managed(RoomKind.STAFF) for _ in range(FROM_A_NEW_DEVICE.things + 1)]
    for room in (*rooms, last):
        await guarded.bring_in(room, teacher)
    await guarded.log_in(teacher, SECOND)
    for room in rooms:
        assert (await guarded.say(room, teacher)).status == 200
    assert (await guarded.say(last, teacher)).rule == "new_device"
    await guarded.log_in(teacher, "THIRD")
    assert (await guarded.say(last, teacher)).rule == "new_device"
    assert (await guarded.say(rooms[0], teacher)).status == 200


async def test_families_log_in_where_they_like(guarded: Guarded) -> None:
    guardian, teacher = await guarded.person(Function.GUARDIAN), await guarded.person(Function.TEACHER)
    await guarded.log_in(guardian, SECOND)
    assert await confirmed(guarded, guardian) == {FIRST: True, SECOND: False}
    assert (await guarded.talk(guardian, teacher)).status == 200


async def test_whoever_logs_in_under_the_name_of_a_confirmed_device_is_not_taken_for_it(guarded: Guarded) -> None:
    principal, guardian = await guarded.person(Function.DIRECTION), await guarded.person(Function.GUARDIAN)
    assert (await guarded.talk(principal, guardian)).status == 200
    await guarded.log_in(principal, FIRST)
    assert await confirmed(guarded, principal) == {FIRST: False}
    assert (await guarded.talk(principal, guardian)).rule == "new_device"


async def test_a_device_that_was_removed_is_not_confirmed_when_it_comes_back(guarded: Guarded) -> None:
    principal, guardian = await guarded.person(Function.DIRECTION), await guarded.person(Function.GUARDIAN)
    assert (await guarded.call("POST", "/_matrix/client/v3/logout", principal)).status == 200
    assert await confirmed(guarded, principal) == {}
    await guarded.log_in(principal, FIRST)
    assert await confirmed(guarded, principal) == {FIRST: False}
    assert (await guarded.talk(principal, guardian)).rule == "new_device"


async def test_the_first_login_is_free_under_a_name_that_synapse_chose(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER, logged_in=False)
    first = (await log_in(guarded, teacher, initial_device_display_name="Téléphone")).body["device_id"]
    second = (await log_in(guarded, teacher)).body["device_id"]
    found = await devices(guarded, teacher)
    assert {name: (device["confirmed"], device["confirmed_by"]) for name, device in found.items()} == {
        first: (True, "first login"),
        second: (False, None),
    }
    assert found[first]["name"] == "Téléphone"
    assert found[first]["seen_at"] == found[first]["confirmed_at"] <= found[second]["seen_at"]


async def test_of_logins_at_the_same_moment_no_two_are_the_first(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER, logged_in=False)
    await asyncio.gather(*(log_in(guarded, teacher) for _ in range(4)))
    found = await confirmed(guarded, teacher)
    assert len(found) == 4
    assert sum(found.values()) <= 1
    await log_in(guarded, teacher)
    assert sum((await confirmed(guarded, teacher)).values()) <= 1


async def test_somebody_who_only_lets_the_service_act_has_no_device_to_confirm(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER, logged_in=False)
    room = await guarded.managed(RoomKind.STAFF)
    await guarded.bring_in(room, teacher)
    assert (await guarded.say(room, teacher)).status == 200
    assert await confirmed(guarded, teacher) == {}


async def test_only_the_bot_asks_and_confirms(guarded: Guarded) -> None:
    principal = await guarded.person(Function.DIRECTION)
    await guarded.log_in(principal, SECOND)
    assert (await confirm(guarded, principal, SECOND, by=principal)).status == 403
    query = f"user={quote(principal)}"
    assert (await guarded.call("GET", f"{GUARD}/devices", principal, query=query)).status == 403
    assert await confirmed(guarded, principal) == {FIRST: True, SECOND: False}


async def test_a_device_that_nobody_has_is_not_confirmed_in_advance(guarded: Guarded) -> None:
    principal = await guarded.person(Function.DIRECTION)
    assert (await confirm(guarded, principal, "FUTURE")).status == 404
    await guarded.log_in(principal, "FUTURE")
    assert await confirmed(guarded, principal) == {FIRST: True, "FUTURE": False}


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [("GET", "", ""), ("GET", "", "user=a&user=b"), ("POST", "/confirm", "")],
)
async def test_what_is_not_understood_is_refused(guarded: Guarded, method: str, path: str, query: str) -> None:
    reply = await guarded.call(method, f"{GUARD}/devices{path}", guarded.homeserver.bot, {}, query=query)
    assert (reply.status, reply.body["errcode"]) == (400, "M_INVALID_PARAM")


@pytest.mark.parametrize(
    ("change", "status"),
    [({"user": 5}, 400), ({"device": None}, 400), ({"by": ["x"]}, 400), ({"user": "@nobody:nord.example"}, 404)],
)
async def test_a_confirmation_of_nothing_confirms_nothing(
    guarded: Guarded, change: dict[str, object], status: int
) -> None:
    principal = await guarded.person(Function.DIRECTION)
    await guarded.log_in(principal, SECOND)
    body = {"user": principal, "device": SECOND, "by": "help desk", **change}
    reply = await guarded.call("POST", f"{GUARD}/devices/confirm", guarded.homeserver.bot, body)
    assert reply.status == status
    assert await confirmed(guarded, principal) == {FIRST: True, SECOND: False}


@pytest.fixture
async def alone(tmp_path: Path, guard_authority: Authority) -> AsyncIterator[Guarded]:
    """A guarded homeserver whose tables this test may lose."""
    async with Homeserver(guarded_spec(tmp_path, guard_authority)) as homeserver:
        yield Guarded(homeserver)


async def test_without_its_table_nobody_logs_in_under_a_known_name_and_nobody_is_confirmed(alone: Guarded) -> None:
    principal, guardian = await alone.person(Function.DIRECTION), await alone.person(Function.GUARDIAN)
    with sqlite3.connect(alone.homeserver.spec.folder / "data" / "homeserver.db", timeout=10) as database:
        database.execute("DROP TABLE preau_guard_device")
    refused = await log_in(alone, principal, device_id=FIRST)
    assert (refused.status, refused.rule) == (403, "not_ready")
    assert (await alone.talk(principal, guardian)).rule == "not_ready"
    assert (await log_in(alone, principal)).status == 200
