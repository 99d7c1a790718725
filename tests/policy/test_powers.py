"""What members can do, computed from the power levels as homeservers compute it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Any

import pytest

from preau.model.ids import RoomId, ServerName, UserId
from preau.model.rooms import RoomKind
from preau.model.wanted import Content, Seat, StateKey, WantedRoom
from preau.policy.powers import (
    HISTORY,
    MODERATOR,
    READER,
    WRITER,
    child_key,
    child_link,
    parent_key,
    parent_link,
    power_levels,
    room_state,
)
from preau.policy.rooms import RULES
from tests.builders import BOT, key, user

VERSIONS = ("11", "12")
READER_, WRITER_, MODERATOR_ = user("reader"), user("writer"), user("moderator")
MEMBERS = {READER_: Seat(READER, ""), WRITER_: Seat(WRITER, ""), MODERATOR_: Seat(MODERATOR, "")}


@dataclass(frozen=True)
class Room:
    """Matrix authorisation rules 9 to 11 over power levels (spec, room versions 11 and 12)."""

    levels: Any
    version: str

    def power(self, who: UserId) -> float:
        if self.version == "12" and who == BOT:
            return inf  # creators have infinite power and stand in no list
        return int(self.levels["users"].get(who, self.levels["users_default"]))

    def may_send(self, who: UserId, event_type: str, *, state: bool = False) -> bool:
        default = self.levels["state_default" if state else "events_default"]
        return self.power(who) >= int(self.levels["events"].get(event_type, default))

    def may(self, who: UserId, what: str, whom: UserId = READER_) -> bool:
        """Invite, kick, ban or redact; kicks and bans take more power than the target has."""
        enough = self.power(who) >= self.levels[what]
        return enough and (what in {"invite", "redact"} or self.power(who) > self.power(whom))

    def may_set_levels(self, who: UserId) -> bool:
        return self.may_send(who, "m.room.power_levels", state=True)


def room(kind: RoomKind, version: str) -> Room:
    return Room(power_levels(kind, MEMBERS, bot=BOT, version=version), version)


READ_ONLY = {RoomKind.ANNOUNCE_SCHOOL, RoomKind.ANNOUNCE_DIVISION}
SPACES = {kind for kind in RoomKind if RULES[kind].is_space}
CONVERSATIONS = set(RoomKind) - READ_ONLY - SPACES
R, W, M = READER_, WRITER_, MODERATOR_
SENDERS: list[tuple[str, set[UserId], set[UserId], set[UserId]]] = [
    # event type, read-only rooms, conversations, spaces
    ("m.room.message", {W, M}, {R, W, M}, set()),
    ("m.sticker", {W, M}, {R, W, M}, set()),
    ("m.poll.start", {W, M}, {R, W, M}, set()),
    ("org.matrix.msc3381.poll.start", {W, M}, {R, W, M}, set()),
    ("m.poll.response", {R, W, M}, {R, W, M}, set()),
    ("org.matrix.msc3381.poll.response", {R, W, M}, {R, W, M}, set()),
    ("m.reaction", {R, W, M}, {R, W, M}, set()),
    ("m.room.redaction", {R, W, M}, {R, W, M}, set()),
]
STATE = (
    "m.room.name",
    "m.room.topic",
    "m.room.avatar",
    "m.room.power_levels",
    "m.room.join_rules",
    "m.room.history_visibility",
    "m.room.guest_access",
    "m.room.encryption",
    "m.room.server_acl",
    "m.room.tombstone",
    "m.room.pinned_events",
    "m.space.child",
    "m.space.parent",
    "im.vector.modular.widgets",
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("event", "announcements", "conversations", "spaces"), SENDERS)
@pytest.mark.parametrize("kind", RoomKind)
def test_who_may_send(
    kind: RoomKind,
    event: str,
    announcements: set[UserId],
    conversations: set[UserId],
    spaces: set[UserId],
    version: str,
) -> None:
    allowed = announcements if kind in READ_ONLY else conversations if kind in CONVERSATIONS else spaces
    assert {who for who in MEMBERS if room(kind, version).may_send(who, event)} == allowed


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", RoomKind)
def test_nobody_but_the_service_changes_a_room(kind: RoomKind, version: str) -> None:
    made = room(kind, version)
    for event in STATE:
        assert [who for who in (*MEMBERS, BOT) if made.may_send(who, event, state=True)] == [BOT], event
    for act in ("invite", "kick", "ban"):
        assert [who for who in (*MEMBERS, BOT) if made.may(who, act)] == [BOT], act


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", RoomKind)
def test_moderators_take_away_what_others_sent_and_writers_do_not(kind: RoomKind, version: str) -> None:
    made = room(kind, version)
    assert [who for who in (*MEMBERS, BOT) if made.may(who, "redact")] == [MODERATOR_, BOT]


@pytest.mark.parametrize("kind", RoomKind)
def test_the_service_stands_in_the_levels_of_version_11_only(kind: RoomKind) -> None:
    assert room(kind, "12").levels["users"] == {WRITER_: 50, MODERATOR_: 75}
    assert room(kind, "11").levels["users"] == {BOT: 100, WRITER_: 50, MODERATOR_: 75}


def test_in_version_12_no_level_that_can_be_given_closes_a_room() -> None:
    assert room(RoomKind.STAFF, "12").levels["events"]["m.room.tombstone"] > 100


def leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for part in value.values():
            yield from leaves(part)
    elif isinstance(value, list):
        for part in value:
            yield from leaves(part)
    else:
        yield value


def state_of(kind: RoomKind, version: str, topic: str = "Qui écrit.") -> dict[StateKey, Content]:
    made = WantedRoom(key(kind, "5 A"), "Annonces", topic, None, MEMBERS)
    return room_state(made, bot=BOT, version=version)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", RoomKind)
def test_no_state_holds_a_number_that_canonical_json_does_not_know(kind: RoomKind, version: str) -> None:
    contents: list[Content] = [*state_of(kind, version).values(), child_link(ServerName("nord.example"))]
    assert not [leaf for content in contents for leaf in leaves(content) if isinstance(leaf, float)]


@pytest.mark.parametrize("kind", RoomKind)
def test_nobody_enters_unasked_and_no_room_is_encrypted(kind: RoomKind) -> None:
    state = state_of(kind, "12")
    assert state[StateKey("m.room.join_rules")] == {"join_rule": "restricted", "allow": []}
    assert state[StateKey("m.room.guest_access")] == {"guest_access": "forbidden"}
    assert StateKey("m.room.encryption") not in state


PAST = {
    RoomKind.ANNOUNCE_SCHOOL: "shared",
    RoomKind.ANNOUNCE_DIVISION: "shared",
    RoomKind.DIVISION_PARENTS_STAFF: "joined",
    RoomKind.PARENTS_DIVISION: "joined",
    RoomKind.PARENTS_SCHOOL: "joined",
    RoomKind.ASSOCIATION: "joined",
    RoomKind.STAFF: "shared",
    RoomKind.DIRECTION: "joined",
    RoomKind.HEALTH: "joined",
    RoomKind.PUPILS_DIVISION: "joined",
    RoomKind.MODERATION: "joined",
    RoomKind.INTER_ACADEMY: "joined",
    RoomKind.SPACE_ACADEMY: "shared",
    RoomKind.SPACE_SCHOOL: "shared",
    RoomKind.SPACE_LEVEL: "shared",
    RoomKind.SPACE_DIVISION: "shared",
    RoomKind.SPACE_ASSOCIATION: "shared",
}


@pytest.mark.parametrize("kind", RoomKind)
def test_what_a_newcomer_sees_of_the_past(kind: RoomKind) -> None:
    assert state_of(kind, "12")[HISTORY] == {"history_visibility": PAST[kind]}


def test_a_room_without_a_topic_sets_none() -> None:
    assert StateKey("m.room.topic") in state_of(RoomKind.STAFF, "12")
    assert StateKey("m.room.topic") not in state_of(RoomKind.SPACE_SCHOOL, "12", topic="")


def test_links_name_the_other_room_and_the_server_to_find_it_by() -> None:
    other, server = RoomId("!opaque"), ServerName("nord.example")
    assert (child_key(other), child_link(server)) == (
        ("m.space.child", "!opaque"),
        {"via": ["nord.example"], "suggested": True},
    )
    assert (parent_key(other), parent_link(server)) == (
        ("m.space.parent", "!opaque"),
        {"via": ["nord.example"], "canonical": True},
    )


def test_readers_are_not_listed_so_that_activation_costs_no_state_event() -> None:
    crowd = {user(f"p{number}"): Seat(READER, "") for number in range(2_000)}
    assert power_levels(RoomKind.ANNOUNCE_SCHOOL, crowd, bot=BOT, version="12")["users"] == {}
