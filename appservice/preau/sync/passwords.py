"""Passwords that are drawn for people: easy to read from paper, hard to guess."""

from __future__ import annotations

import random
from typing import Final

_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""No 0 1 i l o, which are misread from paper."""

SHORTEST: Final = 8
"""Characters that a password chosen by somebody must have at least."""

_GROUPS: Final = 3
_LENGTH: Final = 5


def new_password(source: random.Random) -> str:
    """Such as ``k7m2q-4xdpb-w9tza``: 15 characters of 31, about 74 bits."""
    return "-".join("".join(source.choices(_ALPHABET, k=_LENGTH)) for _ in range(_GROUPS))
