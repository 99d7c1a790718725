"""Whatever people try, in whatever order: no pupil meets a stranger, no room loses its bot, stricter is stricter.

``PREAU_MATRIX=whole`` tries ten times as many sequences against the homeserver.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from typing import Any, Final
from urllib.parse import quote

import pytest
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st

from preau.model.facts import Cell, ContactTable, PersonFacts, SchoolFacts
from preau.model.ids import Uai, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from preau.policy.conversations import may_converse, table_of
from tests.builders import NORTH, SOUTH
from tests.fact_strategies import cells, persons
from tests.guard.guarded import Guarded, Reply

HERE: Final = Uai("0990043H")
"""A school of this file alone."""

KINDS: Final = {
    "announcements": (RoomKind.ANNOUNCE_SCHOOL, ""),
    "parents": (RoomKind.PARENTS_DIVISION, "5 A"),
    "pupils": (RoomKind.PUPILS_DIVISION, "5 A"),
}

FRIENDS: Final = {
    *(frozenset({pupil, staff}) for pupil in ("ali", "zoe") for staff in ("teacher", "head")),
    frozenset({"ali", "guardian"}),
}
"""Who may talk alone with a pupil: staff of the school, and who answers for them. By hand, not by a table."""

AMONG: Final = {
    "announcements": {"teacher", "head", "guardian", "other", "ali", "zoe"},
    "pupils": {"teacher", "ali", "zoe"},
}
"""With whom a pupil may be in a room of the school: nowhere else is a pupil at all."""


@dataclass
class World:
    """A few people of one school, one of another, and the rooms of one run."""

    guarded: Guarded
    people: Mapping[str, UserId]
    rooms: dict[str, str] = field(default_factory=dict)
    talks: list[str] = field(default_factory=list)

    def user(self, name: str) -> UserId:
        """Somebody, or the service's bot."""
        return self.people.get(name, self.guarded.homeserver.bot)

    async def members(self, room: str) -> set[str]:
        """Who is in a room, by our names for them; anybody else by their id."""
        path = f"/_synapse/admin/v1/rooms/{quote(room)}/state"
        reply = await self.guarded.call("GET", path, self.guarded.homeserver.bot)
        names = {user: name for name, user in self.people.items()}
        return {
            names.get(each["state_key"], each["state_key"])
            for each in reply.body["state"]
            if each["type"] == "m.room.member" and each["content"]["membership"] == "join"
        }


async def cast(guarded: Guarded) -> Mapping[str, UserId]:
    """A pupil and another one, staff, the pupil's guardian and another, and a teacher of elsewhere.

    Not logged in: application services act for them, whom Synapse does not slow down.
    """
    person = partial(guarded.person, logged_in=False)
    ali = await person(Function.PUPIL, school=HERE, divisions=["5 A"])
    return {
        "ali": ali,
        "zoe": await person(Function.PUPIL, school=HERE, divisions=["5 A"]),
        "guardian": await person(Function.GUARDIAN, school=HERE, divisions=["5 A"], children=[ali], opted_in=True),
        "other": await person(Function.GUARDIAN, school=HERE, divisions=["4 B"], opted_in=True),
        "teacher": await person(Function.TEACHER, school=HERE, divisions=["5 A"]),
        "head": await person(Function.DIRECTION, school=HERE),
        "elsewhere": await person(Function.TEACHER, school=SOUTH, divisions=["5 A"]),
        "unknown": await person(),
    }


NAMES: Final = ("ali", "zoe", "guardian", "other", "teacher", "head", "elsewhere", "unknown")
BRINGING: Final = ("talk", "bring_in", "invite", "join")
OTHERS: Final = ("kick", "ban", "leave", "levels", "open", "upgrade", "member")


@dataclass(frozen=True)
class Action:
    """Somebody does something about somebody, in one of the rooms."""

    verb: str
    who: str
    whom: str
    where: int


pupils = st.sampled_from(("ali", "zoe"))
anybody = st.sampled_from(NAMES)
actions = st.one_of(
    st.builds(Action, st.sampled_from(BRINGING), anybody, pupils, st.integers(0, 5)),
    st.builds(Action, st.sampled_from(BRINGING), pupils | st.just("bot"), anybody, st.integers(0, 5)),
    st.builds(Action, st.sampled_from(BRINGING + OTHERS), anybody | st.just("bot"), anybody, st.integers(0, 5)),
)


async def act(world: World, action: Action) -> None:
    """Does it, whatever comes of it."""
    guarded, who, whom = world.guarded, world.user(action.who), world.user(action.whom)
    rooms = [*world.rooms.values(), *world.talks]
    room = rooms[action.where % len(rooms)]
    reply = await _perform(guarded, action.verb, who, whom, room)
    assert reply.status < 500, (action, reply)
    if action.verb == "talk" and reply.status == 200 and action.who != "bot":
        world.talks.append(reply.body["room_id"])
        await guarded.join(reply.body["room_id"], whom)


async def _perform(guarded: Guarded, verb: str, who: UserId, whom: UserId, room: str) -> Reply:  # noqa: PLR0911 -- a table
    path = f"/_matrix/client/v3/rooms/{quote(room)}"
    match verb:
        case "talk":
            return await guarded.talk(who, whom, room_version="11")
        case "invite":
            return await guarded.invite(room, whom, by=who)
        case "join":
            return await guarded.join(room, who)
        case "bring_in":
            await guarded.invite(room, whom)
            return await guarded.join(room, whom)
        case "kick" | "ban":
            return await guarded.call("POST", f"{path}/{verb}", who, {"user_id": whom})
        case "leave" if who != guarded.homeserver.bot:
            return await guarded.call("POST", f"{path}/leave", who)
        case "levels":
            return await guarded.put_state(room, who, "m.room.power_levels", {"users": {whom: 100}})
        case "open":
            return await guarded.put_state(room, who, "m.room.join_rules", {"join_rule": "public"})
        case "upgrade" if who != guarded.homeserver.bot:
            return await guarded.call("POST", f"{path}/upgrade", who, {"new_version": "12"})
        case _:
            return await guarded.put_state(room, who, "m.room.member", {"membership": "join"}, whom)


async def begin(guarded: Guarded) -> World:
    """Rooms in which something can go wrong: people of each kind inside, and the pupil's talk with a teacher."""
    people = await cast(guarded)  # new ones each time: nobody begins conversations without end
    world = World(guarded, people)
    levels = {people["head"]: 100, people["teacher"]: 100}
    for name, (kind, scope) in KINDS.items():
        world.rooms[name] = await guarded.managed(kind, scope, school=HERE, version="11", levels=levels)
    inside = {"announcements": ["ali", "guardian", "head"], "pupils": ["ali", "teacher"], "parents": ["guardian"]}
    for name, members in inside.items():
        await guarded.bring_in(world.rooms[name], *(people[member] for member in members))
    await act(world, Action("talk", "ali", "teacher", 0))
    assert world.talks
    return world


async def check(world: World) -> None:
    bot = world.guarded.homeserver.bot
    for name, room in world.rooms.items():
        members = await world.members(room)
        assert bot in members, name
        assert not members & {"ali", "zoe"} or members - {bot} <= AMONG.get(name, set()), (name, members)
    for room in world.talks:
        members = await world.members(room)
        assert len(members) <= 2
        pupils = {frozenset(pair) for pair in combinations(members, 2) if set(pair) & {"ali", "zoe"}}
        assert pupils <= FRIENDS, members


@pytest.mark.live
@pytest.mark.timeout(600)
@settings(
    max_examples=60 if os.environ.get("PREAU_MATRIX") == "whole" else 6,
    deadline=None,
    phases=[Phase.generate],  # a sequence takes a second: its shortening would take minutes
)
@given(sequence=st.lists(actions, min_size=6, max_size=16))
async def test_no_sequence_of_actions_brings_a_pupil_to_a_stranger_or_a_room_out_of_the_bots_hands(
    guarded: Guarded, sequence: list[Action]
) -> None:
    world = await begin(guarded)
    for action in sequence:
        await act(world, action)
    event(f"conversations: {len(world.talks)}")
    await check(world)


# Pure laws, over many tables


@dataclass(frozen=True)
class Two:
    """Two people, and two tables of which the second is nowhere looser."""

    writer: PersonFacts
    reader: PersonFacts
    before: Mapping[Uai, SchoolFacts]
    after: Mapping[Uai, SchoolFacts]


@st.composite
def tightened(draw: st.DrawFn) -> Two:
    before = {school: SchoolFacts(school, draw(cells)) for school in (NORTH, SOUTH)}
    changed = {
        school: SchoolFacts(school, {**facts.cells, **draw(_stricter(table_of(facts)))})
        for school, facts in before.items()
    }
    return Two(draw(persons()), draw(persons()), before, changed)


def _stricter(table: ContactTable) -> st.SearchStrategy[dict[Any, Cell]]:
    """Any cells of the table closed; those that were open to all, opened to some."""
    pairs = sorted(table, key=str)
    return st.lists(st.sampled_from(pairs), max_size=12).flatmap(
        lambda chosen: st.fixed_dictionaries(
            {pair: st.sampled_from(Cell) if table[pair] is Cell.YES else st.just(Cell.NO) for pair in chosen}
        )
    )


@settings(max_examples=200, deadline=None)
@given(tightened())
def test_a_stricter_table_never_opens_a_conversation(two: Two) -> None:
    if not may_converse(two.writer, two.reader, two.before):
        assert not may_converse(two.writer, two.reader, two.after)


@settings(max_examples=200, deadline=None)
@given(tightened())
def test_a_place_less_never_opens_a_conversation(two: Two) -> None:
    if not may_converse(two.writer, two.reader, two.before):
        for place in two.writer.parties:
            rest = tuple(party for party in two.writer.parties if party is not place)
            assert not may_converse(PersonFacts(two.writer.user, "", rest), two.reader, two.before)
