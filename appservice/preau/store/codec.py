"""A snapshot as bytes and back, exactly: ``decode(encode(snapshot)) == snapshot``.

The bytes are canonical JSON under zlib, so that equal snapshots have equal digests. The form carries a number; a form
that this version does not know is refused, never guessed.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

from preau.errors import StoreError
from preau.model.ids import DivisionCode, GroupCode, PersonId, Uai
from preau.model.people import Function, GuardianLevel, PersonName
from preau.model.roster import Division, FileKind, Group, SourceFile
from preau.model.snapshot import Enrolment, Guardianship, Post, Snapshot
from preau.store.canonical import canonical_json

T = TypeVar("T")

_FORM: Final = 1

_HELD: Final[WeakValueDictionary[str, Snapshot]] = WeakValueDictionary()
"""Snapshots that are in use, by digest: a plan and what follows from it read a large school once."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A snapshot as it is kept: compressed, with the SHA-256 (hexadecimal) of the JSON inside."""

    body: bytes
    digest: str


def encode(snapshot: Snapshot) -> Packed:
    """The snapshot as bytes; equal snapshots make equal digests."""
    plain = canonical_json(_written(snapshot)).encode("ascii")
    return Packed(zlib.compress(plain, 6), hashlib.sha256(plain).hexdigest())


def decode(packed: Packed) -> Snapshot:
    """The snapshot back from its bytes; the very one that somebody still holds, since it cannot change.

    Raises:
        StoreError: the bytes are damaged, or of a form that this version does not know.
    """
    if (held := _HELD.get(packed.digest)) is not None:
        return held
    snapshot = _HELD[packed.digest] = _decoded(packed, _read)
    return snapshot


def decode_sources(packed: Packed) -> tuple[SourceFile, ...]:
    """The files a snapshot was read from, without its people: they are most of the work of `decode`.

    Raises:
        StoreError: as `decode`.
    """
    return _decoded(packed, _read_sources)


def _decoded(packed: Packed, read: Callable[[dict[str, Any]], T]) -> T:
    try:
        return read(_known(json.loads(_unpacked(packed))))
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"The stored snapshot {packed.digest[:12]} cannot be read: {error}.",
            advice="Import the school's roster files again; if that fails too, restore the last copy of the database.",
        ) from error


def _unpacked(packed: Packed) -> bytes:
    plain = zlib.decompress(packed.body)
    if hashlib.sha256(plain).hexdigest() != packed.digest:
        raise ValueError("its digest is another one")
    return plain


def _written(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "form": _FORM,
        "school": snapshot.school,
        "school_name": snapshot.school_name,
        "year": snapshot.year,
        "sources": [[s.kind, s.name, s.version, _day(s.taken_at), s.sha256] for s in snapshot.sources],
        "names": {person: [name.family, name.given] for person, name in snapshot.names.items()},
        "divisions": [[d.code, d.label] for d in snapshot.divisions],
        "groups": [[g.code, g.label, sorted(g.divisions)] for g in snapshot.groups],
        "enrolments": [[e.pupil, _day(e.born), e.division, sorted(e.groups)] for e in snapshot.enrolments],
        "guardianships": [[g.guardian, g.pupil, g.level] for g in snapshot.guardianships],
        "posts": [[p.person, p.function, sorted(p.teaches), sorted(p.heads)] for p in snapshot.posts],
        "shares_address": sorted(snapshot.shares_address),
    }


def _known(kept: dict[str, Any]) -> dict[str, Any]:
    if kept["form"] != _FORM:
        raise ValueError(f"it has form {kept['form']}, this version knows form {_FORM}")
    return kept


def _read(kept: dict[str, Any]) -> Snapshot:
    return Snapshot(
        school=Uai(kept["school"]),
        school_name=kept["school_name"],
        year=kept["year"],
        sources=_read_sources(kept),
        names={PersonId(person): PersonName(*name) for person, name in kept["names"].items()},
        divisions=tuple(Division(DivisionCode(code), label) for code, label in kept["divisions"]),
        groups=tuple(Group(GroupCode(code), label, _codes(codes)) for code, label, codes in kept["groups"]),
        enrolments=tuple(_enrolment(*row) for row in kept["enrolments"]),
        guardianships=tuple(_guardianship(*row) for row in kept["guardianships"]),
        posts=tuple(_post(*row) for row in kept["posts"]),
        shares_address=frozenset(map(PersonId, kept["shares_address"])),
    )


def _read_sources(kept: dict[str, Any]) -> tuple[SourceFile, ...]:
    return tuple(_source(*row) for row in kept["sources"])


def _source(kind: str, name: str, version: str, taken_at: str | None, sha256: str) -> SourceFile:
    moment = None if taken_at is None else datetime.fromisoformat(taken_at)
    return SourceFile(FileKind(kind), name, version, moment, sha256)


def _enrolment(pupil: str, born: str | None, division: str | None, groups: list[str]) -> Enrolment:
    return Enrolment(
        PersonId(pupil),
        None if born is None else date.fromisoformat(born),
        None if division is None else DivisionCode(division),
        frozenset(map(GroupCode, groups)),
    )


def _guardianship(guardian: str, pupil: str, level: str) -> Guardianship:
    return Guardianship(PersonId(guardian), PersonId(pupil), GuardianLevel(level))


def _post(person: str, function: str | None, teaches: list[str], heads: list[str]) -> Post:
    return Post(PersonId(person), None if function is None else Function(function), _codes(teaches), _codes(heads))


def _codes(codes: list[str]) -> frozenset[DivisionCode]:
    return frozenset(map(DivisionCode, codes))


def _day(moment: date | None) -> str | None:
    return None if moment is None else moment.isoformat()
