"""BEE_RESPONSABLES: who is what to whom, in both generations of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from preau.model.people import GuardianLevel
from preau.model.roster import RosterGuardian
from preau.roster.reader import Reading
from tests.roster import builders as b

LEGAL, IN_CHARGE, CONTACT, ONESELF = GuardianLevel
PUPILS = b.pupils_file(
    [b.pupil(1), b.pupil(2), b.pupil(3, DATE_SORTIE="30/06/2025")],
    [b.placed(1, "5A"), b.placed(2, "5B"), b.placed(3, "5A")],
)


def ties(reading: Reading) -> dict[tuple[str, str], GuardianLevel]:
    assert reading.roster is not None
    return {(link.guardian.number, link.pupil.number): link.level for link in reading.roster.links or ()}


def guardians(reading: Reading) -> dict[str, RosterGuardian]:
    assert reading.roster is not None
    return {guardian.key.number: guardian for guardian in reading.roster.guardians or ()}


@pytest.mark.parametrize(
    ("link", "level"),
    [
        (b.link(7, 1, 1), LEGAL),
        (b.link(7, 1, 2), IN_CHARGE),
        (b.link(7, 1, 3), CONTACT),
        (b.link(7, 1, 1, 70), ONESELF),
        (b.link(7, 1, 2, None), IN_CHARGE),
        (b.old_link(7, 1, 1), LEGAL),
        (b.old_link(7, 1, 2), LEGAL),
        (b.old_link(7, 1, 0, contact=1), CONTACT),
        (b.old_link(7, 1, 0, contact=0), CONTACT),
        (b.old_link(7, 1, 1, 7), ONESELF),
        (b.link(7, 1, 1, RESP_LEGAL=2), LEGAL),
        (b.link(7, 1, 2, RESP_LEGAL=0), IN_CHARGE),
    ],
)
def test_a_level_is_read_by_the_generation_of_its_tag(tmp_path: Path, link: str, level: GuardianLevel) -> None:
    reading = b.read_all(tmp_path, PUPILS, b.guardians_file([b.person(7)], [link]))
    assert ties(reading) == {("7", "1"): level}
    assert reading.ok


@pytest.mark.parametrize(
    ("links", "code"),
    [
        ([b.link(7, 1, None)], "missing-level"),
        ([b.link(7, 1, "")], "missing-level"),
        ([b.link(7, 1, 4)], "missing-level"),
        ([b.link(7, 1, "1 ou 2")], "missing-level"),
        ([b.link(7, 1, 1, RESP_LEGAL=0)], "contradictory-level"),
        ([b.link(7, 1, 2, RESP_LEGAL=2)], "contradictory-level"),
        ([b.link(7, 1, 1), b.link(7, 1, 3)], "contradictory-level"),
        ([b.link(7, "", 1)], "bad-key"),
        ([b.link("abc", 1, 1)], "bad-key"),
        ([b.link(99, 1, 1)], "unknown-person"),
        ([b.link(7, 99, 1)], "unknown-pupil"),
    ],
)
def test_a_link_that_cannot_be_believed_is_left_out(tmp_path: Path, links: list[str], code: str) -> None:
    reading = b.read_all(tmp_path, PUPILS, b.guardians_file([b.person(7), b.person(8)], [*links, b.link(8, 2)]))
    assert ties(reading) == {("8", "2"): LEGAL}
    assert b.found(reading, code)
    assert not reading.ok


def test_a_level_unknown_to_the_old_generation_is_left_out(tmp_path: Path) -> None:
    links = [b.old_link(7, 1, 3), b.old_link(8, 2)]
    reading = b.read_all(tmp_path, PUPILS, b.guardians_file([b.person(7), b.person(8)], links))
    assert ties(reading) == {("8", "2"): LEGAL}
    assert b.found(reading, "missing-level")


@pytest.mark.parametrize("links", [[b.link(7, 1), b.old_link(8, 1)], [b.old_link(8, 1), b.link(7, 1)]])
def test_a_file_of_mixed_generations_is_refused_whole(tmp_path: Path, links: list[str]) -> None:
    reading = b.read_all(tmp_path, PUPILS, b.guardians_file([b.person(7), b.person(8)], links))
    assert reading.roster is None
    assert [finding.code for finding in reading.findings] == ["mixed-generations"]


@pytest.mark.parametrize(
    ("written", "shares"),
    [
        (None, False),
        ("", False),
        ("0", False),
        ("1", True),
        ("true", True),
        ("false", False),
        ("O", True),
        ("N", False),
        ("Oui", True),
        ("Non", False),
        ("peut-être", False),
    ],
)
def test_consent_is_what_is_written_and_absent_means_no(tmp_path: Path, written: str | None, shares: bool) -> None:
    persons = [b.person(7, COMMUNICATION_ADRESSE=written)]
    reading = b.read_all(tmp_path, PUPILS, b.guardians_file(persons, [b.link(7, 1)]))
    assert guardians(reading)["7"].shares_address is shares
    assert reading.counts.association_consent == int(shares)
    assert bool(b.found(reading, "bad-boolean")) == (written == "peut-être")


def test_separated_parents_are_two_equal_guardians(tmp_path: Path) -> None:
    persons = [b.person(7, ADRESSE_ID=5001), b.person(8, ADRESSE_ID=5002)]
    reading = b.read_all(tmp_path, PUPILS, b.guardians_file(persons, [b.link(7, 1, 1, 10), b.link(8, 1, 1, 20)]))
    assert ties(reading) == {("7", "1"): LEGAL, ("8", "1"): LEGAL}
    assert reading.counts.guardians_legal == 2


def test_whoever_is_tied_to_departed_pupils_or_nobody_takes_no_part(tmp_path: Path) -> None:
    persons = [b.person(key) for key in (7, 8, 9)]
    reading = b.read_all(tmp_path, PUPILS, b.guardians_file(persons, [b.link(7, 3), b.link(8, 3), b.link(8, 1)]))
    assert list(guardians(reading)) == ["8"]
    assert ties(reading) == {("8", "1"): LEGAL}
    assert reading.counts.guardians_legal == 1
    assert reading.ok


@pytest.mark.parametrize(
    ("links", "legal", "in_charge", "contacts", "institutions", "consent"),
    [
        ([b.link(7, 1, 1)], 1, 0, 0, 0, 1),
        ([b.link(7, 1, 2)], 0, 1, 0, 0, 1),
        ([b.link(7, 1, 3)], 0, 0, 1, 0, 0),
        ([b.link(7, 1, 1), b.link(7, 2, 2)], 1, 1, 0, 0, 1),
        ([b.link(7, 1, 1), b.link(7, 2, 3)], 1, 0, 0, 0, 1),
        ([b.link(7, 1, 1), b.link(7, 2, 1)], 1, 0, 0, 0, 1),
        ([b.link(7, 1, 1, 51)], 0, 0, 0, 1, 0),
        ([b.link(7, 1, 3, 51)], 0, 0, 0, 1, 0),
        ([b.old_link(7, 1, 1, 5)], 0, 0, 0, 1, 0),
        ([b.link(7, 1, 1, 70)], 0, 0, 0, 0, 0),
        ([b.link(7, 1, 1, 70), b.link(7, 2, 1)], 1, 0, 0, 0, 1),
        ([b.link(7, 1, 1, 70), b.link(7, 2, 3)], 0, 0, 0, 0, 0),
        ([b.link(7, 3, 1)], 0, 0, 0, 0, 0),
        ([], 0, 0, 0, 0, 0),
    ],
)
def test_people_are_counted_by_what_they_are_to_attending_pupils(
    tmp_path: Path, links: list[str], legal: int, in_charge: int, contacts: int, institutions: int, consent: int
) -> None:
    persons = [b.person(7, COMMUNICATION_ADRESSE=1)]
    counts = b.read_all(tmp_path, PUPILS, b.guardians_file(persons, links)).counts
    assert (counts.pupils, counts.pupils_left) == (2, 1)
    assert counts.guardians_legal == legal
    assert counts.guardians_in_charge == in_charge
    assert counts.contacts == contacts
    assert counts.institutions == institutions
    assert counts.association_consent == consent


@pytest.mark.parametrize(
    ("legal", "code"), [(0, "no-legal-guardian"), (1, None), (2, None), (3, "many-legal-guardians")]
)
def test_none_or_more_than_two_legal_guardians_are_noted(tmp_path: Path, legal: int, code: str | None) -> None:
    keys = range(10, 10 + legal)
    pupils = b.pupils_file([b.pupil(1)], [b.placed(1, "5A")])
    reading = b.read_all(tmp_path, pupils, b.guardians_file(map(b.person, keys), [b.link(key, 1) for key in keys]))
    assert b.codes(reading) == ([code] if code else [])
    assert reading.counts.guardians_legal == legal


def test_an_adult_pupil_needs_no_legal_guardian(tmp_path: Path) -> None:
    pupils = b.pupils_file([b.pupil(1, "MAJEUR", "Sam")], [b.placed(1, "5A")])
    reading = b.read_all(tmp_path, pupils, b.guardians_file([b.person(7, "MAJEUR", "SAM")], [b.link(7, 1, 1, 70)]))
    assert reading.findings == ()


def test_a_pupils_own_record_under_another_name_is_noted(tmp_path: Path) -> None:
    reading = b.read_all(tmp_path, PUPILS, b.guardians_file([b.person(7)], [b.link(7, 1, 1, 70)]))
    assert b.found(reading, "oneself-other-name")


def test_nobody_is_two_pupils(tmp_path: Path) -> None:
    links = [b.link(7, 1, 1, 70), b.link(7, 2, 1, 70)]
    reading = b.read_all(tmp_path, PUPILS, b.guardians_file([b.person(7)], links))
    assert ties(reading) == {}
    assert len(b.found(reading, "oneself-twice")) == 2


def test_an_institution_that_is_also_a_relative_is_noted_and_gets_no_account(tmp_path: Path) -> None:
    links = [b.link(7, 1, 1, 51), b.link(7, 2, 1, 10)]
    reading = b.read_all(tmp_path, PUPILS, b.guardians_file([b.person(7)], links))
    assert guardians(reading)["7"].institution
    assert b.found(reading, "institution-and-family")


def test_an_unknown_kinship_is_noted_and_the_level_counts(tmp_path: Path) -> None:
    reading = b.read_all(tmp_path, PUPILS, b.guardians_file([b.person(7)], [b.link(7, 1, 2, 99)]))
    assert ties(reading) == {("7", "1"): IN_CHARGE}
    assert b.found(reading, "unknown-kinship")


def test_pupils_without_guardians_leave_that_side_open(tmp_path: Path) -> None:
    reading = b.read_all(tmp_path, PUPILS)
    assert reading.roster is not None
    assert reading.roster.pupils is not None
    assert reading.roster.guardians is None
    assert reading.roster.links is None
    assert b.found(reading, "missing-side")
    assert reading.ok


def test_guardians_without_pupils_leave_that_side_open(tmp_path: Path) -> None:
    reading = b.read_all(tmp_path, b.guardians_file([b.person(7)], [b.link(7, 1)]))
    assert reading.roster is not None
    assert reading.roster.pupils is None
    assert list(guardians(reading)) == ["7"]
    assert b.found(reading, "missing-side")
    assert reading.ok


def test_links_of_a_person_who_was_left_out_are_no_second_mistake(tmp_path: Path) -> None:
    persons = [b.person(7, "UN"), b.person(7, "DEUX"), b.person(8, "")]
    reading = b.read_all(tmp_path, PUPILS, b.guardians_file(persons, [b.link(7, 1), b.link(8, 1)]))
    assert ties(reading) == {}
    assert not b.found(reading, "unknown-person")


def test_what_must_not_be_imported_is_not_in_the_reading(tmp_path: Path) -> None:
    private = {"MEL": "private@example.org", "TEL_PORTABLE": "+33639980001", "CODE_PROFESSION": "PRIVATE"}
    sensitive = {"CODE_SEXE": "PRIVATE", "VILLE_NAISS": "PRIVATE", "CODE_REGIME": "PRIVATE", "CODE_PAYS_NAT": "PRIVATE"}
    reading = b.read_all(
        tmp_path,
        b.pupils_file([b.pupil(1, **sensitive)], [b.placed(1, "5A")]),
        b.guardians_file([b.person(7, **private)], [b.link(7, 1, HEBERGE_ELEVE="PRIVATE")]),
    )
    assert reading.ok
    assert "private" not in repr(reading).lower()
    assert "+336" not in repr(reading)


@pytest.mark.parametrize("key", ["", "abc", "-1"])
def test_a_person_without_a_usable_key_is_left_out(tmp_path: Path, key: str) -> None:
    reading = b.read_all(tmp_path, PUPILS, b.guardians_file([b.person(key), b.person(8)], [b.link(8, 1)]))
    assert list(guardians(reading)) == ["8"]
    assert len(b.found(reading, "bad-key")) == 1
