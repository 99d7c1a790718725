"""Which space between school and divisions a division hangs in, in a school with too many for one space.

A space keeps to 50 children (``synapse.md`` 4): federation shows no more. A French division code opens with its level
(``6 A``, ``2GT07``, ``TSTMG1``), so its first letter or digit names the space; where a school codes otherwise and one
letter holds too many, that letter is cut into numbered runs.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from preau.model.ids import DivisionCode

Levels: TypeAlias = Mapping[DivisionCode, str]
"""The level space of each division; empty where divisions hang in the school's own space."""

PER_SPACE: Final = 40
"""Divisions in one space: leaves room beside them for the school's own rooms and its associations' spaces."""

_OTHER: Final = "0"
"""The level of codes that open with neither letter nor digit of ASCII, so that there are never more than 36."""


def levels(codes: Iterable[DivisionCode]) -> Levels:
    """The level of each division, ``5``, ``T`` or ``C-2``; nothing when one space holds them all."""
    ordered = sorted(set(codes))
    if len(ordered) <= PER_SPACE:
        return {}
    by_first: defaultdict[str, list[DivisionCode]] = defaultdict(list)
    for code in ordered:
        by_first[_first(code)].append(code)
    return {code: level for first, found in by_first.items() for code, level in _runs(first, found)}


def _runs(first: str, codes: list[DivisionCode]) -> list[tuple[DivisionCode, str]]:
    if len(codes) <= PER_SPACE:
        return [(code, first) for code in codes]
    return [(code, f"{first}-{place // PER_SPACE + 1}") for place, code in enumerate(codes)]


def _first(code: DivisionCode) -> str:
    opening = unicodedata.normalize("NFKD", code)[:1].upper()
    return opening if opening.isascii() and opening.isalnum() else _OTHER
