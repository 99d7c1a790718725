"""Arbitrary facts of few people and schools, so that they meet; and arbitrary JSON."""

from __future__ import annotations

from functools import reduce
from itertools import product
from typing import Any, Final

from hypothesis import strategies as st

from preau.model.facts import (
    Cell,
    ContactTable,
    Fact,
    Language,
    Party,
    PersonFacts,
    RoomFacts,
    SchoolFacts,
    SharedRoomFacts,
    VouchFacts,
)
from preau.model.ids import DivisionCode, PersonId, RoomId, ServerName, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from tests.builders import NORTH, SOUTH

SERVER: Final = ServerName("nord.example")
PEER: Final = ServerName("sud.example")
PEOPLE: Final = ("ali", "zoe", "paz", "max", "lou", "dir")

people = st.sampled_from([PersonId(name) for name in PEOPLE])
schools = st.sampled_from([NORTH, SOUTH])
some_functions = st.frozensets(st.sampled_from(Function), max_size=3)
divisions = st.frozensets(st.sampled_from([DivisionCode("5 A"), DivisionCode("4 B")]))
cells = st.dictionaries(st.tuples(st.sampled_from(Function), st.sampled_from(Function)), st.sampled_from(Cell))
room_ids = st.sampled_from([RoomId("!one"), RoomId("!two")])


@st.composite
def persons(draw: st.DrawFn, name: PersonId | None = None) -> PersonFacts:
    """Somebody with a place in no, one or two schools."""
    person = name or draw(people)
    parties = [
        Party(person, school, draw(some_functions), draw(divisions), draw(st.frozensets(people)), draw(st.booleans()))
        for school in sorted(draw(st.sets(schools)))
    ]
    return PersonFacts(
        UserId(f"@{person}:{SERVER}"), draw(st.text(max_size=5)), tuple(parties), draw(st.sampled_from(Language))
    )


_several = st.frozensets(st.sampled_from(Function), min_size=2)
_steps = st.lists(st.tuples(_several, _several, st.sampled_from(Cell)), min_size=1, max_size=3)
"""Blocks of the table, each of which somebody wants to have one condition."""


def stricter(table: ContactTable) -> st.SearchStrategy[ContactTable]:
    """The table with any of its cells closed; those that were open to all, opened to some."""
    return _steps.map(lambda chosen: reduce(_with_step, chosen, table))


def _with_step(table: ContactTable, step: tuple[frozenset[Function], frozenset[Function], Cell]) -> ContactTable:
    rows, columns, cell = step
    block = {pair: cell for pair in product(rows, columns) if cell is Cell.NO or table[pair] is Cell.YES}
    return {**table, **block}


def facts() -> st.SearchStrategy[Fact]:
    """Any fact."""
    admits = st.dictionaries(st.just(PEER), some_functions)
    return st.one_of(
        persons(),
        st.builds(SchoolFacts, schools, cells, st.booleans()),
        st.builds(RoomFacts, room_ids, st.sampled_from(RoomKind), schools, st.text(max_size=5), admits),
        st.builds(SharedRoomFacts, room_ids, st.just(PEER), some_functions),
        st.builds(VouchFacts, st.just(UserId(f"@b3n8r5wf:{PEER}")), some_functions),
    )


def json_values() -> st.SearchStrategy[Any]:
    """Any JSON without fractions, with words that mean something now and then."""
    words = st.one_of(st.sampled_from(["schools", "functions", "kind", "cells", "admits", "name"]), st.text(max_size=4))
    leaves = st.one_of(st.none(), st.booleans(), st.integers(), words)
    return st.recursive(leaves, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner)))
