"""Whatever is sent to the guard's paths, and whatever members put into events: nothing fails, and no door opens.

``make test`` tries a little of it, ``make test-matrix`` more.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from synapse.module_api.errors import SynapseError

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver
from preau.demo.processes import free_ports
from preau.guard.batch_web import parse_accounts, parse_room
from preau.guard.search import parse_search
from preau.guard.web import parse_push
from preau.model.facts import RoomFacts
from preau.model.ids import RoomId, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from tests.builders import NORTH
from tests.guard.guarded import GUARD, Guarded, Reply, guarded_spec

WHOLE: Final = os.environ.get("PREAU_MATRIX") == "whole"
CLIENT: Final = "/_matrix/client/v3"

little = settings(
    max_examples=120 if WHOLE else 8,
    deadline=None,
    phases=[Phase.generate],  # each example is some requests: its shortening would take minutes
    suppress_health_check=[HealthCheck.too_slow],
)

ODD_TEXTS: Final = ("", "\0", "\u202e", "é" * 300, "!", "@", "#a:b", "@a:b:c", "m.room.member", "../..", "%2F", "𝒫")
ODD_NUMBERS: Final = (0, -1, 2**31, 2**53 - 1, 2**53, -(2**63), 2**80)

texts = st.one_of(st.sampled_from(ODD_TEXTS), st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
leaves = st.one_of(st.none(), st.booleans(), st.sampled_from(ODD_NUMBERS), st.floats(allow_nan=False), texts)


def objects(*fields: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects in which these fields hold anything, several levels deep, beside fields that nobody knows."""
    names = st.one_of(st.sampled_from(fields), texts)
    values = st.recursive(
        leaves, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=4))
    )
    return st.dictionaries(names, values, max_size=6)


PUSHES: Final = objects("stream", "after", "version", "facts", "forget_before", "person", "room", "kind", "schools")
SEARCHES: Final = objects("search_term", "limit")
ROOMS: Final = objects("alias", "version", "creation_content", "state", "members", "type", "state_key", "content")
MOVES: Final = objects("room_id", "join", "leave", "reason")
ACCOUNTS: Final = objects("accounts", "localpart", "display_name")


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

OF_SYNAPSE: Final = (
    "SynapseError: 500 - Tried to send member event through non-member codepath",
    ", in is_admin_redaction\n",
    """event_dict["content"]["room_version"]""",
)
"""Three of Synapse's own errors (1.163), each before the guard is asked: a membership sent as a message, a redaction of
nothing set as state, a room's creation set as state."""


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


@pytest.fixture(scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory, guard_authority: Authority) -> AsyncIterator[Place]:
    client, federation = free_ports(2)
    unlimited = {name: {"per_second": 10_000, "burst_count": 10_000} for name in ("rc_message", "rc_room_creation")}
    folder = tmp_path_factory.mktemp("fuzzed")
    spec = guarded_spec(folder, client, federation, guard_authority, operator=unlimited)
    async with Homeserver(spec) as homeserver:
        guarded = Guarded(homeserver)
        guardian, teacher = await guarded.person(Function.GUARDIAN), await guarded.person(Function.TEACHER)
        third = await guarded.person(Function.PUPIL)
        talk = (await guarded.talk(guardian, teacher)).body["room_id"]
        assert (await guarded.join(talk, teacher)).status == 200
        staff = await guarded.managed(RoomKind.STAFF, levels={teacher: 50})
        await guarded.push(RoomFacts(RoomId(staff), RoomKind.STAFF, NORTH))
        await guarded.bring_in(staff, teacher)
        yield Place(guarded, guardian, teacher, third, talk, staff)


@contextlib.contextmanager
def nothing_fails(place: Place) -> Iterator[list[Reply]]:
    """Collects replies; afterwards none is an error of the server, and no rule or hook of the guard has failed."""
    begun = place.log.stat().st_size
    replies: list[Reply] = []
    yield replies
    with place.log.open("rb") as log:
        log.seek(begun)
        said = log.read().decode(errors="replace")
    traces = re.findall(r"Traceback.*?(?=^\d{4}-\d\d-\d\d )", said, re.DOTALL | re.MULTILINE)
    assert not [trace for trace in traces if "/preau/" in trace]
    assert "A rule failed" not in said
    own_faults = sum(said.count(fault) for fault in OF_SYNAPSE)
    assert len([reply for reply in replies if reply.status >= 500]) <= own_faults, traces


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
    with nothing_fails(place) as replies:
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
    with nothing_fails(place) as replies:
        replies.append(await place.guarded.call("PUT", f"{GUARD}/facts", place.guarded.homeserver.bot, body))
    after = await place.guarded.status()
    assert (after["version"], after["facts"]) == (before["version"], before["facts"])


@pytest.mark.live
@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{", b'{"a":"\\ud800"}', b"\xff", b"[" * 3_000, b'{"a":1e999}'])
@pytest.mark.parametrize("path", ["PUT facts", "POST search", "POST rooms", "POST memberships", "POST accounts"])
async def test_what_is_no_object_is_refused(place: Place, path: str, raw: bytes) -> None:
    method, _, name = path.partition(" ")
    with nothing_fails(place) as replies:
        replies.append(await place.guarded.call(method, f"{GUARD}/{name}", place.guarded.homeserver.bot, raw=raw))
    assert replies[0].status == 400


CONTENTS: Final = objects(
    *("membership", "displayname", "avatar_url", "reason", "is_direct", "third_party_invite", "users", "events"),
    *("join_rule", "allow", "history_visibility", "redacts", "m.relates_to", "rel_type", "event_id", "body", "msgtype"),
    *("url", "algorithm", "via", "creator", "fr.preau.room", "fr.preau.direct", "join_authorised_via_users_server"),
)
MESSAGE_TYPES: Final = st.one_of(
    st.sampled_from(["m.room.message", "m.reaction", "m.room.redaction", "m.room.encrypted", "m.room.member"]), texts
)
STATE_TYPES: Final = st.one_of(
    st.sampled_from(["m.room.member", "m.room.power_levels", "m.room.join_rules", "m.space.child", "m.room.redaction"]),
    st.sampled_from(["m.room.third_party_invite", "m.room.canonical_alias", "m.room.tombstone", "fr.preau.room"]),
    texts,
)


@pytest.mark.live
@pytest.mark.timeout(600)
@little
@given(st.lists(st.tuples(st.booleans(), MESSAGE_TYPES, CONTENTS), min_size=5, max_size=10))
async def test_no_message_fails_or_opens_a_door(place: Place, messages: list[tuple[bool, str, dict[str, Any]]]) -> None:
    before = [await place.state(room) for room in (place.talk, place.staff)]
    with nothing_fails(place) as replies:
        for direct, event_type, content in messages:
            room = quote(place.talk if direct else place.staff)
            path = f"{CLIENT}/rooms/{room}/send/{quote(event_type, safe='')}/{secrets.token_hex(8)}"
            replies.append(await place.guarded.call("PUT", path, place.teacher, content))
    assert [await place.state(room) for room in (place.talk, place.staff)] == before


@pytest.mark.live
@pytest.mark.parametrize("redacts", [[], {}, 1, None, True])
async def test_a_message_that_takes_back_what_is_no_event_is_refused(place: Place, redacts: object) -> None:
    content = {"msgtype": "m.text", "body": "Bonjour", "redacts": redacts}
    with nothing_fails(place) as replies:
        path = f"{CLIENT}/rooms/{quote(place.talk)}/send/m.room.message/{secrets.token_hex(8)}"
        replies.append(await place.guarded.call("PUT", path, place.teacher, content))
    assert (replies[0].status, replies[0].rule) == (403, "redaction")


@pytest.mark.live
@pytest.mark.timeout(600)
@little
@given(st.data())
async def test_no_state_fails_or_opens_a_door(place: Place, data: st.DataObject) -> None:
    before = [await place.state(room) for room in (place.talk, place.staff)]
    people = [place.third, place.guardian, place.teacher, place.guarded.homeserver.bot]
    with nothing_fails(place) as replies:
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
@pytest.mark.timeout(600)
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
    with nothing_fails(place) as replies:
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
@pytest.mark.timeout(600)
@little
@given(st.data())
async def test_no_private_matter_fails(place: Place, data: st.DataObject) -> None:
    bodies = objects("messages", "ignored_users", "displayname", "*", place.third, place.guardian, "content")
    own = quote(place.guardian)
    with nothing_fails(place) as replies:
        for path in (
            f"{CLIENT}/sendToDevice/{quote(data.draw(texts), safe='') or 'x'}/{secrets.token_hex(8)}",
            f"{CLIENT}/user/{own}/account_data/m.ignored_user_list",
            f"{CLIENT}/user/{own}/account_data/{quote(data.draw(texts), safe='') or 'x'}",
            f"{CLIENT}/profile/{own}/displayname",
            f"{CLIENT}/profile/{own}/{quote(data.draw(texts), safe='') or 'x'}",
        ):
            replies.append(await place.guarded.call("PUT", path, place.guardian, data.draw(bodies)))
