"""What people reach past the rooms: profiles, devices, and what they hide from themselves; on every path."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

import pytest

from preau.guard.inner.people import PeopleParts
from preau.model.ids import UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from tests.builders import SOUTH
from tests.guard.guarded import Guarded, Reply
from tests.guard.neighbours import Neighbours
from tests.live.homeservers import new_localpart, register

live = pytest.mark.live

CLIENT = "/_matrix/client"
WITH_V1 = [f"{CLIENT}/{prefix}" for prefix in ("api/v1", "r0", "v3", "unstable")]
WITHOUT_V1 = WITH_V1[1:]
FIELDS = [
    *((prefix, name) for prefix in WITH_V1 for name in ("displayname", "avatar_url")),
    *((f"{CLIENT}/v3", name) for name in ("fr.essai.classe", "m.tz", "us.cloke.msc4175.tz")),
]
VALUES = {"displayname": "Principal GENTIL · direction", "avatar_url": "mxc://localhost/portrait"}


# Profiles


async def _profile(guarded: Guarded, user: UserId) -> Any:
    """As the person sees it: others need to share a room."""
    return (await guarded.call("GET", f"{CLIENT}/v3/profile/{quote(user)}", user)).body


@live
@pytest.mark.parametrize(("prefix", "name"), FIELDS)
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_nobody_changes_what_stands_beside_their_name(
    guarded: Guarded, prefix: str, name: str, method: str
) -> None:
    """The account has a name, and neither picture nor other field: the first of each is refused too."""
    principal = await guarded.person(Function.DIRECTION, name="Alix ESSAI · direction")
    body = {name: VALUES.get(name, "5 A")} if method == "PUT" else None
    reply = await guarded.call(method, f"{prefix}/profile/{quote(principal)}/{name}", principal, body)
    assert (reply.status, reply.rule) == (403, "name")
    assert await _profile(guarded, principal) == {"displayname": "Alix ESSAI · direction"}


@live
async def test_a_name_that_is_missing_is_not_given_by_oneself(guarded: Guarded) -> None:
    guardian = await guarded.person(Function.GUARDIAN, name="")
    path = f"{CLIENT}/v3/profile/{quote(guardian)}/displayname"
    assert (await guarded.call("PUT", path, guardian, {"displayname": "Principal"})).rule == "name"


@live
@pytest.mark.parametrize("name", ["displayname", "avatar_url", "fr.essai.classe"])
async def test_the_service_changes_them(guarded: Guarded, name: str) -> None:
    guardian, bot = await guarded.person(Function.GUARDIAN), guarded.homeserver.bot
    path = f"{CLIENT}/v3/profile/{quote(guardian)}/{name}"
    assert (await guarded.call("PUT", path, bot, {name: "mxc://localhost/x"})).status == 200
    assert (await _profile(guarded, guardian))[name] == "mxc://localhost/x"
    assert (await guarded.call("DELETE", path, bot)).status == 200
    assert name not in await _profile(guarded, guardian)


@live
async def test_the_service_changes_them_by_the_administrators_way(guarded: Guarded) -> None:
    guardian, bot = await guarded.person(Function.GUARDIAN), guarded.homeserver.bot
    details = {"displayname": "Alix ESSAI · parent", "avatar_url": "mxc://localhost/x"}
    assert (await guarded.call("PUT", f"/_synapse/admin/v2/users/{quote(guardian)}", bot, details)).status == 200
    assert await _profile(guarded, guardian) == details


@live
@pytest.mark.parametrize("prefix", WITH_V1)
@pytest.mark.parametrize("what", ["", "/displayname", "/avatar_url"])
async def test_a_strangers_profile_is_not_read(guarded: Guarded, prefix: str, what: str) -> None:
    guardian = await guarded.person(Function.GUARDIAN, divisions=["5 A"])
    colleague = await guarded.person(Function.TEACHER, divisions=["5 A"])
    stranger = await guarded.person(Function.TEACHER, divisions=["5 A"])
    room = await guarded.managed(RoomKind.DIVISION_PARENTS_STAFF, "5 A")
    await guarded.bring_in(room, guardian, colleague)
    refused = await guarded.call("GET", f"{prefix}/profile/{quote(stranger)}{what}", guardian)
    assert refused.status == 403
    assert not {"displayname", "avatar_url"} & refused.body.keys()
    assert (await guarded.call("GET", f"{prefix}/profile/{quote(colleague)}{what}", guardian)).status == 200


# Devices


async def _send_to_device(guarded: Guarded, prefix: str, sender: UserId, messages: Any) -> Reply:
    path = f"{prefix}/sendToDevice/fr.essai/{secrets.token_hex(8)}"
    return await guarded.call("PUT", path, sender, {"messages": messages})


async def _received(guarded: Guarded, user: UserId) -> list[Any]:
    """The first that arrives, waited for. (Synapse keeps its answers to a sync: each goes on from the last.)"""
    query = ""
    for _ in range(10):
        found = (await guarded.call("GET", f"{CLIENT}/v3/sync", user, query=query)).body
        if events := found.get("to_device", {}).get("events"):
            return [event["content"] for event in events]
        query = f"timeout=1000&since={found['next_batch']}"
    return []


@live
@pytest.mark.parametrize("prefix", WITHOUT_V1)
async def test_people_reach_their_own_devices(guarded: Guarded, prefix: str) -> None:
    teacher = await guarded.person(Function.TEACHER)
    messages = {teacher: {"*": {"essai": 1}}}
    assert (await _send_to_device(guarded, prefix, teacher, messages)).status == 200
    assert await _received(guarded, teacher) == [{"essai": 1}]


@live
@pytest.mark.parametrize("prefix", WITHOUT_V1)
@pytest.mark.parametrize("own", [True, False])
async def test_nobody_reaches_anothers_device(guarded: Guarded, prefix: str, own: bool) -> None:
    teacher, guardian = await guarded.person(Function.TEACHER), await guarded.person(Function.GUARDIAN)
    messages = {guardian: {"FIRST": {"essai": 1}}, **({teacher: {"*": {}}} if own else {})}
    refused = await _send_to_device(guarded, prefix, teacher, messages)
    assert (refused.status, refused.rule) == (403, "evasion")
    await _send_to_device(guarded, prefix, guarded.homeserver.bot, {guardian: {"*": {"essai": 2}}})
    assert await _received(guarded, guardian) == [{"essai": 2}]


@live
@pytest.mark.parametrize("messages", [[], ["@x:y"], "x", 7, None, {"@nobody": {}}, {"": {"*": {}}}])
async def test_messages_of_no_shape_are_refused(guarded: Guarded, messages: object) -> None:
    teacher = await guarded.person(Function.TEACHER)
    assert (await _send_to_device(guarded, f"{CLIENT}/v3", teacher, messages)).rule == "evasion"


@live
async def test_the_service_reaches_every_device(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER)
    messages = {teacher: {"FIRST": {"essai": 1}}}
    assert (await _send_to_device(guarded, f"{CLIENT}/v3", guarded.homeserver.bot, messages)).status == 200
    assert await _received(guarded, teacher) == [{"essai": 1}]


@live
async def test_keys_are_uploaded_asked_for_and_claimed(guarded: Guarded) -> None:
    """Clients do so on their own, whether or not a room is encrypted; verifying one's own devices needs it."""
    teacher, guardian = await guarded.person(Function.TEACHER), await guarded.person(Function.GUARDIAN)
    keys = {"one_time_keys": {"curve25519:AAAAAQ": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}
    assert (await guarded.call("POST", f"{CLIENT}/v3/keys/upload", teacher, keys)).status == 200
    asked = await guarded.call("POST", f"{CLIENT}/v3/keys/query", guardian, {"device_keys": {teacher: []}})
    assert asked.status == 200
    wanted = {"one_time_keys": {teacher: {"FIRST": "curve25519"}}}
    claimed = await guarded.call("POST", f"{CLIENT}/v3/keys/claim", guardian, wanted)
    assert teacher in claimed.body["one_time_keys"]


@live
async def test_people_set_up_their_own_verification(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER)
    key = "nqOvzeuGWT/sRx3h7+MHoInYj3Uk2LD/unI9kDYcHwk"
    master = {"user_id": teacher, "usage": ["master"], "keys": {f"ed25519:{key}": key}}
    uploaded = await guarded.call("POST", f"{CLIENT}/v3/keys/device_signing/upload", teacher, {"master_key": master})
    assert uploaded.status == 200, uploaded
    asked = await guarded.call("POST", f"{CLIENT}/v3/keys/query", teacher, {"device_keys": {teacher: []}})
    assert asked.body["master_keys"][teacher]["keys"] == master["keys"]


@live
async def test_of_another_academy_only_the_service_reaches_devices(both: Neighbours) -> None:
    """The service's message is sent last, and arrives: what was sent before it would have arrived too."""
    theirs = await register(both.theirs.homeserver, new_localpart(), "Dominique LOIN")
    teacher = await both.ours.person(Function.TEACHER)
    for sender in (theirs, both.theirs.homeserver.bot):
        messages = {teacher: {"*": {"from": sender}}}
        assert (await _send_to_device(both.theirs, f"{CLIENT}/v3", sender, messages)).status == 200
    assert await _received(both.ours, teacher) == [{"from": both.theirs.homeserver.bot}]


# What people hide from themselves


async def _ignore(guarded: Guarded, prefix: str, user: UserId, content: Any) -> Reply:
    return await guarded.call("PUT", f"{prefix}/user/{quote(user)}/account_data/m.ignored_user_list", user, content)


@live
@pytest.mark.parametrize("prefix", WITHOUT_V1)
async def test_the_school_and_its_service_are_not_hidden(guarded: Guarded, prefix: str) -> None:
    guardian, principal = await guarded.person(Function.GUARDIAN), await guarded.person(Function.DIRECTION)
    other = await guarded.person(Function.GUARDIAN)
    for hidden in (guarded.homeserver.bot, principal):
        refused = await _ignore(guarded, prefix, guardian, {"ignored_users": {other: {}, hidden: {}}})
        assert (refused.status, refused.rule) == (403, "evasion")
    path = f"{prefix}/user/{quote(guardian)}/account_data/m.ignored_user_list"
    assert (await guarded.call("GET", path, guardian)).status == 404


@live
@pytest.mark.parametrize("prefix", WITHOUT_V1)
async def test_a_member_who_annoys_is_hidden_and_shown_again(guarded: Guarded, prefix: str) -> None:
    guardian, other = await guarded.person(Function.GUARDIAN), await guarded.person(Function.GUARDIAN)
    elsewhere = await guarded.person(Function.DIRECTION, school=SOUTH)
    assert (await _ignore(guarded, prefix, guardian, {"ignored_users": {other: {}, elsewhere: {}}})).status == 200
    assert (await _ignore(guarded, prefix, guardian, {"ignored_users": {}})).status == 200
    assert (await _ignore(guarded, prefix, guardian, {})).status == 200


@live
@pytest.mark.parametrize("hidden", [501, 500])
async def test_hiding_more_people_than_one_meets_is_refused(guarded: Guarded, hidden: int) -> None:
    guardian = await guarded.person(Function.GUARDIAN)
    content = {"ignored_users": {f"@x{number}:localhost": {} for number in range(hidden)}}
    assert (await _ignore(guarded, f"{CLIENT}/v3", guardian, content)).rule == ("evasion" if hidden > 500 else "")


@live
@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("m.direct", {"@x:localhost": ["!y"]}),
        ("fr.essai", {"ignored_users": {"@preau:localhost": {}}}),
        ("m.ignored_user_list", {"ignored_users": []}),
        ("m.ignored_user_list", {"ignored_users": {"not a user": 7}}),
    ],
)
async def test_other_account_data_is_ones_own_business(guarded: Guarded, kind: str, content: object) -> None:
    guardian = await guarded.person(Function.GUARDIAN)
    path = f"{CLIENT}/v3/user/{quote(guardian)}/account_data/{kind}"
    assert (await guarded.call("PUT", path, guardian, content)).status == 200


# What configuration closes, and what stays open

THREEPIDS = ["", "/add", "/bind", "/delete", "/unbind", "/email/requestToken", "/msisdn/requestToken"]


@live
@pytest.mark.parametrize("prefix", WITHOUT_V1)
@pytest.mark.parametrize("what", THREEPIDS)
async def test_nobody_ties_an_address_to_an_account(guarded: Guarded, prefix: str, what: str) -> None:
    guardian = await guarded.person(Function.GUARDIAN)
    body = {
        "client_secret": "abcdef",
        "email": "alix@example.org",
        "country": "FR",
        "phone_number": "0600000000",
        "send_attempt": 1,
        "sid": "1",
        "medium": "email",
        "address": "alix@example.org",
        "id_server": "example.org",
        "id_access_token": "x",
        "three_pid_creds": {"client_secret": "abcdef", "sid": "1", "id_server": "example.org"},
    }
    reply = await guarded.call("POST", f"{prefix}/account/3pid{what}", guardian, body)
    assert 400 <= reply.status < 500, reply
    assert reply.rule == ("identity" if what in {"/bind", "/unbind"} else "")
    assert (await guarded.call("GET", f"{prefix}/account/3pid", guardian)).body == {"threepids": []}


@live
async def test_no_message_is_kept_for_later_and_every_message_can_be_reported(guarded: Guarded) -> None:
    teacher = await guarded.person(Function.TEACHER)
    room = await guarded.managed(RoomKind.STAFF)
    await guarded.bring_in(room, teacher)
    path = f"{CLIENT}/v3/rooms/{quote(room)}"
    message = {"msgtype": "m.text", "body": "Bonjour"}
    later = await guarded.call(
        "PUT", f"{path}/send/m.room.message/later", teacher, message, query="org.matrix.msc4140.delay=1000"
    )
    assert 400 <= later.status < 500, later
    said = await guarded.say(room, teacher)
    reported = await guarded.call(
        "POST", f"{path}/report/{quote(said.body['event_id'])}", teacher, {"reason": "essai", "score": -100}
    )
    assert reported.status == 200, reported


# A Synapse that is not as expected


class _Strange:
    """Stands for any inner object of a Synapse of which we know nothing: everything is there, and none of it fits."""

    def __getattr__(self, name: str) -> Any:
        return _Strange()

    def __call__(self, *_: object) -> Any:
        return _Strange()


def test_parts_that_do_not_fit_are_left_alone() -> None:
    asked = []

    def as_expected(_: object, name: str, __: tuple[str, ...]) -> bool:
        asked.append(name)
        return False

    parts = PeopleParts(_Strange(), as_expected)

    async def never(*_: object) -> None:
        raise AssertionError

    parts.judge_profiles(never)
    parts.judge_messages(never)
    parts.judge_account_data(never)
    parts.judge_identities(never)
    parts.filter_deliveries(lambda *_: False)
    assert not parts.counts_uploads
    assert parts.largest_upload is None
    assert parts.asker == ""
    assert asked == [
        "get_media_uploaded_size_for_user",
        "dispatch_set_profile_field",
        "dispatch_delete_profile_field",
        "send_device_message",
        "add_account_data_for_user",
        "bind_threepid",
        "try_unbind_threepid",
        "edu_handlers",
    ]
