"""Rooms and people in batches: who is let in, what repeating and dying do, and what goes on in the room meanwhile."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import pytest

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver
from preau.model.ids import UserId
from preau.model.people import Function
from preau.model.rooms import RoomKey, RoomKind
from tests.builders import NORTH
from tests.guard.batching import (
    CLIENT,
    NAME,
    Tables,
    clients,
    make,
    make_ordinarily,
    members,
    move,
    new_alias,
    order,
    read,
    refused,
    staff,
)
from tests.guard.guarded import GUARD, Guarded, guarded_spec
from tests.guard.sabotage import PYTHONPATH, OtherSynapse, SuddenDeath, sabotaged
from tests.live.homeservers import new_localpart

pytestmark = pytest.mark.live


async def test_who_may_not_enter_is_named_and_the_rest_goes_in(guarded: Guarded) -> None:
    one, other, gone, locked, suspended, banned = await staff(guarded, 6)
    api, server = guarded.homeserver.api(), guarded.homeserver.server_name
    await api.put(f"/_synapse/admin/v2/users/{quote(gone)}", {"deactivated": True})
    await api.put(f"/_synapse/admin/v2/users/{quote(locked)}", {"locked": True})
    await api.put(f"/_synapse/admin/v1/suspend/{quote(suspended)}", {"suspend": True})
    guardian = await guarded.person(Function.GUARDIAN, logged_in=False)
    unknown = await guarded.person(logged_in=False)
    nobody, stranger = f"@{new_localpart()}:{server}", "@somebody:elsewhere.example"
    room = (await make(guarded, order(guarded, [one])))["room_id"]
    await guarded.call("POST", f"{CLIENT}/rooms/{room}/ban", guarded.homeserver.bot, {"user_id": banned})
    asked = [one, nobody, stranger, gone, locked, suspended, guardian, unknown, banned, "no user at all", other]
    moved = await move(guarded, room, join=asked)
    assert moved["joined"] == [one, other]
    assert refused(moved) == {
        nobody: "M_NOT_FOUND",
        stranger: "M_NOT_FOUND",
        "no user at all": "M_NOT_FOUND",
        gone: "M_USER_DEACTIVATED",
        locked: "M_USER_LOCKED",
        suspended: "M_USER_SUSPENDED",
        guardian: "M_FORBIDDEN",
        unknown: "M_FORBIDDEN",
        banned: "M_FORBIDDEN",
    }
    assert await members(guarded, room) == {one, other}
    made = await make(guarded, order(guarded, [one, nobody, guardian]))
    assert (made["joined"], refused(made)) == ([one], {nobody: "M_NOT_FOUND", guardian: "M_FORBIDDEN"})
    assert await members(guarded, made["room_id"]) == {one}


@pytest.mark.parametrize("version", ["11", "12"])
async def test_a_large_room_is_sound_and_lives_on(guarded: Guarded, version: str) -> None:
    people = await staff(guarded, 230)
    made = await make(guarded, order(guarded, people[:220], version=version))
    room, tables = made["room_id"], Tables(guarded.homeserver)
    assert (set(made["joined"]), made["refused"]) == (set(people[:220]), {})
    await move(guarded, room, join=people[220:], leave=people[:110])
    assert await members(guarded, room) == set(people[110:])
    assert (await guarded.say(room, people[-1])).status == 200
    await guarded.bring_in(room, people[0])
    assert (await guarded.call("POST", f"{CLIENT}/rooms/{room}/leave", people[-1])).status == 200
    await move(guarded, room, join=[people[-1]])
    assert await members(guarded, room) == {people[0], *people[110:]}
    assert tables.faults(room) == []
    assert len(tables.extremities(room)) == 1
    assert 1 < tables.hops(room) <= 100


async def test_an_alias_stands_for_one_room_however_often_it_is_asked_for(guarded: Guarded) -> None:
    people, alias = await staff(guarded, 4), new_alias()
    first = await make(guarded, order(guarded, people[:2], alias=alias))
    again = await make(guarded, order(guarded, people[1:], alias=alias))
    assert (first["new"], again["new"], again["room_id"]) == (True, False, first["room_id"])
    assert again["joined"] == people[1:]
    assert await members(guarded, first["room_id"]) == set(people)


async def test_an_alias_stands_for_one_room_if_asked_for_five_times_at_once(guarded: Guarded) -> None:
    people, alias = await staff(guarded, 5), new_alias()
    made = await asyncio.gather(*(make(guarded, order(guarded, [user], alias=alias)) for user in people))
    assert len({each["room_id"] for each in made}) == 1
    assert [each["new"] for each in made].count(True) == 1
    assert await members(guarded, made[0]["room_id"]) == set(people)


async def test_without_an_alias_each_room_is_another(guarded: Guarded) -> None:
    wanted = order(guarded)
    del wanted["creation_content"]["nonce"]  # and no two first events are alike
    made = await asyncio.gather(*(make(guarded, wanted) for _ in range(3)))
    assert len({each["room_id"] for each in made}) == 3


async def test_an_alias_of_somebody_elses_room_is_left_alone(guarded: Guarded) -> None:
    guardian, teacher = await guarded.person(Function.GUARDIAN), await guarded.person(Function.TEACHER)
    theirs, alias = (await guarded.talk(guardian, teacher)).body["room_id"], new_alias()
    address = quote(f"#{alias}:{guarded.homeserver.server_name}")
    bot = guarded.homeserver.bot
    set_so = await guarded.call("PUT", f"{CLIENT}/directory/room/{address}", bot, {"room_id": theirs})
    assert set_so.status == 200, set_so
    reply = await guarded.call("POST", f"{GUARD}/rooms", bot, order(guarded, [teacher], alias=alias))
    assert (reply.status, reply.body["errcode"]) == (409, "M_ROOM_IN_USE")


async def test_an_alias_of_another_room_of_the_service_is_left_alone(guarded: Guarded) -> None:
    (teacher,), alias = await staff(guarded, 1), new_alias()
    made = await make(guarded, order(guarded, alias=alias))
    wanted = order(guarded, [teacher], alias=alias, key=RoomKey(RoomKind.ANNOUNCE_SCHOOL, NORTH))
    reply = await guarded.call("POST", f"{GUARD}/rooms", guarded.homeserver.bot, wanted)
    assert (reply.status, reply.body["errcode"]) == (409, "M_ROOM_IN_USE")
    assert await members(guarded, made["room_id"]) == set()


async def test_a_room_of_the_public_api_is_found_by_its_alias_too(guarded: Guarded) -> None:
    (teacher,), alias = await staff(guarded, 1), new_alias()
    room = await make_ordinarily(guarded, order(guarded))
    address = quote(f"#{alias}:{guarded.homeserver.server_name}")
    await guarded.call("PUT", f"{CLIENT}/directory/room/{address}", guarded.homeserver.bot, {"room_id": room})
    made = await make(guarded, order(guarded, [teacher], alias=alias))
    assert (made["room_id"], made["new"], made["joined"]) == (room, False, [teacher])


async def test_whoever_is_where_they_should_be_counts_as_moved(guarded: Guarded) -> None:
    inside, outside, invited, banned = await staff(guarded, 4)
    room = (await make(guarded, order(guarded, [inside])))["room_id"]
    await guarded.invite(room, invited)
    await guarded.call("POST", f"{CLIENT}/rooms/{room}/ban", guarded.homeserver.bot, {"user_id": banned})
    events = len(Tables(guarded.homeserver).rows("SELECT 1 FROM events WHERE room_id = ?", room))
    assert (await move(guarded, room, join=[inside], leave=[outside, banned])) == {
        "joined": [inside],
        "left": [outside, banned],
        "refused": {},
    }
    assert len(Tables(guarded.homeserver).rows("SELECT 1 FROM events WHERE room_id = ?", room)) == events
    assert (await move(guarded, room, leave=[invited], reason="Erreur"))["left"] == [invited]
    assert await _memberships(guarded, room) == {inside: "join", invited: "leave", banned: "ban"}


async def test_an_invitation_is_taken_up_as_such(guarded: Guarded) -> None:
    (invited,) = await staff(guarded, 1)
    room = (await make(guarded, order(guarded)))["room_id"]
    await guarded.invite(room, invited)
    assert (await move(guarded, room, join=[invited]))["joined"] == [invited]
    assert await guarded.state(room, "m.room.member", invited) == {"membership": "join", "displayname": NAME}


async def _memberships(guarded: Guarded, room: str) -> dict[str, str]:
    chunk = (await read(guarded, room, "members"))["chunk"]
    found = {event["state_key"]: event["content"]["membership"] for event in chunk}
    del found[guarded.homeserver.bot]
    return found


async def test_only_rooms_of_the_service_are_touched(guarded: Guarded) -> None:
    guardian, teacher = await guarded.person(Function.GUARDIAN), await guarded.person(Function.TEACHER)
    theirs = (await guarded.talk(guardian, teacher)).body["room_id"]
    for room in (theirs, "!" + "x" * 43, "!nowhere:elsewhere.example", "no room"):
        body = {"room_id": room, "join": [teacher], "leave": [guardian]}
        reply = await guarded.call("POST", f"{GUARD}/memberships", guarded.homeserver.bot, body)
        assert (reply.status, reply.body["errcode"]) == (404, "M_NOT_FOUND"), room


async def test_nobody_but_the_service_may(guarded: Guarded) -> None:
    principal = await guarded.person(Function.DIRECTION)
    (other,) = await staff(guarded, 1)
    for user in (principal, other):  # by their own token, and by the service's token in another name
        for path in ("rooms", "memberships", "accounts"):
            reply = await guarded.call("POST", f"{GUARD}/{path}", user, order(guarded))
            assert (reply.status, reply.body["errcode"]) == (403, "M_FORBIDDEN")


_WRONG: list[tuple[str, Any]] = [
    ("rooms", []),
    ("rooms", {"version": "10"}),
    ("rooms", {"version": "12", "alias": 3}),
    ("rooms", {"version": "12", "alias": "a:b"}),
    ("rooms", {"version": "12", "creation_content": []}),
    ("rooms", {"version": "12", "members": "@a:b"}),
    ("rooms", {"version": "12", "members": [1]}),
    ("rooms", {"version": "12", "state": [{"type": "m.room.name"}]}),
    ("rooms", {"version": "12", "state": [{"type": "m.room.member", "state_key": "@a:b", "content": {}}]}),
    ("rooms", {"version": "12", "state": [{"type": "m.room.create", "state_key": "", "content": {}}]}),
    ("rooms", {"version": "12", "state": [{"type": "m.a", "state_key": str(n), "content": {}} for n in range(81)]}),
    ("memberships", {}),
    ("memberships", {"room_id": "!a", "join": {}}),
    ("memberships", {"room_id": "!a", "join": ["@a:b"], "leave": ["@a:b"]}),
    (
        "memberships",
        {"room_id": "!a", "join": [f"@{n}:b" for n in range(600)], "leave": [f"@-{n}:b" for n in range(401)]},
    ),
    ("memberships", {"room_id": "!a", "reason": {}}),
    ("accounts", {}),
    ("accounts", {"accounts": [{"localpart": "a"}]}),
    ("accounts", {"accounts": ["a"]}),
]


@pytest.mark.parametrize(("path", "body"), _WRONG)
async def test_what_is_not_understood_is_not_begun(guarded: Guarded, path: str, body: Any) -> None:
    reply = await guarded.call("POST", f"{GUARD}/{path}", guarded.homeserver.bot, body)
    assert reply.status == 400, reply
    assert reply.body["errcode"] in {"M_BAD_JSON", "M_NOT_JSON"}


async def test_a_room_that_its_own_rules_forbid_is_not_made(guarded: Guarded) -> None:
    alias, wanted = new_alias(), order(guarded)
    levels = next(piece for piece in wanted["state"] if piece["type"] == "m.room.power_levels")
    levels["content"] = {**levels["content"], "users": {guarded.homeserver.bot: 100}}  # a creator must not be listed
    reply = await guarded.call("POST", f"{GUARD}/rooms", guarded.homeserver.bot, {**wanted, "alias": alias})
    assert reply.status in {400, 403}, reply
    made = await make(guarded, order(guarded, alias=alias))
    assert made["new"]


async def test_clients_that_wait_are_told_at_once(guarded: Guarded) -> None:
    member, newcomer, invited = await staff(guarded, 3)
    room = (await make(guarded, order(guarded, [member])))["room_id"]
    await guarded.invite(room, invited)
    seen = await clients(guarded, "PHONE", member, newcomer, invited)
    since = {user: await _next_batch(seen, user) for user in (member, newcomer, invited)}
    waiting = {user: asyncio.create_task(_next_batch(seen, user, since[user])) for user in since}
    await asyncio.sleep(0.3)
    await move(guarded, room, join=[newcomer], leave=[invited])
    async with asyncio.timeout(5):  # they would wait for 30 s
        assert all(await asyncio.gather(*waiting.values()))
    since = {user: await _next_batch(seen, user) for user in since}
    waiting = {user: asyncio.create_task(_next_batch(seen, user, since[user])) for user in (member, newcomer)}
    await asyncio.sleep(0.3)
    await move(guarded, room, leave=[newcomer])
    async with asyncio.timeout(5):
        assert all(await asyncio.gather(*waiting.values()))


async def _next_batch(seen: Guarded, user: UserId, since: str = "") -> str:
    """Where a client stands after what it is told; with ``since``, it waits for something to be told."""
    query = urlencode({"since": since, "timeout": 30_000} if since else {"timeout": 0})
    reply = await seen.call("GET", f"{CLIENT}/sync", user, query=query)
    assert reply.status == 200, reply
    assert not since or reply.body.get("rooms"), "woken for nothing"
    return str(reply.body["next_batch"])


async def test_people_write_while_others_are_brought_in(guarded: Guarded) -> None:
    people = await staff(guarded, 320)
    room = (await make(guarded, order(guarded, people[:20])))["room_id"]
    moving = asyncio.create_task(move(guarded, room, join=people[20:], leave=people[10:20]))
    said = []
    while not moving.done():
        reply = await guarded.say(room, people[0])
        assert reply.status == 200, reply
        said.append(reply.body["event_id"])
    await moving
    assert len(said) > 1
    assert (await guarded.say(room, people[0])).status == 200  # follows both, the batch and what was said beside it
    assert await members(guarded, room) == {*people[:10], *people[20:]}
    tables = Tables(guarded.homeserver)
    stored = {row[0] for row in tables.rows("SELECT event_id FROM events WHERE type = 'm.room.message'")}
    assert set(said) <= stored
    assert tables.faults(room) == []
    assert len(tables.extremities(room)) == 1


async def test_accounts_are_made_once_with_their_final_name(guarded: Guarded) -> None:
    (there,), new, wrong = await staff(guarded, 1), new_localpart(), "Pas Un Nom"
    wanted = [there[1:].split(":")[0], new, wrong]
    body = {"accounts": [{"localpart": each, "display_name": "Alice MARTIN · parent"} for each in wanted]}
    reply = await guarded.call("POST", f"{GUARD}/accounts", guarded.homeserver.bot, body)
    user = f"@{new}:{guarded.homeserver.server_name}"
    assert reply.status == 200, reply
    assert (reply.body["made"], reply.body["existing"]) == ([user], [there])
    assert reply.body["refused"].keys() == {wrong}
    assert reply.body["refused"][wrong]["errcode"] == "M_INVALID_USERNAME"
    names = [await guarded.call("GET", f"{CLIENT}/profile/{quote(each)}/displayname", each) for each in (user, there)]
    assert [name.body["displayname"] for name in names] == ["Alice MARTIN · parent", NAME]


@pytest.fixture(scope="module")
async def mortal(
    tmp_path_factory: pytest.TempPathFactory, guard_authority: Authority
) -> AsyncIterator[tuple[Guarded, Path]]:
    """A homeserver that dies at the moment which is written into the file."""
    folder = tmp_path_factory.mktemp("mortal")
    file = folder / "moment"
    spec = sabotaged(guarded_spec(folder, guard_authority), SuddenDeath, {"file": str(file)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", PYTHONPATH)
        async with Homeserver(spec) as homeserver:
            yield Guarded(homeserver), file


@pytest.mark.parametrize("moment", SuddenDeath.MOMENTS)
async def test_dying_leaves_one_whole_room_for_whoever_asks_again(mortal: tuple[Guarded, Path], moment: str) -> None:
    guarded, file = mortal
    people = await staff(guarded, 150)
    wanted = order(guarded, people, alias=new_alias())
    file.write_text(moment, encoding="utf-8")
    with pytest.raises(aiohttp.ClientError):
        await make(guarded, wanted)
    file.unlink()
    await guarded.homeserver.kill()  # it is dead; this only buries it
    await guarded.homeserver.start()
    made = await make(guarded, wanted)
    assert made["new"] == moment.startswith(("alias", "before"))
    assert (set(made["joined"]), made["refused"]) == (set(people), {})
    assert await members(guarded, made["room_id"]) == set(people)
    await _only_room(guarded, made["room_id"], wanted)


async def _only_room(guarded: Guarded, room: str, wanted: dict[str, Any]) -> None:
    """Nobody is in another room of that order, and this one has all its state."""
    tables = Tables(guarded.homeserver)
    assert tables.faults(room) == []
    state = {(each["type"], each["state_key"]): each["content"] for each in await read(guarded, room, "state")}
    assert all(state[piece["type"], piece["state_key"]] == piece["content"] for piece in wanted["state"])
    nonce = wanted["creation_content"]["nonce"]
    created = tables.rows("SELECT room_id FROM event_json WHERE json LIKE ?", f"%{nonce}%")
    assert {row[0] for row in created} == {room}


async def test_with_another_synapse_it_says_so_and_the_rest_goes_on(
    tmp_path: Path, guard_authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)
    spec = sabotaged(guarded_spec(tmp_path / "homeserver", guard_authority), OtherSynapse)
    async with Homeserver(spec) as homeserver:
        guarded = Guarded(homeserver)
        assert "EventAuthHandler.compute_auth_events" in (await guarded.status())["missing_inner_parts"]
        await staff(guarded, 2)
        for path, body in (("rooms", order(guarded)), ("memberships", {"room_id": "!" + secrets.token_hex(8)})):
            reply = await guarded.call("POST", f"{GUARD}/{path}", homeserver.bot, body)
            assert (reply.status, reply.body["errcode"]) == (501, "M_UNRECOGNIZED")
