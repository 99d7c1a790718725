"""Taking messages back: one's own, and as a moderator; sealed before Synapse forgets."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from preau.demo.authority import Authority
from preau.guard.evidence import create, prune
from preau.model.facts import Party, PersonFacts, RoomFacts, VouchFacts
from preau.model.ids import DivisionCode, PersonId, RoomId, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from preau.policy.powers import MODERATOR, WRITER
from preau.policy.takebacks import IN_AN_HOUR
from tests.builders import NORTH
from tests.guard.guarded import Guarded, Reply
from tests.guard.neighbours import neighbours, soon
from tests.live.homeservers import new_localpart, register

pytestmark = pytest.mark.live

VERSIONS = pytest.mark.parametrize("version", ["12", "11"])
CLASS = ("5 A",)


async def said(guarded: Guarded, room: str, user: UserId | str, text: str = "Bonjour") -> str:
    """A message's id."""
    reply = await guarded.say(room, user, text)
    assert reply.status == 200, reply
    return str(reply.body["event_id"])


async def take_back(guarded: Guarded, room: str, user: UserId | str, event: str) -> Reply:
    path = f"/_matrix/client/v3/rooms/{quote(room)}/redact/{quote(event)}/{secrets.token_hex(8)}"
    return await guarded.call("PUT", path, user, {"reason": "retiré"})


async def content(guarded: Guarded, room: str, event: str) -> Mapping[str, Any]:
    """What members still see of an event."""
    path = f"/_matrix/client/v3/rooms/{quote(room)}/event/{quote(event)}"
    reply = await guarded.call("GET", path, guarded.homeserver.bot)
    assert reply.status == 200, reply
    found: Mapping[str, Any] = reply.body["content"]
    return found


def sealed(guarded: Guarded, event: str) -> tuple[str, str, Mapping[str, Any]] | None:
    """Sender, reason and the event itself, as evidence."""
    with sqlite3.connect(_database(guarded), timeout=10) as database:
        row = database.execute(
            "SELECT sender, why, event_json FROM preau_guard_evidence WHERE event_id = ?", (event,)
        ).fetchone()
    return (row[0], row[1], json.loads(row[2])) if row else None


def _database(guarded: Guarded) -> Path:
    return guarded.homeserver.spec.folder / "data" / "homeserver.db"


async def parents_and_staff(
    guarded: Guarded, *members: UserId, version: str = "12", levels: Mapping[UserId, int] | None = None
) -> str:
    room = await guarded.managed(RoomKind.DIVISION_PARENTS_STAFF, *CLASS, version=version, levels=levels)
    await guarded.bring_in(room, *members)
    return room


@VERSIONS
async def test_ones_own_message_goes_and_stays_as_evidence(guarded: Guarded, version: str) -> None:
    guardian = await guarded.person(Function.GUARDIAN, divisions=CLASS)
    room = await parents_and_staff(guarded, guardian, version=version)
    event = await said(guarded, room, guardian, "Je sais où tu habites \x00")
    assert (await take_back(guarded, room, guardian, event)).status == 200
    assert await content(guarded, room, event) == {}
    found = sealed(guarded, event)
    assert found is not None
    sender, why, original = found
    assert (sender, why) == (guardian, "redaction")
    assert (original["content"]["body"], original["room_id"]) == ("Je sais où tu habites \x00", room)


async def test_a_second_taking_back_leaves_the_first_copy(guarded: Guarded) -> None:
    guardian = await guarded.person(Function.GUARDIAN, divisions=CLASS)
    room = await parents_and_staff(guarded, guardian)
    event = await said(guarded, room, guardian)
    for _ in range(2):
        assert (await take_back(guarded, room, guardian, event)).status == 200
    found = sealed(guarded, event)
    assert found is not None
    assert found[2]["content"]["body"] == "Bonjour"


@VERSIONS
async def test_a_moderator_takes_away_what_members_wrote_but_not_what_the_school_did(
    guarded: Guarded, version: str
) -> None:
    guardian = await guarded.person(Function.GUARDIAN, divisions=CLASS)
    head = await guarded.person(Function.HEAD_TEACHER, divisions=CLASS)
    delegate = await guarded.person(Function.DIRECTION_DELEGATE, Function.TEACHER, divisions=CLASS)
    room = await parents_and_staff(guarded, guardian, head, delegate, version=version, levels={head: MODERATOR})
    assert (await take_back(guarded, room, head, await said(guarded, room, guardian))).status == 200
    for author in (delegate, guarded.homeserver.bot):
        event = await said(guarded, room, author)
        assert (await take_back(guarded, room, head, event)).rule == "redaction"
        assert (await content(guarded, room, event))["body"] == "Bonjour"
        assert sealed(guarded, event) is None


async def test_direction_takes_away_what_the_service_wrote(guarded: Guarded) -> None:
    principal = await guarded.person(Function.DIRECTION)
    room = await guarded.managed(RoomKind.ANNOUNCE_SCHOOL, levels={principal: MODERATOR})
    await guarded.bring_in(room, principal)
    assert (await take_back(guarded, room, principal, await said(guarded, room, guarded.homeserver.bot))).status == 200


async def test_a_member_takes_away_nothing_of_others(guarded: Guarded) -> None:
    guardian = await guarded.person(Function.GUARDIAN, divisions=CLASS)
    teacher = await guarded.person(Function.TEACHER, divisions=CLASS)
    room = await parents_and_staff(guarded, guardian, teacher, levels={teacher: WRITER})
    event = await said(guarded, room, guardian)
    assert (await take_back(guarded, room, teacher, event)).rule == "redaction"
    assert sealed(guarded, event) is None


async def test_a_moderator_who_lost_the_place_moderates_no_more(guarded: Guarded) -> None:
    guardian = await guarded.person(Function.GUARDIAN, divisions=CLASS)
    head = await guarded.person(Function.HEAD_TEACHER, divisions=CLASS)
    room = await parents_and_staff(guarded, guardian, head, levels={head: MODERATOR})
    theirs, own = await said(guarded, room, guardian), await said(guarded, room, head)
    other_class = Party(PersonId("h"), NORTH, frozenset({Function.HEAD_TEACHER}), frozenset({DivisionCode("4 B")}))
    await guarded.push(PersonFacts(head, "Nour GABARIT · professeur", (other_class,)))
    assert (await take_back(guarded, room, head, theirs)).rule == "redaction"
    assert (await take_back(guarded, room, head, own)).status == 200


async def test_in_a_conversation_not_even_whoever_began_it_takes_away_what_the_other_said(guarded: Guarded) -> None:
    guardian, teacher = await guarded.person(Function.GUARDIAN), await guarded.person(Function.TEACHER)
    room = str((await guarded.talk(guardian, teacher)).body["room_id"])
    await guarded.join(room, teacher)
    event = await said(guarded, room, teacher)
    assert (await take_back(guarded, room, guardian, event)).rule == "redaction"
    assert (await take_back(guarded, room, teacher, event)).status == 200


@VERSIONS
async def test_state_is_not_taken_back_and_no_redaction_is_state(guarded: Guarded, version: str) -> None:
    guardian = await guarded.person(Function.GUARDIAN, divisions=CLASS)
    room = await parents_and_staff(guarded, guardian, version=version)
    path = f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.member/{quote(guardian)}?format=event"
    joined = (await guarded.call("GET", path.split("?", maxsplit=1)[0], guardian, query="format=event")).body[
        "event_id"
    ]
    assert (await take_back(guarded, room, guardian, joined)).rule == "redaction"
    event = await said(guarded, room, guardian)
    as_state = await guarded.put_state(room, guardian, "m.room.redaction", {"redacts": event})
    assert as_state.status >= 400
    assert (await content(guarded, room, event))["body"] == "Bonjour"


@VERSIONS
async def test_the_path_for_messages_is_judged_and_sealed_too(guarded: Guarded, version: str) -> None:
    guardian = await guarded.person(Function.GUARDIAN, divisions=CLASS)
    head = await guarded.person(Function.HEAD_TEACHER, divisions=CLASS)
    room = await parents_and_staff(guarded, guardian, head, version=version, levels={head: MODERATOR})

    async def send(user: UserId, event: object) -> Reply:
        path = f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.redaction/{secrets.token_hex(8)}"
        return await guarded.call("PUT", path, user, {"redacts": event})

    own = await said(guarded, room, guardian)
    assert (await send(guardian, own)).status == 200
    assert sealed(guarded, own) is not None
    service = await said(guarded, room, guarded.homeserver.bot)
    assert (await send(head, service)).rule == "redaction"
    for nothing in ("$nothing", 5, None):
        assert (await send(head, nothing)).status >= 400


async def test_an_event_of_another_room_is_not_taken_back_from_here(guarded: Guarded) -> None:
    head = await guarded.person(Function.HEAD_TEACHER, divisions=CLASS)
    here = await parents_and_staff(guarded, head, levels={head: MODERATOR})
    there = await parents_and_staff(guarded, head)
    event = await said(guarded, there, head)
    assert (await take_back(guarded, here, head, event)).rule == "redaction"
    assert sealed(guarded, event) is None


async def test_a_new_device_takes_nothing_back(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER, divisions=CLASS)
    room = await parents_and_staff(guarded, teacher)
    event = await said(guarded, room, teacher)
    await guarded.log_in(teacher, "SECOND")
    assert (await take_back(guarded, room, teacher, event)).rule == "new_device"


async def test_no_more_than_so_much_in_an_hour(guarded: Guarded) -> None:
    pupil = await guarded.person(Function.PUPIL, divisions=CLASS)
    room = await guarded.managed(RoomKind.PUPILS_DIVISION, *CLASS)
    await guarded.bring_in(room, pupil)
    token = guarded.tokens.pop(pupil)  # the service writes for them: Synapse's own limit would come first
    events = [await said(guarded, room, pupil) for _ in range(IN_AN_HOUR[Function.PUPIL] + 1)]
    guarded.tokens[pupil] = token
    replies = [await take_back(guarded, room, pupil, event) for event in events]
    assert [reply.rule for reply in replies] == [""] * IN_AN_HOUR[Function.PUPIL] + ["takebacks"]
    assert sealed(guarded, events[-1]) is None
    assert (await content(guarded, room, events[-1]))["body"] == "Bonjour"


async def test_the_service_purges_what_an_account_wrote_and_all_of_it_is_sealed(guarded: Guarded) -> None:
    pupil = await guarded.person(Function.PUPIL, divisions=CLASS, logged_in=False)
    room = await guarded.managed(RoomKind.PUPILS_DIVISION, *CLASS)
    await guarded.bring_in(room, pupil)
    more_than_pupils_may = IN_AN_HOUR[Function.PUPIL] + 1
    events = [await said(guarded, room, pupil, f"Menace {number}") for number in range(more_than_pupils_may)]
    bot = guarded.homeserver.bot
    started = await guarded.call("POST", f"/_synapse/admin/v1/user/{quote(pupil)}/redact", bot, {"rooms": [room]})
    path = f"/_synapse/admin/v1/user/redact_status/{started.body['redact_id']}"
    for _ in range(50):
        if (await guarded.call("GET", path, bot)).body["status"] in {"complete", "failed"}:
            break
        await asyncio.sleep(0.1)
    assert [await content(guarded, room, event) for event in events] == [{}] * more_than_pupils_may
    assert all(sealed(guarded, event) for event in events)


@VERSIONS
async def test_what_the_bot_takes_back_in_its_own_name_is_sealed(guarded: Guarded, version: str) -> None:
    guardian = await guarded.person(Function.GUARDIAN, divisions=CLASS)
    room = await parents_and_staff(guarded, guardian, version=version)
    bot = guarded.homeserver.bot
    for author in (guardian, bot):
        event = await said(guarded, room, author)
        assert (await take_back(guarded, room, bot, event)).status == 200
        assert await content(guarded, room, event) == {}
        found = sealed(guarded, event)
        assert found is not None
        assert (found[0], found[2]["content"]["body"]) == (author, "Bonjour")


@pytest.mark.timeout(180)  # it starts three homeservers
async def test_a_visitors_message_that_arrives_after_it_was_taken_back_is_sealed(
    tmp_path: Path, guard_authority: Authority
) -> None:
    async with neighbours(tmp_path, guard_authority) as border:
        ours, theirs = border.ours, border.theirs
        guest = await register(theirs.homeserver, new_localpart(), "Camille SUD · professeur")
        room = await ours.managed(RoomKind.INTER_ACADEMY, levels={guest: WRITER})
        admits = {theirs.homeserver.server_name: frozenset({Function.TEACHER})}
        await ours.push(
            RoomFacts(RoomId(room), RoomKind.INTER_ACADEMY, NORTH, "", admits),
            VouchFacts(guest, frozenset({Function.TEACHER})),
        )
        assert (await ours.invite(room, guest)).status == 200
        via = f"via={quote(ours.homeserver.server_name)}"
        assert (await theirs.call("POST", f"/_matrix/client/v3/join/{quote(room)}", guest, query=via)).status == 200
        await ours.homeserver.stop()
        event = await said(theirs, room, guest, "Je n’ai rien dit")
        with sqlite3.connect(_database(ours)) as database:  # as Synapse notes a redaction of what it does not have yet
            database.execute("INSERT INTO redactions (event_id, redacts) VALUES ('$earlier', ?)", (event,))
        await ours.homeserver.start()
        await said(ours, room, ours.homeserver.bot)  # a server that hears of another again sends what it kept for it
        found = await _sealed_soon(ours, event)
    assert (found[1], found[2]["content"]["body"]) == ("redaction", "Je n’ai rien dit")


async def _sealed_soon(guarded: Guarded, event: str) -> tuple[str, str, Mapping[str, Any]]:
    async for _ in soon(30):
        if (found := sealed(guarded, event)) is not None:
            return found
    raise AssertionError(f"{event} is not sealed")


def test_evidence_is_forgotten_after_its_time() -> None:
    with sqlite3.connect(":memory:") as database:
        cursor: Any = database.cursor()  # what a transaction of Synapse's offers, as far as it is used here
        create(cursor)
        for event, at in (("$old", 1000), ("$new", 2000)):
            cursor.execute("INSERT INTO preau_guard_evidence VALUES (?, '!r', '@a:b', ?, 'x', '{}')", (event, at))
        prune(cursor, 2000)
        assert cursor.execute("SELECT event_id FROM preau_guard_evidence").fetchall() == [("$new",)]
