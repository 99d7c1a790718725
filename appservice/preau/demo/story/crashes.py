"""Killed in the middle, started again: nothing is lost, nothing is there twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from typing import Final
from urllib.parse import quote

from preau.demo.academy import DemoAcademy, child_environment
from preau.demo.changes import open_division
from preau.demo.parts import Part
from preau.demo.processes import ChildProcess
from preau.demo.school import DemoSchool
from preau.demo.story.drift import power_levels, raise_level
from preau.demo.story.families import children, family_rooms
from preau.demo.story.telling import eventually, expect, expect_same
from preau.demo.story.world import Place, World
from preau.model.ids import DivisionCode, EventId
from preau.model.rooms import RoomKind
from preau.store import inbox
from preau.sync.rooms import KEY_FIELD

_NEW_DIVISIONS: Final = tuple(DivisionCode(f"6 {letter}") for letter in "VWXYZ")
_MADE_BEFORE_THE_KILL: Final = 4
_CUT_OFF: Final = "received code=504"
"""What Synapse logs of a transaction whose answer never came; one that finds nobody listening is refused otherwise."""
_HANDED_OVER: Final = 0.2
"""Seconds after which Synapse has begun to hand over what was said; that it had is read from its log afterwards."""
_SAID: Final = 5


async def a_killed_apply_is_continued_and_makes_nothing_twice(world: World) -> None:
    """Five divisions open, which makes some twenty rooms; the command is killed while it makes them."""
    place = world.main
    place.school = _with_new_divisions(place)
    await place.import_(place.school)
    before = len(await place.rooms())
    command = place.academy.preau("apply", "--school", place.uai)
    log = world.demo.folder / "killed-apply.log"
    apply = ChildProcess.start("preau apply", command, log=log, env=child_environment())

    async def in_the_middle() -> bool:
        expect(apply.exit_status() is None, f"preau apply ended before it could be killed: {apply.log_tail()}")
        return len(await place.rooms()) >= before + _MADE_BEFORE_THE_KILL

    try:
        await eventually("preau apply makes rooms", in_the_middle)
    finally:
        apply.kill()
    expect((await place.plan())["steps"], "the killed preau apply had done everything already")
    ran = await place.preau("apply", "--json", "--school", place.uai)
    expect(ran.status == 0 and not ran.json["refused"], f"the second preau apply ended with {ran.status}: {ran.errors}")
    await _all_is_there_once(place)


def _with_new_divisions(place: Place) -> DemoSchool:
    """The school with new divisions, to which the children of those with accounts move, one by one in turn."""
    moving = sorted(
        {child for part in (Part.OPTED_IN, Part.OPTED_IN_TOO, Part.NOT_OPTED_IN, Part.IN_CHARGE, Part.SIBLING_STAYS)
         for child in children(place, place.school, part)}
    )  # fmt: skip
    school = place.school
    for number, code in enumerate(_NEW_DIVISIONS):
        school = open_division(school, code, moving[number :: len(_NEW_DIVISIONS)])
    return school


async def _all_is_there_once(place: Place) -> None:
    planned = await place.plan("--recheck")
    expect(not planned["steps"], f"read again from the homeserver, {len(planned['steps'])} steps are left to do")
    for part in (Part.OPTED_IN, Part.NOT_OPTED_IN, Part.IN_CHARGE, Part.PARENT_OF_TWO):
        found = frozenset(key for key in await place.keys_of(part) if not key.startswith("inter_academy/"))
        expect_same(f"rooms of the {part.value}", found, family_rooms(place, place.school, part))
    twice = [key for key, times in (await _keys_on_the_homeserver(place.academy)).items() if times > 1]
    expect(not twice, f"the homeserver has more than one room for {twice}")
    known = {str(key) for key in await place.rooms()}
    missing = known - (await _keys_on_the_homeserver(place.academy)).keys()
    expect(not missing, f"the homeserver has no room for {sorted(missing)}")


async def _keys_on_the_homeserver(academy: DemoAcademy) -> Counter[str]:
    """How many rooms the homeserver itself has for each key: all that the bot is in, recorded or not."""
    api = academy.homeserver.api()
    found: Counter[str] = Counter()
    for room in (await api.get("/_matrix/client/v3/joined_rooms"))["joined_rooms"]:
        created = await api.get(f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.create")
        found[str(created.get(KEY_FIELD, room))] += 1
    return found


async def a_service_killed_during_a_transaction_loses_nothing(world: World) -> None:
    """Stopped while the homeserver hands events over, killed, restarted; what drifted meanwhile is repaired."""
    place = world.main
    room = await place.room(RoomKind.DIVISION_PARENTS_STAFF, place.home)
    head, meddler = await place.client(Part.HEAD_TEACHER), place.player(Part.PARENT_OF_TWO)
    wanted = await power_levels(place.academy, room)
    os.kill(place.academy.service.pid, signal.SIGSTOP)  # it takes the connection and answers nothing
    said = [await head.say(room, f"Rappel {number}") for number in range(_SAID)]
    await asyncio.sleep(_HANDED_OVER)
    before = _cut_off(place)
    place.academy.service.kill()
    said += [await head.say(room, f"Rappel {number}, service arrêté") for number in range(_SAID)]
    said.append(await raise_level(place.academy, room, meddler.user))

    async def was_cut_off() -> bool:
        return _cut_off(place) > before

    await eventually("the homeserver's transaction is cut off by the kill", was_cut_off)
    await place.academy.start_service()

    async def came() -> bool:
        return len(await _kept(place, said)) >= len(said)

    await eventually("the events of the outage reach the service", came)

    async def repaired() -> bool:
        return await power_levels(place.academy, room) == wanted

    await eventually("the power level raised during the outage is taken back", repaired)
    expect(await _kept(place, said) == tuple(said), "an event of the outage is lost, there twice, or out of order")


def _cut_off(place: Place) -> int:
    """How many transactions of this homeserver ever lost their answer."""
    log = (place.academy.homeserver.spec.folder / "synapse.log").read_text(encoding="utf-8")
    return log.count(_CUT_OFF)


async def _kept(place: Place, events: list[EventId]) -> tuple[str, ...]:
    async with place.academy.context() as context, context.store.reading() as db:
        return await inbox.kept(db, events)
