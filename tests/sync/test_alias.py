"""One alias for one room, whatever a school calls its divisions (``school-data.md`` 15.11)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preau.model.ids import Uai
from preau.model.rooms import RoomKey, RoomKind
from preau.sync.rooms import alias_of
from tests.builders import NORTH, SOUTH, key

AWKWARD = (
    "3 A",
    "3A",
    "3a",
    "3 a",
    "1 S2_B",
    "1/S2",
    "1 S2/B",
    "É3",
    "E3",
    "E\u03013",
    "ŒUVRE",
    "=20.",
    " ",
    "3 A ",
    "_",
    "3=",
    "ß",
    "SS",
)


def test_awkward_codes_have_aliases_of_their_own() -> None:
    aliases = {alias_of(key(RoomKind.ANNOUNCE_DIVISION, code)).casefold() for code in AWKWARD}
    assert len(aliases) == len(AWKWARD)


keys = st.builds(
    RoomKey,
    st.sampled_from(RoomKind),
    st.sampled_from([NORTH, SOUTH]),
    st.one_of(st.sampled_from(["", *AWKWARD]), st.text(max_size=8)),
)


@settings(max_examples=500, deadline=None)
@given(keys, keys)
def test_two_rooms_never_share_an_alias_even_where_case_is_folded(one: RoomKey, other: RoomKey) -> None:
    assert (alias_of(one).casefold() == alias_of(other).casefold()) is (one == other)


@settings(max_examples=300, deadline=None)
@given(keys)
def test_an_alias_is_plain_and_short(room: RoomKey) -> None:
    alias = alias_of(room)
    assert re.fullmatch(r"_preau_[a-z0-9_/=.]+", alias)
    server = "a-rather-long-name.academie.example"
    assert len(f"#{alias}:{server}".encode()) <= 255  # spec, appendices 4.2: room aliases


@pytest.mark.parametrize(
    ("room", "alias"),
    [
        (RoomKey(RoomKind.SPACE_ACADEMY, Uai("")), "_preau_space_academy"),
        (key(RoomKind.STAFF), "_preau_staff/0990001=4e."),
        (key(RoomKind.ANNOUNCE_DIVISION, "5 A"), "_preau_announce_division/0990001=4e./5=20.=41."),
    ],
)
def test_aliases_never_change_from_one_release_to_the_next(room: RoomKey, alias: str) -> None:
    assert alias_of(room) == alias
