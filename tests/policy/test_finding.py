"""Who is found by whom, reached past the rooms, and hidden: decision tables, and what holds for any facts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preau.model.facts import Party, PersonFacts
from preau.model.ids import PersonId, UserId
from preau.model.people import Function
from preau.policy.conversations import may_converse
from preau.policy.finding import may_be_found, why_no_device_message, why_not_hide
from preau.policy.refusals import Rule
from tests.builders import NORTH, SOUTH
from tests.fact_strategies import persons

BOT = UserId("@preau:nord.example")
ME = "@me:nord.example"


def _person(function: Function | None, school: str = NORTH, name: str = "x") -> PersonFacts:
    functions = frozenset({function}) if function is not None else frozenset()
    party = Party(PersonId(name), NORTH if school == NORTH else SOUTH, functions)
    return PersonFacts(UserId(f"@{name}:nord.example"), "Camille ESSAI", (party,))


GUARDIAN = _person(Function.GUARDIAN, name="me")


@pytest.mark.parametrize(
    ("receivers", "broken"),
    [
        ([], None),
        ([ME], None),
        ([ME, "@other:nord.example"], Rule.EVASION),
        (["@other:nord.example"], Rule.EVASION),
        ([BOT], Rule.EVASION),
        (["@ME:nord.example"], Rule.EVASION),
        ([""], Rule.EVASION),
    ],
)
def test_messages_between_devices_stay_with_one_person(receivers: list[str], broken: Rule | None) -> None:
    assert why_no_device_message(ME, receivers) is broken


@pytest.mark.parametrize(
    ("function", "school", "broken"),
    [
        (Function.DIRECTION, NORTH, Rule.EVASION),
        (Function.DIRECTION_DELEGATE, NORTH, Rule.EVASION),
        (Function.ADMINISTRATION, NORTH, Rule.EVASION),
        (Function.DIRECTION, SOUTH, None),
        (Function.TEACHER, NORTH, None),
        (Function.GUARDIAN, NORTH, None),
        (None, NORTH, None),
    ],
)
def test_who_speaks_for_ones_school_is_not_hidden(function: Function | None, school: str, broken: Rule | None) -> None:
    other = _person(function, school, "other")
    harmless = _person(Function.PUPIL, name="harmless")
    hidden = {harmless.user: harmless, other.user: other}
    assert why_not_hide(GUARDIAN, BOT, hidden) is broken


@pytest.mark.parametrize("person", [None, GUARDIAN])
def test_the_service_is_hidden_by_nobody(person: PersonFacts | None) -> None:
    assert why_not_hide(person, BOT, {BOT: None}) is Rule.EVASION


@pytest.mark.parametrize("person", [None, GUARDIAN])
def test_unknown_people_may_be_hidden(person: PersonFacts | None) -> None:
    assert why_not_hide(person, BOT, {"@stranger:sud.example": None}) is None
    assert why_not_hide(person, BOT, {}) is None


@given(asker=persons(), person=persons())
def test_whoever_is_found_may_be_written_to(asker: PersonFacts, person: PersonFacts) -> None:
    assert may_be_found(asker, person, {}) == may_converse(asker, person, {})


@given(person=persons())
def test_nobody_finds_themselves(person: PersonFacts) -> None:
    assert not may_be_found(person, person, {})


@given(person=persons(), hidden=st.lists(persons()), more=persons())
def test_hiding_more_people_is_never_easier(person: PersonFacts, hidden: list[PersonFacts], more: PersonFacts) -> None:
    few = {other.user: other for other in hidden}
    if why_not_hide(person, BOT, few) is not None and more.user not in few:
        assert why_not_hide(person, BOT, {**few, more.user: more}) is Rule.EVASION
