"""What the guard is told of people, schools and rooms: decision tables."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preau.model.choices import SchoolChoices
from preau.model.decisions import Appointment, Consent, ConsentTopic, Mandate, OptOut, Override, Restriction
from preau.model.facts import Cell, Language, Party, PersonFacts, RoomFacts, SchoolFacts
from preau.model.ids import PersonId, RoomId
from preau.model.people import Function, GuardianLevel
from preau.model.rooms import RoomKind
from preau.model.snapshot import Snapshot
from preau.policy.facts import Standing, moved, person_facts, room_facts, school_facts, standings
from tests import strategies as some
from tests.builders import (
    ACCOUNTS,
    NORTH,
    SOUTH,
    STRICT,
    Decided,
    Placed,
    agrees,
    appoint,
    court,
    decisions,
    guardian,
    key,
    pupil,
    school,
    staff,
    user,
)

ROLL: tuple[Placed, ...] = (
    pupil("ali"),
    pupil("zoe", "4 B"),
    guardian("paz", "ali"),
    guardian("paz", "zoe"),
    guardian("max", "ali"),
    guardian("aux", "ali", GuardianLevel.IN_CHARGE),
    guardian("con", "ali", GuardianLevel.CONTACT),
    staff("dir", Function.DIRECTION),
    staff("lou", Function.TEACHER, teaches=["5 A"], heads=["4 B"]),
    staff("unk", None),
)
DIRECT = ConsentTopic.DIRECT_MESSAGES


def place(
    person: str, *decided: Decided, choices: SchoolChoices = STRICT, roll: Snapshot | None = None
) -> Standing | None:
    found = standings(roll or school(*ROLL), decisions(*decided), choices, [PersonId(person)])
    assert found.keys() <= {PersonId(person)}
    return found.get(PersonId(person))


def party(person: str, *decided: Decided, choices: SchoolChoices = STRICT) -> Party:
    found = place(person, *decided, choices=choices)
    assert found is not None
    return found.party


@pytest.mark.parametrize(
    ("person", "functions", "divisions", "children", "name"),
    [
        ("paz", {Function.GUARDIAN}, {"5 A", "4 B"}, {"ali", "zoe"}, "Camille PAZ · parent"),
        ("max", {Function.GUARDIAN}, {"5 A"}, {"ali"}, "Camille MAX · parent"),
        ("aux", {Function.GUARDIAN}, {"5 A"}, {"ali"}, "Camille AUX · responsable"),
        ("dir", {Function.DIRECTION}, set(), set(), "Camille DIR · direction"),
        ("lou", {Function.TEACHER, Function.HEAD_TEACHER}, {"5 A", "4 B"}, set(), "Camille LOU · professeur"),
    ],
)
def test_a_place_says_functions_divisions_and_children(
    person: str, functions: set[Function], divisions: set[str], children: set[str], name: str
) -> None:
    found = place(person)
    assert found == Standing(
        name, Party(PersonId(person), NORTH, frozenset(functions), frozenset(divisions), frozenset(children))  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize("person", ["con", "unk", "ali", "nobody"])
def test_whoever_has_no_place_has_none_here(person: str) -> None:
    assert place(person) is None


def test_a_pupil_has_a_place_where_the_school_gives_pupils_accounts() -> None:
    found = party("ali", choices=ACCOUNTS)
    assert (found.functions, found.divisions, found.children) == ({Function.PUPIL}, {"5 A"}, set())


def test_an_adult_pupil_who_answers_for_themselves_is_nobodys_guardian() -> None:
    roll = school(pupil("max"), guardian("max", "max", GuardianLevel.ONESELF))
    found = place("max", agrees("max", DIRECT), roll=roll)
    assert found is not None
    assert (found.party.functions, found.party.children, found.party.opted_in) == ({Function.PUPIL}, set(), False)
    assert found.party.divisions == {"5 A"}


@pytest.mark.parametrize(
    ("decided", "children", "divisions"),
    [
        ([court("paz", "ali", Restriction.NO_ACCESS)], {"zoe"}, {"4 B"}),
        ([court("paz", "ali", Restriction.READ_ONLY)], {"zoe"}, {"5 A", "4 B"}),
        (
            [court("paz", "ali", Restriction.READ_ONLY), court("paz", "ali", Restriction.NO_ACCESS)],
            {"zoe"},
            {"4 B"},
        ),
    ],
)
def test_a_court_takes_the_child_away_and_with_no_access_its_division_too(
    decided: list[Decided], children: set[str], divisions: set[str]
) -> None:
    found = party("paz", *decided)
    assert (found.children, found.divisions, found.functions) == (children, divisions, {Function.GUARDIAN})


def test_a_guardian_kept_away_from_every_child_has_no_place_left() -> None:
    assert place("max", court("max", "ali", Restriction.NO_ACCESS)) is None


@pytest.mark.parametrize(
    ("decided", "opted_in"),
    [
        ([], False),
        ([agrees("max")], False),
        ([agrees("max", DIRECT)], True),
        ([agrees("max", DIRECT), court("max", "ali", Restriction.READ_ONLY)], False),
    ],
)
def test_being_written_to_by_other_guardians_takes_consent_and_taking_part(
    decided: list[Decided], opted_in: bool
) -> None:
    assert party("max", *decided).opted_in is opted_in


def test_staff_who_consent_are_not_opted_in() -> None:
    assert not party("lou", agrees("lou", DIRECT)).opted_in


def test_a_mandate_alone_gives_a_place_without_functions() -> None:
    given_ = appoint("mod", Mandate.ASSOCIATION_MODERATOR, scope="fcpe", name="essai")
    found = place("mod", given_)
    assert found == Standing("Dominique ESSAI", Party(PersonId("mod"), NORTH, frozenset()))


def test_a_function_given_by_hand_counts() -> None:
    assert party("unk", appoint("unk", Function.SCHOOL_LIFE)).functions == {Function.SCHOOL_LIFE}


def test_only_those_asked_for_are_told_of() -> None:
    assert standings(school(*ROLL), decisions(), ACCOUNTS, []) == {}


def test_a_person_has_one_fact_over_all_schools_and_the_name_of_the_most_senior_function() -> None:
    north = Standing("Camille PAZ · parent", Party(PersonId("paz"), NORTH, frozenset({Function.GUARDIAN})))
    south = Standing("Camille PAZ · professeur", Party(PersonId("paz"), SOUTH, frozenset({Function.TEACHER})))
    found = person_facts(user("paz"), [south, north])
    assert found == PersonFacts(user("paz"), "Camille PAZ · professeur", (north.party, south.party))


@pytest.mark.parametrize(
    ("north", "south", "read"),
    [
        (Language.ENGLISH, Language.ENGLISH, Language.ENGLISH),
        (Language.ENGLISH, Language.FRENCH, Language.FRENCH),
        (Language.FRENCH, Language.FRENCH, Language.FRENCH),
    ],
)
def test_people_read_the_language_of_their_schools(north: Language, south: Language, read: Language) -> None:
    places = [
        Standing("C · parent", Party(PersonId("paz"), school_, frozenset({Function.GUARDIAN})), language)
        for school_, language in ((NORTH, north), (SOUTH, south))
    ]
    found = person_facts(user("paz"), places)
    assert found is not None
    assert found.language is read


def test_a_place_has_the_language_that_the_school_chose() -> None:
    found = place("lou", choices=SchoolChoices(language=Language.ENGLISH))
    assert found is not None
    assert found.language is Language.ENGLISH


def test_whoever_has_no_place_in_any_school_has_no_fact() -> None:
    assert person_facts(user("paz"), []) is None


def test_a_school_that_keeps_to_the_default_has_no_fact() -> None:
    assert school_facts(NORTH, ACCOUNTS) is None


@pytest.mark.parametrize(
    "choices",
    [
        SchoolChoices(pupil_media=True),
        SchoolChoices(contact={(Function.GUARDIAN, Function.TEACHER): Cell.SAME_DIVISION}),
    ],
)
def test_a_schools_own_choices_are_its_fact(choices: SchoolChoices) -> None:
    assert school_facts(NORTH, choices) == SchoolFacts(NORTH, dict(choices.contact), choices.pupil_media)


def test_a_room_is_told_by_kind_school_and_scope() -> None:
    told = room_facts(RoomId("!one"), key(RoomKind.ANNOUNCE_DIVISION, "5 A"))
    assert told == RoomFacts(RoomId("!one"), RoomKind.ANNOUNCE_DIVISION, NORTH, "5 A")


EVERYBODY = [PersonId(name) for name in (*some.ADULTS, *some.PUPILS, "sam")]


@given(some.crowded.map(lambda placed: school(*placed)), some.decided, some.choices)
def test_somebodys_place_is_the_same_whoever_else_is_asked_for(
    roll: Snapshot, decided: list[Decided], choices: SchoolChoices
) -> None:
    together = standings(roll, decisions(*decided), choices, EVERYBODY)
    for person in EVERYBODY:
        about = [each for each in decided if _about(each) == person]
        for rows in (decided, about):
            assert standings(roll, decisions(*rows), choices, [person]).get(person) == together.get(person)


def _about(decided: Decided) -> str:
    match decided:
        case Appointment(holder=holder):
            return holder
        case Override(guardian=guardian_):
            return guardian_
        case Consent(person=person) | OptOut(person=person):
            return person


@st.composite
def two_readings(draw: st.DrawFn) -> tuple[Snapshot, Snapshot]:
    """A school twice: two lines at most differ, and everybody is named in both."""
    placed = draw(some.crowded)
    changed = draw(st.lists(st.one_of(some.enrolments, some.links, some.posts), min_size=1, max_size=2))
    before = school(*placed, divisions=some.DIVISIONS)
    after = school(*some.once([*placed, *changed]), divisions=draw(st.sampled_from([some.DIVISIONS, ["6 C"]])))
    after = draw(st.sampled_from([after, replace(after, divisions=before.divisions)]))
    names = {**after.names, **before.names}
    both = replace(before, names=names), replace(after, names=names)
    return both if draw(st.booleans()) else (both[1], both[0])


@given(two_readings(), some.decided, some.choices)
def test_whoever_did_not_move_has_the_same_place_in_the_later_reading(
    readings: tuple[Snapshot, Snapshot], decided: list[Decided], choices: SchoolChoices
) -> None:
    before, after = (standings(roll, decisions(*decided), choices, EVERYBODY) for roll in readings)
    found = moved(*readings)
    if found is not None:
        assert {who for who in EVERYBODY if before.get(who) != after.get(who)} <= found


def test_whoever_moves_takes_their_guardians_along_and_nobody_else() -> None:
    after = school(*ROLL[1:], pupil("ali", "4 B"), divisions=["5 A"])
    assert moved(school(*ROLL), after) == {"ali", "paz", "max", "aux", "con"}
    assert moved(school(*ROLL), school(*ROLL)) == set()
    assert moved(school(*ROLL), school(*ROLL, divisions=["6 C"])) is None


@given(st.lists(st.sampled_from([Restriction.NO_ACCESS, Restriction.READ_ONLY]), max_size=3), st.booleans())
def test_a_court_never_adds_anything(restrictions: list[Restriction], agreed: bool) -> None:
    consents = [agrees("paz", DIRECT)] if agreed else []
    before = party("paz", *consents)
    after = party("paz", *consents, *(court("paz", "ali", restriction) for restriction in restrictions))
    assert after.functions <= before.functions
    assert after.divisions <= before.divisions
    assert after.children <= before.children
    assert after.opted_in <= before.opted_in
