"""Identifiers as distinct types, so that a room's id is never taken for a person's.

Nothing here splits a room id: since room version 12 it holds no domain (Matrix 1.16, room version 12).
"""

from __future__ import annotations

import re
from typing import Final, NewType

AcademyName = NewType("AcademyName", str)
"""An académie's short name, such as ``nord``."""

ServerName = NewType("ServerName", str)
"""A homeserver's name, such as ``nord.example`` or ``127.0.0.1:18448``."""

Uai = NewType("Uai", str)
"""A school's national code, checked by `parse_uai`: seven digits and a check letter."""

PersonId = NewType("PersonId", str)
"""Préau's own opaque id of one human, never reused; it is also the localpart of the person's Matrix id."""

DivisionCode = NewType("DivisionCode", str)
"""A class's code exactly as the roster writes it (at most 8 characters, may hold spaces: ``5 A``)."""

GroupCode = NewType("GroupCode", str)
"""A teaching group's code exactly as the roster writes it."""

UserId = NewType("UserId", str)
"""A Matrix user id, ``@localpart:server``."""

RoomId = NewType("RoomId", str)
"""A Matrix room id; opaque."""

EventId = NewType("EventId", str)
"""A Matrix event id; opaque."""

_UAI: Final = re.compile(r"[0-9]{7}[A-Z]")
_CHECK_LETTERS: Final = "ABCDEFGHJKLMNPRSTUVWXYZ"


def parse_uai(text: str) -> Uai:
    """The school's code in upper case, its check letter verified (``school-data.md`` 10.1).

    Raises:
        ValueError: the text is no UAI; the message says which part is wrong.
    """
    code = text.strip().upper()
    if not _UAI.fullmatch(code):
        raise ValueError(f"{text!r} is no UAI: seven digits and a letter are expected")
    expected = _CHECK_LETTERS[int(code[:7]) % len(_CHECK_LETTERS)]
    if code[7] != expected:
        raise ValueError(f"{text!r} is no UAI: the check letter should be {expected}")
    return Uai(code)


def user_id(person: PersonId, server: ServerName) -> UserId:
    """The Matrix id of a person of that académie."""
    return UserId(f"@{person}:{server}")


def split_user_id(user: UserId) -> tuple[str, ServerName]:
    """The localpart and server of a user id (Matrix spec, appendices 4.2.1: the first colon ends the localpart).

    Raises:
        ValueError: the text is no user id.
    """
    if not user.startswith("@") or ":" not in user:
        raise ValueError(f"{user!r} is no Matrix user id")
    localpart, server = user[1:].split(":", 1)
    return localpart, ServerName(server)
