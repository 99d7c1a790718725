from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preau.matrix.wire import BrokenEvent, parse_content, parse_event, parse_membership, parse_transaction
from preau.model.events import Event
from preau.model.ids import EventId, RoomId, UserId
from preau.model.wanted import Membership

WHOLE: dict[str, object] = {
    "event_id": "$n3WAbC",
    "room_id": "!n8f893n9",
    "sender": "@k7m2q4xd:nord.example",
    "type": "m.room.member",
    "state_key": "@k7m2q4xd:nord.example",
    "content": {"membership": "join", "deep": [{"list": [1, True, None, "é"]}]},
    "origin_server_ts": 1795450992159,
    "unsigned": {"age": 35},
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)

ALMOST = st.fixed_dictionaries({}, optional={key: st.just(value) | JSON for key, value in WHOLE.items()})
"""Events of which some fields are missing and some hold anything at all."""


def test_a_whole_event_is_read_and_the_rest_of_it_left_out() -> None:
    assert parse_event(WHOLE) == Event(
        event_id=EventId("$n3WAbC"),
        room=RoomId("!n8f893n9"),
        sender=UserId("@k7m2q4xd:nord.example"),
        type="m.room.member",
        state_key="@k7m2q4xd:nord.example",
        content={"membership": "join", "deep": [{"list": [1, True, None, "é"]}]},
        origin_server_ts=1795450992159,
    )


def test_an_event_without_state_key_is_no_state_and_one_with_an_empty_key_is() -> None:
    message = {key: value for key, value in WHOLE.items() if key != "state_key"}
    assert parse_event(message).state_key is None
    assert parse_event({**message, "state_key": ""}).state_key == ""


def test_an_event_that_claims_an_odd_time_is_not_hidden_by_it() -> None:
    assert parse_event({**WHOLE, "origin_server_ts": -1}).origin_server_ts == -1


BROKEN: list[tuple[str, object, str]] = [
    ("event_id", "no sigil", "event_id does not begin with"),
    ("event_id", None, "event_id is missing or no text"),
    ("room_id", "#alias", "room_id does not begin with !"),
    ("room_id", "!" + "é" * 255, "room_id is longer than 255 characters"),
    ("sender", "k7m2q4xd", "sender is no user id"),
    ("sender", "@k7m2q4xd", "sender is no user id"),
    ("type", "", "type is empty"),
    ("type", "m.\0", "type holds a null character"),
    ("type", "\ud800", "type holds half a character"),
    ("state_key", None, "state_key is missing or no text"),
    ("content", None, "content is no object"),
    ("content", [], "content is no object"),
    ("content", {"a": [0.5]}, "content holds a float"),
    ("content", {"a": float("nan")}, "content holds a float"),
    ("content", {"a": 2**53}, "integer that is too large"),
    ("content", {"a": -(2**53)}, "integer that is too large"),
    ("content", {"a": {"b": "\udfff"}}, "content holds half a character"),
    ("content", {"\ud800": 1}, "content holds half a character"),
    ("origin_server_ts", "1", "no time in milliseconds"),
    ("origin_server_ts", True, "no time in milliseconds"),
    ("origin_server_ts", -(2**53), "no time in milliseconds"),
    ("origin_server_ts", 2**53, "no time in milliseconds"),
]


@pytest.mark.parametrize(("field", "value", "reason"), BROKEN, ids=range(len(BROKEN)))
def test_a_broken_event_is_refused_with_its_reason(field: str, value: object, reason: str) -> None:
    with pytest.raises(BrokenEvent, match=reason):
        parse_event({**WHOLE, field: value})


@pytest.mark.parametrize("field", [key for key in WHOLE if key not in {"state_key", "unsigned"}])
def test_an_event_without_one_of_its_fields_is_refused(field: str) -> None:
    with pytest.raises(BrokenEvent, match=field):
        parse_event({key: value for key, value in WHOLE.items() if key != field})


@given(JSON | ALMOST)
def test_whatever_comes_is_an_event_that_can_be_stored_or_refused(raw: object) -> None:
    try:
        event = parse_event(raw)
    except BrokenEvent:
        return
    assert json.loads(json.dumps(event.content, ensure_ascii=False).encode()) == event.content
    assert event.event_id.startswith("$")


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_a_transaction_or_refused(body: bytes) -> None:
    try:
        events = parse_transaction(body)
    except BrokenEvent:
        return
    assert events == json.loads(body)["events"]


@given(st.lists(JSON))
def test_the_events_of_a_transaction_come_as_they_were_sent(events: list[object]) -> None:
    body = json.dumps({"events": events, "de.sorunome.msc2409.ephemeral": []})
    assert json.dumps(parse_transaction(body.encode())) == json.dumps(events)


def test_depth_without_end_breaks_neither_transactions_nor_contents() -> None:
    with pytest.raises(BrokenEvent, match="nested too deeply"):
        parse_transaction(b'{"events":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    deep: dict[str, object] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    assert parse_content(deep) is deep


@pytest.mark.parametrize("membership", list(Membership))
def test_every_known_membership_is_read(membership: Membership) -> None:
    assert parse_membership({"membership": str(membership)}) is membership


@pytest.mark.parametrize(
    "content", [{}, {"membership": None}, {"membership": "JOIN"}, {"membership": ["join"]}], ids=str
)
def test_an_unknown_membership_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(BrokenEvent, match="no known membership"):
        parse_membership(content)  # type: ignore[arg-type]  # what other servers send is not typed
