"""The académie that a run works for, and the pieces it works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from preau.clock import Clock
from preau.matrix.client import Homeserver
from preau.model.choices import SchoolChoices
from preau.model.ids import AcademyName, ServerName, Uai, UserId
from preau.store.engine import Store


@dataclass(frozen=True, slots=True)
class Academy:
    """One académie's own settings, as far as rules and plans need them.

    ``peers`` are the académies that it federates with, by homeserver, and the bot of each.
    """

    name: AcademyName
    server: ServerName
    bot: UserId
    room_version: str
    school_year: int
    choices: Mapping[Uai, SchoolChoices] = field(default_factory=dict)
    default_choices: SchoolChoices = field(default_factory=SchoolChoices)
    peers: Mapping[ServerName, UserId] = field(default_factory=dict)

    def choices_of(self, school: Uai) -> SchoolChoices:
        """What that school chose, or the académie's default."""
        return self.choices.get(school, self.default_choices)


@dataclass(frozen=True, slots=True)
class Context:
    """What every flow of this layer is given."""

    academy: Academy
    store: Store
    homeserver: Homeserver
    clock: Clock
