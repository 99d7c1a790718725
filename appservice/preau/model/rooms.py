"""Rooms by what they are for, before any homeserver has made them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from preau.model.ids import Uai


class RoomKind(StrEnum):
    """What a managed room is for; everything else about it is in one table, `preau.policy.rooms`."""

    ANNOUNCE_SCHOOL = "announce_school"
    ANNOUNCE_DIVISION = "announce_division"
    DIVISION_PARENTS_STAFF = "division_parents_staff"
    PARENTS_DIVISION = "parents_division"
    PARENTS_SCHOOL = "parents_school"
    ASSOCIATION = "association"
    STAFF = "staff"
    DIRECTION = "direction"
    HEALTH = "health"
    PUPILS_DIVISION = "pupils_division"
    MODERATION = "moderation"
    INTER_ACADEMY = "inter_academy"
    SPACE_ACADEMY = "space_academy"
    SPACE_SCHOOL = "space_school"
    SPACE_LEVEL = "space_level"
    SPACE_DIVISION = "space_division"
    SPACE_ASSOCIATION = "space_association"


@dataclass(frozen=True, slots=True, order=True)
class RoomKey:
    """Which room: its kind, its school, and the division, association or name within the school (``""`` if none).

    The académie's own space has the empty school.
    """

    kind: RoomKind
    school: Uai
    scope: str = ""

    def __str__(self) -> str:
        """``announce_division/0990001N/5 A``: for plans, logs and the journal."""
        return f"{self.kind}/{self.school}/{self.scope}" if self.scope else f"{self.kind}/{self.school}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key that `str` wrote.

        Raises:
            ValueError: it is none.
        """
        kind, school, *scope = text.split("/", 2)  # a scope may hold anything, slashes too
        return cls(RoomKind(kind), Uai(school), *scope)
