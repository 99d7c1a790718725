"""What the running service repairs, and what it respects."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from preau.demo.academy import DemoAcademy
from preau.demo.changes import move_pupil
from preau.demo.parts import Part
from preau.demo.school import DemoSchool
from preau.demo.story.telling import eventually, expect
from preau.demo.story.world import Place, World
from preau.model.ids import EventId, RoomId, UserId
from preau.model.rooms import RoomKind
from preau.store import decisions

_TOO_HIGH: Final = 99


async def a_raised_power_level_is_taken_back(world: World) -> None:
    """Raised with the bot's own token, as an administrator's tool would."""
    place = world.large
    room = await place.room(RoomKind.ANNOUNCE_SCHOOL)
    parent = await place.client(Part.OPTED_IN)
    wanted = await power_levels(place.academy, room)
    await raise_level(place.academy, room, parent.user)

    async def repaired() -> bool:
        return await power_levels(place.academy, room) == wanted

    await eventually("the raised power level is taken back", repaired)
    await parent.is_forbidden_to_say(room, "Je suis la direction.")


async def an_unwanted_member_is_taken_out(world: World) -> None:
    """Somebody without consent is invited into the parents' room, and accepts."""
    place = world.large
    room = await place.room(RoomKind.PARENTS_DIVISION, place.home)
    stranger = await place.client(Part.NOT_OPTED_IN)
    path = f"/_matrix/client/v3/rooms/{quote(room)}/invite"
    await place.academy.homeserver.api().post(path, {"user_id": stranger.user})
    await stranger.join(room)  # may come too late: the invitation alone is taken back as well
    parent = await place.client(Part.OPTED_IN)

    async def out() -> bool:
        return stranger.user not in await parent.members(room) and not await stranger.is_invited()

    await eventually("the unwanted member is out again", out)


async def whoever_leaves_the_announcements_is_brought_back(world: World) -> None:
    """They are part of school life."""
    place = world.large
    room = await place.room(RoomKind.ANNOUNCE_SCHOOL)
    parent = await place.client(Part.NOT_OPTED_IN)
    await parent.leave(room)
    await parent.comes_to_be_in(room)


async def whoever_leaves_the_parents_room_stays_out_until_they_agree_anew(world: World) -> None:
    """Remembered over another import of the rosters; a new consent opens the room again."""
    place = world.large
    room = await place.room(RoomKind.PARENTS_DIVISION, place.home)
    parent = await place.client(Part.OPTED_IN_TOO)
    await parent.leave(room)

    async def remembered() -> bool:
        async with place.academy.context() as context, context.store.reading() as db:
            in_force = await decisions.in_force(db, place.uai, context.clock.now())
        return any(choice.person == parent.player.person for choice in in_force.opt_outs)

    await eventually("the service remembers who left", remembered)
    place.school = _with_somebody_else_moved(place)
    imported = await place.import_(place.school)
    expect(imported["new"], "the rosters with a moved pupil are nothing new")
    planned = await place.plan()
    expect(not planned["steps"], f"the import would bring them back: {planned['steps']}")
    await place.preau("apply", "--school", place.uai)
    expect(room not in await parent.rooms(), "whoever left was brought back")
    ran = await place.preau("consent", "grant", parent.player.person, "--school", place.uai)
    expect(ran.status == 0, f"preau consent grant ended with {ran.status}: {ran.errors}")
    await parent.comes_to_be_in(room)


def _with_somebody_else_moved(place: Place) -> DemoSchool:
    """A pupil changes division of whose family nobody has an account."""
    keys = {key.number for key in place.academy.casts[place.uai].players}
    with_account = {link.pupil for link in place.school.links if str(link.guardian) in keys}
    pupil = next(each for each in place.school.attending if each.division and each.key not in with_account)
    new = next(division.code for division in place.school.divisions if division.code != pupil.division)
    return move_pupil(place.school, pupil.key, new)


async def power_levels(academy: DemoAcademy, room: RoomId) -> dict[str, Any]:
    """The room's power levels as they are."""
    return await academy.homeserver.api().get(_levels_of(room))


async def raise_level(academy: DemoAcademy, room: RoomId, user: UserId) -> EventId:
    """Gives a user far more power than is wanted, in the bot's name; the event's id."""
    api = academy.homeserver.api()
    levels = await api.get(_levels_of(room))
    raised = {**levels, "users": {**levels["users"], user: _TOO_HIGH}}
    return EventId((await api.put(_levels_of(room), raised))["event_id"])


def _levels_of(room: RoomId) -> str:
    return f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.power_levels"
