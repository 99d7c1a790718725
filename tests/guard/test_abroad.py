"""At the border: what a homeserver whose guard is off asks of ours, sends into our rooms, and opens to our people.

Ours has the facts that the tests push; theirs does whatever it is told.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from preau.demo.authority import Authority
from preau.model.facts import FactKind, RoomFacts, SharedRoomFacts, VouchFacts
from preau.model.ids import RoomId, ServerName, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from tests.builders import NORTH
from tests.guard.batching import Tables
from tests.guard.guarded import Guarded, Reply
from tests.guard.neighbours import Neighbours, neighbours, soon
from tests.guard.places import database, several_processes
from tests.live.homeservers import new_localpart, register

pytestmark = pytest.mark.live

CLIENT = "/_matrix/client/v3"
TEACHER, GUARDIAN, PUPIL = Function.TEACHER, Function.GUARDIAN, Function.PUPIL
BETWEEN = "between_academies"


@pytest.fixture(scope="module")
async def elsewhere(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, guard_authority: Authority
) -> AsyncIterator[Neighbours]:
    """The same border on PostgreSQL, and with rooms of version 11."""
    more: dict[str, Any] = {"database": database(request, "postgresql"), "room_version": "11"}
    async with neighbours(tmp_path_factory.mktemp("elsewhere"), guard_authority, **more) as running:
        yield running


@pytest.fixture(scope="module")
async def spread(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, guard_authority: Authority
) -> AsyncIterator[Neighbours]:
    """The same border of a homeserver in several processes."""
    folder = tmp_path_factory.mktemp("spread")
    async with neighbours(folder, guard_authority, **several_processes(request)) as running:
        yield running


@pytest.fixture(scope="module")
def where(request: pytest.FixtureRequest) -> str:
    """On SQLite with rooms of version 12, which all tests share, unless `EVERYWHERE` says that it is elsewhere too."""
    return str(getattr(request, "param", "border"))


@pytest.fixture(scope="module")
def border(request: pytest.FixtureRequest, where: str) -> Neighbours:
    """The two homeservers."""
    found: Neighbours = request.getfixturevalue(where)
    return found


EVERYWHERE = pytest.mark.parametrize(
    "where",
    [
        pytest.param("border", id="12"),
        pytest.param("elsewhere", id="11-postgresql", marks=pytest.mark.postgresql),
        pytest.param("spread", id="12-workers", marks=pytest.mark.postgresql),
    ],
    indirect=True,
)


async def stranger(border: Neighbours) -> UserId:
    """Somebody on the other homeserver."""
    return await register(border.theirs.homeserver, new_localpart(), "Camille SUD · professeur")


async def their_room(border: Neighbours, by: UserId | None = None, *invited: UserId, **more: Any) -> RoomId:
    """A room of the other homeserver, made by its bot unless somebody is named."""
    body = {"preset": "private_chat", "invite": list(invited), **more}
    made = await border.theirs.call("POST", f"{CLIENT}/createRoom", by or border.theirs.homeserver.bot, body)
    assert made.status == 200, made
    return RoomId(made.body["room_id"])


async def join(who: Guarded, user: UserId, room: str, via: Guarded) -> Reply:
    """A join through the other homeserver."""
    path = f"{CLIENT}/join/{quote(room)}"
    return await who.call("POST", path, user, {}, query=f"via={quote(via.homeserver.server_name)}")


async def admit(border: Neighbours, room: str, *functions: Function, kind: RoomKind = RoomKind.INTER_ACADEMY) -> None:
    admits = {border.theirs.homeserver.server_name: frozenset(functions)}
    await border.ours.push(RoomFacts(RoomId(room), kind, NORTH, "Maths", admits))


async def vouch(border: Neighbours, user: UserId, *functions: Function) -> None:
    if functions:
        await border.ours.push(VouchFacts(user, frozenset(functions)))
    else:
        await border.ours.push(gone=[(FactKind.VOUCH, user)])


async def visited(border: Neighbours, power: int = 0) -> tuple[str, UserId, UserId]:
    """A room of ours with a teacher of each académie in it; theirs has that power."""
    host, guest = await border.ours.person(TEACHER, logged_in=False), await stranger(border)
    room = await border.ours.managed(RoomKind.INTER_ACADEMY, new_localpart(), levels={guest: power})
    await admit(border, room, TEACHER)
    await vouch(border, guest, TEACHER)
    await border.ours.bring_in(room, host)
    assert (await border.ours.invite(room, guest)).status == 200
    assert (await join(border.theirs, guest, room, border.ours)).status == 200
    return room, host, guest


def sealed(border: Neighbours, event_id: str) -> list[tuple[str, Any]]:
    """What our guard keeps of an event."""
    query = "SELECT why, event_json FROM preau_guard_evidence WHERE event_id = ?"
    return [(why, json.loads(kept)) for why, kept in Tables(border.ours.homeserver).rows(query, event_id)]


async def arrived(border: Neighbours, room: str, event_id: str) -> dict[str, Any]:
    """The event as our database has it, once it is there: what Synapse keeps, not what it shows."""
    query = "SELECT json FROM event_json WHERE event_id = ? AND room_id = ?"
    async for _ in soon():
        for (found,) in Tables(border.ours.homeserver).rows(query, event_id, room):
            event: dict[str, Any] = json.loads(found)
            return event
    raise AssertionError(f"{event_id} did not arrive")


# Invitations that arrive


async def test_their_people_invite_nobody_of_ours(border: Neighbours) -> None:
    ours, theirs = await border.ours.person(TEACHER), await stranger(border)
    room = await their_room(border, theirs)
    await border.ours.push(SharedRoomFacts(room, border.theirs.homeserver.server_name, frozenset({TEACHER})))
    refused = await border.theirs.invite(room, ours, theirs)
    assert (refused.status, refused.body["errcode"]) == (403, "M_FORBIDDEN")


@pytest.mark.parametrize(
    ("functions", "listed", "expected"),
    [
        ({TEACHER}, {TEACHER}, 200),
        ({GUARDIAN}, {TEACHER}, 403),
        ({PUPIL}, {TEACHER, PUPIL}, 403),
        (set(), {TEACHER}, 403),
        ({TEACHER}, set(), 403),
        ({TEACHER}, None, 403),
    ],
    ids=["fits", "does not fit", "a pupil", "no place", "listed for nobody", "not listed"],
)
async def test_their_bot_invites_whom_its_list_lets_in(
    border: Neighbours, functions: set[Function], listed: set[Function] | None, expected: int
) -> None:
    ours = await border.ours.person(*functions, logged_in=False)
    room = await their_room(border)
    if listed is not None:
        await border.ours.push(SharedRoomFacts(room, border.theirs.homeserver.server_name, frozenset(listed)))
    assert (await border.theirs.invite(room, ours)).status == expected


async def test_a_list_of_a_third_academie_does_not_open_their_rooms(border: Neighbours) -> None:
    ours, room = await border.ours.person(TEACHER, logged_in=False), await their_room(border)
    await border.ours.push(SharedRoomFacts(room, ServerName("est.example"), frozenset({TEACHER})))
    assert (await border.theirs.invite(room, ours)).status == 403


@EVERYWHERE
async def test_only_their_bot_invites_our_bot(border: Neighbours) -> None:
    bot, theirs = border.ours.homeserver.bot, await stranger(border)
    assert (await border.theirs.invite(await their_room(border, theirs), bot, theirs)).status == 403
    assert (await border.theirs.invite(await their_room(border), bot)).status == 200


# Our people in their rooms


@EVERYWHERE
async def test_our_people_enter_their_rooms_and_write_there_only_while_the_list_says_so(border: Neighbours) -> None:
    ours, room = await border.ours.person(TEACHER, logged_in=False), await their_room(border)
    opened = SharedRoomFacts(room, border.theirs.homeserver.server_name, frozenset({TEACHER}))
    await border.ours.push(opened)
    assert (await border.theirs.invite(room, ours)).status == 200
    await border.ours.push(gone=[(FactKind.SHARED_ROOM, room)])
    closed = await join(border.ours, ours, room, border.theirs)
    assert (closed.status, closed.rule) == (403, BETWEEN)
    await border.ours.push(opened)
    assert (await join(border.ours, ours, room, border.theirs)).status == 200
    assert (await border.ours.say(room, ours)).status == 200
    await border.ours.push(gone=[(FactKind.SHARED_ROOM, room)])
    withdrawn = await border.ours.say(room, ours)
    assert (withdrawn.status, withdrawn.rule) == (403, BETWEEN)
    assert "salons partagés" in withdrawn.body["error"]
    assert (await border.ours.call("POST", f"{CLIENT}/rooms/{quote(room)}/leave", ours)).status == 200


async def test_our_people_do_nothing_in_their_rooms_but_write(border: Neighbours) -> None:
    ours, other = await border.ours.person(TEACHER, logged_in=False), await border.ours.person(TEACHER, logged_in=False)
    room = await their_room(border, power_level_content_override={"users_default": 100})
    await border.ours.push(SharedRoomFacts(room, border.theirs.homeserver.server_name, frozenset({TEACHER})))
    await border.theirs.invite(room, ours)
    assert (await join(border.ours, ours, room, border.theirs)).status == 200
    encrypted = f"{CLIENT}/rooms/{quote(room)}/send/m.room.encrypted/1"
    deeds = {
        "topic": await border.ours.put_state(room, ours, "m.room.topic", {"topic": "À nous"}),
        "invites": await border.ours.invite(room, other, ours),
        "encrypts": await border.ours.call("PUT", encrypted, ours, {"algorithm": "m.megolm.v1.aes-sha2"}),
    }
    assert {what: (reply.status, reply.rule) for what, reply in deeds.items()} == dict.fromkeys(deeds, (403, BETWEEN))


@EVERYWHERE
async def test_a_room_that_somebody_else_made_is_not_theirs_whatever_is_listed(border: Neighbours) -> None:
    """Their guard is off: their bot may have been invited into a room of a person, and given power to invite."""
    theirs, ours = await stranger(border), await border.ours.person(TEACHER, logged_in=False)
    bot = border.theirs.homeserver.bot
    room = await their_room(border, theirs, bot, power_level_content_override={"users_default": 100})
    assert (await border.theirs.join(room, bot)).status == 200
    await border.ours.push(SharedRoomFacts(room, border.theirs.homeserver.server_name, frozenset({TEACHER})))
    assert (await border.theirs.invite(room, ours)).status == 200
    assert (await join(border.ours, ours, room, border.theirs)).status == 200
    said = await border.ours.say(room, ours)
    assert (said.status, said.rule) == (403, BETWEEN)


# Their people in our rooms


async def test_nobody_of_ours_invites_anybody_of_theirs(border: Neighbours) -> None:
    room, host, _ = await visited(border)
    another = await stranger(border)
    await vouch(border, another, TEACHER)
    assert (await border.ours.invite(room, another, host)).status == 403
    assert (await border.ours.talk(host, another)).status == 403


@pytest.mark.parametrize(
    ("kind", "admitted", "vouched", "expected"),
    [
        (RoomKind.INTER_ACADEMY, {TEACHER}, {TEACHER}, 200),
        (RoomKind.INTER_ACADEMY, {TEACHER}, {GUARDIAN}, 403),
        (RoomKind.INTER_ACADEMY, {TEACHER}, set(), 403),
        (RoomKind.INTER_ACADEMY, set(), {TEACHER}, 403),
        (RoomKind.INTER_ACADEMY, {PUPIL}, {PUPIL}, 403),
        (RoomKind.STAFF, {TEACHER}, {TEACHER}, 403),
    ],
    ids=["fits", "does not fit", "not vouched for", "not admitted", "a pupil", "a staff room"],
)
async def test_even_our_bot_invites_only_whom_both_sides_speak_for(
    border: Neighbours, kind: RoomKind, admitted: set[Function], vouched: set[Function], expected: int
) -> None:
    room, guest = await border.ours.managed(kind, new_localpart()), await stranger(border)
    await admit(border, room, *admitted, kind=kind)
    await vouch(border, guest, *vouched)
    reply = await border.ours.invite(room, guest)
    assert (reply.status, reply.rule) == (expected, "" if expected == 200 else BETWEEN)


@EVERYWHERE
async def test_whose_academie_took_its_word_back_does_not_join_on_an_old_invitation(border: Neighbours) -> None:
    room, guest = await border.ours.managed(RoomKind.INTER_ACADEMY, new_localpart()), await stranger(border)
    await admit(border, room, TEACHER)
    await vouch(border, guest, TEACHER)
    assert (await border.ours.invite(room, guest)).status == 200
    await vouch(border, guest)
    assert (await join(border.theirs, guest, room, border.ours)).status == 403
    await vouch(border, guest, TEACHER)
    assert (await join(border.theirs, guest, room, border.ours)).status == 200


@EVERYWHERE
@pytest.mark.parametrize("join_rule", ["invite", "knock"])
@pytest.mark.parametrize("membership", ["join", "knock"])
async def test_nobody_comes_uninvited(border: Neighbours, membership: str, join_rule: str) -> None:
    """Nor where the room itself is open to knocking; nobody of theirs is there, so ours is asked to prepare it."""
    room, bot = await border.ours.managed(RoomKind.INTER_ACADEMY, new_localpart()), border.ours.homeserver.bot
    await admit(border, room, TEACHER)
    assert (await border.ours.put_state(room, bot, "m.room.join_rules", {"join_rule": join_rule})).status == 200
    another = await stranger(border)
    await vouch(border, another, TEACHER)
    path = f"{CLIENT}/{membership}/{quote(room)}"
    query = f"via={quote(border.ours.homeserver.server_name)}"
    assert (await border.theirs.call("POST", path, another, {}, query=query)).status == 403


# What they send


@EVERYWHERE
async def test_a_visitor_for_whom_their_academie_answers_is_heard(border: Neighbours) -> None:
    room, _, guest = await visited(border)
    said = await border.theirs.say(room, guest, "Bonjour du sud")
    assert (await arrived(border, room, said.body["event_id"]))["content"]["body"] == "Bonjour du sud"
    assert sealed(border, said.body["event_id"]) == []


@EVERYWHERE
async def test_the_homeserver_of_a_visitor_is_told_at_once_who_is_there(border: Neighbours) -> None:
    """Of a member whom it hears of later it may refuse for ever what is said meanwhile."""
    _, _, guest = await visited(border)
    log = (border.theirs.homeserver.spec.folder / "synapse.log").read_text()
    (joined,) = [line for line in log.splitlines() if "join-via-remote" in line and guest in line]
    assert "(partial_state: False)" in joined


@EVERYWHERE
async def test_one_for_whom_it_does_not_is_sealed_and_emptied_until_it_does_again(border: Neighbours) -> None:
    room, host, guest = await visited(border)
    await vouch(border, guest)
    refused = (await border.theirs.say(room, guest, "Menaces")).body["event_id"]
    kept = await arrived(border, room, refused)
    assert kept["content"] == {}
    [(why, whole)] = sealed(border, refused)
    assert (why, whole["sender"], whole["content"]["body"]) == (BETWEEN, guest, "Menaces")
    await vouch(border, guest, TEACHER)
    heard = (await border.theirs.say(room, guest, "Bonjour")).body["event_id"]
    assert (await arrived(border, room, heard))["content"]["body"] == "Bonjour"
    read = await border.ours.call("GET", f"{CLIENT}/rooms/{quote(room)}/messages", host, query="dir=b&limit=20")
    shown = {event["event_id"]: event["content"] for event in read.body["chunk"]}
    assert refused not in shown
    assert shown[heard]["body"] == "Bonjour"


@EVERYWHERE
async def test_what_is_encrypted_is_sealed_and_emptied_from_everybody(border: Neighbours) -> None:
    room, _, guest = await visited(border)
    path = f"{CLIENT}/rooms/{quote(room)}/send/m.room.encrypted/1"
    sent = await border.theirs.call("PUT", path, guest, {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x"})
    assert (await arrived(border, room, sent.body["event_id"]))["content"] == {}
    assert sealed(border, sent.body["event_id"])[0][1]["content"]["ciphertext"] == "x"


@EVERYWHERE
async def test_when_the_word_cannot_be_read_the_message_is_sealed_and_emptied(border: Neighbours) -> None:
    room, _, guest = await visited(border)
    await vouch(border, guest)
    await vouch(border, guest, TEACHER)  # dropped from the cache, and not read again yet
    broken = "UPDATE preau_guard_fact SET body = '{\"functions\": 7}' WHERE id = ?"
    Tables(border.ours.homeserver).write(broken, guest)
    sent = (await border.theirs.say(room, guest, "Entre deux")).body["event_id"]
    assert (await arrived(border, room, sent))["content"] == {}
    assert [why for why, _ in sealed(border, sent)] == ["not_ready"]


@EVERYWHERE
async def test_state_is_never_refused_so_that_both_sides_agree_on_who_and_what_is_there(border: Neighbours) -> None:
    room, _, guest = await visited(border, power=100)
    await vouch(border, guest)
    topic = await border.theirs.put_state(room, guest, "m.room.topic", {"topic": "Au sud"})
    assert (await arrived(border, room, topic.body["event_id"]))["content"] == {"topic": "Au sud"}
    assert (await border.ours.state(room, "m.room.topic")) == {"topic": "Au sud"}
    left = await border.theirs.call("POST", f"{CLIENT}/rooms/{quote(room)}/leave", guest)
    assert left.status == 200
    async for _ in soon():
        if (await border.ours.state(room, "m.room.member", guest))["membership"] == "leave":
            return
    raise AssertionError("our homeserver still has them in the room")


@EVERYWHERE
async def test_what_a_visitor_takes_back_is_sealed_first(border: Neighbours) -> None:
    room, _, guest = await visited(border)
    said = (await border.theirs.say(room, guest, "Je n’ai rien dit")).body["event_id"]
    await arrived(border, room, said)
    path = f"{CLIENT}/rooms/{quote(room)}/redact/{quote(said)}/1"
    taken_back = await border.theirs.call("PUT", path, guest, {})
    await arrived(border, room, taken_back.body["event_id"])
    [(why, whole)] = sealed(border, said)
    assert (why, whole["content"]["body"]) == ("redaction", "Je n’ai rien dit")
