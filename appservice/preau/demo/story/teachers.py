"""Teachers and the rooms of the divisions they teach."""

from __future__ import annotations

from preau.demo.parts import Part
from preau.demo.story.telling import expect
from preau.demo.story.world import Place, World
from preau.model.rooms import RoomKind


async def head_teachers_and_teachers_are_in_their_divisions_rooms(world: World) -> None:
    """By a service of the division, or of one of its groups only; and no parents' room is among them."""
    for place in world.schools:
        for part in (Part.HEAD_TEACHER, Part.TEACHER, Part.GROUP_TEACHER):
            await _is_in_the_rooms_of_home(place, part)


async def _is_in_the_rooms_of_home(place: Place, part: Part) -> None:
    found = await place.keys_of(part)
    for kind in (RoomKind.ANNOUNCE_DIVISION, RoomKind.DIVISION_PARENTS_STAFF, RoomKind.SPACE_DIVISION):
        key = place.key(kind, place.home)
        expect(str(key) in found, f"the {part.value} is not in {key}")
    expect(str(place.key(RoomKind.STAFF)) in found, f"the {part.value} is not in the staff's room")
    parents = [key for key in found if key.startswith("parents_")]
    expect(not parents, f"the {part.value} is in {parents}")


async def teachers_and_guardians_talk_to_each_other(world: World) -> None:
    """A teacher of a group writes to the division, a parent answers, the head teacher reads both."""
    place = world.main
    room = await place.room(RoomKind.DIVISION_PARENTS_STAFF, place.home)
    teacher, parent = await place.client(Part.GROUP_TEACHER), await place.client(Part.NOT_OPTED_IN)
    head = await place.client(Part.HEAD_TEACHER)
    asked = await teacher.say(room, "Le voyage en Allemagne est confirmé.")
    await parent.hears(asked)
    answered = await parent.say(room, "Merci !")
    for event in (asked, answered):
        await head.hears(event)
