"""Laws that hold for every roster, whatever its records, their order, or the damage done to the file."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from preau.model.roster import SchoolRoster
from preau.roster.reader import Reading
from tests.roster import builders as b

PERSONS = range(10, 16)
PUPILS = range(1, 6)
LINK = st.tuples(
    st.sampled_from(PERSONS), st.sampled_from(PUPILS), st.sampled_from("123"), st.sampled_from(["10", "51", "70"])
)
LINKS = st.lists(LINK, max_size=20, unique_by=lambda link: link[:2])
LEFT = st.sets(st.sampled_from(PUPILS))

WHOLE = (
    b.encoded(b.pupils_file([b.pupil(1, "CŒUR"), b.pupil(2)], [b.placed(1, "5 A", groups=["G"])])),
    b.encoded(b.guardians_file([b.person(7)], [b.link(7, 1), b.link(7, 2, 3)])),
    b.encoded(b.structures_file({"5 A": "CINQUIEME A"}, {"G": ["5 A"]})),
    b.encoded(b.sts_file([b.staff(1)], [b.sts_division("5 A", "epp/1")], [b.sts_group("G", ["5 A"])])),
)


def read_now(*files: str | bytes) -> Reading:
    with tempfile.TemporaryDirectory() as folder:
        return b.read_all(Path(folder), *files)


def linked(links: list[tuple[int, int, str, str]], left: set[int]) -> tuple[list[str], list[str], list[str]]:
    pupils = [b.pupil(key, DATE_SORTIE="30/06/2025" if key in left else None) for key in PUPILS]
    persons = [b.person(key, COMMUNICATION_ADRESSE=key % 2) for key in PERSONS]
    return pupils, persons, [b.link(*link) for link in links]


def without_sources(reading: Reading) -> SchoolRoster | None:
    return replace(reading.roster, sources=()) if reading.roster else None


@given(LINKS, LEFT)
def test_everybody_is_counted_once_and_only_if_they_take_part(
    links: list[tuple[int, int, str, str]], left: set[int]
) -> None:
    pupils, persons, records = linked(links, left)
    reading = read_now(b.pupils_file(pupils), b.guardians_file(persons, records))
    counts, roster = reading.counts, reading.roster
    assert roster is not None
    assert (counts.pupils, counts.pupils_left) == (len(PUPILS) - len(left), len(left))
    tied = {guardian.key for guardian in roster.guardians or ()}
    assert tied == {link.guardian for link in roster.links or ()}
    assert {link.pupil for link in roster.links or ()} <= {pupil.key for pupil in roster.pupils or ()}
    assert tied <= {key for key in tied if int(key.number) in {link[0] for link in links if link[1] not in left}}
    assert max(counts.guardians_legal, counts.guardians_in_charge) + counts.contacts + counts.institutions <= len(tied)
    assert counts.association_consent <= counts.guardians_legal + counts.guardians_in_charge


@given(LINKS, LEFT, st.randoms(use_true_random=False))
def test_the_order_of_records_means_nothing(
    links: list[tuple[int, int, str, str]], left: set[int], random: Random
) -> None:
    pupils, persons, records = linked(links, left)
    pupils.append(b.pupil(2, "AUTRE"))  # twins that differ: neither is chosen
    placements = [b.placed(key, f"5{'ABC'[key % 3]}", groups=["G"]) for key in PUPILS]
    before = read_now(b.pupils_file(pupils, placements), b.guardians_file(persons, records))
    for group in (pupils, placements, persons, records):
        random.shuffle(group)
    after = read_now(b.pupils_file(pupils, placements), b.guardians_file(persons, records))
    assert without_sources(before) == without_sources(after)
    assert before.counts == after.counts
    assert b.codes(before) == b.codes(after)


@settings(max_examples=200)
@given(st.sampled_from(range(len(WHOLE))), st.data())
def test_a_file_cut_short_anywhere_is_refused_and_says_so(which: int, data: st.DataObject) -> None:
    whole = WHOLE[which].rstrip()
    end = data.draw(st.integers(0, len(whole) - 1))
    reading = read_now(whole[:end])
    assert reading.roster is None
    assert b.codes(reading) == ["unreadable-xml"]


@settings(max_examples=300)
@given(st.sampled_from(range(len(WHOLE))), st.data())
def test_a_damaged_byte_never_ends_in_a_stack_trace(which: int, data: st.DataObject) -> None:
    damaged = bytearray(WHOLE[which])
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    reading = read_now(bytes(damaged))
    assert reading.roster is not None or not reading.ok
    assert all(finding.line >= 0 and finding.message for finding in reading.findings)


@given(st.binary(max_size=200))
def test_any_bytes_at_all_give_findings(content: bytes) -> None:
    assert not read_now(content).ok


@given(st.binary(max_size=100))
def test_any_bytes_that_pretend_to_be_a_zip_give_findings(content: bytes) -> None:
    assert not read_now(b"PK\x03\x04" + content + b"PK\x05\x06" + content).ok
