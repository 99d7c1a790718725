"""Two académies federate with each other and with nobody else."""

from __future__ import annotations

from urllib.parse import quote

import nio
import pytest

from preau.demo.homeserver import Homeserver
from preau.errors import HomeserverError
from tests.live.conftest import MakePerson
from tests.live.homeservers import Person, new_localpart

pytestmark = pytest.mark.live


@pytest.fixture
async def open_room(plain: Homeserver) -> str:
    """The alias of a room at nord that anybody who reaches it may join."""
    request = {"preset": "public_chat", "room_alias_name": "_preau_" + new_localpart()}
    await plain.api().post("/_matrix/client/v3/createRoom", request)
    return f"#{request['room_alias_name']}:{plain.server_name}"


async def test_people_of_two_academies_talk_both_ways(
    plain: Homeserver, plain_peer: Homeserver, person: MakePerson
) -> None:
    here, there = await person(plain), await person(plain_peer)
    request = {"invite": [here.user, there.user]}
    room = (await plain.api().post("/_matrix/client/v3/createRoom", request))["room_id"]
    for each in (here, there):
        await join(each, room)
    await say(here, room, "Bonjour du nord")
    await hear(there, room, "Bonjour du nord")
    await say(there, room, "Bonjour du sud")
    await hear(here, room, "Bonjour du sud")


async def test_somebody_of_a_listed_academy_finds_and_joins_a_room_by_its_alias(
    plain_peer: Homeserver, person: MakePerson, open_room: str
) -> None:
    someone = await person(plain_peer)
    assert isinstance(await someone.client.join(open_room), nio.JoinResponse)


async def test_somebody_of_an_unlisted_homeserver_does_not(
    stranger: Homeserver, person: MakePerson, open_room: str
) -> None:
    someone = await person(stranger)
    answer = await someone.client.join(open_room)
    assert isinstance(answer, nio.JoinError)


async def test_a_room_is_not_joined_from_an_unlisted_homeserver_by_its_id_either(
    plain: Homeserver, stranger: Homeserver, person: MakePerson, open_room: str
) -> None:
    someone = await person(stranger)
    room = (await plain.api().get(f"/_matrix/client/v3/directory/room/{quote(open_room)}"))["room_id"]
    with pytest.raises(HomeserverError):
        await stranger.api(someone.user).call(
            "POST", f"/_matrix/client/v3/join/{quote(room)}", body={}, query={"server_name": plain.server_name}
        )


async def test_an_unlisted_homeserver_cannot_invite_our_people(
    plain: Homeserver, stranger: Homeserver, person: MakePerson
) -> None:
    ours, theirs = await person(plain), await person(stranger)
    room = (await theirs.client.room_create()).room_id
    answer = await theirs.client.room_invite(room, ours.user)
    assert isinstance(answer, nio.RoomInviteError)
    seen = await ours.client.sync()
    assert isinstance(seen, nio.SyncResponse)
    assert seen.rooms.invite == {}


async def test_our_people_cannot_invite_somebody_of_an_unlisted_homeserver(
    plain: Homeserver, stranger: Homeserver, person: MakePerson
) -> None:
    ours, theirs = await person(plain), await person(stranger)
    room = (await ours.client.room_create()).room_id
    answer = await ours.client.room_invite(room, theirs.user)
    assert isinstance(answer, nio.RoomInviteError)
    seen = await theirs.client.sync()
    assert isinstance(seen, nio.SyncResponse)
    assert seen.rooms.invite == {}


async def join(who: Person, room: str) -> None:
    """Waits for the invitation to arrive, then accepts it."""
    while True:
        answer = await who.client.sync(timeout=1000)
        if isinstance(answer, nio.SyncResponse) and room in answer.rooms.invite:
            break
    assert isinstance(await who.client.join(room), nio.JoinResponse)


async def say(who: Person, room: str, text: str) -> None:
    """Sends a text message."""
    answer = await who.client.room_send(room, "m.room.message", {"msgtype": "m.text", "body": text})
    assert isinstance(answer, nio.RoomSendResponse), answer


async def hear(who: Person, room: str, text: str) -> None:
    """Reads on until the message is there; the test's own time limit ends the wait."""
    while True:
        answer = await who.client.room_messages(room, limit=10)
        assert isinstance(answer, nio.RoomMessagesResponse), answer
        if any(getattr(event, "body", None) == text for event in answer.chunk):
            return
        await who.client.sync(timeout=1000)
