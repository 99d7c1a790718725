"""Who may write at all, where, from which device, and how widely: every event that is no state.

::

    encrypted? ─ yes ─► no: nothing is hidden from moderation; likewise what only looks like a redaction
    who is the sender? ─ no place in any school ─► no
    what room? ─ direct: does the contact table still allow it?   managed: might they still enter it, and write there?
    from a device that nobody confirmed? ─ announcements: no; elsewhere few rooms a day
    how many rooms lately? ─ a pass, or one transaction (`preau.guard.allowances`)

This is asked for every message, so what does not change is asked of memory: facts, confirmed devices, passes. Taking
something back is no writing: `preau.guard.takebacks` judges it.
"""

from __future__ import annotations

from typing import Final

from preau.guard.allowances import Allowances
from preau.guard.creation import why_not_talk
from preau.guard.devices import Devices
from preau.guard.events import Deed
from preau.guard.facts import Facts
from preau.guard.power import Power
from preau.guard.rooms import Direct, Foreign, Managed, Unruled
from preau.model.facts import PersonFacts, RoomFacts
from preau.policy.devices import may_announce
from preau.policy.entrance import why_not_enter, writes_by_function
from preau.policy.fan_out import FROM_A_NEW_DEVICE, Spending, conversations, rooms
from preau.policy.powers import ALWAYS_OPEN
from preau.policy.refusals import Rule

ENCRYPTED: Final = "m.room.encrypted"
REDACTION: Final = "m.room.redaction"


class Writing:
    """Rules on what people write, and on the conversations that they begin."""

    def __init__(self, facts: Facts, devices: Devices, allowances: Allowances) -> None:
        self._facts = facts
        self._devices = devices
        self._allowances = allowances

    async def why_not(self, deed: Deed) -> Rule | None:
        """The rule that a message breaks; see `preau.guard.events.EventRule`."""
        event = deed.event
        if event.is_state() or event.type == REDACTION:
            return None
        if event.type == ENCRYPTED:
            return Rule.MANAGED_ROOM
        if not isinstance(event.content.get("redacts", ""), str):
            return Rule.REDACTION  # Synapse 1.163 stores such a message of any type, and fails over it afterwards
        person = await self._facts.person(deed.sender)
        if person is None or not person.parties:
            return Rule.UNKNOWN
        return await self._why_not_here(person, deed) or await self._why_not_so_widely(person, deed)

    async def why_not_begin(self, user: str, other: str, device: str | None) -> Rule | None:
        """Why somebody may not begin one more conversation, with that other, now; None notes that it was begun.

        Raises:
            Unreadable: that cannot be told.
        """
        person = await self._facts.person(user)
        if person is None:
            return Rule.UNKNOWN
        if await self._devices.limited(person, device):
            return Rule.NEW_DEVICE
        allowance = conversations(person.functions)
        allowed = await self._allowances.spend_anew(person.user, Spending.CONVERSATIONS, other, allowance)
        return None if allowed else Rule.FAN_OUT

    async def _why_not_here(self, person: PersonFacts, deed: Deed) -> Rule | None:
        match deed.room:
            case Direct() as room:
                return await why_not_talk(self._facts, person.user, room.other(person.user))
            case Managed(facts):
                if facts is None:
                    return Rule.NOT_READY
                return why_not_enter(person, facts) or await _why_not_speak(person, facts, deed)
            case Foreign():
                return None
            case Unruled():
                return Rule.ROOM_CREATION

    async def _why_not_so_widely(self, person: PersonFacts, deed: Deed) -> Rule | None:
        room = deed.event.room_id
        if await self._devices.limited(person, device_of(deed)):
            kind = deed.room.facts.kind if isinstance(deed.room, Managed) and deed.room.facts else None
            few = may_announce(kind) and await self._allowances.spend(
                person.user, Spending.ROOMS_NEW_DEVICE, room, FROM_A_NEW_DEVICE
            )
            if not few:
                return Rule.NEW_DEVICE
        if self._allowances.has_pass(person.user, Spending.ROOMS, room):
            return None  # before the person's allowance is even worked out
        allowed = await self._allowances.spend(person.user, Spending.ROOMS, room, rooms(person.functions))
        return None if allowed else Rule.FAN_OUT


async def _why_not_speak(person: PersonFacts, room: RoomFacts, deed: Deed) -> Rule | None:
    """Why somebody only reads there. The room's own levels are asked where the table does not let them write."""
    if deed.event.type in ALWAYS_OPEN or writes_by_function(person, room):
        return None
    return None if (await Power.before(deed.state)).may_send(deed.sender, deed.event.type) else Rule.READ_ONLY


def device_of(deed: Deed) -> str | None:
    """The device that the deed comes from; None if it comes from an application service or the homeserver itself."""
    found: str | None = getattr(deed.event.internal_metadata, "device_id", None)
    return found
