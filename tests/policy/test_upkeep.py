"""What members may change about a room: nothing, and in a conversation its first state once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preau.policy.refusals import Rule
from preau.policy.upkeep import why_not_set_direct, why_not_set_managed, why_not_set_unruled
from tests.fact_strategies import json_values

ALIX, NOUR, LOU = "@alix:nord.example", "@nour:nord.example", "@lou:nord.example"

STATE = [
    "m.room.name",
    "m.room.topic",
    "m.room.avatar",
    "m.room.canonical_alias",
    "m.room.power_levels",
    "m.room.join_rules",
    "m.room.history_visibility",
    "m.room.guest_access",
    "m.room.encryption",
    "m.room.server_acl",
    "m.room.tombstone",
    "m.room.pinned_events",
    "m.room.third_party_invite",
    "m.space.child",
    "m.space.parent",
    "m.policy.rule.user",
    "m.room.policy",
    "im.vector.modular.widgets",
    "org.matrix.msc3401.call.member",
    "org.matrix.msc3672.beacon_info",
    "fr.example.anything",
]


@pytest.mark.parametrize("event_type", STATE)
def test_no_state_of_a_managed_or_unruled_room_is_a_members(event_type: str) -> None:
    assert why_not_set_managed(event_type) is Rule.MANAGED_ROOM
    assert why_not_set_unruled(event_type) is Rule.ROOM_CREATION


@pytest.mark.parametrize("event_type", ["m.room.create", "m.room.member"])
def test_who_makes_rooms_and_who_is_in_them_is_decided_elsewhere(event_type: str) -> None:
    assert why_not_set_managed(event_type) is None
    assert why_not_set_unruled(event_type) is None
    assert why_not_set_direct(event_type, ALIX, {}, [ALIX, NOUR], new=False) is None


BEGINNING: list[tuple[str, dict[str, Any]]] = [
    ("m.room.power_levels", {"users": {ALIX: 100}, "users_default": 0}),
    ("m.room.power_levels", {}),
    ("m.room.join_rules", {"join_rule": "invite"}),
    ("m.room.history_visibility", {"history_visibility": "invited"}),
    ("m.room.guest_access", {"guest_access": "forbidden"}),
]


@pytest.mark.parametrize(("event_type", "content"), BEGINNING)
def test_a_conversations_first_state_is_set_once(event_type: str, content: dict[str, Any]) -> None:
    assert why_not_set_direct(event_type, "", content, [ALIX, NOUR], new=True) is None
    assert why_not_set_direct(event_type, "", content, [ALIX, NOUR], new=False) is Rule.DIRECT_ROOM
    assert why_not_set_direct(event_type, "x", content, [ALIX, NOUR], new=True) is Rule.DIRECT_ROOM


@pytest.mark.parametrize(
    ("event_type", "content"),
    [
        ("m.room.power_levels", {"users": {ALIX: 100, LOU: 100}}),
        ("m.room.power_levels", {"users": [ALIX]}),
        ("m.room.join_rules", {"join_rule": "public"}),
        ("m.room.join_rules", {"join_rule": "invite", "allow": []}),
        ("m.room.join_rules", {}),
        ("m.room.history_visibility", {"history_visibility": "world_readable"}),
        ("m.room.guest_access", {"guest_access": "can_join"}),
        *((event_type, {}) for event_type in STATE if event_type != "m.room.power_levels"),
    ],
)
def test_no_other_state_begins_a_conversation(event_type: str, content: dict[str, Any]) -> None:
    assert why_not_set_direct(event_type, "", content, [ALIX, NOUR], new=True) is Rule.DIRECT_ROOM


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(STATE), st.text(max_size=3), st.dictionaries(st.text(max_size=3), json_values(), max_size=3))
def test_whatever_it_says_no_state_that_is_there_is_replaced(
    event_type: str, key: str, content: dict[str, Any]
) -> None:
    assert why_not_set_direct(event_type, key, content, [ALIX, NOUR], new=False) is Rule.DIRECT_ROOM
