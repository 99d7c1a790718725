"""What the services of two académies tell each other in their control rooms, as values.

::

    SharedRoom   "this room of ours is open to these functions of yours, and we ask these people in"
    Vouch        "this person of ours is this"

Each académie says both in a room of its own, in which nobody else may write; the content of those events is read and
written by `preau.policy.control`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from preau.model.ids import RoomId, ServerName, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind


@dataclass(frozen=True, slots=True)
class SharedRoom:
    """A room that its académie opens to others.

    ``functions`` says for each other académie which of its functions may enter, ``visitors`` for whom of each a word is
    asked: the localparts of those appointed into the room. ``via`` are servers through which it can be reached.
    """

    room: RoomId
    kind: RoomKind
    functions: Mapping[ServerName, frozenset[Function]] = field(default_factory=dict)
    visitors: Mapping[ServerName, frozenset[str]] = field(default_factory=dict)
    via: tuple[ServerName, ...] = ()

    def asks_for(self, server: ServerName) -> frozenset[str]:
        """The people of that académie, by localpart, for whom a word is asked."""
        return self.visitors.get(server, frozenset())

    def opens_to(self, server: ServerName) -> frozenset[Function]:
        """The functions of that académie that may enter."""
        return self.functions.get(server, frozenset())


@dataclass(frozen=True, slots=True)
class Vouch:
    """An académie's word about somebody of its own: their functions, as far as they were asked for."""

    user: UserId
    functions: frozenset[Function]


Word: TypeAlias = SharedRoom | Vouch
"""One thing that a control room says."""
