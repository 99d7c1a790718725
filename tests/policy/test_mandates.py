"""Parent delegates, associations and visitors: what an appointment opens, and what it cannot."""

# ruff: noqa: E501 — one row of a table is one line

from __future__ import annotations

import pytest

from preau.model.decisions import Mandate, Restriction
from preau.model.people import Function
from tests.builders import (
    ROOMS,
    Decided,
    Placed,
    agrees,
    appoint,
    court,
    guardian,
    places,
    pupil,
    school,
    staff,
    user,
    want,
)

READ, MODERATE = 0, 75
DELEGATE, MODERATOR, MEMBER, VISITOR = (
    Mandate.PARENT_DELEGATE,
    Mandate.ASSOCIATION_MODERATOR,
    Mandate.ASSOCIATION_MEMBER,
    Mandate.VISITOR,
)
NO_ACCESS, READ_ONLY = Restriction.NO_ACCESS, Restriction.READ_ONLY
NOWHERE: dict[str, int] = {}
FOREIGN = "@b3n8r5wf:sud.example"

ROLL: tuple[Placed, ...] = (
    pupil("ali", "5 A"),
    pupil("zoe", "4 B"),
    guardian("paz", "ali"),
    guardian("max", "ali"),
    guardian("max", "zoe"),
    staff("dir", Function.DIRECTION),
)
PAZ = {"announce_school": READ, "announce_division 5 A": READ, "division_parents_staff 5 A": READ}
MODERATES_A = {"parents_division 5 A": MODERATE}
MODERATES_B = {"parents_division 4 B": MODERATE}
MODERATES_ALL = MODERATES_A | MODERATES_B | {"parents_school": MODERATE}
IN_FCPE = {"association fcpe": READ}
LEADS_FCPE = {"association fcpe": MODERATE, "moderation fcpe": READ}
MAX = {"announce_division 4 B": READ, "division_parents_staff 4 B": READ}

HELD: list[tuple[str, str, list[Decided], dict[str, int]]] = [
    ("delegate of the division", "paz", [appoint("paz", DELEGATE, division="5 A")], PAZ | MODERATES_A),
    ("delegate of no division", "paz", [appoint("paz", DELEGATE)], PAZ),
    ("delegate of another class", "paz", [appoint("paz", DELEGATE, division="4 B")], PAZ | MODERATES_B),
    ("member of an association", "paz", [appoint("paz", MEMBER, scope="fcpe")], PAZ | IN_FCPE),
    ("moderator of an association", "paz", [appoint("paz", MODERATOR, scope="fcpe")], PAZ | MODERATES_ALL | LEADS_FCPE),
    ("member of one, moderator of another", "paz", [appoint("paz", MEMBER, scope="peep"), appoint("paz", MODERATOR, scope="fcpe")],
     PAZ | MODERATES_ALL | LEADS_FCPE | {"association peep": READ}),
    ("moderator of no association in particular", "paz", [appoint("paz", MODERATOR)], PAZ | MODERATES_ALL),
    ("moderator entered by hand", "sam", [appoint("sam", MODERATOR, scope="fcpe", name="Sam")], MODERATES_ALL | LEADS_FCPE),
    ("court: no access, delegate all the same", "paz",
     [appoint("paz", DELEGATE, division="5 A"), court("paz", "ali", NO_ACCESS)], NOWHERE),
    ("court: no access, moderator all the same", "paz",
     [appoint("paz", MODERATOR, scope="fcpe"), court("paz", "ali", NO_ACCESS)], NOWHERE),
    ("court: no access, moderator entered by hand", "paz",
     [appoint("paz", MODERATOR, scope="fcpe", name="Paz"), court("paz", "ali", NO_ACCESS)], NOWHERE),
    ("court: reads only, delegate all the same", "paz",
     [appoint("paz", DELEGATE, division="5 A"), court("paz", "ali", READ_ONLY)],
     {"announce_school": READ, "announce_division 5 A": READ}),
    ("court: kept from one child, moderates the other's parents", "max",
     [appoint("max", MODERATOR, scope="fcpe"), court("max", "ali", NO_ACCESS)],
     MAX | {"announce_school": READ, "parents_school": MODERATE} | MODERATES_B | LEADS_FCPE),
    ("a pupil, delegate of the parents", "ali", [appoint("ali", DELEGATE, division="5 A")], NOWHERE),
    ("a pupil, moderator of an association", "ali", [appoint("ali", MODERATOR, scope="fcpe")], NOWHERE),
    ("a pupil, visitor", "ali", [appoint("ali", VISITOR, scope="Jumelage")], NOWHERE),
    ("function by hand and mandate", "lou", [appoint("lou", Function.ASSISTANT, name="Lou"), appoint("lou", MEMBER, scope="fcpe")],
     {"announce_school": READ, "staff": READ} | IN_FCPE),
    ("visitor of this académie", "sam", [appoint("sam", VISITOR, scope="Jumelage")], {"inter_academy Jumelage": READ}),
    ("visitor of another académie", FOREIGN, [appoint(FOREIGN, VISITOR, scope="Jumelage")], {"inter_academy Jumelage": READ}),
    ("foreign association moderator", FOREIGN, [appoint(FOREIGN, MODERATOR, scope="fcpe")], NOWHERE),
    ("foreign association member", FOREIGN, [appoint(FOREIGN, MEMBER, scope="fcpe")], NOWHERE),
    ("foreign parent delegate", FOREIGN, [appoint(FOREIGN, DELEGATE, division="5 A")], NOWHERE),
    ("foreign principal", FOREIGN, [appoint(FOREIGN, Function.DIRECTION, name="Sam")], NOWHERE),
    ("foreign teacher", FOREIGN, [appoint(FOREIGN, Function.TEACHER, division="5 A", name="Sam")], NOWHERE),
]  # fmt: skip


@pytest.mark.parametrize(("how", "who", "decided", "expected"), HELD, ids=[row[0] for row in HELD])
@pytest.mark.parametrize("turned", [False, True], ids=["", "decided in the other order"])
def test_a_mandate_opens_exactly_these_rooms(
    how: str, who: str, decided: list[Decided], expected: dict[str, int], turned: bool
) -> None:
    order = decided[::-1] if turned else decided
    found = want(school(*ROLL, guardian("ana", "ali"), guardian("ana", "zoe")), agrees("ana"), *order)
    assert places(found, who) == expected


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (appoint("sam", MODERATOR, scope="fcpe", name="Sam"), "Dominique SAM"),
        (appoint("sam", MEMBER, scope="fcpe", name="Sam"), "Dominique SAM"),
        (appoint("sam", MEMBER, scope="fcpe"), None),
        (appoint(FOREIGN, VISITOR, scope="Jumelage", name="Sam"), None),
    ],
)
def test_a_mandate_holder_entered_by_hand_has_an_account(given: Decided, name: str | None) -> None:
    assert want(school(*ROLL), given).accounts.get(user("sam")) == name


@pytest.mark.parametrize("role", [DELEGATE, MODERATOR, MEMBER, VISITOR])
def test_no_mandate_leads_a_pupil_with_an_account_among_adults(role: Mandate) -> None:
    roll, mandate = school(*ROLL, guardian("ana", "ali")), appoint("ali", role, division="5 A", scope="fcpe")
    found = want(roll, agrees("ana"), mandate, choices=ROOMS)
    assert places(found, "ali") == {"announce_school": READ, "announce_division 5 A": READ, "pupils_division 5 A": READ}


def test_a_delegate_alone_makes_no_parents_room() -> None:
    found = want(school(*ROLL), appoint("paz", DELEGATE, division="5 A"))
    assert places(found, "paz") == PAZ


def test_every_association_has_the_same_rooms() -> None:
    given = [appoint("paz", MODERATOR, scope=name) for name in ("fcpe", "peep", "unaape", "liste")]
    found = want(school(*ROLL), *given)
    kinds = {
        name: {key.kind for key in found.rooms if key.scope == name} for name in ("fcpe", "peep", "unaape", "liste")
    }
    assert len({frozenset(each) for each in kinds.values()}) == 1


def test_direction_moderates_what_is_shared_with_other_academies_and_is_in_no_association() -> None:
    found = want(school(*ROLL), appoint(FOREIGN, VISITOR, scope="Jumelage"), appoint("paz", MODERATOR, scope="fcpe"))
    rooms = places(found, "dir")
    assert rooms["inter_academy Jumelage"] == MODERATE
    assert not [room for room in rooms if room.startswith(("association", "moderation", "parents"))]
