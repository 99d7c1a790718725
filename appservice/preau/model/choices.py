"""What a school may choose for itself; the defaults are the strict side."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SchoolChoices:
    """One school's choices.

    ``pupil_accounts``: pupils get accounts and read the announcements. ``pupil_rooms``: besides, each division has a
    room of its pupils and their teachers; it means nothing without pupils' accounts.
    """

    pupil_accounts: bool = False
    pupil_rooms: bool = False
