"""The sieve of the search lets everybody through whom the asker may find, and keeps out whom the table rules out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synapse.module_api import LoggingTransaction

from preau.guard.name_tables import Named, create, fold, named, store
from preau.model.facts import Cell, ContactTable, Party, PersonFacts, SchoolFacts
from preau.model.ids import PersonId, Uai, UserId
from preau.model.people import Function
from preau.policy.contact import DEFAULT
from preau.policy.conversations import table_of
from preau.policy.finding import Reach, may_be_found, reach
from tests.builders import NORTH, SOUTH
from tests.fact_strategies import cells, persons


class Transaction:
    """What the statements use of Synapse's own, on a real SQLite."""

    def __init__(self) -> None:
        self._cursor = sqlite3.connect(":memory:").cursor()

    def execute(self, statement: str, values: Sequence[Any] = ()) -> None:
        self._cursor.execute(statement, values)

    def execute_batch(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        self._cursor.executemany(statement, rows)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cursor)


def _holding(*people: PersonFacts) -> LoggingTransaction:
    txn = cast(LoggingTransaction, Transaction())
    create(txn)
    store(txn, [], people)
    return txn


def _person(name: str, *functions: Function, **more: Any) -> PersonFacts:
    party = Party(PersonId(name), NORTH, frozenset(functions), **more)
    return PersonFacts(UserId(f"@{name}:nord.example"), f"Alix {name.upper()}", (party,))


CHILD = frozenset({PersonId("child")})
EVERYBODY = (
    _person("teacher", Function.TEACHER),
    _person("child", Function.PUPIL),
    _person("pupil", Function.PUPIL),
    _person("parent", Function.GUARDIAN, children=CHILD),
    _person("open", Function.GUARDIAN, opted_in=True),
    _person("closed", Function.GUARDIAN),
    _person("inspector", Function.INSPECTOR),
    _person("mandated"),
)


@pytest.mark.parametrize(
    ("asker", "passing"),
    [
        (_person("x", Function.TEACHER), {"teacher", "child", "pupil", "parent", "open", "closed", "inspector"}),
        (_person("x", Function.GUARDIAN), {"teacher"}),
        (_person("x", Function.GUARDIAN, children=CHILD), {"teacher", "child"}),
        (_person("x", Function.GUARDIAN, opted_in=True), {"teacher", "open"}),
        (_person("child", Function.PUPIL), {"teacher", "parent"}),
        (_person("x"), set()),
    ],
)
def test_the_sieve_is_fine(asker: PersonFacts, passing: set[str]) -> None:
    (party,) = asker.parties
    found = named(_holding(*EVERYBODY), ["al"], party, reach(party, DEFAULT), 100)
    assert {line.user.removeprefix("@").split(":", 1)[0] for line in found} == passing


@given(asker=persons(), others=st.lists(persons(), unique_by=lambda person: person.user), own=cells)
def test_whoever_may_be_found_passes(asker: PersonFacts, others: list[PersonFacts], own: ContactTable) -> None:
    schools = {school: SchoolFacts(school, own) for school in (NORTH, SOUTH)}
    txn = _holding(*others)
    passing = {
        line.user
        for party in asker.parties
        for line in named(txn, [], party, reach(party, table_of(schools[party.school])), 100)
    }
    assert {other.user for other in others if may_be_found(asker, other, schools)} <= passing


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pages_follow_each_other_without_gap_or_repetition(size: int) -> None:
    names = ["Zoé", "Alix", "alix", "Éva", "Alix B", "Alix"]
    party = Party(PersonId("x"), NORTH, frozenset({Function.TEACHER}))
    placed = [(PersonId(f"p{number}"), name) for number, name in enumerate(names)]
    people = [
        PersonFacts(UserId(f"@{each}:nord.example"), name, (Party(each, NORTH, frozenset({Function.TEACHER})),))
        for each, name in placed
    ]
    txn, after = _holding(*people), None
    found: list[Named] = []
    while page := named(txn, [], party, Reach(frozenset({Function.TEACHER}), frozenset(), family=False), size, after):
        found += page
        after = page[-1]
    assert [line.folded for line in found] == [" alix", " alix", " alix", " alix b", " eva", " zoe"]
    assert len({line.user for line in found}) == len(names)


def test_a_new_line_replaces_the_old_one() -> None:
    txn = _holding(_person("teacher", Function.TEACHER))
    moved = PersonFacts(
        UserId("@teacher:nord.example"),
        "Alix AILLEURS",
        (Party(PersonId("teacher"), SOUTH, frozenset({Function.TEACHER})),),
    )
    store(txn, [moved.user], [moved])
    asker, everybody = Party(PersonId("x"), NORTH, frozenset()), Reach(frozenset(Function), frozenset(), family=False)
    assert named(txn, ["al"], asker, everybody, 10) == []
    there = Party(PersonId("x"), Uai(SOUTH), frozenset())
    assert named(txn, ["al"], there, everybody, 10) == [Named(" alix ailleurs", moved.user)]


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Éloïse D’ARC · professeur", " eloise d arc professeur"),
        ("Straße", " strasse"),
        ("ﬁdèle", " fidele"),
        ("  ", ""),
        ("%_!", ""),
    ],
)
def test_names_are_folded(name: str, folded: str) -> None:
    assert fold(name) == folded


@given(asker=persons(), own=cells)
def test_a_function_that_no_cell_opens_is_not_in_reach(asker: PersonFacts, own: ContactTable) -> None:
    for party in asker.parties:
        within = reach(party, own)
        opened = {reader for (writer, reader), cell in own.items() if writer in party.functions and cell is not Cell.NO}
        assert within.open | within.opted_in <= opened
