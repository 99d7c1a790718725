"""A snapshot comes back from its bytes exactly."""

from __future__ import annotations

import dataclasses
import hashlib
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preau.errors import StoreError
from preau.model.ids import DivisionCode, GroupCode, PersonId, Uai
from preau.model.people import Function, GuardianLevel, PersonName
from preau.model.roster import Division, FileKind, Group, SourceFile
from preau.model.snapshot import Enrolment, Guardianship, Post, Snapshot
from preau.store.canonical import canonical_json
from preau.store.codec import Packed, decode, encode
from tests.store.samples import a_school

words = st.text(max_size=12)
persons = words.map(PersonId)
divisions = words.map(DivisionCode)
groups = words.map(GroupCode)


def few(of: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(of, max_size=4).map(tuple)


snapshots: st.SearchStrategy[Snapshot] = st.builds(
    Snapshot,
    school=words.map(Uai),
    school_name=words,
    year=st.integers(2000, 2100),
    sources=few(st.builds(SourceFile, st.sampled_from(FileKind), words, words, st.none() | st.datetimes(), words)),
    names=st.dictionaries(persons, st.builds(PersonName, words, words), max_size=5),
    divisions=few(st.builds(Division, divisions, words)),
    groups=few(st.builds(Group, groups, words, st.frozensets(divisions, max_size=3))),
    enrolments=few(
        st.builds(Enrolment, persons, st.none() | st.dates(), st.none() | divisions, st.frozensets(groups, max_size=3))
    ),
    guardianships=few(st.builds(Guardianship, persons, persons, st.sampled_from(GuardianLevel))),
    posts=few(
        st.builds(
            Post,
            persons,
            st.none() | st.sampled_from(Function),
            st.frozensets(divisions, max_size=3),
            st.frozensets(divisions, max_size=3),
        )
    ),
    shares_address=st.frozensets(persons, max_size=3),
)


@settings(max_examples=150, deadline=None)
@given(snapshots)
def test_decoding_what_was_encoded_gives_the_same_snapshot(snapshot: Snapshot) -> None:
    assert decode(encode(snapshot)) == snapshot


@settings(max_examples=50, deadline=None)
@given(snapshots)
def test_the_digest_does_not_depend_on_the_order_of_names(snapshot: Snapshot) -> None:
    turned = dataclasses.replace(snapshot, names=dict(reversed(snapshot.names.items())))
    assert encode(turned) == encode(snapshot)


def test_different_snapshots_have_different_digests() -> None:
    assert encode(a_school(file="a")).digest != encode(a_school(file="b")).digest


def altered(old: bytes, new: bytes, *, resealed: bool) -> Packed:
    packed = encode(a_school())
    plain = zlib.decompress(packed.body)
    assert old in plain
    plain = plain.replace(old, new)
    return Packed(zlib.compress(plain), hashlib.sha256(plain).hexdigest() if resealed else packed.digest)


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (Packed(b"no zlib", "0" * 64), "incorrect header"),
        (altered(b"MARTIN", b"DURAND", resealed=False), "its digest is another one"),
        (altered(b'"form":1', b'"form":2', resealed=True), "form 2"),
        (altered(b'"teacher"', b'"wizard"', resealed=True), "wizard"),
        (altered(b'"posts"', b'"jobs"', resealed=True), "posts"),
    ],
)
def test_bytes_that_are_damaged_or_foreign_are_refused(packed: Packed, reason: str) -> None:
    with pytest.raises(StoreError, match=reason) as refusal:
        decode(packed)
    assert "MARTIN" not in refusal.value.explain()


def test_canonical_json_is_ascii_and_sorted() -> None:
    assert canonical_json({"é": "\ud800\0", "a": [1, None, True]}) == r'{"a":[1,null,true],"\u00e9":"\ud800\u0000"}'


def test_canonical_json_knows_no_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))
