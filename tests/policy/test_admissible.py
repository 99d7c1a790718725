"""What may be entered by hand: whoever enters what would mean nothing is told why."""

from __future__ import annotations

import pytest

from preau.model.decisions import Mandate, Restriction
from preau.model.people import Function
from preau.policy.admissible import why_no_consent, why_no_override, why_not_appointed
from tests.builders import agrees, appoint, court, guardian, pupil, school, staff

SCHOOL = school(pupil("zoe", "5 A"), guardian("alix", "zoe"), staff("nour", Function.TEACHER, teaches=["5 A"]))
FOREIGN = "@lou:sud.example"


@pytest.mark.parametrize(
    ("holder", "role", "division", "scope", "why"),
    [
        # a function for staff, of the school or of one division
        ("nour", Function.SCHOOL_LIFE, None, "", ""),
        ("nour", Function.TEACHER, "5 A", "", ""),
        ("nour", Function.TEACHER, "9 Z", "", "no division '9 Z'"),
        ("nour", Function.HEAD_TEACHER, "5 A", "", ""),
        ("nour", Function.HEAD_TEACHER, None, "", "needs a division"),
        # what the rosters alone decide
        ("nour", Function.GUARDIAN, None, "", "rosters alone"),
        ("nour", Function.PUPIL, "5 A", "", "rosters alone"),
        # mandates
        ("alix", Mandate.PARENT_DELEGATE, "5 A", "", ""),
        ("alix", Mandate.PARENT_DELEGATE, None, "", "needs a division"),
        ("alix", Mandate.ASSOCIATION_MODERATOR, None, "fcpe", ""),
        ("alix", Mandate.ASSOCIATION_MODERATOR, None, "", "needs a scope"),
        ("alix", Mandate.ASSOCIATION_MEMBER, None, "", "needs a scope"),
        ("zoe", Mandate.ASSOCIATION_MODERATOR, None, "fcpe", "mandates are for adults"),
        ("zoe", Mandate.VISITOR, None, "Orchestre", "mandates are for adults"),
        # another académie's user is a visitor of one room or nothing
        (FOREIGN, Mandate.VISITOR, None, "Orchestre", ""),
        (FOREIGN, Mandate.VISITOR, None, "", "needs a scope"),
        (FOREIGN, Function.DIRECTION, None, "", "another académie"),
        (FOREIGN, Mandate.ASSOCIATION_MODERATOR, None, "fcpe", "another académie"),
    ],
)
def test_an_appointment_is_refused_where_it_would_give_nothing(
    holder: str, role: Function | Mandate, division: str | None, scope: str, why: str
) -> None:
    said = why_not_appointed(appoint(holder, role, division=division, scope=scope), SCHOOL)
    assert (bool(said), why in said) == (bool(why), True)


@pytest.mark.parametrize(("person", "why"), [("alix", ""), ("nour", "no guardian"), ("zoe", "no guardian")])
def test_only_guardians_consent(person: str, why: str) -> None:
    said = why_no_consent(agrees(person), SCHOOL)
    assert (bool(said), why in said) == (bool(why), True)


@pytest.mark.parametrize(("person", "of", "why"), [("alix", "zoe", ""), ("zoe", "alix", "no"), ("nour", "zoe", "no")])
def test_a_court_decision_is_about_a_guardian_and_their_child(person: str, of: str, why: str) -> None:
    said = why_no_override(court(person, of, Restriction.NO_ACCESS), SCHOOL)
    assert (bool(said), why in said) == (bool(why), True)
