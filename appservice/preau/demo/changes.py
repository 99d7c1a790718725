"""What happens to a school in the course of a year: each function returns the school as it is afterwards."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date
from random import Random

from preau.demo.school import DemoDivision, DemoPupil, DemoSchool
from preau.model.ids import DivisionCode
from preau.model.people import GuardianLevel


def move_pupil(school: DemoSchool, pupil_key: int, division: DivisionCode) -> DemoSchool:
    """The pupil changes class and leaves the groups of the old one.

    Raises:
        ValueError: no such pupil attends, or the school has no such division.
    """
    if division not in {known.code for known in school.divisions}:
        raise ValueError(f"{school.uai} has no division {division!r}")
    kept = {group.code for group in school.groups if division in group.divisions}
    pupil = _attending(school, pupil_key)
    moved = replace(pupil, division=division, groups=tuple(code for code in pupil.groups if code in kept))
    return _with_pupil(school, moved)


def open_division(school: DemoSchool, code: DivisionCode, pupil_keys: Collection[int]) -> DemoSchool:
    """A new division opens in the course of the year, with these pupils of others and without groups.

    Raises:
        ValueError: no such pupil attends, or the school has that division already.
    """
    if code in {known.code for known in school.divisions}:
        raise ValueError(f"{school.uai} has a division {code!r} already")
    opened = DemoDivision(code, f"DIVISION {code}", code[0])
    school = replace(school, divisions=tuple(sorted((*school.divisions, opened), key=lambda each: each.code)))
    for key in pupil_keys:
        school = move_pupil(school, key, code)
    return school


def pupil_leaves(school: DemoSchool, pupil_key: int, on: date) -> DemoSchool:
    """The pupil leaves the school and stays in its files with a DATE_SORTIE.

    Raises:
        ValueError: no such pupil attends.
    """
    return _with_pupil(school, replace(_attending(school, pupil_key), division=None, groups=(), left=on))


def without_pupils(school: DemoSchool, share: float, seed: int) -> DemoSchool:
    """A cut-off export: that share (0 to 1) of the attending pupils is missing, their guardians are still listed."""
    attending = [pupil.key for pupil in school.attending]
    missing = set(Random(seed).sample(attending, round(share * len(attending))))
    return replace(
        school,
        pupils=tuple(pupil for pupil in school.pupils if pupil.key not in missing),
        links=tuple(link for link in school.links if link.pupil not in missing),
    )


def as_old_files_tell_it(school: DemoSchool) -> DemoSchool:
    """The school as an old-generation file can describe it: RESP_LEGAL knows no person in charge, only contacts."""
    return replace(
        school,
        links=tuple(
            replace(link, level=GuardianLevel.CONTACT) if link.level is GuardianLevel.IN_CHARGE else link
            for link in school.links
        ),
    )


def _attending(school: DemoSchool, pupil_key: int) -> DemoPupil:
    for pupil in school.attending:
        if pupil.key == pupil_key:
            return pupil
    raise ValueError(f"{school.uai} has no attending pupil {pupil_key}")


def _with_pupil(school: DemoSchool, changed: DemoPupil) -> DemoSchool:
    pupils = (changed if pupil.key == changed.key else pupil for pupil in school.pupils)
    return replace(school, pupils=tuple(pupils))
