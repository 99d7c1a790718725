"""Who may write directly to whom: the homeserver itself refuses what the school's contact table does not allow."""

from __future__ import annotations

from preau.demo.parts import Part
from preau.demo.story.telling import expect
from preau.demo.story.world import World


async def a_guardian_writes_directly_to_their_childs_teacher(world: World) -> None:
    """The teacher is invited, accepts, reads and answers."""
    place = world.main
    parent, teacher = await place.client(Part.NOT_OPTED_IN), await place.client(Part.HEAD_TEACHER)
    room = await parent.begin(teacher.user)
    expect(await teacher.join(room), f"{teacher.user} cannot enter the conversation that a parent began")
    asked = await parent.say(room, "Puis-je vous voir avant les vacances ?")
    await teacher.hears(asked)
    answered = await teacher.say(room, "Jeudi à 17 h ?")
    await parent.hears(answered)
    for someone in (parent, teacher):
        await someone.leave(room)


async def a_pupil_cannot_write_to_another_and_nobody_makes_a_room_of_their_own(world: World) -> None:
    """Refused with M_FORBIDDEN before anything exists; guardians who did not both agree cannot write to each other."""
    place = world.large
    pupil, other = await place.client(Part.PUPIL), place.player(Part.PUPIL_TOO)
    await pupil.may_not_begin(other.user)
    await (await place.client(Part.OPTED_IN)).may_not_begin(place.player(Part.NOT_OPTED_IN).user)
    for part in (Part.PUPIL, Part.NOT_OPTED_IN, Part.TEACHER, Part.PRINCIPAL):
        await (await place.client(part)).may_open_no_room()
