"""What member events may say: the person's own name, and nothing of their choice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preau.policy.refusals import Rule
from preau.policy.wording import plain, why_not_say
from tests.fact_strategies import json_values

NAME = "Nour GABARIT · professeur"
JOIN = {"membership": "join"}


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (JOIN, None),
        (JOIN | {"displayname": NAME}, None),
        (JOIN | {"displayname": NAME, "avatar_url": None}, None),
        (JOIN | {"displayname": None}, None),
        (JOIN | {"displayname": NAME, "is_direct": True}, None),
        (JOIN | {"join_authorised_via_users_server": "@preau:nord.example"}, None),
        (JOIN | {"reason": ""}, None),
        (JOIN | {"reason": None}, None),
        (JOIN | {"displayname": "Dominique PROVISEUR · direction"}, Rule.NAME),
        (JOIN | {"displayname": NAME + " "}, Rule.NAME),
        (JOIN | {"displayname": [NAME]}, Rule.NAME),
        (JOIN | {"avatar_url": "mxc://nord.example/x"}, Rule.NAME),
        (JOIN | {"is_direct": "Lisez ceci !"}, Rule.NAME),
        (JOIN | {"third_party_invite": {"display_name": "x"}}, Rule.NAME),
        (JOIN | {"fr.preau.child": "Zoé 5 A"}, Rule.NAME),
        (JOIN | {"reason": "Lisez ceci !"}, Rule.REMARK),
        (JOIN | {"reason": ["Lisez ceci !"], "displayname": NAME}, Rule.REMARK),
    ],
)
def test_a_member_event_says_this_and_no_more(content: dict[str, Any], rule: Rule | None) -> None:
    assert why_not_say(content, [NAME]) is rule


FIELDS = ("membership", "displayname", "avatar_url", "is_direct", "reason", "fr.preau.child")


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), json_values(), max_size=3))
def test_somebody_without_a_name_shows_none(content: dict[str, Any]) -> None:
    if why_not_say(content, []) is None:
        assert content.get("displayname") is None
        assert not content.get("avatar_url")
        assert not content.get("reason")


def test_plain_is_what_says_nothing_else() -> None:
    assert plain({"membership": "leave"})
    assert not plain({"membership": "leave", "reason": ""})
    assert not plain({})
