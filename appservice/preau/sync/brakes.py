"""What stops a plan until somebody repeats its fingerprint: signs of a wrong or half-empty export (DESIGN 5).

Compared are the two snapshots, not the people with accounts: an export that loses a third of a school is wrong on the
first day of term, when nobody has an account yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from preau.model.ids import PersonId, Uai
from preau.model.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Limits:
    """A group of people may lose this share (of 1), or this many, whichever is more, before the brake holds.

    Losing everybody is never within the limits, however small the group.
    """

    share: float = 0.10
    people: int = 3


@dataclass(frozen=True, slots=True)
class Brake:
    """A reason to stop: a stable code, the school, and a sentence for the person who reads it."""

    code: str
    school: Uai
    message: str


def brakes(before: Snapshot | None, after: Snapshot, limits: Limits) -> tuple[Brake, ...]:
    """The brakes that hold when a school goes from one snapshot to another; a school's first snapshot has none."""
    if before is None or before == after:
        return ()
    return (*_year(before, after), *_lost(before, after, limits), *_emptied(before, after))


def _year(before: Snapshot, after: Snapshot) -> Iterator[Brake]:
    if before.year != after.year:
        yield Brake(
            "year_changed",
            after.school,
            f"the rosters are of school year {after.year}, the rooms of {before.year}: everybody changes division",
        )


def _lost(before: Snapshot, after: Snapshot, limits: Limits) -> Iterator[Brake]:
    then, now = _groups(before), _groups(after)
    for group, people in then.items():
        gone = len(people - now[group])
        if gone > max(limits.people, limits.share * len(people)) or 0 < len(people) == gone:
            yield Brake(
                "people_removed",
                after.school,
                f"{gone} of {len(people)} {group} have no place in the new rosters ({gone / len(people):.0%})",
            )


def _groups(snapshot: Snapshot) -> dict[str, frozenset[PersonId]]:
    return {
        "pupils": frozenset(enrolment.pupil for enrolment in snapshot.enrolments),
        "guardians": frozenset(link.guardian for link in snapshot.guardianships),
        "members of staff": frozenset(post.person for post in snapshot.posts if post.function is not None),
    }


def _emptied(before: Snapshot, after: Snapshot) -> Iterator[Brake]:
    full = {enrolment.division for enrolment in before.enrolments if enrolment.division is not None}
    still = {enrolment.division for enrolment in after.enrolments}
    for division in sorted(full - still):
        yield Brake("division_emptied", after.school, f"division {division!r} has no pupil any more")
