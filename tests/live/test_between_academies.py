"""Between académies: nobody crosses but by both services' word, and each word that is taken back counts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from urllib.parse import quote

import pytest

from preau.demo.authority import Authority
from preau.model.ids import PersonId, RoomId, UserId, split_user_id
from preau.model.wanted import StateKey
from preau.policy.control import SHARED, VOUCH
from preau.store import control
from preau.sync import planning
from tests.live.academies import ROOMS, Academies, Academy, eventually, two_academies

pytestmark = pytest.mark.live

CLIENT = "/_matrix/client/v3"
BETWEEN = "between_academies"


@pytest.fixture(scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> AsyncIterator[Academies]:
    async with two_academies(tmp_path_factory.mktemp("between"), authority) as academies:
        yield academies


async def becomes(academy: Academy, room: RoomId, user: UserId, membership: str, seen_by: UserId | None = None) -> None:
    async def so() -> bool:
        return await academy.membership(room, user, seen_by=seen_by) == membership

    await eventually(so)


async def heard(academy: Academy, reader: UserId, room: RoomId, event_id: str, text: str) -> None:
    async def so() -> bool:
        return (await academy.contents(reader, room)).get(event_id, {}).get("body") == text

    await eventually(so)


async def said(academy: Academy, word: StateKey) -> bool:
    """Whether that académie's service knows to have said it."""
    async with academy.school.context.store.reading() as db:
        return word in await control.words(db, academy.homeserver.server_name)


async def waiting_for(academy: Academy, name: str) -> list[UserId | None]:
    """Who waits to be let into that room, as `preau plan` says."""
    planned = await planning.plan(academy.school.context)
    return [step.user for step in planned.waiting if step.room is not None and step.room.scope == name]


async def test_a_visitor_is_invited_once_their_academie_vouched_and_talks_both_ways(both: Academies) -> None:
    room, host, guest, _ = await both.shared_room()
    asked = await both.nord.send(host, room, "Bonjour du nord")
    answered = await both.sud.send(guest, room, "Bonjour du sud")
    assert (asked.status, answered.status) == (200, 200), (asked, answered)
    await heard(both.sud, guest, room, asked.body["event_id"], "Bonjour du nord")
    await heard(both.nord, host, room, answered.body["event_id"], "Bonjour du sud")
    assert await both.nord.members(room) == await both.sud.members(room, seen_by=guest)


async def test_until_their_academie_vouches_a_visitor_is_waited_for_and_the_plan_says_so(both: Academies) -> None:
    guest = await both.sud.teacher()
    await both.sud.stop_service()
    try:
        await both.nord.appoint(guest, "Veille")
        room = await both.nord.shared("Veille")
        assert await waiting_for(both.nord, "Veille") == [guest]
        assert await both.nord.membership(room, guest) == ""
        assert (await both.sud.join(guest, room, both.nord.homeserver)).rule == BETWEEN
    finally:
        await both.sud.start_service()
    await becomes(both.nord, room, guest, "invite")
    assert await waiting_for(both.nord, "Veille") == []


async def test_nobody_is_vouched_for_who_is_no_one_there(both: Academies) -> None:
    nobody = UserId(f"@personne:{both.sud.homeserver.server_name}")
    number = await both.nord.appoint(nobody, "Fantômes")
    room = await both.nord.shared("Fantômes")
    guest = await both.sud.teacher()
    await both.nord.appoint(guest, "Fantômes")
    await becomes(both.nord, room, guest, "invite")  # so sud has read what nord asks
    assert await waiting_for(both.nord, "Fantômes") == [nobody]
    await both.nord.end(number)
    assert await waiting_for(both.nord, "Fantômes") == []


async def test_when_the_appointment_ends_the_visitor_is_out_and_the_door_shut_on_both_sides(both: Academies) -> None:
    room, host, guest, number = await both.shared_room()
    word = StateKey(VOUCH, split_user_id(guest)[0])
    assert await said(both.sud, word)
    await both.nord.end(number)
    await becomes(both.nord, room, guest, "leave")
    await becomes(both.sud, room, guest, "leave", seen_by=guest)

    async def taken_back() -> bool:
        return not await said(both.sud, word) and not await said(both.nord, StateKey(SHARED, room))

    await eventually(taken_back)
    assert (await both.sud.join(guest, room, both.nord.homeserver)).rule == BETWEEN
    assert (await both.nord.send(host, room, "Encore là")).status == 200


async def test_when_their_academie_takes_its_word_back_the_visitor_is_out(both: Academies) -> None:
    host, name = await both.nord.teacher(), "Remplaçants"
    guest, function = await both.sud.assistant()
    await both.nord.appoint(PersonId(split_user_id(host)[0]), name)
    await both.nord.appoint(guest, name)
    room = await both.nord.shared(name)
    await becomes(both.nord, room, guest, "invite")
    assert (await both.sud.join(guest, room, both.nord.homeserver)).status == 200
    await both.sud.end(function)
    await becomes(both.nord, room, guest, "leave")

    async def waits_again() -> bool:
        return await waiting_for(both.nord, name) == [guest]

    await eventually(waits_again)


async def test_a_visitor_who_leaves_is_not_asked_in_again(both: Academies) -> None:
    room, _, guest, _ = await both.shared_room()
    left = await both.sud.guarded.call("POST", f"{ROOMS}/{quote(room)}/leave", guest)
    assert left.status == 200

    async def over() -> bool:
        return not await said(both.sud, StateKey(VOUCH, split_user_id(guest)[0]))

    await becomes(both.nord, room, guest, "leave")
    await eventually(over)
    assert (await both.nord.school.plan()).is_done
    assert await both.nord.membership(room, guest) == "leave"


async def test_what_was_said_while_a_service_was_down_is_read_when_it_is_back(both: Academies) -> None:
    room, host, guest, number = await both.shared_room()
    await both.sud.stop_service()
    another = await both.sud.teacher()
    await both.nord.appoint(another, "Reprise")
    with closing(both.sud.store()) as database, database:  # the homeserver would repeat its events: they are lost, too
        database.execute("DELETE FROM inbox_event")
        database.execute("DELETE FROM control_word WHERE server <> ?", (both.sud.homeserver.server_name,))
    await both.sud.start_service()
    await becomes(both.nord, await both.nord.shared("Reprise"), another, "invite")
    assert await both.nord.membership(room, guest) == "join"
    assert (await both.sud.send(guest, room, "Toujours là")).status == 200
    assert (await both.nord.send(host, room, "Nous aussi")).status == 200
    await both.nord.end(number)


async def test_people_of_two_academies_do_not_reach_each_other_by_themselves(both: Academies) -> None:
    room, host, guest, _ = await both.shared_room()
    another = await both.sud.teacher()
    deeds = {
        "a conversation": await both.nord.guarded.talk(host, guest),
        "a conversation back": await both.sud.guarded.talk(guest, host),
        "an invitation into the shared room": await both.nord.invite(host, room, another),
        "an invitation by the visitor": await both.sud.invite(guest, room, another),
        "a join uninvited": await both.sud.join(another, room, both.nord.homeserver),
        "a knock": await both.sud.guarded.call(
            "POST", f"{CLIENT}/knock/{quote(room)}", another, {}, query=f"via={quote(both.nord.homeserver.server_name)}"
        ),
        "a topic by the visitor": await both.sud.guarded.put_state(room, guest, "m.room.topic", {"topic": "Sud"}),
    }
    assert {what: reply.status for what, reply in deeds.items()} == dict.fromkeys(deeds, 403), deeds
    assert await both.nord.membership(room, another) == ""


async def test_whoever_is_put_out_of_a_control_room_believes_nothing_until_let_in_again(both: Academies) -> None:
    room, _, guest, number = await both.shared_room()
    async with both.sud.school.context.store.reading() as db:
        control_room = (await control.rooms(db))[both.sud.homeserver.server_name]
    await both.sud.school.context.homeserver.kick(control_room, both.nord.homeserver.bot)
    await becomes(both.nord, room, guest, "leave")
    await both.sud.stop_service()
    await both.sud.start_service()
    await becomes(both.nord, room, guest, "invite")
    await both.nord.end(number)


async def test_only_the_bot_of_the_academie_is_believed_in_its_control_room(both: Academies) -> None:
    """Sud's bot gives another power in its control room; what they say there counts for nothing."""
    sud, nord, guest = both.sud.guarded, both.nord.guarded, await both.sud.teacher()
    async with both.sud.school.context.store.reading() as db:
        room = (await control.rooms(db))[both.sud.homeserver.server_name]
    nobody = UserId(f"@faussaire:{both.sud.homeserver.server_name}")
    levels = (await sud.call("GET", f"{ROOMS}/{quote(room)}/state/m.room.power_levels", sud.homeserver.bot)).body
    raised = {**levels, "users": {**levels["users"], nord.homeserver.bot: 100}}
    assert (await sud.put_state(room, sud.homeserver.bot, "m.room.power_levels", raised)).status == 200

    async def forged() -> bool:
        word = split_user_id(nobody)[0]
        return (await nord.put_state(room, nord.homeserver.bot, VOUCH, {"functions": ["teacher"]}, word)).status == 200

    await eventually(forged)
    await both.nord.appoint(nobody, "Faussaires")
    await both.nord.appoint(guest, "Faussaires")
    await becomes(both.nord, await both.nord.shared("Faussaires"), guest, "invite")  # so all before was heard
    assert await waiting_for(both.nord, "Faussaires") == [nobody]


async def test_rooms_of_version_11_are_shared_as_well(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> None:
    async with two_academies(tmp_path_factory.mktemp("eleven"), authority, version="11") as eleven:
        room, host, guest, number = await eleven.shared_room()
        said_ = await eleven.sud.send(guest, room, "Bonjour du sud")
        await heard(eleven.nord, host, room, said_.body["event_id"], "Bonjour du sud")
        await eleven.nord.end(number)
        await becomes(eleven.sud, room, guest, "leave", seen_by=guest)
