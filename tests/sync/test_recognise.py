"""Which human a register's key means: never guessed, never forgotten."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preau.model.ids import DivisionCode, PersonId, Uai
from preau.model.people import Function, GuardianLevel, PersonName, RosterKey, RosterSource
from preau.model.roster import (
    Division,
    FileKind,
    RosterGuardian,
    RosterLink,
    RosterPupil,
    RosterStaff,
    SchoolRoster,
    SourceFile,
)
from preau.model.snapshot import Snapshot
from preau.sync.recognise import complete, fresh_ids, keys_that_matter, minter, same_people, snapshot_of
from tests.builders import NORTH, SOUTH

LEGAL, IN_CHARGE, CONTACT, ONESELF = (
    GuardianLevel.LEGAL,
    GuardianLevel.IN_CHARGE,
    GuardianLevel.CONTACT,
    GuardianLevel.ONESELF,
)
SAME_NAME = PersonName("MARTIN", "Camille")
"""Everybody has it: whoever merges by name merges everybody."""


def a(number: int, school: Uai = NORTH) -> RosterKey:
    return RosterKey(RosterSource.SIECLE_PUPIL, school, str(number))


def g(number: int, school: Uai = NORTH) -> RosterKey:
    return RosterKey(RosterSource.SIECLE_PERSON, school, str(number))


def t(number: int) -> RosterKey:
    return RosterKey(RosterSource.STS_STATE, NORTH, str(number))


def roster(
    pupils: Iterable[RosterKey] | None = None,
    links: Iterable[tuple[RosterKey, RosterKey, GuardianLevel]] | None = None,
    staff: Iterable[RosterKey] | None = None,
    *,
    institutions: Iterable[RosterKey] = (),
    sharing: Iterable[RosterKey] = (),
    divisions: Iterable[str] = ("5 A",),
    sources: tuple[SourceFile, ...] = (),
) -> SchoolRoster:
    """A reading: a side that is None was in no file."""
    held = None if links is None else tuple(RosterLink(who, pupil, level) for who, pupil, level in links)
    guardians = None if held is None else sorted({link.guardian for link in held})
    return SchoolRoster(
        school=NORTH,
        school_name="Collège Imaginaire" if staff is not None else "",
        year=2025,
        sources=sources,
        divisions=tuple(Division(DivisionCode(code), code) for code in divisions),
        groups=(),
        pupils=None
        if pupils is None
        else tuple(RosterPupil(key, SAME_NAME, None, DivisionCode("5 A"), frozenset()) for key in pupils),
        guardians=None
        if guardians is None
        else tuple(RosterGuardian(key, SAME_NAME, key in set(sharing), key in set(institutions)) for key in guardians),
        links=held,
        staff=None
        if staff is None
        else tuple(RosterStaff(key, SAME_NAME, Function.TEACHER, frozenset(), frozenset()) for key in staff),
        departed=0,
    )


def ids(*names: str) -> list[PersonId]:
    return [PersonId(name) for name in names]


class School:
    """What an importer remembers between readings."""

    def __init__(self) -> None:
        self.known: dict[RosterKey, PersonId] = {}
        self.snapshot: Snapshot | None = None
        self.mint = minter(random.Random(1))

    def read(self, reading: SchoolRoster) -> Snapshot:
        matter = keys_that_matter(reading) | same_people(reading).keys()
        free = fresh_ids(len(matter), self.mint, set(self.known.values()))
        self.known |= complete(self.known, reading, free)
        self.snapshot = snapshot_of(reading, self.known, self.snapshot)
        return self.snapshot


# Ids


def test_ids_spell_no_word_and_are_not_misread() -> None:
    made = fresh_ids(2_000, minter(random.Random(7)), ())
    assert len(set(made)) == 2_000
    assert {len(each) for each in made} == {8}
    assert not set("".join(made)) & set("aeiouy01lAEIOUY:@/ ")


def test_ids_avoid_each_other_and_those_taken() -> None:
    drawn = iter(ids("bbb", "ccc", "bbb", "ddd", "ccc", "fff"))
    assert fresh_ids(2, lambda: next(drawn), ids("bbb", "ddd")) == ids("ccc", "fff")


def test_no_id_is_asked_for_in_vain() -> None:
    assert fresh_ids(0, lambda: pytest.fail("minted"), ()) == []


# Keys


def test_contacts_and_institutions_get_no_id() -> None:
    reading = roster([a(1)], [(g(1), a(1), LEGAL), (g(2), a(1), CONTACT), (g(3), a(1), LEGAL)], institutions=[g(3)])
    assert keys_that_matter(reading) == {a(1), g(1)}


def test_a_contact_of_one_child_who_is_guardian_of_another_gets_one() -> None:
    reading = roster([a(1), a(2)], [(g(1), a(1), CONTACT), (g(1), a(2), IN_CHARGE)])
    assert g(1) in keys_that_matter(reading)


def test_the_same_number_in_two_registers_or_schools_is_two_people() -> None:
    reading = roster([a(1)], [(g(1), a(1), LEGAL)], [t(1)])
    made = complete({a(1, SOUTH): PersonId("old")}, reading, ids("p", "q", "r"))
    assert sorted(made.values()) == ["p", "q", "r"]


def test_equal_names_and_birthdays_merge_nobody() -> None:
    reading = roster([a(1), a(2)], [(g(1), a(1), LEGAL), (g(2), a(2), LEGAL)], [t(1)])
    assert len(set(School().read(reading).names)) == 5


ADULT = [
    ("both keys new", {}, ["p", "q"], {a(1): "p", g(1): "p"}),
    ("the pupil known", {a(1): "old"}, ["p"], {g(1): "old"}),
    ("the guardian known", {g(1): "old"}, ["p"], {a(1): "old"}),
    ("both known as two: a human must decide", {a(1): "old", g(1): "other"}, [], {}),
]


@pytest.mark.parametrize(("how", "known", "free", "made"), ADULT, ids=[row[0] for row in ADULT])
def test_an_adult_pupil_and_their_own_guardian_are_one_person(
    how: str, known: dict[RosterKey, PersonId], free: list[PersonId], made: dict[RosterKey, PersonId]
) -> None:
    assert complete(known, roster([a(1)], [(g(1), a(1), ONESELF)]), free) == made


def test_too_few_ids_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        complete({}, roster([a(1), a(2)], []), ids("p"))


# Readings of one side


FAMILIES = roster([a(1), a(2)], [(g(1), a(1), LEGAL), (g(2), a(2), LEGAL)], sharing=[g(1)])
STAFF = roster(staff=[t(1), t(2)], divisions=["5 A", "4 B"])


@pytest.mark.parametrize("readings", [(FAMILIES, STAFF), (STAFF, FAMILIES)], ids=["families first", "staff first"])
def test_a_side_that_was_not_read_is_taken_over(readings: tuple[SchoolRoster, SchoolRoster]) -> None:
    register = School()
    for reading in readings:
        register.read(reading)
    found = register.snapshot
    assert found is not None
    assert [len(part) for part in (found.enrolments, found.guardianships, found.posts)] == [2, 2, 2]
    assert found.school_name == "Collège Imaginaire"
    assert found.shares_address == {register.known[g(1)]}
    assert [division.code for division in found.divisions] == ["4 B", "5 A"]
    assert len(found.names) == 6


def test_a_side_read_again_replaces_what_was_known_of_it_and_forgets_names() -> None:
    register = School()
    register.read(FAMILIES)
    register.read(STAFF)
    found = register.read(roster([a(1)], [(g(1), a(1), LEGAL)]))
    assert set(found.names) == {register.known[key] for key in (a(1), g(1), t(1), t(2))}
    assert found.shares_address == frozenset()


def test_both_sides_read_together_forget_divisions_that_are_gone() -> None:
    register = School()
    register.read(STAFF)
    found = register.read(roster([a(1)], [], [t(1)], divisions=["6 C"]))
    assert [division.code for division in found.divisions] == ["6 C"]


def test_the_newest_file_of_each_kind_is_remembered() -> None:
    def file(kind: FileKind, day: int) -> SourceFile:
        return SourceFile(kind, f"{kind}.xml", "2.0", datetime(2025, 9, day), f"{day}" * 32)  # noqa: DTZ001 — wall time

    register = School()
    register.read(replace(FAMILIES, sources=(file(FileKind.PUPILS, 10), file(FileKind.GUARDIANS, 10))))
    register.read(replace(STAFF, sources=(file(FileKind.STAFF, 11),)))
    found = register.read(replace(FAMILIES, sources=(file(FileKind.PUPILS, 12), file(FileKind.GUARDIANS, 12))))
    assert found.sources == (file(FileKind.PUPILS, 12), file(FileKind.GUARDIANS, 12), file(FileKind.STAFF, 11))


def test_whoever_became_a_contact_or_an_institution_leaves_the_snapshot_and_keeps_their_id() -> None:
    register = School()
    register.read(roster([a(1)], [(g(1), a(1), LEGAL), (g(2), a(1), LEGAL)], []))
    gone = register.read(roster([a(1)], [(g(1), a(1), CONTACT), (g(2), a(1), LEGAL)], [], institutions=[g(2)]))
    assert gone.guardianships == ()
    assert set(gone.names) == {register.known[a(1)]}
    before = dict(register.known)
    back = register.read(roster([a(1)], [(g(1), a(1), IN_CHARGE)], []))
    assert [link.guardian for link in back.guardianships] == [before[g(1)]]


# Any sequence of readings


pupil_keys = st.integers(1, 4).map(a)
links = st.tuples(st.integers(1, 5).map(g), pupil_keys, st.sampled_from([LEGAL, IN_CHARGE, CONTACT]))
readings = st.one_of(
    st.builds(
        lambda pupils, tied: roster(
            sorted(pupils), sorted({link[:2]: link for link in tied if link[1] in pupils}.values())
        ),
        st.sets(pupil_keys),
        st.lists(links, max_size=6),
    ),
    st.builds(lambda staff: roster(staff=sorted(staff)), st.sets(st.integers(1, 4).map(t))),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(readings, max_size=6))
def test_a_person_keeps_their_id_over_any_sequence_of_readings(sequence: list[SchoolRoster]) -> None:
    register = School()
    for reading in sequence:
        before = dict(register.known)
        register.read(reading)
        assert before.items() <= register.known.items()
        assert register.known.keys() - before.keys() <= keys_that_matter(reading)
    assert len(set(register.known.values())) == len(register.known)


@settings(max_examples=150, deadline=None)
@given(st.lists(readings, min_size=1, max_size=4))
def test_reading_the_same_again_changes_nothing(sequence: list[SchoolRoster]) -> None:
    register = School()
    for reading in sequence:
        register.read(reading)
    known, snapshot = dict(register.known), register.snapshot
    assert register.read(sequence[-1]) == snapshot
    assert register.known == known


@settings(max_examples=150, deadline=None)
@given(st.lists(readings, max_size=4))
def test_a_snapshot_names_exactly_those_who_are_in_it(sequence: list[SchoolRoster]) -> None:
    register = School()
    for reading in sequence:
        found = register.read(reading)
        people = {each.pupil for each in found.enrolments} | {each.person for each in found.posts}
        people |= {link.guardian for link in found.guardianships}
        assert set(found.names) == people
        assert found.shares_address <= people
