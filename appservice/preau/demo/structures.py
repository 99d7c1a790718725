"""The divisions and groups of an invented collège."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, product
from random import Random
from string import ascii_uppercase
from typing import Final

from preau.demo.school import DemoDivision, DemoGroup
from preau.model.ids import DivisionCode, GroupCode

_PUPILS_PER_DIVISION: Final = 27
_LEVELS: Final = {"6": "SIXIEME", "5": "CINQUIEME", "4": "QUATRIEME", "3": "TROISIEME"}
GERMAN: Final = "030401"
SPANISH: Final = "030602"
LATIN: Final = "020300"


def invent_divisions(pupils: int) -> tuple[DemoDivision, ...]:
    """As many divisions as so many pupils fill, at least one a level: ``6 A``, ``5 A``, ``4 A``, ``3 A``, ``6 B`` …

    Neighbours in this order are of different levels, so that siblings enrolled one after the other are not twins.
    """
    wanted = max(len(_LEVELS), round(pupils / _PUPILS_PER_DIVISION))
    codes = product(_letters(), _LEVELS.items())
    return tuple(
        DemoDivision(DivisionCode(f"{level} {letters}"), f"{word} {letters}", level)
        for _, (letters, (level, word)) in zip(range(wanted), codes, strict=False)
    )


def invent_groups(rng: Random, divisions: tuple[DemoDivision, ...]) -> tuple[DemoGroup, ...]:
    """One or two language groups for each division, and a Latin group for each pair of divisions of one level."""
    return (*_language_groups(rng, divisions), *_latin_groups(divisions))


def _letters() -> Iterator[str]:
    """A to Z, then AA to ZZ: a collège has few divisions, the bench's giant has thousands."""
    yield from ascii_uppercase
    yield from map("".join, product(ascii_uppercase, repeat=2))


def _language_groups(rng: Random, divisions: tuple[DemoDivision, ...]) -> Iterator[DemoGroup]:
    for division in divisions:
        short = division.code.replace(" ", "")
        room = "GR" if len(short) == 2 else "G"  # a code has at most eight characters
        for number in range(1, rng.choice((1, 2, 2)) + 1):
            yield DemoGroup(
                code=GroupCode(f"{short}LL2{room}{number}"),
                label=f"{short} LANGUE 2 GR {number}",
                subject=GERMAN if number == 1 else SPANISH,
                divisions=(division.code,),
            )


def _latin_groups(divisions: tuple[DemoDivision, ...]) -> Iterator[DemoGroup]:
    for level in _LEVELS:
        codes = [division.code for division in divisions if division.level == level]
        for number, pair in zip(count(1), zip(codes[::2], codes[1::2], strict=False), strict=False):
            yield DemoGroup(GroupCode(f"{level}LATG{number}"), f"{level}EME LATIN {number}", LATIN, pair)
