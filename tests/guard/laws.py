"""A small world in which people, the service and a visitor do whatever they like, and what must be true of it.

The guard is asked about everything; what is right is worked out here a second time, by hand and without any table.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Final
from urllib.parse import quote

from preau.model.facts import Cell, Party, PersonFacts, RoomFacts, SchoolFacts, VouchFacts
from preau.model.ids import DivisionCode, PersonId, RoomId, Uai, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from preau.policy.powers import MODERATOR
from tests.builders import SOUTH
from tests.guard.guarded import Guarded, Reply
from tests.guard.neighbours import Neighbours
from tests.live.homeservers import new_localpart, register

CLIENT: Final = "/_matrix/client/v3"
OURS: Final = DivisionCode("5 A")
ANOTHER: Final = DivisionCode("4 B")
PUPILS: Final = ("ali", "zoe")
STAFF: Final = frozenset({Function.TEACHER, Function.DIRECTION})
CAST: Final = {
    "ali": (Function.PUPIL, OURS),
    "zoe": (Function.PUPIL, OURS),
    "guardian": (Function.GUARDIAN, OURS),
    "other": (Function.GUARDIAN, ANOTHER),
    "teacher": (Function.TEACHER, OURS),
    "head": (Function.DIRECTION, None),
    "elsewhere": (Function.TEACHER, OURS),
}
"""A pupil and another one, the pupil's guardian and another, staff, and a teacher of another school; besides them
somebody ``unknown``, and a ``visitor``: a teacher of another académie, whose homeserver has no guard."""

NAMES: Final = (*CAST, "unknown", "visitor")
ROOMS: Final = {
    "announcements": (RoomKind.ANNOUNCE_SCHOOL, ""),
    "parents": (RoomKind.PARENTS_DIVISION, OURS),
    "pupils": (RoomKind.PUPILS_DIVISION, OURS),
    "shared": (RoomKind.INTER_ACADEMY, "Maths"),
}
INSIDE: Final = {
    "announcements": ("ali", "guardian", "head"),
    "parents": ("guardian",),
    "pupils": ("ali", "teacher"),
    "shared": ("teacher", "visitor"),
}


@dataclass
class World:
    """Its people, the rooms of one run, and who has ever had a right to be where."""

    border: Neighbours
    people: dict[str, UserId]
    parties: dict[str, Party]
    school: Uai
    version: str
    tally: Counter[str]
    rooms: dict[str, str] = field(default_factory=dict)
    talks: dict[str, frozenset[str]] = field(default_factory=dict)
    closed: set[tuple[Function, Function]] = field(default_factory=set)
    once_inside: set[tuple[str, str]] = field(default_factory=set)
    once_friends: set[frozenset[str]] = field(default_factory=set)

    @property
    def ours(self) -> Guarded:
        """The guarded homeserver."""
        return self.border.ours

    def user(self, name: str) -> UserId:
        """Somebody, or the service's bot."""
        return self.people.get(name, self.ours.homeserver.bot)

    def server(self, name: str) -> Guarded:
        """The homeserver that somebody uses."""
        return self.border.theirs if name == "visitor" else self.ours

    def may_address(self, writer: str, reader: str) -> bool:
        """Whether one may write to the other alone now: a pupil, and staff of the school or who answers for them."""
        one, other = self.parties.get(writer), self.parties.get(reader)
        if one is None or other is None or one.school != other.school:
            return False
        if one.school == self.school and self.closed & set(product(one.functions, other.functions)):
            return False
        pupil, adult = (one, other) if writer in PUPILS else (other, one)
        return bool(adult.functions & STAFF) or pupil.person in adult.children

    def belongs(self, name: str, room: str) -> bool:
        """Whether somebody has a place in a room in which pupils may be. In any other room no pupil is ever."""
        party = self.parties.get(name)
        if party is None or party.school != self.school:
            return False
        if room == "pupils":
            return OURS in party.divisions and Function.GUARDIAN not in party.functions
        return room == "announcements"

    def note(self) -> None:
        """Keeps in mind who has which right now."""
        self.once_inside |= {(name, room) for name in NAMES for room in ROOMS if self.belongs(name, room)}
        self.once_friends |= {
            frozenset({name, pupil})
            for name, pupil in product(NAMES, PUPILS)
            if self.may_address(name, pupil) or self.may_address(pupil, name)
        }

    async def tell(self, *names: str) -> None:
        """Pushes what is true of these people, and of the school."""
        facts = [PersonFacts(self.people[name], "Camille ESSAI", (self.parties[name],)) for name in names]
        await self.ours.push(SchoolFacts(self.school, dict.fromkeys(self.closed, Cell.NO)), *facts)
        self.note()

    async def state(self, room: str) -> list[dict[str, Any]]:
        """A room's state."""
        path = f"/_synapse/admin/v1/rooms/{quote(room)}/state"
        found: list[dict[str, Any]] = (await self.ours.call("GET", path, self.user("bot"))).body["state"]
        return found

    def members(self, state: Iterable[dict[str, Any]]) -> set[str]:
        """Who is in a room, by our names for them; anybody else by their id."""
        names = {user: name for name, user in self.people.items()} | {self.user("bot"): "bot"}
        return {
            names.get(each["state_key"], each["state_key"])
            for each in state
            if each["type"] == "m.room.member" and each["content"]["membership"] == "join"
        }

    async def join(self, room: str, name: str) -> Reply:
        """A join, through our homeserver if theirs asks."""
        query = f"via={quote(self.ours.homeserver.server_name)}" if name == "visitor" else ""
        return await self.server(name).call("POST", f"{CLIENT}/join/{quote(room)}", self.user(name), query=query)

    async def talk(self, who: str, whom: str) -> Reply:
        """A direct conversation begun; it is noted, and the other comes."""
        reply = await self.server(who).talk(self.user(who), self.user(whom), room_version=self.version)
        assert reply.status != 200 or who != "visitor" or who == whom, (who, whom)
        if reply.status == 200 and who != "visitor":
            room = reply.body["room_id"]
            self.talks[room] = frozenset({who, whom})
            await self.join(room, whom)
        return reply

    async def settle(self, name: str) -> None:
        """Takes a pupil out of the rooms that are not theirs any more, as the service does after each change.

        Adults stay where they are: it is on the guard to keep them silent for as long as the service takes.
        """
        for room in ROOMS:
            if name in PUPILS and not self.belongs(name, room):
                await self.ours.call("POST", f"{CLIENT}/rooms/{quote(self.rooms[room])}/leave", self.people[name])


async def begin(border: Neighbours, version: str, tally: Counter[str]) -> World:
    """New people each time, since nobody begins conversations without end, in rooms in which something can go wrong.

    Not logged in: application services act for them, whom Synapse does not slow down.
    """
    school = Uai(f"099{secrets.randbelow(10**4):04}Z")
    people = {name: await register(border.ours.homeserver, new_localpart(), "Camille ESSAI") for name in NAMES[:-1]}
    people["visitor"] = await register(border.theirs.homeserver, new_localpart(), "Camille SUD")
    parties = {name: _party(people[name], school, *place) for name, place in CAST.items()}
    parties["elsewhere"] = replace(parties["elsewhere"], school=SOUTH)
    parties["guardian"] = replace(parties["guardian"], children=frozenset({parties["ali"].person}))
    world = World(border, people, parties, school, version, tally)
    await world.tell(*parties)
    levels = {people["head"]: 100, people["teacher"]: MODERATOR, people["visitor"]: MODERATOR}
    for name, (kind, scope) in ROOMS.items():
        world.rooms[name] = await border.ours.managed(kind, scope, school=school, version=version, levels=levels)
    admits = {border.theirs.homeserver.server_name: frozenset({Function.TEACHER})}
    shared = RoomFacts(RoomId(world.rooms["shared"]), RoomKind.INTER_ACADEMY, school, "Maths", admits)
    await border.ours.push(shared, VouchFacts(people["visitor"], frozenset({Function.TEACHER})))
    for name, members in INSIDE.items():
        for member in members:
            assert (await border.ours.invite(world.rooms[name], people[member])).status == 200
            assert (await world.join(world.rooms[name], member)).status == 200
    assert (await world.talk("ali", "teacher")).status == 200
    return world


def _party(user: UserId, school: Uai, function: Function, division: DivisionCode | None) -> Party:
    divisions = frozenset({division}) if division is not None else frozenset[DivisionCode]()
    return Party(PersonId(user[1:].split(":", 1)[0]), school, frozenset({function}), divisions, opted_in=True)


async def check(world: World) -> None:
    """That the bot is in every room and alone decides there; that no pupil is where a stranger can be heard."""
    for name, room in world.rooms.items():
        state = await world.state(room)
        members = world.members(state)
        assert "bot" in members, name
        assert {each["sender"] for each in state if each["type"] != "m.room.member"} == {world.user("bot")}, name
        if members & set(PUPILS):
            await _check_room(world, name, members - {"bot"})
    for room, people in world.talks.items():
        await _check_talk(world, room, people, world.members(await world.state(room)))
    await _check_beginnings(world)


async def _check_room(world: World, name: str, members: set[str]) -> None:
    for member in members:
        assert (member, name) in world.once_inside, (name, member)
        if not world.belongs(member, name):
            await _check_silent(world, world.rooms[name], member)


async def _check_talk(world: World, room: str, people: frozenset[str], members: set[str]) -> None:
    assert members <= people
    for pupil in members & set(PUPILS):
        for member in members - {pupil}:
            assert frozenset({pupil, member}) in world.once_friends, people
            if not world.may_address(member, pupil):
                await _check_silent(world, room, member)


async def _check_silent(world: World, room: str, name: str) -> None:
    said = await world.ours.say(room, world.user(name))
    assert said.status == 403, (room, name, said)
    world.tally["silenced"] += 1


async def _check_beginnings(world: World) -> None:
    for pupil in PUPILS:
        for name in NAMES:
            if name != pupil and not world.may_address(name, pupil):
                begun = await world.server(name).talk(world.user(name), world.user(pupil))
                assert begun.status == 403, (name, pupil, begun)
