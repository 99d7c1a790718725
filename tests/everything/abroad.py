"""Between two académies: who is brought into whose rooms, who writes there, and whom members bring along.

::

    ours, guarded ─── rooms of every kind, admitting each function ◄─ people of theirs, vouched for as each function
    theirs, without ─ rooms that it lists for each function        ◄─ people of ours of each function
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final
from urllib.parse import quote

from preau.model.facts import FactKind, RoomFacts, SharedRoomFacts, VouchFacts
from preau.model.ids import RoomId, ServerName, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from preau.policy.abroad import VISITING, why_not_come, why_not_go, why_not_heard_abroad
from preau.policy.refusals import Rule
from tests.builders import NORTH
from tests.everything.cast import PARTS, Actor
from tests.everything.conversations import VERSIONS
from tests.everything.routes import Route
from tests.everything.trial import OPEN, SHUT, Answered, Record, Try
from tests.everything.world import World, transaction
from tests.guard.neighbours import soon
from tests.live.homeservers import new_localpart

_CLIENT: Final = "/_matrix/client/v3"
_INVITE: Final = Route("POST", f"{_CLIENT}/rooms/{{room_id}}/invite")
_JOIN: Final = Route("POST", f"{_CLIENT}/join/{{room_identifier}}")
_SEND: Final = Route("PUT", f"{_CLIENT}/rooms/{{room_id}}/send/{{event_type}}/{{txn_id}}")
BEGIN: Final = Route("POST", f"{_CLIENT}/createRoom")
ROUTES: Final = frozenset({_INVITE, _JOIN, _SEND, BEGIN})
"""One route for each action: which routes there are is tried at home."""

_ALL: Final = frozenset(Function)


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody of theirs, with their académie's word; None: it said nothing."""

    user: UserId
    vouch: VouchFacts | None

    def __str__(self) -> str:
        return "vouched: " + (", ".join(sorted(self.vouch.functions)) if self.vouch else "not")


@dataclass(frozen=True, slots=True)
class Place:
    """A room, and whom it is open to, in words."""

    room: str
    what: str
    facts: RoomFacts | SharedRoomFacts | None

    def __str__(self) -> str:
        return self.what


@dataclass
class Border:
    """Both homeservers with people on them, of those functions."""

    ours: World
    theirs: World
    functions: Sequence[Function]
    people: Sequence[Actor] = ()
    guests: Sequence[Guest] = ()
    record: Record = field(default_factory=Record)

    @property
    def server(self) -> ServerName:
        """Theirs."""
        return self.theirs.guarded.homeserver.server_name

    async def populate(self) -> None:
        """One of ours for each part that differs by function; of theirs for each function, two at once, and none."""
        parts = {part.function: part for part in reversed(PARTS) if part.functions <= set(self.functions)}
        self.people = await self.ours.newcomers(parts.values())
        words = [*({function} for function in self.functions), {Function.TEACHER, Function.PUPIL}, set[Function]()]
        users = [UserId(f"@{new_localpart()}:{self.server}") for _ in words]
        await asyncio.gather(*(self.theirs.make_account(user) for user in users))
        self.guests = [
            Guest(user, VouchFacts(user, frozenset(functions)) if functions else None)
            for user, functions in zip(users, words, strict=True)
        ]
        await self.ours.guarded.push(*(guest.vouch for guest in self.guests if guest.vouch))

    async def our_rooms(self, kinds: Iterable[RoomKind]) -> list[Place]:
        """One of each of those kinds that admits everybody; where visitors may be at all, one for each function."""
        wishes = [(kind, _ALL) for kind in kinds]
        wishes += [(kind, frozenset({function})) for kind in VISITING for function in self.functions]
        found = []
        for (kind, functions), version in zip(wishes, cycle(VERSIONS), strict=False):
            room = await self.ours.guarded.managed(kind, new_localpart(), version=version)
            found.append(Place(room, f"{kind} for {_names(functions)}", self._admitting(room, kind, functions)))
        await self.ours.guarded.push(*(place.facts for place in found if place.facts))
        return found

    async def their_rooms(self) -> list[Place]:
        """One that they list for each function, one for all, one that they do not list."""
        found = []
        wishes = (*(frozenset({function}) for function in self.functions), _ALL, None)
        for functions, version in zip(wishes, cycle(VERSIONS), strict=False):
            body = {"preset": "private_chat", "room_version": version}
            room = (await self.theirs.as_bot("POST", f"{_CLIENT}/createRoom", body))["room_id"]
            facts = SharedRoomFacts(room, self.server, functions) if functions is not None else None
            found.append(Place(room, f"theirs for {_names(functions)}", facts))
        await self.ours.guarded.push(*(place.facts for place in found if place.facts))
        return found

    async def admit(self, room: str, functions: Collection[Function]) -> RoomFacts:
        """From now on a room of ours admits those."""
        facts = self._admitting(room, RoomKind.INTER_ACADEMY, functions)
        await self.ours.guarded.push(facts)
        return facts

    async def list_for(self, room: str, functions: Collection[Function] | None) -> SharedRoomFacts | None:
        """From now on a room of theirs is listed for those; None: not at all."""
        if functions is None:
            await self.ours.guarded.push(gone=[(FactKind.SHARED_ROOM, room)])
            return None
        facts = SharedRoomFacts(RoomId(room), self.server, frozenset(functions))
        await self.ours.guarded.push(facts)
        return facts

    def _admitting(self, room: str, kind: RoomKind, functions: Collection[Function]) -> RoomFacts:
        return RoomFacts(RoomId(room), kind, NORTH, "Maths", {self.server: frozenset(functions)})


def coming(border: Border, places: Sequence[Place]) -> list[tuple[Try, Try]]:
    """Our bot asks them into our rooms; then they enter."""
    pairs = []
    for place in places:
        for guest in border.guests:
            broken = why_not_come(guest.vouch, border.server, _ours(place)) or OPEN
            path, body = _INVITE.at(room_id=place.room), {"user_id": guest.user}
            asked = Try("come: asked", _INVITE, str(place), str(guest), border.ours.bot, path, broken, body)
            path, expected = _join_at(place.room, border.ours), SHUT if broken else OPEN
            pairs.append((asked, Try("come: enter", _JOIN, str(guest), str(place), guest.user, path, expected)))
    return pairs


def going(border: Border, places: Sequence[Place]) -> list[tuple[Try, Try]]:
    """Their bot asks ours into their rooms; then ours enter."""
    pairs = []
    for place in places:
        for who in border.people:
            broken = why_not_go(who.facts, _theirs(place)) or OPEN
            path, body, expected = _INVITE.at(room_id=place.room), {"user_id": who.user}, SHUT if broken else OPEN
            asked = Try("go: asked", _INVITE, str(place), str(who), border.theirs.bot, path, expected, body)
            path = _join_at(place.room, border.theirs)
            if place.facts is None:  # whose room it is, nobody knows: that is told before who would enter it
                broken = Rule.BETWEEN_ACADEMIES
            pairs.append((asked, Try("go: enter", _JOIN, str(who), str(place), who.user, path, broken)))
    return pairs


def bringing(border: Border, room: str) -> Iterable[Try]:
    """Ours would bring theirs into a room of ours, or begin a conversation with them."""
    for who in border.people:
        for guest in border.guests:
            path, body = _INVITE.at(room_id=room), {"user_id": guest.user}
            yield Try("bring", _INVITE, str(who), str(guest), who.user, path, SHUT, body)
            wish = {"preset": "trusted_private_chat", "is_direct": True, "invite": [guest.user]}
            yield Try("begin", BEGIN, str(who), str(guest), who.user, BEGIN.at(), SHUT, wish)


def luring(border: Border, rooms: Mapping[Guest, str]) -> Iterable[Try]:
    """Theirs would bring ours into rooms of their own."""
    for guest, room in rooms.items():
        for who in border.people:
            path, body = _INVITE.at(room_id=room), {"user_id": who.user}
            yield Try("lure", _INVITE, str(guest), str(who), guest.user, path, SHUT, body)


def writing_here(border: Border, guests: Iterable[Guest], facts: RoomFacts) -> Iterable[tuple[Try, str]]:
    """Theirs write in our room: their homeserver lets them; with whether ours takes it."""
    for guest in guests:
        said = _say(str(facts.room), str(guest), guest.user, OPEN, _names(facts.admits[border.server]))
        yield said, why_not_come(guest.vouch, border.server, facts) or OPEN


def writing_there(actors: Iterable[Actor], room: str, facts: SharedRoomFacts | None) -> Iterable[Try]:
    """Ours write in their room."""
    for who in actors:
        expected = why_not_go(who.facts, facts) or OPEN
        yield _say(room, str(who), who.user, expected, _names(facts.functions if facts else None))


def hearing_there(border: Border, guest: Guest, room: str, facts: SharedRoomFacts | None) -> tuple[Try, str]:
    """One of theirs writes in their room; with whether ours takes it."""
    said = _say(room, str(guest), guest.user, OPEN, _names(facts.functions if facts else None))
    return said, why_not_heard_abroad(guest.vouch, border.server, facts) or OPEN


async def heard(border: Border, answers: Sequence[Answered]) -> list[bool]:
    """Whether our homeserver kept what those messages say, once all of them have arrived."""
    file = border.ours.guarded.homeserver.spec.folder / "data" / "homeserver.db"
    wanted = [each.reply.body["event_id"] for each in answers]
    query = f"SELECT event_id, json FROM event_json WHERE event_id IN ({','.join('?' * len(wanted))})"
    found: dict[str, Any] = {}
    async for _ in soon(30):
        with closing(sqlite3.connect(file, timeout=10)) as database:
            found = {event: json.loads(kept)["content"] for event, kept in database.execute(query, wanted)}
        if len(found) == len(wanted):
            return [bool(found[event]) for event in wanted]
    raise AssertionError(f"{len(wanted) - len(found)} of {len(wanted)} messages did not arrive")


def _say(room: str, who: str, user: UserId, expected: str, whom: str) -> Try:
    path = _SEND.at(room_id=room, event_type="m.room.message", txn_id=transaction())
    return Try("write", _SEND, who, whom, user, path, expected, {"msgtype": "m.text", "body": "Bonjour"})


def _join_at(room: str, via: World) -> str:
    return f"{_JOIN.at(room_identifier=room)}?via={quote(via.guarded.homeserver.server_name)}"


def _names(functions: Collection[Function] | None) -> str:
    if functions is None:
        return "nobody"
    return "all" if set(functions) == _ALL else ", ".join(sorted(functions))


def _ours(place: Place) -> RoomFacts:
    assert isinstance(place.facts, RoomFacts)
    return place.facts


def _theirs(place: Place) -> SharedRoomFacts | None:
    assert not isinstance(place.facts, RoomFacts)
    return place.facts
