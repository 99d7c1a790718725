"""What other homeservers send into rooms: taken in, or sealed and refused.

::

    an event of another homeserver ─┬─ state ─────────────────────────────► taken: else two servers would disagree
      (pushed, fetched, backfilled) ├─ of a peer's bot ───────────────────► taken
                                    ├─ its sender may write there ────────► taken
                                    └─ else, or we cannot tell ─► sealed ─► refused: Synapse empties it for ever

A refusal reaches nobody: the sender's own members see the message, ours do not. So it is the second line, for the day
on which another académie's guard fails; what it takes away from ours stays in the evidence (``synapse.md`` 0.3, 1.2).
So does what a redaction takes away, allowed or not, whichever of the two arrives first: Synapse lets the sender's
homeserver take back what is its own.
Nothing is raised here: an error would break the handling of everything else that came with the event.
"""

from __future__ import annotations

import logging
from typing import Any

from synapse.module_api import NOT_SPAM, EventBase, ModuleApi
from synapse.module_api.errors import Codes

from preau.guard.callbacks import Callbacks
from preau.guard.evidence import Evidence
from preau.guard.facts import Facts, Unreadable
from preau.guard.inner import Inner
from preau.guard.inner import tables as inner_tables
from preau.guard.rooms import Foreign, Managed, Room, Rooms
from preau.guard.settings import Settings
from preau.guard.writing import REDACTION
from preau.model.ids import ServerName, UserId, split_user_id
from preau.policy.abroad import ENCRYPTED, why_not_come, why_not_heard_abroad
from preau.policy.refusals import Rule

log = logging.getLogger(__name__)


class Remote:
    """The judge of every event that another homeserver made."""

    def __init__(  # noqa: PLR0913, PLR0917 -- the parts it asks
        self, settings: Settings, api: ModuleApi, inner: Inner, facts: Facts, rooms: Rooms, evidence: Evidence
    ) -> None:
        self._settings = settings
        self._api = api
        self._inner = inner
        self._facts = facts
        self._rooms = rooms
        self._evidence = evidence

    def register(self, callbacks: Callbacks) -> None:
        """Sets the hook."""
        callbacks.register(check_event_for_spam=self.check_event_for_spam)

    async def check_event_for_spam(self, event: EventBase) -> Any:
        """Asked of events made here, too; those were judged where a refusal can be told (`preau.guard.events`)."""
        if event.is_state() or self._api.is_mine(event.sender):
            return NOT_SPAM
        if event.type == REDACTION:
            await self._seal_target(event)
        elif await self._was_taken_back(event.event_id):
            await self._seal(event, "redaction")
        broken = await self._broken(event)
        if broken is None:
            return NOT_SPAM
        log.warning(
            "Event %s of %s in %s is sealed and refused: %s", event.event_id, event.sender, event.room_id, broken
        )
        await self._seal(event, broken.value)
        return Codes.FORBIDDEN

    async def _broken(self, event: EventBase) -> Rule | None:
        """The rule that the event breaks. What cannot be judged is refused: its copy stays, an open door would not."""
        try:
            return await self._why_not_heard(event)
        except Unreadable:
            return Rule.NOT_READY
        except Exception:
            log.exception("Event %s cannot be judged", event.event_id)
            return Rule.NOT_READY

    async def _why_not_heard(self, event: EventBase) -> Rule | None:
        if event.sender in self._settings.peers.values():
            return None
        if event.type == ENCRYPTED:
            return Rule.BETWEEN_ACADEMIES
        server = split_user_id(UserId(event.sender))[1]
        return await self._why_not_write(event.sender, server, await self._rooms.room(event.room_id))

    async def _why_not_write(self, sender: str, server: ServerName, room: Room) -> Rule | None:
        vouch = await self._facts.vouched(sender)
        match room:
            case Managed(facts):
                return why_not_come(vouch, server, facts)
            case Foreign(facts):
                return why_not_heard_abroad(vouch, server, facts)
            case _:
                return Rule.BETWEEN_ACADEMIES

    async def _seal_target(self, redaction: EventBase) -> None:
        """Keeps what a redaction takes back, if it is here."""
        try:
            target = await self._inner.event(str(redaction.redacts))
        except Exception:
            log.exception("What %s takes back cannot be read", redaction.event_id)
            return
        if target is not None and not target.is_state() and target.room_id == redaction.room_id:
            await self._seal(target, "redaction")

    async def _was_taken_back(self, event_id: str) -> bool:
        try:
            found: bool = await self._api.run_db_interaction("preau_guard_late", inner_tables.was_taken_back, event_id)
        except Exception:
            log.exception("Whether %s was taken back before it arrived cannot be told", event_id)
            return False
        return found

    async def _seal(self, event: EventBase, why: str) -> None:
        try:
            await self._evidence.seal(event, why)
        except Exception:
            log.exception("Event %s could not be sealed: its homeserver may still have it", event.event_id)
