"""The adapter's contract with a real Synapse: each call, each repetition, each refusal that the service relies on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import nio
import pytest

from preau.demo.homeserver import Homeserver as Synapse
from preau.errors import HomeserverBusy, HomeserverError
from preau.matrix.calls import Endpoint
from preau.matrix.client import Homeserver
from preau.matrix.patience import Patience
from preau.matrix.rooms import RoomCreation
from preau.model.ids import RoomId, UserId
from preau.model.wanted import Content, Membership, StateKey
from tests.live.conftest import MakePerson
from tests.live.homeservers import new_localpart

pytestmark = pytest.mark.live

ALICE = "Alice MARTIN · parent"
KEY = "fr.preau.room"
JOIN_RULES: dict[str, Content] = {
    "restricted": {"join_rule": "restricted", "allow": []},
    "invite": {"join_rule": "invite"},
}


def adapter(synapse: Synapse) -> Homeserver:
    return Homeserver(Endpoint(synapse.client_url, synapse.as_token, synapse.bot, synapse.server_name))


@pytest.fixture(scope="session")
async def north(plain: Synapse) -> AsyncIterator[Homeserver]:
    async with adapter(plain) as homeserver:
        yield homeserver


@pytest.fixture(scope="session")
async def south(plain_peer: Synapse) -> AsyncIterator[Homeserver]:
    async with adapter(plain_peer) as homeserver:
        yield homeserver


def new_user(homeserver: Homeserver) -> UserId:
    return UserId(f"@{new_localpart()}:{homeserver.endpoint.server}")


async def new_account(homeserver: Homeserver) -> UserId:
    user = new_user(homeserver)
    assert await homeserver.provision_account(user, display_name=ALICE)
    return user


def new_request(version: str = "12", join_rule: str = "restricted") -> RoomCreation:
    alias = f"_preau_{new_localpart()}"
    return RoomCreation(
        version,
        alias=alias,
        name="Annonces · 5e A",
        topic="Ce que l’école annonce",
        creation_content={KEY: alias},
        initial_state={StateKey("m.room.join_rules"): JOIN_RULES[join_rule]},
        power_levels={"users_default": 0, "events_default": 50, "events": {"m.reaction": 0}},
    )


async def new_room(homeserver: Homeserver, version: str = "12", join_rule: str = "restricted") -> RoomId:
    return await homeserver.create_room(new_request(version, join_rule))


# --- Who we are --------------------------------------------------------------------------------------------------


async def test_the_homeserver_sees_us_as_the_bot(north: Homeserver, plain: Synapse) -> None:
    assert await north.whoami() == plain.bot


async def test_the_homeserver_tells_its_versions(north: Homeserver) -> None:
    assert "v1.11" in await north.versions()
    assert (await north.server_version()).startswith("1.")


async def test_a_wrong_token_is_refused_with_advice(plain: Synapse) -> None:
    async with Homeserver(Endpoint(plain.client_url, "wrong", plain.bot, plain.server_name)) as homeserver:
        with pytest.raises(HomeserverError, match="who am I") as caught:
            await homeserver.whoami()
    assert (caught.value.errcode, caught.value.status) == ("M_UNKNOWN_TOKEN", 401)
    assert "registration file" in caught.value.advice


async def test_whoever_sends_too_fast_is_told_that_the_homeserver_is_busy(person: MakePerson, plain: Synapse) -> None:
    alice = await person(plain)
    created = await alice.client.room_create()
    assert isinstance(created, nio.RoomCreateResponse)
    endpoint = Endpoint(plain.client_url, alice.client.access_token, alice.user, plain.server_name)
    async with Homeserver(endpoint, patience=Patience(longest_wait_seconds=0.001)) as as_alice:

        async def speak_without_end() -> None:
            for number in range(1000):
                await as_alice.send_notice(RoomId(created.room_id), "Bonjour", txn_id=str(number))

        with pytest.raises(HomeserverBusy) as caught:
            await speak_without_end()
    assert (caught.value.errcode, caught.value.status) == ("M_LIMIT_EXCEEDED", 429)


# --- Accounts ----------------------------------------------------------------------------------------------------


async def test_registering_twice_makes_one_account(north: Homeserver) -> None:
    user = new_user(north)
    assert await north.account(user) is None
    assert await north.register(user)
    assert not await north.register(user)
    found = await north.account(user)
    assert found is not None
    assert (found.user, found.admin, found.locked, found.deactivated) == (user, False, False, False)


async def test_the_bots_own_name_is_not_ours_to_register(north: Homeserver, plain: Synapse) -> None:
    with pytest.raises(HomeserverError, match="register @preau:") as caught:
        await north.register(plain.bot)
    assert caught.value.errcode == "M_EXCLUSIVE"


async def test_provisioning_twice_makes_one_account_and_keeps_its_sessions(
    north: Homeserver, plain: Synapse, person: MakePerson
) -> None:
    user = new_user(north)
    assert await north.provision_account(user, display_name=ALICE, password="Préau-d’essai-2026")
    alice = await person(plain)
    assert not await north.provision_account(alice.user, display_name=ALICE, password="Une-autre-2026")
    assert isinstance(await alice.client.whoami(), nio.WhoamiResponse)
    assert isinstance(await alice.client.login("Une-autre-2026"), nio.LoginResponse)


async def test_the_display_name_stands_in_the_first_join(north: Homeserver) -> None:
    user, room = await new_account(north), await new_room(north)
    await north.bring_in(room, user)
    member = await north.state_event(room, StateKey("m.room.member", user))
    assert member is not None
    assert (member["membership"], member["displayname"]) == ("join", ALICE)


async def test_an_equal_display_name_is_not_set_again(north: Homeserver) -> None:
    user = await new_account(north)
    assert await north.set_display_name(user, "Alice DURAND · parent")
    assert not await north.set_display_name(user, "Alice DURAND · parent")
    found = await north.account(user)
    assert found is not None
    assert found.display_name == "Alice DURAND · parent"


async def test_another_password_ends_the_sessions_unless_told_otherwise(
    north: Homeserver, plain: Synapse, person: MakePerson
) -> None:
    alice = await person(plain)
    await north.set_password(alice.user, "Une-autre-2026", log_out=False)
    assert isinstance(await alice.client.whoami(), nio.WhoamiResponse)
    await north.set_password(alice.user, "Encore-une-2026")
    assert isinstance(await alice.client.whoami(), nio.WhoamiError)
    assert isinstance(await alice.client.login("Encore-une-2026"), nio.LoginResponse)


async def test_a_locked_account_is_shut_out_and_comes_back_with_its_session(
    north: Homeserver, plain: Synapse, person: MakePerson
) -> None:
    alice = await person(plain)
    session = (alice.user, alice.client.device_id, alice.client.access_token)
    await north.lock(alice.user)
    await north.lock(alice.user)
    refused = await alice.client.joined_rooms()
    assert isinstance(refused, nio.JoinedRoomsError)
    assert refused.status_code == "M_USER_LOCKED"
    await north.unlock(alice.user)
    alice.client.restore_login(*session)  # nio forgets a session that was refused
    assert isinstance(await alice.client.joined_rooms(), nio.JoinedRoomsResponse)


async def test_logging_out_ends_every_session_once(north: Homeserver, plain: Synapse, person: MakePerson) -> None:
    alice = await person(plain)
    assert await north.log_out(alice.user) == 1
    assert isinstance(await alice.client.whoami(), nio.WhoamiError)
    assert await north.log_out(alice.user) == 0


async def test_a_deactivated_account_stays_so(north: Homeserver) -> None:
    user = await new_account(north)
    await north.deactivate(user)
    await north.deactivate(user)
    found = await north.account(user)
    assert found is not None
    assert found.deactivated


async def test_no_call_makes_an_account_out_of_a_mistyped_id(north: Homeserver) -> None:
    nobody = new_user(north)
    for attempt in (
        north.set_display_name(nobody, ALICE),
        north.set_password(nobody, "Préau-d’essai-2026"),
        north.lock(nobody),
        north.unlock(nobody),
        north.log_out(nobody),
        north.deactivate(nobody),
    ):
        with pytest.raises(HomeserverError) as caught:
            await attempt
        assert caught.value.errcode == "M_NOT_FOUND"
    with pytest.raises(HomeserverError) as caught:
        await north.joined_rooms(nobody)
    assert caught.value.errcode == "M_FORBIDDEN"
    assert await north.account(nobody) is None


# --- Rooms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["11", "12"])
async def test_a_room_is_made_as_asked_with_the_bot_as_its_sole_creator(
    north: Homeserver, plain: Synapse, version: str
) -> None:
    request = new_request(version)
    room = await north.create_room(request)
    state = await north.room_state(room)
    created = state[StateKey("m.room.create")]
    assert (created["room_version"], created[KEY]) == (version, request.alias)
    assert "additional_creators" not in created
    assert state[StateKey("m.room.name")] == {"name": request.name}
    assert state[StateKey("m.room.join_rules")] == JOIN_RULES["restricted"]
    assert state[StateKey("m.room.member", plain.bot)]["membership"] == "join"
    powers = state[StateKey("m.room.power_levels")]
    assert (powers["events_default"], powers["events"]) == (50, {"m.reaction": 0})
    assert powers.get("users", {}) == ({plain.bot: 100} if version == "11" else {})
    assert await north.members(room) == {plain.bot: Membership.JOIN}


async def test_a_creator_among_the_power_levels_is_refused_in_version_12(north: Homeserver, plain: Synapse) -> None:
    request = RoomCreation("12", creation_content={KEY: new_localpart()}, power_levels={"users": {plain.bot: 100}})
    with pytest.raises(HomeserverError, match="create a room without alias") as caught:
        await north.create_room(request)
    assert caught.value.status == 400


async def test_an_unknown_room_version_is_refused_with_advice(north: Homeserver) -> None:
    with pytest.raises(HomeserverError) as caught:
        await north.create_room(RoomCreation("99"))
    assert caught.value.errcode == "M_UNSUPPORTED_ROOM_VERSION"
    assert caught.value.advice


async def test_a_second_room_of_the_same_alias_is_refused_or_found(north: Homeserver) -> None:
    request = new_request()
    room, new = await north.ensure_room(request)
    assert new
    with pytest.raises(HomeserverError, match=f"create room {request.alias}") as caught:
        await north.create_room(request)
    assert caught.value.errcode == "M_ROOM_IN_USE"
    assert await north.ensure_room(request) == (room, False)


async def test_a_room_that_was_made_for_something_else_is_not_taken(north: Homeserver) -> None:
    request = new_request()
    await north.create_room(request)
    with pytest.raises(HomeserverError, match="made for something else") as caught:
        await north.ensure_room(RoomCreation("12", alias=request.alias, creation_content={KEY: "another"}))
    assert caught.value.errcode == "M_ROOM_IN_USE"


async def test_an_alias_names_its_room_or_nothing(north: Homeserver) -> None:
    request = new_request()
    alias = f"#{request.alias}:{north.endpoint.server}"
    assert await north.resolve_alias(alias) is None
    room = await north.create_room(request)
    assert await north.resolve_alias(alias) == room


async def test_equal_state_is_set_once(north: Homeserver) -> None:
    room = await new_room(north)
    key = StateKey("fr.preau.essai", "clé / d’essai")
    assert await north.state_event(room, key) is None
    first = await north.put_state(room, key, {"level": 1})
    assert await north.put_state(room, key, {"level": 1}) == first
    assert await north.put_state(room, key, {"level": 2}) != first
    assert await north.state_event(room, key) == {"level": 2}
    assert (await north.room_state(room))[key] == {"level": 2}


async def test_a_notice_is_sent_once_however_often_it_is_repeated(
    north: Homeserver, plain: Synapse, person: MakePerson
) -> None:
    alice, room = await person(plain), await new_room(north)
    await north.bring_in(room, alice.user)
    sent = await north.send_notice(room, "Sortie scolaire demain", txn_id="sortie")
    assert await north.send_notice(room, "Sortie scolaire demain", txn_id="sortie") == sent
    seen = await alice.client.room_messages(room, limit=100)
    assert isinstance(seen, nio.RoomMessagesResponse)
    notices = [event for event in seen.chunk if isinstance(event, nio.RoomMessageNotice)]
    assert [(event.event_id, event.body) for event in notices] == [(sent, "Sortie scolaire demain")]


@pytest.mark.parametrize("version", ["11", "12"])
@pytest.mark.parametrize("join_rule", list(JOIN_RULES))
async def test_whoever_is_brought_in_is_in_once(north: Homeserver, version: str, join_rule: str) -> None:
    user, room = await new_account(north), await new_room(north, version, join_rule)
    await north.bring_in(room, user)
    joined = await north.state_event(room, StateKey("m.room.member", user))
    await north.bring_in(room, user)
    assert await north.state_event(room, StateKey("m.room.member", user)) == joined
    assert (await north.members(room))[user] is Membership.JOIN
    assert await north.joined_rooms(user) == {room}


async def test_many_are_brought_in_at_once(north: Homeserver, plain: Synapse) -> None:
    room = await new_room(north)
    users = [await new_account(north) for _ in range(10)]
    async with asyncio.TaskGroup() as tasks:
        for user in users:
            tasks.create_task(north.bring_in(room, user))
    assert set(await north.members(room)) == {plain.bot, *users}


async def test_nobody_joins_without_an_invitation(north: Homeserver) -> None:
    user, room = await new_account(north), await new_room(north)
    with pytest.raises(HomeserverError, match=f"join {room} as {user}") as caught:
        await north.join(room, user)
    assert (caught.value.errcode, caught.value.status) == ("M_FORBIDDEN", 403)
    assert await north.membership(room, user) is Membership.LEAVE


async def test_an_invitation_may_be_repeated_and_is_not_sent_to_members(north: Homeserver) -> None:
    user, room = await new_account(north), await new_room(north)
    assert await north.invite(room, user)
    assert await north.membership(room, user) is Membership.INVITE
    assert await north.invite(room, user)
    await north.join(room, user)
    await north.join(room, user)
    assert not await north.invite(room, user)
    assert await north.membership(room, user) is Membership.JOIN


async def test_a_banned_person_is_not_brought_in_and_not_removed_twice(north: Homeserver) -> None:
    user, room = await new_account(north), await new_room(north)
    await north.put_state(room, StateKey("m.room.member", user), {"membership": "ban"})
    with pytest.raises(HomeserverError, match=f"invite {user}") as caught:
        await north.bring_in(room, user)
    assert caught.value.errcode == "M_BAD_STATE"
    assert not await north.kick(room, user)
    await north.leave(room, user)
    assert await north.membership(room, user) is Membership.BAN


async def test_members_and_invited_people_are_removed_once(north: Homeserver) -> None:
    room = await new_room(north)
    member, invited, outsider = [await new_account(north) for _ in range(3)]
    await north.bring_in(room, member)
    await north.invite(room, invited)
    assert await north.kick(room, member, "A changé d’école")
    assert not await north.kick(room, member)
    assert await north.kick(room, invited)
    assert not await north.kick(room, outsider)
    left = await north.state_event(room, StateKey("m.room.member", member))
    assert left is not None
    assert (left["membership"], left["reason"]) == ("leave", "A changé d’école")


async def test_leaving_may_be_repeated(north: Homeserver) -> None:
    user, room = await new_account(north), await new_room(north)
    await north.leave(room, user)
    await north.bring_in(room, user)
    await north.leave(room, user)
    await north.leave(room, user)
    assert await north.membership(room, user) is Membership.LEAVE
    assert await north.joined_rooms(user) == frozenset()


async def test_what_the_bot_may_not_do_stays_an_error(north: Homeserver, plain: Synapse, person: MakePerson) -> None:
    alice = await person(plain)
    created = await alice.client.room_create()
    assert isinstance(created, nio.RoomCreateResponse)
    room, other = RoomId(created.room_id), await new_account(north)
    for attempt in (
        north.invite(room, other),
        north.kick(room, alice.user),
        north.room_state(room),
        north.members(room),
        north.state_event(room, StateKey("m.room.name")),
        north.put_state(room, StateKey("m.room.name"), {"name": "Nom"}),
        north.send_notice(room, "Bonjour", txn_id="1"),
    ):
        with pytest.raises(HomeserverError) as caught:
            await attempt
        assert caught.value.errcode == "M_FORBIDDEN"
        assert room in caught.value.happened


@pytest.mark.parametrize("version", ["11", "12"])
async def test_a_person_of_another_academie_joins_through_a_server_that_is_in_the_room(
    north: Homeserver, south: Homeserver, plain: Synapse, version: str
) -> None:
    user, room = await new_account(south), await new_room(north, version)
    assert await north.invite(room, user)
    await south.join(room, user, via=[plain.server_name])
    assert await north.membership(room, user) is Membership.JOIN
    assert await south.joined_rooms(user) == {room}
    assert await north.kick(room, user)
    assert (await north.members(room))[user] is Membership.LEAVE
