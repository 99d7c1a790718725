"""New roster files: exactly what they change, and the brakes."""

from __future__ import annotations

import asyncio
from typing import Any

from preau.demo.changes import move_pupil, without_pupils
from preau.demo.parts import OPTED_IN, Part
from preau.demo.story.families import children, divisions, family_rooms
from preau.demo.story.telling import expect, expect_same
from preau.demo.story.world import Place, World
from preau.model.ids import DivisionCode
from preau.model.rooms import RoomKind

_SHARE_MISSING = 0.30


async def a_moved_pupil_changes_their_guardians_rooms_and_nothing_else(world: World) -> None:
    """The plan says exactly that, applying it does exactly that, and applying it again does nothing."""
    place = world.small
    (child,) = children(place, place.school, Part.OPTED_IN)
    (old,) = divisions(place, place.school, Part.OPTED_IN)
    new = next(division.code for division in place.school.divisions if division.code != old)
    expected = await _expected(place, child, old, new)
    before = {part: await place.keys_of(part) for part in (Part.APART, Part.TEACHER, Part.PRINCIPAL)}
    place.school = move_pupil(place.school, child, new)
    await place.import_(place.school)
    planned = await place.plan()
    expect_same("steps of the plan", _told(planned), expected)
    expect(len(planned["steps"]) == len(expected), "the plan has a step twice")
    await _apply(place, planned)
    after = await place.keys_of(Part.OPTED_IN)
    expect_same("rooms of the moved pupil's guardian", after, family_rooms(place, place.school, Part.OPTED_IN))
    for part in (Part.APART, Part.TEACHER):
        expect_same(f"rooms of the {part.value}, whom it does not concern", await place.keys_of(part), before[part])
    expect(not (await place.plan())["steps"], "there is something left to do after preau apply")
    again = (await place.preau("apply", "--json", "--school", place.uai)).json
    expect(again["done"] == 0, f"a second preau apply did {again['done']} steps")


async def _expected(place: Place, child: int, old: DivisionCode, new: DivisionCode) -> frozenset[str]:
    """The steps that moving the child must take, as ``action subject``."""
    there = await place.rooms()
    kinds = [RoomKind.ANNOUNCE_DIVISION, RoomKind.DIVISION_PARENTS_STAFF, RoomKind.SPACE_DIVISION]
    steps: set[str] = set()
    for part in {player.part for player in place.players} - {Part.PARENT}:
        if child not in children(place, place.school, part):
            continue
        user = place.player(part).user
        for kind in (*kinds, *([RoomKind.PARENTS_DIVISION] if part in OPTED_IN else [])):
            steps.add(f"remove_member {user} {place.key(kind, old)}")
            steps.add(f"add_member {user} {place.key(kind, new)}")
            if place.key(kind, new) not in there:
                steps.add(f"create_room {place.key(kind, new)}")
    return frozenset(steps)


def _told(planned: dict[str, Any]) -> frozenset[str]:
    return frozenset(f"{step['action']} {step['subject']}" for step in planned["steps"])


async def _apply(place: Place, planned: dict[str, Any]) -> None:
    ran = await place.preau("apply", "--json", "--school", place.uai)
    expect(ran.status == 0, f"preau apply ended with {ran.status}: {ran.errors}")
    done = ran.json
    expect(done["fingerprint"] == planned["fingerprint"], "preau apply did another plan than preau plan showed")
    expect(done["done"] == len(planned["steps"]), f"preau apply did {done['done']} of {len(planned['steps'])} steps")


async def a_roster_with_a_third_of_the_pupils_missing_is_stopped(world: World) -> None:
    """The plan says why, applying it is refused and changes nothing; the right files then take its place."""
    place = world.small
    before = await _everything(place)
    await place.import_(without_pupils(place.school, _SHARE_MISSING, seed=world.demo.seed))
    ran = await place.preau("plan", "--json", "--school", place.uai)
    expect(ran.status == 1, f"preau plan ended with {ran.status}, not 1")
    brakes = {stop["brake"] for stop in ran.json["stopped_by"]}
    expect("people_removed" in brakes, f"the plan is stopped by {sorted(brakes)}, not by people_removed")
    imported = await _journal(place)
    applied = await place.preau("apply", "--school", place.uai)
    expect(applied.status == 1, f"preau apply ended with {applied.status}, not 1")
    expect(await _journal(place) == imported, "preau apply wrote something into the journal")
    expect(await _everything(place) == before, "preau apply changed something")
    await place.import_(place.school)
    planned = await place.plan()
    expect(not planned["stopped_by"] and not planned["steps"], "the right files are stopped or change something")
    await _apply(place, planned)


async def _journal(place: Place) -> str:
    return (await place.preau("journal", "verify")).output


async def _everything(place: Place) -> dict[str, frozenset[str]]:
    """Everybody's rooms, as their own clients list them."""
    parts = [player.part for player in place.players if player.part is not Part.PARENT]
    found = await asyncio.gather(*(place.keys_of(part) for part in parts))
    return dict(zip(parts, found, strict=True))
