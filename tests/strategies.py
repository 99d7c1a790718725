"""Arbitrary small schools and what people decide in them: few names, so that circumstances collide."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from preau.model.choices import SchoolChoices
from preau.model.decisions import ConsentTopic, Mandate, Restriction
from preau.model.people import Function, GuardianLevel
from preau.model.rooms import RoomKind
from preau.model.snapshot import Enrolment, Guardianship, Post, Snapshot
from tests.builders import Decided, Placed, agrees, appoint, court, guardian, pupil, school, staff, went

ADULTS: Final = ("paz", "max", "lou", "dir")
PUPILS: Final = ("ali", "zoe", "eve")
DIVISIONS: Final = ("5 A", "4 B")
FOREIGN: Final = "@b3n8r5wf:sud.example"

adults = st.sampled_from(ADULTS)
pupils = st.sampled_from(PUPILS)
divisions = st.sampled_from(DIVISIONS)
functions = st.sampled_from([*Function, None])

links = st.builds(guardian, adults, pupils, st.sampled_from([level for level in GuardianLevel if level != "self"]))
themselves = pupils.map(lambda name: guardian(name, name, GuardianLevel.ONESELF))
posts = st.builds(staff, adults, functions, teaches=st.sets(divisions), heads=st.sets(divisions, max_size=1))
enrolments = st.builds(pupil, pupils, st.sampled_from([*DIVISIONS, None]))


def once(placed: list[Placed]) -> list[Placed]:
    """One enrolment a pupil, one post a person, one link a pair; links to attending pupils only."""
    found = {_what(line): line for line in placed}
    attending = {line.pupil for line in found.values() if isinstance(line, Enrolment)}
    return [line for line in found.values() if not isinstance(line, Guardianship) or line.pupil in attending]


def _what(line: Placed) -> tuple[str, ...]:
    match line:
        case Enrolment():
            return "pupil", line.pupil
        case Guardianship():
            return "link", line.guardian, line.pupil
        case Post():
            return "post", line.person


placements = st.lists(st.one_of(enrolments, enrolments, links, links, themselves, posts), max_size=14).map(once)
snapshots: st.SearchStrategy[Snapshot] = placements.map(lambda placed: school(*placed, divisions=DIVISIONS))

crowded = st.lists(st.one_of(enrolments, links, links, posts), min_size=10, max_size=24).map(once)
"""Lines of a school in which most people are something and most children have guardians."""

consents = st.builds(agrees, st.sampled_from([*ADULTS, *PUPILS]), st.sampled_from(ConsentTopic))
courts = st.builds(court, adults, pupils, st.sampled_from(Restriction))
scopes = st.sampled_from(["fcpe", "peep"])
given_functions = st.builds(
    appoint,
    st.sampled_from([*ADULTS, "sam"]),
    st.sampled_from(Function),
    division=st.one_of(st.none(), divisions),
    name=st.just("Sam"),
)
mandates = st.builds(
    appoint,
    st.sampled_from([*ADULTS, *PUPILS, "sam", FOREIGN]),
    st.sampled_from(Mandate),
    division=st.one_of(st.none(), divisions),
    scope=scopes,
    name=st.sampled_from(["", "Sam"]),
)
opt_outs = st.one_of(
    st.builds(went, adults, st.sampled_from([RoomKind.PARENTS_SCHOOL, RoomKind.ANNOUNCE_SCHOOL, RoomKind.STAFF])),
    st.builds(went, adults, st.sampled_from([RoomKind.DIVISION_PARENTS_STAFF, RoomKind.PARENTS_DIVISION]), divisions),
)
decided: st.SearchStrategy[list[Decided]] = st.lists(
    st.one_of(consents, courts, given_functions, mandates, opt_outs), max_size=8
)
choices = st.builds(SchoolChoices, st.booleans(), st.booleans())
