"""Facts survive the wire, and nothing else is taken for one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preau.model.fact_codec import BrokenFact, decode, encode
from preau.model.facts import Fact, FactKind, key_of
from tests.fact_strategies import facts, json_values


@given(facts())
def test_a_fact_comes_back_as_it_was(fact: Fact) -> None:
    kind, key = key_of(fact)
    assert decode(kind, key, json.loads(json.dumps(encode(fact)))) == fact


@given(st.sampled_from(FactKind), st.text(), json_values())
def test_anything_else_is_a_broken_fact_or_a_whole_one(kind: FactKind, key: str, body: object) -> None:
    try:
        fact = decode(kind, key, body)  # type: ignore[arg-type]
    except BrokenFact as error:
        assert str(kind) in str(error)  # noqa: PT017 - the other outcome is fine, too
    else:
        assert key_of(fact) == (kind, key)


@pytest.mark.parametrize(
    ("kind", "key", "body", "said"),
    [
        (FactKind.PERSON, "@a:n.example", {"schools": {"0990001N": {"functions": ["king"]}}}, "'king' is none of"),
        (FactKind.PERSON, "nobody", {}, "no Matrix user id"),
        (FactKind.PERSON, "@a:n.example", {"schools": {"0990001N": {"opted_in": 1}}}, "opted_in: true or false"),
        (FactKind.SCHOOL, "0990001N", {"cells": [["teacher", "pupil"]]}, "writer, reader and condition"),
        (FactKind.ROOM, "!r", {"kind": "cellar"}, "'cellar' is none of"),
        (FactKind.VOUCH, "@a:s.example", {"functions": "teacher"}, "functions: a list"),
        (FactKind.SHARED_ROOM, "!r", [], "an object is expected"),
    ],
)
def test_what_is_wrong_is_said(kind: FactKind, key: str, body: object, said: str) -> None:
    with pytest.raises(BrokenFact, match=said):
        decode(kind, key, body)  # type: ignore[arg-type]
