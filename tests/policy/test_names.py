"""Names that people see say what somebody is, and cannot be made to say something else."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preau.model.ids import Uai
from preau.model.people import Function, PersonName
from preau.model.rooms import RoomKey, RoomKind
from preau.policy.names import SEPARATOR, display_name, foremost, function_label, room_name, room_topic
from preau.policy.rooms import RULES
from tests.builders import NORTH, key

PARENT = frozenset({Function.GUARDIAN})


@pytest.mark.parametrize(
    ("functions", "label"),
    [
        ({Function.ACADEMY_ADMIN}, "rectorat"),
        ({Function.INSPECTOR}, "inspection"),
        ({Function.DIRECTION}, "direction"),
        ({Function.DIRECTION_DELEGATE}, "délégation de direction"),
        ({Function.ADMINISTRATION}, "administration"),
        ({Function.SCHOOL_LIFE}, "vie scolaire"),
        ({Function.HEALTH}, "santé et social"),
        ({Function.HEAD_TEACHER}, "professeur"),
        ({Function.TEACHER}, "professeur"),
        ({Function.ASSISTANT}, "AESH"),
        ({Function.GUARDIAN}, "parent"),
        ({Function.PUPIL}, "élève"),
        (set(), ""),
        ({Function.TEACHER, Function.GUARDIAN}, "professeur"),
        ({Function.TEACHER, Function.DIRECTION}, "direction"),
        ({Function.GUARDIAN, Function.ASSISTANT}, "AESH"),
        ({Function.PUPIL, Function.GUARDIAN}, "parent"),
    ],
)
def test_the_most_senior_function_is_shown(functions: set[Function], label: str) -> None:
    assert function_label(functions) == label


def test_a_person_in_charge_is_not_called_parent() -> None:
    assert function_label(PARENT, legal_guardian=False) == "responsable"
    assert function_label({Function.TEACHER, *PARENT}, legal_guardian=False) == "professeur"


POSES = [
    ("Alice", "MARTIN", "Alice MARTIN · parent"),
    ("Alice · direction", "MARTIN", "Alice direction MARTIN · parent"),
    ("Alice", "MARTIN\u00a0·\u00a0direction", "Alice MARTIN direction · parent"),
    ("Alice", "MARTIN \u2022 direction", "Alice MARTIN direction · parent"),
    ("Alice", "MARTIN \u2027 direction", "Alice MARTIN direction · parent"),
    ("Alice", "MARTIN \u22c5 direction", "Alice MARTIN direction · parent"),
    ("Alice", "MARTIN \u0387 direction", "Alice MARTIN direction · parent"),
    ("Alice", "MARTIN \u30fb direction", "Alice MARTIN direction · parent"),
    ("Alice", "MARTIN \ua78f direction", "Alice MARTIN direction · parent"),
    ("Alice", "MARTIN | direction", "Alice MARTIN direction · parent"),
    ("Alice", "MARTIN (direction)", "Alice MARTIN direction · parent"),
    ("Alice", "MARTIN\ndirection", "Alice MARTIN direction · parent"),
    ("Alice", "MARTIN\r\n\tdirection", "Alice MARTIN direction · parent"),
    ("Alice", "MARTIN\u2028direction", "Alice MARTIN direction · parent"),
    ("Alice", "\u202enoitcerid", "Alice noitcerid · parent"),
    ("Al\u200bice", "MAR\u2066TIN\u2069", "Alice MARTIN · parent"),
    ("Alice", "MARTIN\x00", "Alice MARTIN · parent"),
    ("", "", "parent"),
    (" ", "·", "parent"),
    ("Anne-Cécile", "D’ŒUVRE-L'HAŸ", "Anne-Cécile D’ŒUVRE-L'HAŸ · parent"),
    ("Nour, dit N.", "GABARIT", "Nour, dit N. GABARIT · parent"),
    ("Zoe\u0308", "LOÏC", "Zoë LOÏC · parent"),
]


@pytest.mark.parametrize(("given_name", "family", "shown"), POSES)
def test_no_name_says_a_function(given_name: str, family: str, shown: str) -> None:
    assert display_name(PersonName(family, given_name), PARENT) == shown


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_the_name_the_separator_stands_once_and_before_the_function(family: str, given_name: str) -> None:
    shown = display_name(PersonName(family, given_name), PARENT)
    assert shown.endswith("parent")
    assert shown.count("·") == shown.count(SEPARATOR) <= 1
    assert not [sign for sign in shown if unicodedata.category(sign)[0] == "C" or sign in "\n\r\u2028\u2029"]
    assert shown == " ".join(shown.split())


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["A MARTIN · parent"], "A MARTIN · parent"),
        (["A MARTIN · parent", "A MARTIN · direction"], "A MARTIN · direction"),
        (["A MARTIN · responsable", "A MARTIN · parent"], "A MARTIN · parent"),
        (["A MARTIN · élève", "A MARTIN · responsable"], "A MARTIN · responsable"),
        (["A MARTIN", "A MARTIN · élève"], "A MARTIN · élève"),
        (["B MARTIN · parent", "A MARTIN · parent"], "A MARTIN · parent"),
        (["direction", "A MARTIN · rectorat"], "A MARTIN · rectorat"),
    ],
)
def test_a_person_of_two_schools_is_called_by_the_more_senior_function(names: list[str], shown: str) -> None:
    assert foremost(names) == foremost(names[::-1]) == shown


ROOM_NAMES = [
    (RoomKind.ANNOUNCE_SCHOOL, "", "Annonces · Collège Imaginaire"),
    (RoomKind.ANNOUNCE_DIVISION, "5 A", "Annonces 5 A · Collège Imaginaire"),
    (RoomKind.DIVISION_PARENTS_STAFF, "5 A", "Parents et professeurs 5 A · Collège Imaginaire"),
    (RoomKind.PARENTS_DIVISION, "5 A", "Parents 5 A · Collège Imaginaire"),
    (RoomKind.PARENTS_SCHOOL, "", "Parents · Collège Imaginaire"),
    (RoomKind.ASSOCIATION, "fcpe", "Association fcpe · Collège Imaginaire"),
    (RoomKind.STAFF, "", "Personnels · Collège Imaginaire"),
    (RoomKind.DIRECTION, "", "Direction · Collège Imaginaire"),
    (RoomKind.HEALTH, "", "Santé et social · Collège Imaginaire"),
    (RoomKind.PUPILS_DIVISION, "5 A", "Élèves 5 A · Collège Imaginaire"),
    (RoomKind.MODERATION, "fcpe", "Modération fcpe · Collège Imaginaire"),
    (RoomKind.INTER_ACADEMY, "Jumelage", "Jumelage (inter-académies) · Collège Imaginaire"),
    (RoomKind.SPACE_ACADEMY, "", "Académie"),
    (RoomKind.SPACE_SCHOOL, "", "Collège Imaginaire"),
    (RoomKind.SPACE_LEVEL, "5", "Niveau 5 · Collège Imaginaire"),
    (RoomKind.SPACE_DIVISION, "5 A", "Classe 5 A · Collège Imaginaire"),
    (RoomKind.SPACE_ASSOCIATION, "fcpe", "Association fcpe · Collège Imaginaire"),
]


@pytest.mark.parametrize(("kind", "scope", "shown"), ROOM_NAMES)
def test_a_room_says_what_it_is_for_and_whose(kind: RoomKind, scope: str, shown: str) -> None:
    assert room_name(key(kind, scope), "Collège Imaginaire") == shown


def test_every_kind_has_its_line_in_the_table_above() -> None:
    assert {row[0] for row in ROOM_NAMES} == set(RoomKind) == set(RULES)


def test_braces_in_a_code_are_only_braces() -> None:
    assert room_name(key(RoomKind.ANNOUNCE_DIVISION, "{x}"), "") == "Annonces {x}"


def test_a_school_without_a_name_is_called_by_its_code() -> None:
    assert room_name(RoomKey(RoomKind.SPACE_SCHOOL, NORTH), "") == NORTH
    assert room_name(RoomKey(RoomKind.SPACE_ACADEMY, Uai("")), "") == "Académie"


@pytest.mark.parametrize("kind", RoomKind)
def test_every_room_says_openly_that_it_is_not_encrypted(kind: RoomKind) -> None:
    topic = room_topic(key(kind))
    assert topic == "" if RULES[kind].is_space else topic.endswith(" Salon non chiffré.")
