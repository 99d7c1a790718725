"""The parents' own rooms: who agreed is in, nobody else, staff never."""

from __future__ import annotations

from preau.demo.parts import OPTED_IN, Part
from preau.demo.story.telling import expect_same
from preau.demo.story.world import World
from preau.model.rooms import RoomKind


async def guardians_who_opted_in_talk_among_themselves(world: World) -> None:
    """Each hears the others."""
    place = world.main
    room = await place.room(RoomKind.PARENTS_DIVISION, place.home)
    talking = [await place.client(part) for part in sorted(OPTED_IN)]
    for someone in talking:
        said = await someone.say(room, "Qui organise le covoiturage ?")
        for other in talking:
            await other.hears(said)


async def nobody_else_is_in_the_parents_rooms(world: World) -> None:
    """Neither guardians who did not opt in nor any member of staff; the bot, which owns the room, apart."""
    for place in world.schools:
        parent = await place.client(Part.PARENT_OF_TWO)
        expected = frozenset({place.academy.homeserver.bot, *(place.player(part).user for part in OPTED_IN)})
        for kind, scope in ((RoomKind.PARENTS_DIVISION, place.home), (RoomKind.PARENTS_SCHOOL, "")):
            members = await parent.members(await place.room(kind, scope))
            expect_same(f"members of {place.key(kind, scope)}", frozenset(members), expected)
