"""What the rendered configuration really does, seen from outside."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nio
import pytest
from sqlalchemy import make_url

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver, HomeserverSpec, PostgresDatabase
from preau.demo.processes import free_ports
from preau.demo.synapse_api import SynapseApi
from preau.errors import HomeserverError, HomeserverUnreachable
from preau.matrix.client import Homeserver as Adapter
from preau.matrix.first_admin import HELPER, make_bot_admin, make_helper
from tests.live.conftest import MakePerson
from tests.live.homeservers import HomeserverPorts, new_localpart, register, spec

pytestmark = pytest.mark.live


@pytest.fixture
def own_spec(tmp_path: Path, authority: Authority) -> HomeserverSpec:
    """A homeserver for one test that must not disturb others."""
    return spec(tmp_path / "homeserver", HomeserverPorts(*free_ports(2)), authority)


# --- Admin --------------------------------------------------------------------------------------------------------


async def test_the_bot_is_the_only_admin_of_all_accounts_ever_made(plain: Homeserver) -> None:
    admins = await plain.api().get("/_synapse/admin/v2/users", admins="true", deactivated="true")
    assert [user["name"] for user in admins["users"]] == [plain.bot]


async def test_the_helper_that_made_the_bot_an_admin_cannot_be_used_any_more(plain: Homeserver) -> None:
    helpers = await helpers_of(plain)
    assert helpers
    assert {(helper["admin"], helper["deactivated"]) for helper in helpers} == {(False, True)}


async def test_a_helper_that_an_interrupted_run_left_behind_is_removed(plain: Homeserver) -> None:
    keys = plain.bot_keys()
    async with Adapter(plain.endpoint()) as as_bot:
        left = await make_helper(as_bot, keys.registration_shared_secret)
        async with Adapter(left) as as_helper:
            assert await as_helper.is_administrator()
        done = await make_bot_admin(as_bot, None)
    assert (done.ready, done.changed, done.helpers_removed) == (True, True, 1)
    async with Adapter(left) as as_helper:
        with pytest.raises(HomeserverError) as refusal:
            await as_helper.is_administrator()
    assert refusal.value.status == 401
    assert {(helper["admin"], helper["deactivated"]) for helper in await helpers_of(plain)} == {(False, True)}


async def helpers_of(homeserver: Homeserver) -> list[dict[str, Any]]:
    answer = await homeserver.api().get("/_synapse/admin/v2/users", name=HELPER, deactivated="true")
    users: list[dict[str, Any]] = answer["users"]
    return users


async def test_a_person_may_not_use_the_admin_interface(plain: Homeserver, person: MakePerson) -> None:
    someone = await person(plain)
    with pytest.raises(HomeserverError) as refusal:
        await SynapseApi(plain.client_url, someone.client.access_token).get("/_synapse/admin/v2/users")
    assert refusal.value.status == 403


async def test_the_provision_token_acts_for_a_person(plain: Homeserver, person: MakePerson) -> None:
    someone = await person(plain)
    assert (await plain.api(someone.user).get("/_matrix/client/v3/account/whoami"))["user_id"] == someone.user


async def test_the_provision_token_does_not_act_for_somebody_of_another_homeserver(plain: Homeserver) -> None:
    with pytest.raises(HomeserverError) as refusal:
        await plain.api("@somebody:nord.example").get("/_matrix/client/v3/account/whoami")
    assert refusal.value.status == 403


# --- Accounts are the roster's ------------------------------------------------------------------------------------


async def test_nobody_registers_themselves(plain: Homeserver) -> None:
    request = {"username": new_localpart(), "password": "Préau-d’essai-2026", "auth": {"type": "m.login.dummy"}}
    with pytest.raises(HomeserverError) as refusal:
        await SynapseApi(plain.client_url).post("/_matrix/client/v3/register", request)
    assert (refusal.value.status, refusal.value.errcode) == (403, "M_FORBIDDEN")


async def test_there_are_no_guests(plain: Homeserver) -> None:
    with pytest.raises(HomeserverError) as refusal:
        await SynapseApi(plain.client_url).call("POST", "/_matrix/client/v3/register", body={}, query={"kind": "guest"})
    assert refusal.value.status == 403


async def test_a_person_cannot_pose_as_the_principal(plain: Homeserver, person: MakePerson) -> None:
    someone = await person(plain, "Camille ESSAI · parent")
    answer = await someone.client.set_displayname("Direction du collège")
    assert isinstance(answer, nio.ProfileSetDisplayNameError)
    profile = await someone.client.get_profile(someone.user)
    assert isinstance(profile, nio.ProfileGetResponse)
    assert profile.displayname == "Camille ESSAI · parent"


async def test_a_person_cannot_pose_as_the_principal_in_one_room_only(plain: Homeserver, person: MakePerson) -> None:
    someone = await person(plain, "Camille ESSAI · parent")
    room = (await someone.client.room_create()).room_id
    member = f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.member/{quote(someone.user)}"
    api = SynapseApi(plain.client_url, someone.client.access_token)
    await api.put(member, {"membership": "join", "displayname": "Direction du collège"})
    assert (await api.get(member))["displayname"] == "Camille ESSAI · parent"


# --- Nobody looks for people or rooms -----------------------------------------------------------------------------


async def test_the_directory_finds_nobody(plain: Homeserver, person: MakePerson) -> None:
    seeker, sought = await person(plain), await person(plain, "Dominique TROUVABLE · parent")
    room = (await seeker.client.room_create(invite=[sought.user])).room_id
    await sought.client.join(room)
    found = await plain.api(seeker.user).post("/_matrix/client/v3/user_directory/search", {"search_term": "TROUVABLE"})
    assert found["results"] == []


async def test_a_profile_is_seen_by_those_who_share_a_room_only(plain: Homeserver, person: MakePerson) -> None:
    one, other = await person(plain), await person(plain)
    assert isinstance(await one.client.get_profile(other.user), nio.ProfileGetError)
    room = (await one.client.room_create(invite=[other.user])).room_id
    await other.client.join(room)
    assert isinstance(await one.client.get_profile(other.user), nio.ProfileGetResponse)


async def test_no_room_is_listed_even_if_its_maker_asks(plain: Homeserver, person: MakePerson) -> None:
    someone = await person(plain)
    room = (await someone.client.room_create(visibility=nio.RoomVisibility.public)).room_id
    listing = f"/_matrix/client/v3/directory/list/room/{quote(room)}"
    assert (await plain.api().get(listing))["visibility"] == "private"
    with pytest.raises(HomeserverError):
        await plain.api(someone.user).put(listing, {"visibility": "public"})


# --- Rooms --------------------------------------------------------------------------------------------------------


async def test_the_bot_names_a_managed_room_when_making_it_and_later(plain: Homeserver) -> None:
    name, later = "_preau_" + new_localpart(), "_preau_" + new_localpart()
    room = (await plain.api().post("/_matrix/client/v3/createRoom", {"room_alias_name": name}))["room_id"]
    await plain.api().put(
        f"/_matrix/client/v3/directory/room/{quote(f'#{later}:{plain.server_name}')}", {"room_id": room}
    )
    aliases = await plain.api().get(f"/_matrix/client/v3/rooms/{quote(room)}/aliases")
    assert sorted(aliases["aliases"]) == sorted(f"#{alias}:{plain.server_name}" for alias in (name, later))


async def test_a_person_cannot_take_the_alias_of_a_managed_room(plain: Homeserver, person: MakePerson) -> None:
    someone = await person(plain)
    room = (await someone.client.room_create()).room_id
    alias = f"#_preau_{new_localpart()}:{plain.server_name}"
    with pytest.raises(HomeserverError) as refusal:
        await SynapseApi(plain.client_url, someone.client.access_token).put(
            f"/_matrix/client/v3/directory/room/{quote(alias)}", {"room_id": room}
        )
    assert refusal.value.errcode == "M_EXCLUSIVE"


async def test_rooms_are_of_version_12_unless_another_is_asked_for(plain: Homeserver) -> None:
    assert await _version_of_new_room(plain, {}) == "12"
    assert await _version_of_new_room(plain, {"room_version": "11"}) == "11"


async def test_an_academy_may_choose_version_11(own_spec: HomeserverSpec) -> None:
    async with Homeserver(dataclasses.replace(own_spec, room_version="11")) as homeserver:
        assert await _version_of_new_room(homeserver, {}) == "11"


async def test_clients_are_told_not_to_encrypt(plain: Homeserver) -> None:
    told = await SynapseApi(plain.client_url).get("/.well-known/matrix/client")
    assert told["io.element.e2ee"] == {"default": False}
    assert told["m.homeserver"] == {"base_url": f"{plain.client_url}/"}


async def _version_of_new_room(homeserver: Homeserver, request: dict[str, object]) -> str:
    room = (await homeserver.api().post("/_matrix/client/v3/createRoom", request))["room_id"]
    created = await homeserver.api().get(f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.create/")
    return str(created["room_version"])


# --- Running ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("killed", [False, True])
async def test_a_homeserver_that_ended_finds_its_accounts_again(own_spec: HomeserverSpec, killed: bool) -> None:
    async with Homeserver(own_spec) as homeserver:
        user = await register(homeserver, new_localpart(), "Camille ESSAI · parent")
        if killed:
            await homeserver.kill()
    async with Homeserver(own_spec) as again:
        assert (await again.api().get(f"/_synapse/admin/v2/users/{quote(user)}"))["name"] == user


async def test_a_homeserver_that_cannot_start_says_why(own_spec: HomeserverSpec) -> None:
    wrong = dataclasses.replace(own_spec, operator={"max_upload_size": "plenty"})
    with pytest.raises(HomeserverUnreachable, match="ended while starting") as error:
        await Homeserver(wrong).start()
    assert "plenty" in error.value.explain()


@pytest.mark.postgresql
async def test_a_homeserver_runs_on_postgresql(own_spec: HomeserverSpec, make_database: Callable[[], str]) -> None:
    pytest.importorskip("psycopg2", reason="Synapse speaks to PostgreSQL through psycopg2, which is not installed")
    url = make_url(make_database())
    assert url.host
    assert url.port
    assert url.database
    database = PostgresDatabase(url.host, url.port, url.database)
    async with Homeserver(dataclasses.replace(own_spec, database=database)) as homeserver:
        assert await _version_of_new_room(homeserver, {}) == "12"
