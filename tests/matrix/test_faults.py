"""What the adapter does when the way to the homeserver fails: bounded, and with a sentence."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from preau.errors import HomeserverBusy, HomeserverError, HomeserverUnreachable
from preau.matrix.patience import Patience
from preau.matrix.rooms import RoomCreation
from preau.model.ids import EventId, RoomId, UserId
from preau.model.wanted import StateKey
from tests.matrix.misbehaving import BOT, HangUp, Say, Stall, homeserver_at, trouble

ROOM = RoomId("!abc/d#e")
ALICE = UserId("@k7m2q4xd:nord.example")
WHOAMI = Say(200, json.dumps({"user_id": BOT}))
LIMITED = '{"errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests", "retry_after_ms": 1500}'
IMPATIENT = Patience(call_seconds=0.05, attempts=2)


async def test_the_token_goes_into_a_header_and_never_into_the_address() -> None:
    async with trouble([WHOAMI]) as server:
        assert await server.homeserver.whoami() == BOT
        assert server.headers[0]["Authorization"] == "Bearer a-token"
        assert server.queries == ["user_id=@preau:nord.example"]
        assert "a-token" not in repr(server.homeserver.endpoint)


async def test_what_is_done_as_a_person_names_that_person_and_ids_are_encoded_whole() -> None:
    async with trouble([Say(200)]) as server:
        await server.homeserver.leave(ROOM, ALICE)
        assert server.asked == ["POST /_matrix/client/v3/rooms/!abc%2Fd%23e/leave"]
        assert server.queries == ["user_id=@k7m2q4xd:nord.example"]


async def test_a_closed_port_is_tried_as_often_as_allowed_with_doubling_waits() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    waited: list[float] = []
    async with homeserver_at(f"http://127.0.0.1:{port}", waited, Patience(attempts=4)) as homeserver:
        with pytest.raises(HomeserverUnreachable, match=r"who am I: the homeserver at .* did not answer") as caught:
            await homeserver.whoami()
    assert caught.value.status == 0
    assert caught.value.advice
    assert waited == pytest.approx([0.15, 0.3, 0.6])


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_proxy_without_its_homeserver_is_asked_again(status: int) -> None:
    # Two broken connections are one failure: aiohttp itself repeats a GET, once and within the same time limit.
    async with trouble([Say(status, "<html>"), HangUp(), HangUp(), WHOAMI]) as server:
        assert await server.homeserver.whoami() == BOT
        assert len(server.waited) == 2


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_proxy_that_stays_without_its_homeserver_is_given_up(status: int) -> None:
    async with trouble([Say(status, "<html>")]) as server:
        with pytest.raises(HomeserverUnreachable) as caught:
            await server.homeserver.whoami()
        assert caught.value.status == status
        assert len(server.asked) == 3


async def test_a_gateway_status_with_an_error_code_is_the_homeservers_own_word() -> None:
    body = '{"errcode": "M_UNKNOWN", "error": "Failed to make_join via any server"}'
    async with trouble([Say(502, body)]) as server:
        with pytest.raises(HomeserverError, match="Failed to make_join") as caught:
            await server.homeserver.join(ROOM, ALICE)
        assert not isinstance(caught.value, HomeserverUnreachable)
        assert caught.value.errcode == "M_UNKNOWN"


async def test_an_answer_that_does_not_come_is_given_up_after_the_time_limit() -> None:
    async with trouble([Stall()], IMPATIENT) as server:
        with pytest.raises(HomeserverUnreachable, match=r"no answer within 0\.05 s"):
            await server.homeserver.whoami()
        assert len(server.asked) == 2


async def test_a_call_that_stalls_once_is_sent_again() -> None:
    async with trouble([Stall(), WHOAMI], IMPATIENT) as server:
        assert await server.homeserver.whoami() == BOT


async def test_an_asked_wait_is_kept_whether_the_body_or_the_header_asks() -> None:
    header = Say(429, "{}", {"Retry-After": "3"})
    async with trouble([Say(429, LIMITED), header, WHOAMI]) as server:
        assert await server.homeserver.whoami() == BOT
        assert server.waited == pytest.approx([1.6, 3.1])


async def test_a_limit_that_names_no_time_is_waited_out_as_any_failure() -> None:
    async with trouble([Say(429, '{"errcode": "M_LIMIT_EXCEEDED"}'), WHOAMI]) as server:
        assert await server.homeserver.whoami() == BOT
        assert server.waited == pytest.approx([0.15])


@pytest.mark.parametrize("asked", ["31000", "1" + "0" * 400])
async def test_a_wait_longer_than_we_may_is_refused_at_once(asked: str) -> None:
    body = f'{{"errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests", "retry_after_ms": {asked}}}'
    async with trouble([Say(429, body)]) as server:
        with pytest.raises(HomeserverBusy) as caught:
            await server.homeserver.whoami()
        assert caught.value.errcode == "M_LIMIT_EXCEEDED"
        assert server.waited == []


async def test_a_homeserver_that_keeps_limiting_is_busy() -> None:
    async with trouble([Say(429, LIMITED)]) as server:
        with pytest.raises(HomeserverBusy, match="who am I"):
            await server.homeserver.whoami()
        assert len(server.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
async def test_a_refusal_is_not_asked_again(status: int) -> None:
    async with trouble([Say(status, '{"errcode": "M_UNKNOWN_TOKEN", "error": "Invalid"}')]) as server:
        with pytest.raises(HomeserverError, match=rf"who am I: .* {status} M_UNKNOWN_TOKEN \(Invalid\)") as caught:
            await server.homeserver.whoami()
        assert (caught.value.status, caught.value.errcode) == (status, "M_UNKNOWN_TOKEN")
        assert "registration file" in caught.value.explain()
        assert len(server.asked) == 1


GARBAGE = [
    "",
    "<html>",
    "null",
    "[]",
    "{}",
    '"text"',
    "[" * 100_000,
    '{"user_id": 5}',
    '{"user_id": "k7m2q4xd"}',
    '{"user_id": 0.5}',
    '{"user_id": NaN}',
]


@pytest.mark.parametrize("body", GARBAGE, ids=range(len(GARBAGE)))
async def test_an_answer_of_another_shape_is_an_error_that_names_the_call(body: str) -> None:
    async with trouble([Say(200, body)]) as server:
        with pytest.raises(HomeserverError, match="who am I: the homeserver's answer is not understood"):
            await server.homeserver.whoami()


NAME = '{"type": "m.room.name", "state_key": "", "content": {"name": "Annonces"}, "origin_server_ts": -1}'


@pytest.mark.parametrize("broken", ["{}", "5", '{"type": "m.room.name", "content": {}}', NAME.replace("{", "[", 1)])
async def test_a_state_that_is_not_state_is_an_error(broken: str) -> None:
    async with trouble([Say(200, f"[{NAME}]"), Say(200, f"[{NAME}, {broken}]")]) as server:
        assert await server.homeserver.room_state(ROOM) == {StateKey("m.room.name"): {"name": "Annonces"}}
        with pytest.raises(HomeserverError, match="state of !abc/d#e: the homeserver's answer is not understood"):
            await server.homeserver.room_state(ROOM)


async def test_an_unknown_membership_is_an_error() -> None:
    member = {"type": "m.room.member", "state_key": ALICE, "content": {"membership": "lurk"}}
    async with trouble([Say(200, json.dumps({"chunk": [member]}))]) as server:
        with pytest.raises(HomeserverError, match="no known membership"):
            await server.homeserver.members(ROOM)
    async with trouble([Say(200, json.dumps(member["content"]))]) as server:
        with pytest.raises(HomeserverError, match=f"membership of {ALICE} in {ROOM}: .* no known membership"):
            await server.homeserver.membership(ROOM, ALICE)


@pytest.mark.parametrize("body", ["[]", '{"joined_rooms": null}', '{"joined_rooms": ["!a", 5]}'])
async def test_a_list_that_is_no_list_of_ids_is_an_error(body: str) -> None:
    async with trouble([Say(200, body)]) as server:
        with pytest.raises(HomeserverError, match=f"rooms of {ALICE}: the homeserver's answer is not understood"):
            await server.homeserver.joined_rooms(ALICE)


async def test_a_content_that_no_event_may_have_is_an_error() -> None:
    async with trouble([Say(200, '{"level": 9007199254740992}')]) as server:
        with pytest.raises(HomeserverError, match=r"m\.room\.name of .* too large"):
            await server.homeserver.state_event(ROOM, StateKey("m.room.name"))


async def test_a_device_without_id_is_an_error() -> None:
    async with trouble([Say(200, '{"devices": [{"device_id": "A"}, {}]}')]) as server:
        with pytest.raises(HomeserverError, match=f"devices of {ALICE}"):
            await server.homeserver.log_out(ALICE)
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    "change",
    [{"displayname": 1}, {"locked": None}, {"admin": "no"}, {"deactivated": 0}, {"name": "alice"}],
    ids=str,
)
async def test_an_account_of_another_shape_is_an_error(change: dict[str, object]) -> None:
    account = {"name": ALICE, "displayname": None, "locked": False, "deactivated": False, "admin": False}
    async with trouble([Say(200, json.dumps(account)), Say(200, json.dumps({**account, **change}))]) as server:
        found = await server.homeserver.account(ALICE)
        assert found is not None
        assert not found.display_name
        with pytest.raises(HomeserverError, match="is not understood"):
            await server.homeserver.account(ALICE)


REQUEST = RoomCreation("12", alias="preau_a", creation_content={"fr.preau.key": "a"})
ALIAS = Say(200, '{"room_id": "!new"}')
NO_ALIAS = Say(404, '{"errcode": "M_NOT_FOUND"}')
OURS = Say(200, '{"fr.preau.key": "a", "room_version": "12"}')
OTHERS = Say(200, '{"fr.preau.key": "b", "room_version": "12"}')


@pytest.mark.parametrize("lost", [HangUp(), Stall(), Say(502, ""), Say(504, "")], ids=str)
async def test_a_room_whose_answer_got_lost_is_found_by_its_alias_and_not_made_twice(
    lost: HangUp | Stall | Say,
) -> None:
    async with trouble([lost, ALIAS, OURS], IMPATIENT) as server:
        assert await server.homeserver.create_room(REQUEST) == "!new"
        assert [line.split("/")[-1] for line in server.asked] == [
            "createRoom",
            "%23preau_a:nord.example",
            "m.room.create",
        ]


async def test_a_room_that_was_not_made_before_the_answer_got_lost_is_an_error() -> None:
    async with trouble([HangUp(), NO_ALIAS]) as server:
        with pytest.raises(HomeserverUnreachable, match="create room preau_a"):
            await server.homeserver.create_room(REQUEST)
        assert len(server.asked) == 2


async def test_a_room_is_not_asked_for_twice_when_a_kept_connection_breaks() -> None:
    # aiohttp itself repeats what it holds for repeatable; a POST is not.
    async with trouble([WHOAMI, HangUp(), NO_ALIAS]) as server:
        await server.homeserver.whoami()
        with pytest.raises(HomeserverUnreachable):
            await server.homeserver.create_room(REQUEST)
        assert [line.split("/")[-1] for line in server.asked[1:]] == ["createRoom", "%23preau_a:nord.example"]


async def test_a_room_without_alias_is_never_asked_for_twice() -> None:
    async with trouble([HangUp()]) as server:
        with pytest.raises(HomeserverUnreachable, match="create a room without alias"):
            await server.homeserver.create_room(RoomCreation("12"))
        assert len(server.asked) == 1


async def test_the_making_of_a_room_is_repeated_when_the_homeserver_only_asked_to_wait() -> None:
    async with trouble([Say(429, LIMITED), ALIAS]) as server:
        assert await server.homeserver.create_room(REQUEST) == "!new"


async def test_an_alias_that_another_room_took_is_not_adopted() -> None:
    async with trouble([HangUp(), ALIAS, OTHERS]) as server:
        with pytest.raises(HomeserverError, match="made for something else") as caught:
            await server.homeserver.create_room(REQUEST)
        assert caught.value.errcode == "M_ROOM_IN_USE"


async def test_a_refusal_to_make_a_room_reaches_the_caller() -> None:
    async with trouble([NO_ALIAS, Say(403, '{"errcode": "M_FORBIDDEN"}')]) as server:
        with pytest.raises(HomeserverError, match="create room preau_a") as caught:
            await server.homeserver.ensure_room(REQUEST)
        assert caught.value.errcode == "M_FORBIDDEN"
        assert len(server.asked) == 2


async def test_a_homeserver_that_fails_is_not_taken_for_one_without_the_alias() -> None:
    async with trouble([Say(500, "")]) as server:
        with pytest.raises(HomeserverError, match=r"alias #preau_a:nord\.example") as caught:
            await server.homeserver.ensure_room(REQUEST)
        assert caught.value.status == 500


async def test_a_room_made_by_somebody_else_in_the_same_moment_is_adopted() -> None:
    taken = Say(400, '{"errcode": "M_ROOM_IN_USE"}')
    async with trouble([NO_ALIAS, taken, ALIAS, OURS]) as server:
        assert await server.homeserver.ensure_room(REQUEST) == ("!new", False)


async def test_a_homeserver_that_fails_is_not_taken_for_one_where_nothing_is_left_to_do() -> None:
    async with trouble([Say(403, '{"errcode": "M_FORBIDDEN"}'), Say(500, "")]) as server:
        with pytest.raises(HomeserverError) as caught:
            await server.homeserver.kick(ROOM, ALICE)
        assert caught.value.status == 500


async def test_no_more_requests_are_on_their_way_than_allowed() -> None:
    on_their_way = 0
    most = 0
    release = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal on_their_way, most
        await reader.readuntil(b"\r\n\r\n")
        on_their_way += 1
        most = max(most, on_their_way)
        if on_their_way == 2:
            release.set()
        await release.wait()
        on_their_way -= 1
        body = json.dumps({"user_id": BOT}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with (
            homeserver_at(f"http://127.0.0.1:{port}", [], Patience(attempts=1), at_once=2) as homeserver,
            asyncio.TaskGroup() as tasks,
        ):
            for _ in range(6):
                tasks.create_task(homeserver.whoami())
    assert most == 2


async def test_a_person_of_another_server_is_never_registered_here() -> None:
    async with trouble([Say(200)]) as server:
        with pytest.raises(ValueError, match=r"is not of nord\.example"):
            await server.homeserver.register(UserId("@k7m2q4xd:sud.example"))
        assert server.asked == []


async def test_state_is_put_under_its_type_and_key() -> None:
    async with trouble([Say(200, '{"event_id": "$e"}')]) as server:
        assert await server.homeserver.put_state(ROOM, StateKey("m.space.child", "!child"), {}) == EventId("$e")
        assert server.asked[0].startswith("PUT ")
        assert server.asked[0].endswith("/state/m.space.child/!child")
