"""Who is in which room: what the lists of the school say, and never what a member does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver
from preau.model.facts import Cell, FactKind, Party, PersonFacts, SchoolFacts
from preau.model.ids import PersonId, Uai, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from tests.builders import NORTH, SOUTH
from tests.guard.guarded import Guarded, Reply, guarded_spec
from tests.live.homeservers import new_localpart, register

pytestmark = pytest.mark.live

VERSIONS = pytest.mark.parametrize("version", ["12", "11"])
STRICTER = Uai("0990042G")
"""A school of this file alone, whose contact table it changes."""


async def put_member(guarded: Guarded, room: str, by: UserId, target: UserId | str, **content: object) -> Reply:
    return await guarded.put_state(room, by, "m.room.member", content, target)


async def post(guarded: Guarded, room: str, verb: str, by: UserId, **body: object) -> Reply:
    return await guarded.call("POST", f"/_matrix/client/v3/rooms/{quote(room)}/{verb}", by, body)


async def membership(guarded: Guarded, room: str, user: UserId | str) -> str:
    return str((await guarded.state(room, "m.room.member", user) or {}).get("membership", ""))


# Managed rooms


@VERSIONS
async def test_the_service_brings_in_whoever_fits_and_they_talk(guarded: Guarded, version: str) -> None:
    teacher = await guarded.person(Function.TEACHER, name="Nour GABARIT · professeur")
    room = await guarded.managed(RoomKind.STAFF, version=version)
    await guarded.bring_in(room, teacher)
    assert (await guarded.say(room, teacher)).status == 200
    found = await guarded.state(room, "m.room.member", teacher)
    assert (found["membership"], found["displayname"]) == ("join", "Nour GABARIT · professeur")


@pytest.mark.parametrize(
    ("kind", "scope", "function", "school", "rule"),
    [
        (RoomKind.STAFF, "", Function.GUARDIAN, NORTH, "membership"),
        (RoomKind.DIRECTION, "", Function.TEACHER, NORTH, "membership"),
        (RoomKind.PARENTS_SCHOOL, "", Function.PUPIL, NORTH, "membership"),
        (RoomKind.MODERATION, "fcpe", Function.PUPIL, NORTH, "membership"),
        (RoomKind.ANNOUNCE_DIVISION, "5 A", Function.GUARDIAN, NORTH, "membership"),
        (RoomKind.STAFF, "", Function.TEACHER, SOUTH, "membership"),
        (RoomKind.STAFF, "", None, NORTH, "unknown"),
        (RoomKind.STAFF, "", Function.TEACHER, NORTH, ""),
        (RoomKind.PARENTS_SCHOOL, "", Function.GUARDIAN, NORTH, ""),
        (RoomKind.INTER_ACADEMY, "Jumelage", Function.GUARDIAN, SOUTH, ""),
    ],
)
async def test_even_the_service_invites_nobody_who_does_not_fit(
    guarded: Guarded, kind: RoomKind, scope: str, function: Function | None, school: Uai, rule: str
) -> None:
    person = await guarded.person(*([function] if function else []), school=school, logged_in=False)
    invited = await guarded.invite(await guarded.managed(kind, scope), person)
    assert (invited.status, invited.rule) == ((403, rule) if rule else (200, ""))


async def test_an_invitation_is_worth_nothing_once_the_facts_have_changed(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER, logged_in=False)
    room = await guarded.managed(RoomKind.STAFF)
    assert (await guarded.invite(room, teacher)).status == 200
    await guarded.push(PersonFacts(teacher, "Camille ESSAI", (party_of(teacher, Function.GUARDIAN),)))
    assert (await guarded.join(room, teacher)).rule == "membership"
    assert await membership(guarded, room, teacher) == "invite"


async def test_whoever_has_lost_their_place_says_nothing_more_and_may_leave(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER)
    room = await guarded.managed(RoomKind.STAFF)
    await guarded.bring_in(room, teacher)
    await guarded.push(gone=[(FactKind.PERSON, teacher)])
    assert (await guarded.say(room, teacher)).rule == "unknown"
    assert (await post(guarded, room, "leave", teacher)).status == 200
    assert await membership(guarded, room, teacher) == "leave"


async def test_a_visitor_from_another_school_speaks_in_the_room_they_were_appointed_into(guarded: Guarded) -> None:
    visitor = await guarded.person(Function.TEACHER, school=SOUTH)
    room = await guarded.managed(RoomKind.INTER_ACADEMY, "Jumelage")
    await guarded.bring_in(room, visitor)
    assert (await guarded.say(room, visitor)).status == 200


@pytest.mark.parametrize("join_rule", ["invite", "knock"])
async def test_nobody_who_fits_enters_unasked_or_knocks(guarded: Guarded, join_rule: str) -> None:
    """Nor where the room itself is open to knocking."""
    teacher = await guarded.person(Function.TEACHER)
    room = await guarded.managed(RoomKind.STAFF)
    opened = await guarded.put_state(room, guarded.homeserver.bot, "m.room.join_rules", {"join_rule": join_rule})
    assert opened.status == 200, opened
    assert (await guarded.join(room, teacher)).status == 403
    knocks = [
        await put_member(guarded, room, teacher, teacher, membership="knock"),
        await guarded.call("POST", f"/_matrix/client/v3/knock/{quote(room)}", teacher),
    ]
    assert [(knock.status, knock.rule) for knock in knocks] == [(403, "membership")] * 2
    assert await membership(guarded, room, teacher) == ""


@pytest.mark.parametrize("as_themselves", [True, False], ids=["with their own token", "by an application service"])
@VERSIONS
async def test_no_member_invites_removes_or_bans_whatever_their_power(
    guarded: Guarded, version: str, as_themselves: bool
) -> None:
    principal = await guarded.person(Function.DIRECTION, logged_in=as_themselves)
    member, other = await guarded.person(Function.TEACHER), await guarded.person(Function.TEACHER)
    room = await guarded.managed(RoomKind.STAFF, version=version, levels={principal: 100})
    await guarded.bring_in(room, principal, member)
    bot = guarded.homeserver.bot
    tried = [
        await guarded.invite(room, other, by=principal),
        await put_member(guarded, room, principal, other, membership="invite"),
        await put_member(guarded, room, principal, member, membership="leave"),
        await put_member(guarded, room, principal, member, membership="ban"),
        await post(guarded, room, "kick", principal, user_id=member),
        await post(guarded, room, "ban", principal, user_id=member),
        await post(guarded, room, "ban", principal, user_id=other),
        await post(guarded, room, "kick", principal, user_id=bot),
        await put_member(guarded, room, principal, bot, membership="ban"),
    ]
    assert [(each.status, each.rule) for each in tried] == [(403, "membership")] * len(tried)
    assert [await membership(guarded, room, each) for each in (member, other, bot)] == ["join", "", "join"]


async def test_the_service_takes_people_out(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER, logged_in=False)
    room = await guarded.managed(RoomKind.STAFF)
    await guarded.bring_in(room, teacher)
    assert (await post(guarded, room, "kick", guarded.homeserver.bot, user_id=teacher, reason="Mutation")).status == 200
    assert await membership(guarded, room, teacher) == "leave"


async def test_a_mistyped_name_makes_no_ghost(guarded: Guarded) -> None:
    room = await guarded.managed(RoomKind.STAFF)
    ghost = f"@{new_localpart()}:{guarded.homeserver.server_name}"
    assert (await guarded.invite(room, ghost)).rule == "unknown"
    assert (await put_member(guarded, room, guarded.homeserver.bot, ghost, membership="invite")).rule == "unknown"


async def test_nobody_is_invited_by_address(opened: Guarded) -> None:
    principal = await opened.person(Function.DIRECTION)
    room = await opened.managed(RoomKind.STAFF, levels={principal: 100})
    await opened.bring_in(room, principal)
    address = {
        "id_server": "nulle.part.example",
        "id_access_token": "x",
        "medium": "email",
        "address": "a@ecole.example",
    }
    invited = await post(opened, room, "invite", principal, **address)
    assert (invited.status, invited.rule) == (403, "membership")  # and no server was asked
    content = {"display_name": "a…", "key_validity_url": "https://nulle.part.example", "public_key": "x"}
    tried = await opened.put_state(room, principal, "m.room.third_party_invite", content, "jeton")
    assert tried.rule == "managed_room"


async def test_a_room_of_another_homeserver_is_not_even_looked_for(guarded: Guarded) -> None:
    principal = await guarded.person(Function.DIRECTION)
    path = f"/_matrix/client/v3/join/{quote('!ailleurs:nulle.part.example')}"
    tried = await guarded.call("POST", path, principal, query="server_name=nulle.part.example")
    assert (tried.status, tried.rule) == (403, "between_academies")


# Direct conversations


async def conversation(guarded: Guarded, version: str = "12", school: Uai = NORTH) -> tuple[str, UserId, UserId]:
    """A guardian's with a teacher, both in it."""
    guardian = await guarded.person(Function.GUARDIAN, school=school)
    teacher = await guarded.person(Function.TEACHER, school=school)
    made = await guarded.talk(guardian, teacher, room_version=version)
    assert made.status == 200, made
    room = str(made.body["room_id"])
    assert (await guarded.join(room, teacher)).status == 200
    return room, guardian, teacher


@VERSIONS
async def test_a_conversation_is_between_its_two(guarded: Guarded, version: str) -> None:
    room, guardian, teacher = await conversation(guarded, version)
    third = await guarded.person(Function.TEACHER)
    tried = [
        await guarded.invite(room, third, by=guardian),
        await guarded.invite(room, third, by=teacher),
        await put_member(guarded, room, guardian, third, membership="invite"),
        await guarded.join(room, third),
        await put_member(guarded, room, third, third, membership="join"),
        await post(guarded, room, "kick", guardian, user_id=teacher),
        await post(guarded, room, "ban", guardian, user_id=teacher),
        await post(guarded, room, "ban", guardian, user_id=third),
    ]
    assert [(each.status, each.rule) for each in tried] == [(403, "direct_room")] * len(tried)
    assert (await guarded.say(room, guardian)).status == (await guarded.say(room, teacher)).status == 200


@VERSIONS
async def test_whoever_left_a_conversation_may_be_asked_back(guarded: Guarded, version: str) -> None:
    room, guardian, teacher = await conversation(guarded, version)
    assert (await post(guarded, room, "leave", teacher)).status == 200
    assert (await guarded.join(room, teacher)).status == 403
    assert (await guarded.invite(room, teacher, by=guardian)).status == 200
    assert (await guarded.join(room, teacher)).status == 200


async def test_a_conversation_stops_when_the_table_no_longer_allows_it(guarded: Guarded) -> None:
    room, guardian, teacher = await conversation(guarded, school=STRICTER)
    cells = {(Function.GUARDIAN, Function.TEACHER): Cell.NO}
    await guarded.push(SchoolFacts(STRICTER, cells))
    assert (await guarded.say(room, guardian)).rule == "contact"
    assert (await guarded.say(room, teacher)).status == 200
    await guarded.push(SchoolFacts(STRICTER, cells | {(Function.TEACHER, Function.GUARDIAN): Cell.NO}))
    assert (await guarded.say(room, teacher)).rule == "contact"
    assert (await guarded.talk(guardian, teacher)).rule == "contact"
    assert (await post(guarded, room, "leave", teacher)).status == 200
    assert (await guarded.invite(room, teacher, by=guardian)).rule == "contact"
    await guarded.push(gone=[(FactKind.SCHOOL, STRICTER)])


async def test_an_invitation_into_a_conversation_is_void_once_the_table_forbids_it(guarded: Guarded) -> None:
    parents = [await guarded.person(Function.GUARDIAN, opted_in=True) for _ in range(2)]
    room = (await guarded.talk(*parents)).body["room_id"]
    await guarded.push(PersonFacts(parents[1], "Camille ESSAI", (party_of(parents[1], Function.GUARDIAN),)))
    assert (await guarded.join(room, parents[1])).rule == "contact"
    assert (await post(guarded, room, "leave", parents[1])).status == 200


# Names


def party_of(user: UserId, *functions: Function) -> Party:
    return Party(PersonId(user[1:].split(":", 1)[0]), NORTH, frozenset(functions))


async def shown(guarded: Guarded, room: str, user: UserId) -> Any:
    return (await guarded.state(room, "m.room.member", user)).get("displayname")


POSING = pytest.mark.parametrize(
    "posing",
    [
        {"displayname": "Dominique PROVISEUR · direction"},
        {"displayname": ""},
        {"avatar_url": "mxc://nord.example/portrait"},
        {"fr.preau.badge": "direction"},
        {"reason": "Lisez ceci !"},
        {"is_direct": "Lisez ceci !"},
    ],
    ids=["another name", "no name", "a picture", "a badge", "a remark", "a remark in a flag"],
)


@POSING
async def test_nobody_shows_another_name_picture_or_remark_in_a_room(guarded: Guarded, posing: dict[str, Any]) -> None:
    teacher = await guarded.person(Function.TEACHER, name="Nour GABARIT · professeur")
    room = await guarded.managed(RoomKind.STAFF)
    await guarded.bring_in(room, teacher)
    before = await guarded.state(room, "m.room.member", teacher)
    tried = await put_member(guarded, room, teacher, teacher, membership="join", **posing)
    assert (tried.status, tried.rule) in {(403, "name"), (403, "remark"), (200, "")}
    assert await guarded.state(room, "m.room.member", teacher) == before


@POSING
async def test_the_guard_alone_keeps_names_where_the_settings_do_not(opened: Guarded, posing: dict[str, Any]) -> None:
    teacher = await opened.person(Function.TEACHER, name="Nour GABARIT · professeur")
    room = await opened.managed(RoomKind.STAFF)
    assert (await opened.invite(room, teacher)).status == 200
    for how in ("join", "leave"):
        tried = await put_member(opened, room, teacher, teacher, membership=how, **posing)
        assert (tried.status, tried.rule) in {(403, "name"), (403, "remark")}
    await opened.join(room, teacher, **posing)
    assert await shown(opened, room, teacher) == "Nour GABARIT · professeur"


async def test_people_leave_without_a_last_word(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER)
    room = await guarded.managed(RoomKind.ANNOUNCE_SCHOOL)
    await guarded.bring_in(room, teacher)
    assert (await post(guarded, room, "leave", teacher, reason="Lisez ceci !")).rule == "remark"
    named = await put_member(guarded, room, teacher, teacher, membership="leave", displayname="Direction")
    assert named.rule in {"name", ""}
    assert await shown(guarded, room, teacher) != "Direction"
    assert (await post(guarded, room, "leave", teacher)).status == 200


async def test_nobody_comes_with_a_remark(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER)
    room = await guarded.managed(RoomKind.STAFF)
    assert (await guarded.invite(room, teacher)).status == 200
    assert (await guarded.join(room, teacher, reason="Lisez ceci !")).rule == "remark"
    assert (await guarded.join(room, teacher)).status == 200


NEW = "Nour ÉQUERRE · direction"


async def rename(guarded: Guarded, user: UserId, name: str) -> None:
    path = f"/_synapse/admin/v2/users/{quote(user)}"
    assert (await guarded.call("PUT", path, guarded.homeserver.bot, {"displayname": name})).status == 200


async def push_name(guarded: Guarded, user: UserId, name: str) -> None:
    await guarded.push(PersonFacts(user, name, (party_of(user, Function.TEACHER),)))


@pytest.mark.parametrize("order", [(push_name, rename), (rename, push_name)], ids=["facts first", "account first"])
async def test_a_renaming_reaches_the_rooms_in_either_order_of_facts_and_account(
    guarded: Guarded, order: tuple[Callable[[Guarded, UserId, str], Awaitable[None]], ...]
) -> None:
    teacher = await guarded.person(Function.TEACHER, name="Nour GABARIT · professeur")
    room, later = await guarded.managed(RoomKind.STAFF), await guarded.managed(RoomKind.STAFF)
    await guarded.bring_in(room, teacher)
    first, second = order
    await first(guarded, teacher, NEW)
    await guarded.bring_in(later, teacher)
    await second(guarded, teacher, NEW)
    async with asyncio.timeout(10):
        while {await shown(guarded, each, teacher) for each in (room, later)} != {NEW}:  # noqa: ASYNC110 - what is awaited happens in another process
            await asyncio.sleep(0.05)


# Rooms from before the guard


async def test_in_a_room_from_before_the_guard_nobody_does_anything_but_leave(
    tmp_path: Path, guard_authority: Authority
) -> None:
    spec = guarded_spec(tmp_path, guard_authority)
    async with Homeserver(replace(spec, guard=False)) as homeserver:
        before = Guarded(homeserver)
        maker, other = await register(homeserver, "maker", "Nour"), await register(homeserver, "other", "Alix")
        made = await before.call("POST", "/_matrix/client/v3/createRoom", maker, {"invite": [other]})
        room = made.body["room_id"]
    async with Homeserver(spec) as homeserver:
        guarded = Guarded(homeserver)
        await guarded.push(*(PersonFacts(user, "", (party_of(user, Function.TEACHER),)) for user in (maker, other)))
        assert (await guarded.say(room, maker)).rule == "room_creation"
        assert (await guarded.put_state(room, maker, "m.room.topic", {"topic": "x"})).rule == "room_creation"
        assert (await guarded.join(room, other)).rule == "between_academies"
        assert (await put_member(guarded, room, maker, other, membership="leave")).rule == "room_creation"
        assert (await post(guarded, room, "leave", other)).status == 200
        assert (await post(guarded, room, "leave", maker)).status == 200
