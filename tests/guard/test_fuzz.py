"""Whatever is sent to the guard's paths, and whatever members put into events: nothing fails, and no door opens."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synapse.module_api.errors import SynapseError

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver
from preau.guard.batch_web import parse_accounts, parse_room
from preau.guard.search import parse_search
from preau.guard.web import parse_push
from preau.model.facts import Fact, RoomFacts
from preau.model.ids import RoomId, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from tests.builders import NORTH
from tests.guard.fuzzing import (
    ALIASES,
    ANY_OF_SYNAPSES,
    CONTENTS,
    EVENT_IDS,
    MESSAGE_TYPES,
    ODD_FACTS,
    PERSON_IDS,
    ROOM_IDS,
    STATE_TYPES,
    WHOLE,
    little,
    nothing_fails,
    objects,
    texts,
)
from tests.guard.guarded import GUARD, Guarded, guarded_spec
from tests.guard.places import DATABASES_AND_VERSIONS, database
from tests.live.homeservers import new_localpart, register

CLIENT: Final = "/_matrix/client/v3"

PUSHES: Final = objects("stream", "after", "version", "facts", "forget_before", "person", "room", "kind", "schools")
SEARCHES: Final = objects("search_term", "limit")
ROOMS: Final = objects("alias", "version", "creation_content", "state", "members", "type", "state_key", "content")
MOVES: Final = objects("room_id", "join", "leave", "reason")
ACCOUNTS: Final = objects("accounts", "localpart", "display_name")

pytestmark = pytest.mark.timeout(600)
"""Thousands of examples in the whole matrix, beside other tests."""


@pytest.mark.parametrize(
    ("parse", "bodies"),
    [(parse_push, PUSHES), (parse_search, SEARCHES), (parse_room, ROOMS), (parse_accounts, ACCOUNTS)],
    ids=["facts", "search", "rooms", "accounts"],
)
@settings(max_examples=2_000 if WHOLE else 150, deadline=None)
@given(data=st.data())
def test_a_body_is_understood_or_refused_with_a_reason(
    parse: Callable[[Mapping[str, Any]], object], bodies: st.SearchStrategy[dict[str, Any]], data: st.DataObject
) -> None:
    with contextlib.suppress(SynapseError):  # a 400 with its reason; anything else is an error of ours
        parse(data.draw(bodies))


# On a real homeserver


@dataclass(frozen=True, slots=True)
class Place:
    """A homeserver of its own; two who talk with each other, a managed room with both, and a third who is nowhere."""

    guarded: Guarded
    guardian: UserId
    teacher: UserId
    third: UserId
    talk: str
    staff: str

    @property
    def log(self) -> Path:
        return self.guarded.homeserver.spec.folder / "synapse.log"

    async def state(self, room: str) -> Any:
        """A room's state, as the administrator sees it."""
        path = f"/_synapse/admin/v1/rooms/{quote(room)}/state"
        found = await self.guarded.call("GET", path, self.guarded.homeserver.bot)
        return sorted((event["type"], event["state_key"], event["event_id"]) for event in found.body["state"])


@pytest.fixture(scope="module", params=DATABASES_AND_VERSIONS)
async def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, guard_authority: Authority
) -> AsyncIterator[Place]:
    engine, version = request.param
    unlimited = {name: {"per_second": 10_000, "burst_count": 10_000} for name in ("rc_message", "rc_room_creation")}
    folder = tmp_path_factory.mktemp("fuzzed")
    more = {"operator": unlimited, "database": database(request, engine), "room_version": version}
    spec = guarded_spec(folder, guard_authority, **more)
    async with Homeserver(spec) as homeserver:
        guarded = Guarded(homeserver)
        guardian, teacher = await guarded.person(Function.GUARDIAN), await guarded.person(Function.TEACHER)
        third = await guarded.person(Function.PUPIL)
        talk = (await guarded.talk(guardian, teacher)).body["room_id"]
        assert (await guarded.join(talk, teacher)).status == 200
        staff = await guarded.managed(RoomKind.STAFF, version=version, levels={teacher: 50})
        await guarded.push(RoomFacts(RoomId(staff), RoomKind.STAFF, NORTH))
        await guarded.bring_in(staff, teacher)
        yield Place(guarded, guardian, teacher, third, talk, staff)


@pytest.mark.live
@little
@given(data=st.data())
async def test_nothing_sent_to_the_services_paths_fails(place: Place, data: st.DataObject) -> None:
    devices = objects("user", "device", "by")
    bodies = {
        "rooms": ROOMS,
        "memberships": MOVES,
        "accounts": ACCOUNTS,
        "devices/confirm": devices,
        "search": SEARCHES,
    }
    with nothing_fails(place.log) as replies:
        for path, strategy in bodies.items():
            user = place.guardian if path == "search" else place.guarded.homeserver.bot
            replies.append(await place.guarded.call("POST", f"{GUARD}/{path}", user, data.draw(strategy)))


@pytest.mark.live
@little
@given(body=PUSHES, never=st.one_of(st.integers(max_value=-1), texts))
async def test_facts_that_are_none_change_nothing(place: Place, body: dict[str, Any], never: object) -> None:
    if body.get("after") is None:  # which would begin anew, and may
        body = {**body, "after": never}
    before = await place.guarded.status()
    with nothing_fails(place.log) as replies:
        replies.append(await place.guarded.call("PUT", f"{GUARD}/facts", place.guarded.homeserver.bot, body))
    after = await place.guarded.status()
    assert (after["version"], after["facts"]) == (before["version"], before["facts"])


@pytest.mark.live
@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"null", b"{", b'{"a":"\\ud800"}', b'{"a":"\\u0000"}', b"\xff", b"[" * 3_000, b'{"a":1e999}']
)
@pytest.mark.parametrize("path", ["PUT facts", "POST search", "POST rooms", "POST memberships", "POST accounts"])
async def test_what_is_no_readable_object_is_refused(place: Place, path: str, raw: bytes) -> None:
    method, _, name = path.partition(" ")
    with nothing_fails(place.log) as replies:
        replies.append(await place.guarded.call(method, f"{GUARD}/{name}", place.guarded.homeserver.bot, raw=raw))
    assert replies[0].status == 400


@pytest.mark.live
@little
@given(st.lists(st.tuples(st.booleans(), MESSAGE_TYPES, CONTENTS), min_size=5, max_size=10))
async def test_no_message_fails_or_opens_a_door(place: Place, messages: list[tuple[bool, str, dict[str, Any]]]) -> None:
    before = [await place.state(room) for room in (place.talk, place.staff)]
    with nothing_fails(place.log) as replies:
        for direct, event_type, content in messages:
            room = quote(place.talk if direct else place.staff)
            path = f"{CLIENT}/rooms/{room}/send/{quote(event_type, safe='')}/{secrets.token_hex(8)}"
            replies.append(await place.guarded.call("PUT", path, place.teacher, content))
    assert [await place.state(room) for room in (place.talk, place.staff)] == before


@pytest.mark.live
@pytest.mark.parametrize("redacts", [[], {}, 1, None, True])
async def test_a_message_that_takes_back_what_is_no_event_is_refused(place: Place, redacts: object) -> None:
    content = {"msgtype": "m.text", "body": "Bonjour", "redacts": redacts}
    with nothing_fails(place.log) as replies:
        path = f"{CLIENT}/rooms/{quote(place.talk)}/send/m.room.message/{secrets.token_hex(8)}"
        replies.append(await place.guarded.call("PUT", path, place.teacher, content))
    assert (replies[0].status, replies[0].rule) == (403, "redaction")


@pytest.mark.live
@little
@given(st.data())
async def test_no_state_fails_or_opens_a_door(place: Place, data: st.DataObject) -> None:
    before = [await place.state(room) for room in (place.talk, place.staff)]
    people = [place.third, place.guardian, place.teacher, place.guarded.homeserver.bot]
    with nothing_fails(place.log) as replies:
        for _ in range(8):
            who = data.draw(st.sampled_from([place.teacher, place.guardian, place.third]))
            room, event_type = data.draw(st.sampled_from([place.talk, place.staff])), data.draw(STATE_TYPES)
            key = data.draw(st.one_of(st.sampled_from(people), texts))
            content = data.draw(CONTENTS)
            if event_type == "m.room.member" and key == who and content.get("membership") == "leave":
                continue  # nobody is kept anywhere
            path = f"{CLIENT}/rooms/{quote(room)}/state/{quote(event_type, safe='')}/{quote(key, safe='')}"
            replies.append(await place.guarded.call("PUT", path, who, content))
    assert [await place.state(room) for room in (place.talk, place.staff)] == before
    assert not [reply for reply in replies if reply.status == 200]


CONFIGS: Final = objects(
    *("invite", "is_direct", "preset", "room_version", "creation_content", "initial_state", "name", "invite_3pid"),
    *("power_level_content_override", "visibility", "room_alias_name", "m.federate", "additional_creators", "type"),
)


@pytest.mark.live
@little
@given(config=CONFIGS, invited=st.sampled_from([0, 1, 2]), pupil=st.booleans())
async def test_no_wish_for_a_room_fails_or_makes_another_than_a_conversation(
    place: Place, config: dict[str, Any], invited: int, *, pupil: bool
) -> None:
    writer = await place.guarded.person(Function.PUPIL if pupil else Function.GUARDIAN)
    wish = {
        **config,
        **({"is_direct": True, "invite": [place.third, place.teacher][invited - 1 :][:1]} if invited else {}),
    }
    with nothing_fails(place.log) as replies:
        replies.append(await place.guarded.call("POST", f"{CLIENT}/createRoom", writer, wish))
    if replies[0].status != 200:
        return
    assert wish["invite"] == [place.teacher]
    state = await place.state(replies[0].body["room_id"])
    kinds = {event_type for event_type, _, _ in state}
    assert kinds <= {f"m.room.{name}" for name in ("create", "member", "power_levels", "join_rules", *_SET_AT_FIRST)}
    assert {key for event_type, key, _ in state if event_type == "m.room.member"} == {writer, place.teacher}


_SET_AT_FIRST: Final = ("history_visibility", "guest_access")


@pytest.mark.live
@little
@given(st.data())
async def test_no_private_matter_fails(place: Place, data: st.DataObject) -> None:
    bodies = objects("messages", "ignored_users", "displayname", "*", place.third, place.guardian, "content")
    own = quote(place.guardian)
    with nothing_fails(place.log) as replies:
        for path in (
            f"{CLIENT}/sendToDevice/{quote(data.draw(texts), safe='') or 'x'}/{secrets.token_hex(8)}",
            f"{CLIENT}/user/{own}/account_data/m.ignored_user_list",
            f"{CLIENT}/user/{own}/account_data/{quote(data.draw(texts), safe='') or 'x'}",
            f"{CLIENT}/profile/{own}/displayname",
            f"{CLIENT}/profile/{own}/{quote(data.draw(texts), safe='') or 'x'}",
        ):
            replies.append(await place.guarded.call("PUT", path, place.guardian, data.draw(bodies)))


@pytest.mark.live
@little
@given(facts=st.lists(ODD_FACTS, min_size=3, max_size=12))
async def test_odd_facts_are_taken_and_open_nothing_to_whom_nobody_knows(place: Place, facts: list[Fact]) -> None:
    before = [await place.state(room) for room in (place.talk, place.staff)]
    nobody = await register(place.guarded.homeserver, new_localpart(), "Camille ESSAI")
    with nothing_fails(place.log) as replies:
        await place.guarded.push(*facts)
        for person in (place.guardian, place.teacher, place.third):
            replies.append(await place.guarded.talk(nobody, person))
        replies.extend([await place.guarded.join(room, nobody) for room in (place.talk, place.staff)])
        found = await place.guarded.call("POST", f"{GUARD}/search", nobody, {"search_term": "Camille"})
    assert {(reply.status, reply.rule) for reply in replies[:3]} == {(403, "unknown")}
    assert {reply.status for reply in replies[3:]} == {403}
    assert found.body["results"] == []
    assert (
        await place.guarded.talk(place.guardian, place.third)
    ).rule == "contact"  # and whom they know, they still know
    assert [await place.state(room) for room in (place.talk, place.staff)] == before


@pytest.mark.live
@little
@given(st.data())
async def test_no_odd_id_fails_or_opens_a_door(place: Place, data: st.DataObject) -> None:
    before = [await place.state(room) for room in (place.talk, place.staff)]
    rooms = st.one_of(st.sampled_from([place.talk, place.staff]), ROOM_IDS, texts)
    others = st.one_of(st.sampled_from([place.third, place.guardian, place.guarded.homeserver.bot]), PERSON_IDS, texts)
    with nothing_fails(place.log, ANY_OF_SYNAPSES) as replies:
        for _ in range(12):
            method, path = data.draw(st.sampled_from(PATHS_WITH_IDS)).split()
            ids = {"room": data.draw(rooms), "alias": data.draw(ALIASES), "event": data.draw(EVENT_IDS)}
            named = {name: quote(value, safe="") or "x" for name, value in ids.items()}
            body = {**data.draw(MEMBERSHIP_BODIES), "user_id": data.draw(others), "room_id": data.draw(rooms)}
            who = data.draw(st.sampled_from([place.teacher, place.third]))
            replies.append(await place.guarded.call(method, CLIENT + path.format(**named), who, body))
    assert [await place.state(room) for room in (place.talk, place.staff)] == before


PATHS_WITH_IDS: Final = (
    *("POST /join/{room}", "POST /join/{alias}", "POST /knock/{room}", "POST /knock/{alias}"),
    *("POST /rooms/{room}/join", "POST /rooms/{room}/invite", "POST /rooms/{room}/kick", "POST /rooms/{room}/ban"),
    *("POST /rooms/{room}/unban", "POST /rooms/{room}/upgrade", "PUT /rooms/{room}/redact/{event}/1"),
    *("PUT /directory/room/{alias}", "DELETE /directory/room/{alias}", "PUT /directory/list/room/{room}"),
)
MEMBERSHIP_BODIES: Final = objects(
    *("reason", "id_server", "id_access_token", "medium", "address", "third_party_signed", "visibility", "servers"),
    *("new_version", "creator", "redacts", "additional_creators"),
)
