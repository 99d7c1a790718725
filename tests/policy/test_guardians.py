"""Who is tied to a pupil, and which rooms that opens."""

# ruff: noqa: E501 — one row of a table is one line

from __future__ import annotations

import pytest

from preau.model.decisions import ConsentTopic, Restriction
from preau.model.people import Function, GuardianLevel
from preau.model.rooms import RoomKind
from tests.builders import (
    ACCOUNTS,
    Decided,
    Placed,
    agrees,
    court,
    guardian,
    places,
    pupil,
    school,
    staff,
    user,
    want,
    went,
)

READ = 0
NO_ACCESS, READ_ONLY = Restriction.NO_ACCESS, Restriction.READ_ONLY
LEGAL, IN_CHARGE, CONTACT, ONESELF = (
    GuardianLevel.LEGAL,
    GuardianLevel.IN_CHARGE,
    GuardianLevel.CONTACT,
    GuardianLevel.ONESELF,
)

SCHOOL_NEWS = {"announce_school": READ}
NEWS_A = {"announce_division 5 A": READ}
NEWS_B = {"announce_division 4 B": READ}
CLASS_A = {"division_parents_staff 5 A": READ}
CLASS_B = {"division_parents_staff 4 B": READ}
PARENTS = {"parents_school": READ}
PARENTS_A = {"parents_division 5 A": READ}
PARENTS_B = {"parents_division 4 B": READ}
INFORMED = SCHOOL_NEWS | NEWS_A
TAKING_PART = INFORMED | CLASS_A
AMONG_PARENTS = TAKING_PART | PARENTS | PARENTS_A
NOWHERE: dict[str, int] = {}

ALI, ZOE = pupil("ali", "5 A"), pupil("zoe", "4 B")
OF_ALI, OF_ZOE = guardian("paz", "ali"), guardian("paz", "zoe")
"""Paz is the guardian looked at; another parent, Max, of each child and a teacher make sure that the rooms exist."""
OTHERS: tuple[Placed, ...] = (
    ALI,
    ZOE,
    guardian("max", "ali"),
    guardian("max", "zoe"),
    staff("lou", Function.TEACHER, teaches=["5 A", "4 B"]),
)
CIRCUMSTANCES: list[tuple[str, list[Placed], list[Decided], dict[str, int]]] = [
    ("legal guardian", [OF_ALI], [], TAKING_PART),
    ("legal guardian who opted in", [OF_ALI], [agrees("paz")], AMONG_PARENTS),
    ("legal guardian who agreed to direct messages only", [OF_ALI], [agrees("paz", ConsentTopic.DIRECT_MESSAGES)], TAKING_PART),
    ("person in charge", [guardian("paz", "ali", IN_CHARGE)], [], TAKING_PART),
    ("person in charge who opted in", [guardian("paz", "ali", IN_CHARGE)], [agrees("paz")], AMONG_PARENTS),
    ("contact", [guardian("paz", "ali", CONTACT)], [], NOWHERE),
    ("contact who opted in", [guardian("paz", "ali", CONTACT)], [agrees("paz")], NOWHERE),
    ("guardian of a pupil between two classes", [pupil("eve", None), guardian("paz", "eve")], [agrees("paz")], SCHOOL_NEWS | PARENTS),
    ("guardian of two children", [OF_ALI, OF_ZOE], [], TAKING_PART | NEWS_B | CLASS_B),
    ("guardian of two children who opted in", [OF_ALI, OF_ZOE], [agrees("paz")], AMONG_PARENTS | NEWS_B | CLASS_B | PARENTS_B),
    ("court: no access", [OF_ALI], [court("paz", "ali", NO_ACCESS)], NOWHERE),
    ("court: no access, opted in", [OF_ALI], [agrees("paz"), court("paz", "ali", NO_ACCESS)], NOWHERE),
    ("court: read only", [OF_ALI], [court("paz", "ali", READ_ONLY)], INFORMED),
    ("court: read only, opted in", [OF_ALI], [agrees("paz"), court("paz", "ali", READ_ONLY)], INFORMED),
    ("court: both, the milder first", [OF_ALI], [court("paz", "ali", READ_ONLY), court("paz", "ali", NO_ACCESS)], NOWHERE),
    ("court: both, the stricter first", [OF_ALI], [court("paz", "ali", NO_ACCESS), court("paz", "ali", READ_ONLY)], NOWHERE),
    ("court: no access to one of two", [OF_ALI, OF_ZOE], [court("paz", "zoe", NO_ACCESS)], TAKING_PART),
    ("court: reads only of one of two, opted in", [OF_ALI, OF_ZOE], [agrees("paz"), court("paz", "zoe", READ_ONLY)], AMONG_PARENTS | NEWS_B),
    ("court: decided about the other parent", [OF_ALI], [court("max", "ali", NO_ACCESS)], TAKING_PART),
    ("left the class room", [OF_ALI], [went("paz", RoomKind.DIVISION_PARENTS_STAFF, "5 A")], INFORMED),
    ("left the parents' room of the class", [OF_ALI], [agrees("paz"), went("paz", RoomKind.PARENTS_DIVISION, "5 A")], TAKING_PART | PARENTS),
    ("left another class's room", [OF_ALI], [went("paz", RoomKind.DIVISION_PARENTS_STAFF, "4 B")], TAKING_PART),
    ("left announcements, which nobody is free to", [OF_ALI], [went("paz", RoomKind.ANNOUNCE_SCHOOL)], TAKING_PART),
    ("teacher of the class besides", [OF_ALI, staff("paz", Function.TEACHER, teaches=["4 B"])], [],
     {"announce_school": READ, "announce_division 5 A": READ, "announce_division 4 B": 50, "staff": READ} | CLASS_A | CLASS_B),
    ("kept away from the child, but its teacher", [OF_ALI, staff("paz", Function.TEACHER, teaches=["5 A"])], [court("paz", "ali", NO_ACCESS)],
     {"announce_school": READ, "announce_division 5 A": 50, "staff": READ} | CLASS_A),
]  # fmt: skip


@pytest.mark.parametrize(("who", "placed", "decided", "expected"), CIRCUMSTANCES, ids=[row[0] for row in CIRCUMSTANCES])
def test_a_guardian_is_in_exactly_these_rooms(
    who: str, placed: list[Placed], decided: list[Decided], expected: dict[str, int]
) -> None:
    found = want(school(*OTHERS, *placed), agrees("max"), *decided)
    assert places(found, "paz") == expected
    assert (user("paz") in found.accounts) is bool(expected)


ADULT: list[tuple[str, list[Decided], bool, dict[str, int]]] = [
    ("an adult pupil reads what guardians read, even where pupils have no accounts", [], False, INFORMED),
    ("and is no parent among parents", [agrees("eve")], False, INFORMED),
    ("nor where pupils have accounts", [agrees("eve")], True, INFORMED),
]


@pytest.mark.parametrize(("who", "decided", "accounts", "expected"), ADULT, ids=[row[0] for row in ADULT])
def test_a_pupil_who_is_their_own_guardian(
    who: str, decided: list[Decided], accounts: bool, expected: dict[str, int]
) -> None:
    roll = school(*OTHERS, pupil("eve", "5 A"), guardian("eve", "eve", ONESELF))
    found = want(roll, *decided, **({"choices": ACCOUNTS} if accounts else {}))
    assert places(found, "eve") == expected
    assert found.accounts[user("eve")] == "Camille EVE · élève"


@pytest.mark.parametrize(
    ("placed", "decided", "name"),
    [
        ([OF_ALI], [], "Camille PAZ · parent"),
        ([guardian("paz", "ali", IN_CHARGE)], [], "Camille PAZ · responsable"),
        ([guardian("paz", "ali", IN_CHARGE), OF_ZOE], [], "Camille PAZ · parent"),
        ([OF_ALI], [court("paz", "ali", READ_ONLY)], "Camille PAZ · parent"),
        ([OF_ALI, staff("paz", Function.ASSISTANT)], [], "Camille PAZ · AESH"),
    ],
)
def test_a_guardian_is_called_what_they_are(placed: list[Placed], decided: list[Decided], name: str) -> None:
    assert want(school(*OTHERS, *placed), *decided).accounts[user("paz")] == name


def test_both_separated_parents_have_the_same_places() -> None:
    found = want(school(ALI, guardian("paz", "ali"), guardian("max", "ali")))
    assert places(found, "paz") == places(found, "max") != NOWHERE


def test_a_parents_room_exists_once_somebody_opted_in() -> None:
    nobody = want(school(*OTHERS))
    somebody = want(school(*OTHERS), agrees("max"))
    assert not [key for key in nobody.rooms if key.kind is RoomKind.PARENTS_DIVISION]
    assert [key.scope for key in somebody.rooms if key.kind is RoomKind.PARENTS_DIVISION] == ["4 B", "5 A"]
