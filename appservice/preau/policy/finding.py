"""Who may be found by whom, who may be reached past the rooms, and who cannot be hidden from oneself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from preau.model.facts import Cell, ContactTable, Party, PersonFacts, SchoolFacts
from preau.model.ids import Uai, UserId
from preau.model.people import Function
from preau.policy.conversations import may_converse
from preau.policy.refusals import Rule

SPEAKS_FOR_THE_SCHOOL: Final = frozenset({Function.DIRECTION, Function.DIRECTION_DELEGATE, Function.ADMINISTRATION})
"""Who writes in the announcements of the whole school (`preau.policy.rooms`, ``announce_school``)."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom somebody may find at most in one school, as far as their own place there tells.

    ``open``: people with these functions. ``opted_in``: people with these who opted in. ``family``: one's own children
    and guardians.
    """

    open: frozenset[Function]
    opted_in: frozenset[Function]
    family: bool


def reach(asker: Party, table: ContactTable) -> Reach:
    """See `Reach`; a first sieve, so that a search looks at few names. `may_be_found` decides."""
    cells = [(reader, table.get((mine, reader), Cell.NO)) for mine in asker.functions for reader in Function]
    return Reach(
        open=frozenset(reader for reader, cell in cells if cell in {Cell.YES, Cell.SAME_DIVISION}),
        opted_in=frozenset(reader for reader, cell in cells if cell is Cell.BOTH_OPTED_IN and asker.opted_in),
        family=any(cell is Cell.OWN_CHILD for _, cell in cells),
    )


def may_be_found(asker: PersonFacts, person: PersonFacts, schools: Mapping[Uai, SchoolFacts]) -> bool:
    """Whether a search shows that person: exactly when the asker may write to them. Nobody finds themselves."""
    return may_converse(asker, person, schools)


def why_no_device_message(sender: str, receivers: Iterable[str]) -> Rule | None:
    """Why messages from device to device may not be sent; None if they may.

    They carry what verifies one's own devices, and keys of encrypted rooms, which we do not have. Between two people
    they would be a conversation that no room, no table and no moderator sees.
    """
    return None if set(receivers) <= {sender} else Rule.EVASION


def why_not_hide(person: PersonFacts | None, bot: UserId, hidden: Mapping[str, PersonFacts | None]) -> Rule | None:
    """Why somebody may not have these people's messages hidden from themselves; None if they may.

    Args:
        person: who wants so; None if no fact is held of them.
        bot: the service's own user: its notices tell of suspensions and of the school's rooms.
        hidden: the people to be hidden, with what is known of them.
    """
    if bot in hidden:
        return Rule.EVASION
    speakers = (other for other in hidden.values() if person is not None and other is not None)
    return Rule.EVASION if any(_speaks_to(other, person) for other in speakers) else None


def _speaks_to(other: PersonFacts, person: PersonFacts | None) -> bool:
    """Whether one speaks for a school in which the other has a place."""
    mine = {party.school for party in person.parties} if person is not None else set()
    return any(party.school in mine and party.functions & SPEAKS_FOR_THE_SCHOOL for party in other.parties)
