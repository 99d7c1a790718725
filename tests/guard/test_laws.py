"""Whatever people try and whatever changes between: no pupil meets a stranger, no room loses its bot.

``PREAU_MATRIX=whole`` tries ten times as many sequences against the homeserver.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

import pytest
from hypothesis import Phase, event, example, given, settings
from hypothesis import strategies as st

from preau.model.ids import UserId
from preau.model.people import Function
from tests.builders import SOUTH
from tests.guard.guarded import Reply
from tests.guard.laws import ANOTHER, CLIENT, NAMES, OURS, PUPILS, World, begin, check
from tests.guard.neighbours import Neighbours

BRINGING: Final = ("talk", "bring_in", "invite", "join", "say")
OTHERS: Final = ("kick", "ban", "leave", "levels", "open", "upgrade", "tombstone", "member")
CHANGES: Final = ("moves", "changes class", "answers for", "tightens")
NEVER: Final = frozenset({"upgrade", "tombstone"})
"""What nobody ever does; each of the other verbs must have succeeded in one sequence at least."""

BY_PEOPLE: Final = NEVER | {"talk", "join", "say", "leave", "member"}
"""What the service's bot is not made to do here: it is the service's own business."""


@dataclass(frozen=True)
class Action:
    """Somebody does something about somebody, in one of the rooms; a change is about ``whom`` alone."""

    verb: str
    who: str
    whom: str
    where: int = 0


pupils = st.sampled_from(PUPILS)
anybody = st.sampled_from(NAMES)
actors = anybody | st.just("bot")
places = st.integers(0, 6)
actions = st.one_of(
    st.builds(Action, st.sampled_from(BRINGING), actors, pupils, places),
    st.builds(Action, st.sampled_from(BRINGING), pupils | st.just("bot"), anybody, places),
    st.builds(Action, st.sampled_from(BRINGING + OTHERS), actors, anybody, places),
    st.builds(Action, st.sampled_from(OTHERS), anybody, st.just("bot"), places),
    st.builds(Action, st.sampled_from(CHANGES), anybody, anybody),
)
versions = st.sampled_from(("11", "11", "11", "12"))
"""Mostly 11: in 12 nobody can take the bot's power, not even the bot."""

AGAINST_THE_BOT: Final = [
    Action(verb, who, "bot", where)
    for who, where in (("head", 0), ("teacher", 2), ("visitor", 3))
    for verb in ("kick", "ban", "levels", "tombstone", "upgrade", "open")
]
STORY: Final = [
    Action("bring_in", "bot", "zoe", 2),
    Action("invite", "bot", "teacher"),
    Action("join", "teacher", "teacher"),
    Action("invite", "bot", "other"),
    Action("member", "other", "other"),
    Action("talk", "guardian", "ali"),
    Action("talk", "head", "zoe"),
    Action("say", "teacher", "ali", 4),
    *AGAINST_THE_BOT,
    Action("answers for", "bot", "guardian"),
    Action("moves", "bot", "teacher"),
    Action("changes class", "bot", "zoe"),
    Action("tightens", "head", "zoe"),
    Action("kick", "bot", "other"),
    Action("ban", "bot", "elsewhere"),
    Action("leave", "guardian", "guardian", 1),
    Action("open", "bot", "bot"),
    *(Action("join", name, name) for name in ("elsewhere", "unknown", "visitor")),
    Action("levels", "bot", "head"),
    *AGAINST_THE_BOT,
]
"""Everything that can succeed does so once; then the bot opens a room and gives its power away, and people use that."""


async def act(world: World, action: Action) -> None:
    """Does it, whatever comes of it."""
    if action.verb in CHANGES:
        await _change(world, action)
        return
    if action.who == "bot" and (
        action.verb in BY_PEOPLE or (action.verb, action.whom) in {("kick", "bot"), ("ban", "bot")}
    ):
        return
    rooms = [*world.rooms.values(), *world.talks]
    reply = await _perform(world, action, rooms[action.where % len(rooms)])
    assert reply.status < 500 or "visitor" in {action.who, action.whom}, (
        action,
        reply,
    )  # Synapse's own, see ARCHITECTURE
    if reply.status == 200:
        assert action.verb not in NEVER, action
        world.tally[action.verb] += 1


async def _change(world: World, action: Action) -> None:
    """What the service learns, and tells the guard."""
    party = world.parties.get(action.whom)
    if party is None:
        return
    match action.verb:
        case "moves":
            party = replace(party, school=SOUTH if party.school == world.school else world.school)
        case "changes class":
            party = replace(party, divisions=frozenset({ANOTHER if OURS in party.divisions else OURS}))
        case "answers for" if Function.GUARDIAN in party.functions:
            ali = world.parties["ali"].person
            party = replace(party, children=party.children ^ {ali})
        case "tightens" if action.who in world.parties:
            writers = world.parties[action.who].functions
            world.closed |= {(writer, reader) for writer in writers for reader in party.functions}
        case _:
            return
    world.tally[action.verb] += 1
    world.parties[action.whom] = party
    await world.tell(action.whom)
    await world.settle(action.whom)


async def _perform(world: World, action: Action, room: str) -> Reply:  # noqa: PLR0911 -- a table
    who, whom, server = world.user(action.who), world.user(action.whom), world.server(action.who)
    match action.verb:
        case "talk":
            return await world.talk(action.who, action.whom)
        case "join":
            return await world.join(room, action.who)
        case "bring_in":
            await world.ours.invite(room, whom)
            return await world.join(room, action.whom)
        case "invite":
            return await server.invite(room, whom, by=who)
        case "say":
            return await server.say(room, who)
        case "leave":
            return await server.call("POST", f"{CLIENT}/rooms/{quote(room)}/leave", who)
        case "kick" | "ban" as verb:
            return await server.call("POST", f"{CLIENT}/rooms/{quote(room)}/{verb}", who, {"user_id": whom})
        case "upgrade":
            return await server.call("POST", f"{CLIENT}/rooms/{quote(room)}/upgrade", who, {"new_version": "12"})
        case _:
            return await server.put_state(room, who, *_state(action, whom))


def _state(action: Action, whom: UserId) -> tuple[str, object, str]:
    match action.verb:
        case "levels":  # no power for the visitor: the service gives none, and their homeserver obeys the levels alone
            level = 0 if action.whom in {"visitor", "bot"} else 100
            return "m.room.power_levels", {"users": {whom: level}}, ""
        case "open":
            return "m.room.join_rules", {"join_rule": "public"}, ""
        case "tombstone":
            return "m.room.tombstone", {"body": "Ailleurs", "replacement_room": "!ailleurs"}, ""
        case _:
            return "m.room.member", {"membership": "join"}, whom


@pytest.fixture(scope="module")
def tally() -> Iterator[Counter[str]]:
    """How often each verb succeeded; after the last sequence none may be missing, or the law would say little."""
    counted = Counter[str]()
    yield counted
    missing = {*BRINGING, *OTHERS, *CHANGES, "silenced"} - NEVER - counted.keys()
    assert not missing, f"never succeeded: {sorted(missing)}; {counted}"


@pytest.mark.live
@pytest.mark.timeout(1800)
@settings(
    max_examples=60 if os.environ.get("PREAU_MATRIX") == "whole" else 4,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # a sequence takes a second: its shortening would take minutes
)
@given(version=versions, sequence=st.lists(actions, min_size=6, max_size=20))
@example(version="11", sequence=STORY)
@example(version="12", sequence=STORY)
async def test_no_sequence_of_actions_brings_a_pupil_to_a_stranger_or_a_room_out_of_the_bots_hands(
    border: Neighbours, tally: Counter[str], version: str, sequence: list[Action]
) -> None:
    world = await begin(border, version, tally)
    for action in sequence:
        await act(world, action)
    event(f"conversations: {len(world.talks)}")
    await check(world)
