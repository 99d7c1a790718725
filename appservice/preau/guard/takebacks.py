"""Taking messages back: judged, counted, and sealed before the homeserver forgets.

::

    m.room.redaction, by whatever path ─► which event? ─ unknown, of another room ─► no
                                             │
                     policy.takebacks: whose, where, with what power ─ no ─► no
                                             │
            from a confirmed device, within the allowance ─► the event is sealed ─► Synapse makes the redaction

A redaction that cannot be sealed is not made. One without a device is the service's in somebody's name, or an
administrator's purge of what an account wrote (``POST /_synapse/admin/v1/user/{user}/redact``, which acts as that
account): sealed, and not counted. What the bot takes back in its own name is sealed, too, and not judged.
"""

from __future__ import annotations

from synapse.module_api import EventBase

from preau.guard.allowances import Allowances
from preau.guard.devices import Devices
from preau.guard.events import Deed
from preau.guard.evidence import Evidence
from preau.guard.facts import Facts
from preau.guard.inner import Inner
from preau.guard.power import Power
from preau.guard.rooms import Direct, Managed, Room, Unruled
from preau.guard.settings import Settings
from preau.guard.writing import REDACTION, device_of
from preau.model.facts import PersonFacts
from preau.model.ids import Uai
from preau.model.people import Function
from preau.policy.entrance import why_not_enter
from preau.policy.fan_out import Spending
from preau.policy.refusals import Rule
from preau.policy.takebacks import Author, Place, Takeback, speaks_for_the_school, takebacks, why_not_taken_back


class Takebacks:
    """Rules on redactions."""

    def __init__(  # noqa: PLR0913, PLR0917 -- it is where six parts meet
        self,
        settings: Settings,
        inner: Inner,
        facts: Facts,
        devices: Devices,
        allowances: Allowances,
        evidence: Evidence,
    ) -> None:
        self._settings = settings
        self._inner = inner
        self._facts = facts
        self._devices = devices
        self._allowances = allowances
        self._evidence = evidence

    async def why_not(self, deed: Deed) -> Rule | None:
        """The rule that a redaction breaks; None seals what it takes back."""
        if deed.event.type != REDACTION:
            return None
        target = await self._target(deed.event)
        broken = await self._why_not(deed, target) if target is not None else Rule.REDACTION
        if broken is None and target is not None:
            await self._evidence.seal(target, "redaction")
        return broken

    async def keep(self, event: EventBase) -> None:
        """Seals what the service's bot takes back, if that is here; whatever is no redaction passes."""
        target = await self._target(event) if event.type == REDACTION else None
        if target is not None:
            await self._evidence.seal(target, "redaction")

    async def _why_not(self, deed: Deed, target: EventBase) -> Rule | None:
        person = await self._facts.person(deed.sender)
        if person is None or not person.parties:
            return Rule.UNKNOWN
        if isinstance(deed.room, Unruled):
            return Rule.ROOM_CREATION
        device = device_of(deed)
        if await self._devices.limited(person, device):
            return Rule.NEW_DEVICE
        broken = why_not_taken_back(await self._describe(deed, person, target))
        if broken is None and device is not None and not await self._spend(person, target):
            return Rule.TAKEBACKS
        return broken

    async def _target(self, redaction: EventBase) -> EventBase | None:
        """What is to be taken back, if it is an event of the same room. A redaction that is state is none of ours."""
        event_id = redaction.redacts
        if redaction.is_state() or not isinstance(event_id, str):
            return None
        found = await self._inner.event(event_id)
        return found if found is not None and found.room_id == redaction.room_id else None

    async def _describe(self, deed: Deed, person: PersonFacts, target: EventBase) -> Takeback:
        school = _school(deed.room)
        author = await self._author(deed.sender, str(target.sender), school)
        return Takeback(
            author=author,
            place=_place(deed.room),
            state=target.is_state(),
            moderates=author is not Author.ONESELF and await _moderates(deed, person),
            functions=_functions(person, school),
        )

    async def _author(self, sender: str, author: str, school: Uai | None) -> Author:
        if author == sender:
            return Author.ONESELF
        if author == self._settings.bot or author in self._settings.peers.values():
            return Author.SCHOOL
        person = await self._facts.person(author)
        if person is not None:
            functions = _functions(person, school)
        else:
            vouched = await self._facts.vouched(author)
            functions = vouched.functions if vouched is not None else frozenset()
        return Author.SCHOOL if speaks_for_the_school(functions) else Author.MEMBER

    async def _spend(self, person: PersonFacts, target: EventBase) -> bool:
        allowance = takebacks(person.functions)
        return await self._allowances.spend(person.user, Spending.TAKEBACKS, target.event_id, allowance)


def _school(room: Room) -> Uai | None:
    return room.facts.school if isinstance(room, Managed) and room.facts is not None else None


def _place(room: Room) -> Place:
    match room:
        case Managed():
            return Place.MANAGED
        case Direct():
            return Place.DIRECT
        case _:
            return Place.FOREIGN


def _functions(person: PersonFacts, school: Uai | None) -> frozenset[Function]:
    party = person.in_school(school) if school is not None else None
    return party.functions if party is not None else frozenset()


async def _moderates(deed: Deed, person: PersonFacts) -> bool:
    """Whether the sender still belongs in the room, and its power levels let them take away what others wrote."""
    facts = deed.room.facts if isinstance(deed.room, Managed) else None
    if facts is None or why_not_enter(person, facts) is not None:
        return False
    return (await Power.before(deed.state)).may_redact(deed.sender)
