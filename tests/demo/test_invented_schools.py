"""The invented schools have every case that real ones have, and are the same on every machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from itertools import pairwise

import pytest

from preau.demo.cast import DEMO_SCHOOLS, SMALLEST_SCHOOL, invent_demo_school, invent_school, invented_uai
from preau.demo.changes import as_old_files_tell_it, move_pupil, open_division, pupil_leaves, without_pupils
from preau.demo.school import INSTITUTION, DemoLink, DemoSchool
from preau.model.ids import DivisionCode, parse_uai
from preau.model.people import GuardianLevel

SCHOOLS = [invent_demo_school(spec) for spec in DEMO_SCHOOLS]
LARGEST = SCHOOLS[-1]
every_school = pytest.mark.parametrize("school", SCHOOLS, ids=lambda school: school.uai)


def links_of(school: DemoSchool, pupil: int) -> list[DemoLink]:
    return [link for link in school.links if link.pupil == pupil]


def households(school: DemoSchool) -> Iterator[tuple[list[DemoLink], set[int]]]:
    """For each attending pupil: the legal links, and the addresses of those guardians."""
    address = {guardian.key: guardian.address for guardian in school.guardians}
    for pupil in school.attending:
        legal = [link for link in links_of(school, pupil.key) if link.level is GuardianLevel.LEGAL]
        yield legal, {address[link.guardian] for link in legal}


def test_codes_of_the_invented_departement_have_the_ministry_s_check_letter() -> None:
    assert invented_uai(1) == "0990001N"  # worked out by hand: 990001 modulo 23 is 12
    codes = [invented_uai(number) for number in range(1, 10_000)]
    assert [parse_uai(code) for code in codes] == codes
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("number", [0, 10_000])
def test_there_is_no_school_outside_the_invented_departement(number: int) -> None:
    with pytest.raises(ValueError, match="1 to 9999"):
        invented_uai(number)


def test_the_same_seed_makes_the_same_school_and_another_seed_another() -> None:
    first, again, other = (invent_school(seed, invented_uai(7), "Collège Bis", pupils=80) for seed in (1, 1, 2))
    assert first == again
    assert first.pupils != other.pupils


def test_two_schools_of_one_seed_have_other_people_under_the_same_numbers() -> None:
    nord, second = SCHOOLS[:2]
    assert nord.pupils[0].key == second.pupils[0].key
    assert [pupil.family for pupil in nord.pupils[:20]] != [pupil.family for pupil in second.pupils[:20]]


def test_a_school_too_small_for_every_kind_of_family_is_refused() -> None:
    with pytest.raises(ValueError, match="not 19"):
        invent_school(1, invented_uai(7), "Collège Bis", pupils=SMALLEST_SCHOOL - 1)


@every_school
def test_each_school_has_the_size_it_was_asked_for(school: DemoSchool) -> None:
    wanted = {spec.uai: spec.pupils for spec in DEMO_SCHOOLS}
    assert school.truth["pupils"] == wanted[school.uai]
    assert 1.4 <= len(school.guardians) / school.truth["pupils"] <= 1.9


@every_school
def test_keys_are_unique_and_nothing_points_nowhere(school: DemoSchool) -> None:
    for keys in (
        [pupil.key for pupil in school.pupils],
        [guardian.key for guardian in school.guardians],
        [person.key for person in school.staff],
        [(link.pupil, link.guardian) for link in school.links],
        [*(division.code for division in school.divisions), *(group.code for group in school.groups)],
    ):
        assert not [key for key, times in Counter(keys).items() if times > 1]
    assert {link.guardian for link in school.links} == {guardian.key for guardian in school.guardians}
    assert {link.pupil for link in school.links} == {pupil.key for pupil in school.pupils}
    assert {service.teacher for service in school.services} <= {person.key for person in school.staff}


@every_school
def test_codes_of_divisions_hold_a_space_and_no_code_is_longer_than_eight(school: DemoSchool) -> None:
    assert all(" " in division.code for division in school.divisions)
    named = [*((d.code, d.label) for d in school.divisions), *((g.code, g.label) for g in school.groups)]
    assert all(len(code) <= 8 and len(label) <= 20 for code, label in named)


@every_school
def test_divisions_are_filled_evenly(school: DemoSchool) -> None:
    sizes = Counter(pupil.division for pupil in school.attending if pupil.division)
    assert max(sizes.values()) - min(sizes.values()) <= 2
    assert max(sizes.values()) <= 28


@every_school
def test_each_school_has_a_pupil_who_left_with_a_sibling_who_stays_and_one_without(school: DemoSchool) -> None:
    staying = {link.guardian for pupil in school.attending for link in links_of(school, pupil.key)}
    siblings = [
        any(link.guardian in staying for link in links_of(school, pupil.key)) for pupil in school.pupils if pupil.left
    ]
    assert set(siblings) == {True, False}


@every_school
def test_each_school_has_the_awkward_families(school: DemoSchool) -> None:
    legal_and_homes = list(households(school))
    assert any(len(legal) == 2 and len(homes) == 2 for legal, homes in legal_and_homes), "separated parents"
    assert any(len(legal) == 2 and len(homes) == 1 for legal, homes in legal_and_homes), "parents together"
    levels = Counter(link.level for link in school.links)
    assert {GuardianLevel.LEGAL, GuardianLevel.IN_CHARGE, GuardianLevel.CONTACT} <= set(levels)
    assert school.truth["institutions"] == 1
    assert any(pupil.division is None for pupil in school.attending), "between two divisions"
    assert {guardian.shares_address for guardian in school.guardians} == {True, False, None}


@every_school
def test_each_school_has_siblings_in_two_divisions(school: DemoSchool) -> None:
    children: dict[int, set[str]] = {}
    for pupil in school.attending:
        for link in links_of(school, pupil.key):
            children.setdefault(link.guardian, set()).add(pupil.division or "")
    assert any(len(divisions - {""}) >= 2 for divisions in children.values())


@every_school
def test_somebody_is_a_contact_for_one_child_and_a_legal_guardian_of_another(school: DemoSchool) -> None:
    levels: dict[int, set[GuardianLevel]] = {}
    for link in school.links:
        levels.setdefault(link.guardian, set()).add(link.level)
    assert {GuardianLevel.LEGAL, GuardianLevel.CONTACT} in levels.values()
    only_contacts = sum(found == {GuardianLevel.CONTACT} for found in levels.values())
    assert school.truth["contacts"] <= only_contacts


def test_the_largest_school_has_one_pupil_with_three_legal_guardians_and_some_with_none() -> None:
    numbers = Counter(len(legal) for legal, _ in households(LARGEST))
    assert numbers[3] == 1
    assert numbers[0] == 2  # nobody legal, and the adult pupil
    assert set(numbers) == {0, 1, 2, 3}


def test_the_largest_school_has_an_adult_pupil_who_answers_for_themselves() -> None:
    (link,) = [link for link in LARGEST.links if link.level is GuardianLevel.ONESELF]
    pupil = next(pupil for pupil in LARGEST.pupils if pupil.key == link.pupil)
    person = next(guardian for guardian in LARGEST.guardians if guardian.key == link.guardian)
    assert (person.family, person.given) == (pupil.family, pupil.given)
    assert date(LARGEST.year, 9, 1).year - pupil.born.year >= 18
    assert links_of(LARGEST, pupil.key) == [link]


@every_school
def test_each_school_has_the_staff_it_needs(school: DemoSchool) -> None:
    functions = Counter(person.function for person in school.staff)
    assert functions["DIR"] == (2 if school.truth["pupils"] > 300 else 1)
    assert all(functions[code] >= 1 for code in ("EDU", "ENS", "DOC", "ADF"))
    heads = Counter(code for person in school.staff for code in person.heads)
    assert set(heads) == {division.code for division in school.divisions}
    assert set(heads.values()) == {1, 2}


@every_school
def test_head_teachers_teach_their_division(school: DemoSchool) -> None:
    taught = {(service.teacher, service.structure) for service in school.services}
    assert all((person.key, code) in taught for person in school.staff for code in person.heads)


@every_school
def test_each_school_has_the_awkward_staff(school: DemoSchool) -> None:
    groups = {group.code for group in school.groups}
    taught: dict[object, set[str]] = {}
    for service in school.services:
        taught.setdefault(service.teacher, set()).add(service.structure)
    assert any(places <= groups for places in taught.values()), "teaches groups only"
    assert [p for p in school.staff if p.key.register == "epp" and not p.function and taught.get(p.key)], "no FONCTION"
    numbers = Counter(person.key.number for person in school.staff)
    assert [n for n, times in numbers.items() if times == 2], "one number in both registers"
    parents = {(guardian.family, guardian.given) for guardian in school.guardians}
    assert [person for person in school.staff if (person.family, person.given) in parents], "a teacher is a parent"


def test_moving_a_pupil_changes_that_pupil_only() -> None:
    school = SCHOOLS[0]
    pupil = next(pupil for pupil in school.attending if pupil.division == "6 A" and pupil.groups)
    after = move_pupil(school, pupil.key, DivisionCode("6 B"))
    changed = [(old, new) for old, new in zip(school.pupils, after.pupils, strict=True) if old != new]
    assert [(old.key, new.division) for old, new in changed] == [(pupil.key, "6 B")]
    of_6b = {group.code for group in school.groups if "6 B" in group.divisions}
    assert set(changed[0][1].groups) <= of_6b
    assert (after.guardians, after.links, after.staff) == (school.guardians, school.links, school.staff)


def test_nobody_moves_into_a_division_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="9 Z"):
        move_pupil(SCHOOLS[0], SCHOOLS[0].pupils[0].key, DivisionCode("9 Z"))


def test_a_pupil_who_leaves_is_counted_as_left_and_can_leave_only_once() -> None:
    school = SCHOOLS[0]
    pupil = next(school.attending)
    after = pupil_leaves(school, pupil.key, date(2025, 11, 3))
    assert after.truth["pupils"] == school.truth["pupils"] - 1
    assert after.truth["pupils_left"] == school.truth["pupils_left"] + 1
    with pytest.raises(ValueError, match=str(pupil.key)):
        pupil_leaves(after, pupil.key, date(2025, 11, 4))


def test_a_cut_off_export_lacks_the_share_asked_for() -> None:
    school = SCHOOLS[0]
    after = without_pupils(school, 0.3, seed=1)
    assert after.truth["pupils"] == round(school.truth["pupils"] * 0.7)
    assert after.truth["guardians_legal"] < school.truth["guardians_legal"]
    assert after.guardians == school.guardians
    assert after == without_pupils(school, 0.3, seed=1)


@every_school
def test_old_files_know_no_person_in_charge(school: DemoSchool) -> None:
    old = as_old_files_tell_it(school)
    assert old.truth["guardians_in_charge"] == 0
    assert old.truth["contacts"] == school.truth["contacts"] + school.truth["guardians_in_charge"]
    assert old.truth["guardians_legal"] == school.truth["guardians_legal"]


def test_the_child_welfare_service_is_no_human_guardian() -> None:
    school = SCHOOLS[0]
    (link,) = [link for link in school.links if link.kinship == INSTITUTION]
    (service,) = [guardian for guardian in school.guardians if guardian.key == link.guardian]
    assert (service.mail, service.phone, service.shares_address) == ("", "", None)


def test_a_school_of_the_bench_s_size_keeps_its_codes_apart() -> None:
    school = invent_school(1, invented_uai(900), "Collège Géant", pupils=45_000)
    assert sum(school.truth[who] for who in ("pupils", "guardians_legal", "staff")) > 100_000
    codes = [*(division.code for division in school.divisions), *(group.code for group in school.groups)]
    assert len(set(codes)) == len(codes)
    assert max(map(len, codes)) <= 8
    assert all(left < right for left, right in pairwise(pupil.key for pupil in school.pupils))


def test_a_division_opens_with_pupils_of_others() -> None:
    school = SCHOOLS[0]
    first, second = (pupil.key for pupil in list(school.attending)[:2])
    after = open_division(school, DivisionCode("6 Z"), [first, second])
    assert {pupil.key for pupil in after.attending if pupil.division == "6 Z"} == {first, second}
    assert {division.code for division in after.divisions} - {division.code for division in school.divisions} == {"6 Z"}
    assert after.truth == {**school.truth, "divisions": school.truth["divisions"] + 1}
    with pytest.raises(ValueError, match="already"):
        open_division(after, DivisionCode("6 Z"), [])
