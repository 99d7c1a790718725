"""What was done, written down: the actual state and the journal, in one transaction per handful of effects::

    effect on the homeserver ─► queue ─► every ≤ 200 effects, or as soon as the queue is empty: one transaction

A crash loses at most the effects still in the queue; the next plan finds them missing and repeats them, and every
effect may be repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from preau.clock import Clock
from preau.model.ids import RoomId, UserId
from preau.model.wanted import ActualAccount, ActualRoom, Content, Membership, StateKey
from preau.store import actual, journal
from preau.store.engine import Store, Transaction
from preau.store.journal import Entry

_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class StateSet:
    """A piece of a room's state is now this."""

    room: RoomId
    key: StateKey
    content: Content


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """A user's membership in a room is now this."""

    room: RoomId
    user: UserId
    membership: Membership


Fact: TypeAlias = ActualAccount | ActualRoom | StateSet | MemberChanged
"""Something we now know of the homeserver."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Facts that one deed made true, and what the journal says of it (None: nothing worth telling)."""

    facts: tuple[Fact, ...]
    entry: Entry | None


async def write_down(db: Transaction, effects: Sequence[Effect], at: datetime) -> None:
    """Records effects in the order in which they happened."""
    facts = [fact for effect in effects for fact in effect.facts]
    for fact in facts:
        match fact:
            case ActualRoom():
                await actual.save_room(db, fact)
            case StateSet():
                await actual.save_state(db, fact.room, {fact.key: fact.content})
            case ActualAccount() | MemberChanged():
                pass
    await actual.save_accounts(db, [fact for fact in facts if isinstance(fact, ActualAccount)])
    changed = {(fact.room, fact.user): fact.membership for fact in facts if isinstance(fact, MemberChanged)}
    await actual.save_members(db, [(room, user, membership) for (room, user), membership in changed.items()])
    entries = [effect.entry for effect in effects if effect.entry is not None]
    if entries:
        await journal.append(db, entries, at)


class Recorder:
    """The owner of the queue of effects. Use it as the last-closed part of a task group: `run` ends after `close`."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._queue: asyncio.Queue[Effect | None] = asyncio.Queue()

    def note(self, effect: Effect) -> None:
        """Hand an effect over; it is written soon."""
        self._queue.put_nowait(effect)

    def close(self) -> None:
        """Nothing more will come."""
        self._queue.put_nowait(None)

    async def run(self) -> None:
        """Write until closed.

        Raises:
            StoreError: the database failed; what was not written is found missing by the next plan.
        """
        while (effect := await self._queue.get()) is not None:
            effects = [effect, *self._waiting()]
            async with self._store.writing() as db:
                await write_down(db, effects, self._clock.now())

    def _waiting(self) -> list[Effect]:
        """What else is in the queue now; the end mark stays in it."""
        found: list[Effect] = []
        while len(found) < _AT_ONCE and not self._queue.empty():
            effect = self._queue.get_nowait()
            if effect is None:
                self._queue.put_nowait(None)
                break
            found.append(effect)
        return found
