"""Stricter is stricter: whatever a school takes out of its table, nobody may do more than before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hypothesis import example, given, settings
from hypothesis import strategies as st

from preau.model.facts import Cell, ContactTable, Party, PersonFacts, SchoolFacts
from preau.model.ids import PersonId, Uai, UserId
from preau.model.people import Function
from preau.policy.contact import DEFAULT
from preau.policy.conversations import may_converse, table_of
from preau.policy.devices import needs_confirmation
from preau.policy.finding import may_be_found
from preau.policy.uploads import allowance
from tests.builders import NORTH, SOUTH
from tests.fact_strategies import cells, divisions, persons, stricter

laws: Final = settings(max_examples=200, deadline=None)

Schools = Mapping[Uai, SchoolFacts]


@dataclass(frozen=True)
class Two:
    """Two people, and what two schools decide, afterwards nowhere looser than before."""

    writer: PersonFacts
    reader: PersonFacts
    before: Schools
    after: Schools


@st.composite
def meeting(draw: st.DrawFn, name: str) -> PersonFacts:
    """Somebody of the first school, so that two of them always share one; perhaps of the second, too."""
    functions = st.one_of(
        st.frozensets(st.sampled_from(Function), min_size=1, max_size=2),
        st.sampled_from([frozenset({Function.PUPIL}), frozenset({Function.GUARDIAN})]),
    )
    children = st.frozensets(st.sampled_from([PersonId("ali"), PersonId("paz")]))
    schools = [NORTH, *draw(st.lists(st.just(SOUTH), max_size=1))]
    parties = [
        Party(PersonId(name), school, draw(functions), draw(divisions), draw(children), draw(st.booleans()))
        for school in schools
    ]
    return PersonFacts(UserId(f"@{name}:nord.example"), "", tuple(parties))


@st.composite
def tightened(draw: st.DrawFn, before: st.SearchStrategy[ContactTable]) -> Two:
    had = {school: SchoolFacts(school, draw(before), draw(st.booleans())) for school in (NORTH, SOUTH)}
    has = {
        school: SchoolFacts(school, draw(stricter(table_of(facts))), facts.pupil_media and draw(st.booleans()))
        for school, facts in had.items()
    }
    return Two(draw(meeting("ali")), draw(meeting("paz")), had, has)


def allowed(two: Two, schools: Schools) -> set[str]:
    """Everything in which a table, or another choice of the school, has a say."""
    mine, theirs = may_converse(two.writer, two.reader, schools), may_converse(two.reader, two.writer, schools)
    old_device = {
        "begin": mine,
        "find": may_be_found(two.writer, two.reader, schools),
        "meet": mine or theirs,
        "send a file": allowance(two.writer, schools).file > 0,
        "send many files": allowance(two.writer, schools).day > 0,
    }
    free = not needs_confirmation(two.writer, schools)
    new_device = {"announce": free, "begin": free and mine, "send a file": free and old_device["send a file"]}
    may = {what for what, verdict in old_device.items() if verdict}
    return may | {f"{what} from a new device" for what, verdict in new_device.items() if verdict}


def _pupil_and_teacher() -> Two:
    """A school that takes files away from its pupils, and conversations with one teacher."""
    ali = PersonFacts(UserId("@ali:nord.example"), "", (Party(PersonId("ali"), NORTH, frozenset({Function.PUPIL})),))
    lou = PersonFacts(UserId("@lou:nord.example"), "", (Party(PersonId("lou"), NORTH, frozenset({Function.TEACHER})),))
    closed = {pair: Cell.NO for pair in DEFAULT if Function.TEACHER in pair}
    before, after = SchoolFacts(NORTH, pupil_media=True), SchoolFacts(NORTH, closed)
    return Two(ali, lou, {NORTH: before}, {NORTH: after})


def test_a_school_that_tightens_allows_nothing_more() -> None:
    seen = Counter[str]()

    @laws
    @given(tightened(stricter(DEFAULT)))
    @example(_pupil_and_teacher())
    def law(two: Two) -> None:
        before, after = allowed(two, two.before), allowed(two, two.after)
        assert after <= before
        assert allowance(two.writer, two.after) <= allowance(two.writer, two.before)
        seen.update(f"{what}: still" for what in after)
        seen.update(f"{what}: not any more" for what in before - after)

    law()
    lost = ["begin", "find", "meet", "send a file", "send many files", "send a file from a new device"]
    assert {f"{what}: not any more" for what in lost} <= seen.keys()
    assert {
        f"{what}: still" for what in [*lost, "announce from a new device", "begin from a new device"]
    } <= seen.keys()


@laws
@given(tightened(cells.map(lambda own: {**DEFAULT, **own})))
def test_from_whatever_table_a_stricter_one_opens_nothing_and_frees_no_device_that_the_default_limits(two: Two) -> None:
    """A school may give some adults more than the default, and what it limits for that ends with it."""
    before, after = allowed(two, two.before), allowed(two, two.after)
    assert {what for what in after if "device" not in what} <= before
    if not needs_confirmation(two.writer, two.after):
        assert not needs_confirmation(two.writer, {}) or not needs_confirmation(two.writer, two.before)
        assert after <= before or not needs_confirmation(two.writer, {})


@laws
@given(
    persons(), persons(), st.builds(SchoolFacts, st.just(NORTH), cells), st.builds(SchoolFacts, st.just(SOUTH), cells)
)
def test_a_place_less_never_opens_a_conversation(
    writer: PersonFacts, reader: PersonFacts, north: SchoolFacts, south: SchoolFacts
) -> None:
    schools = {NORTH: north, SOUTH: south}
    if not may_converse(writer, reader, schools):
        for place in writer.parties:
            rest = tuple(party for party in writer.parties if party is not place)
            assert not may_converse(PersonFacts(writer.user, "", rest), reader, schools)
