"""Direction announces; everybody reads, reacts and votes; nobody else writes."""

from __future__ import annotations

from preau.demo.parts import Part
from preau.demo.story.telling import expect
from preau.demo.story.world import World
from preau.errors import HomeserverError
from preau.model.rooms import RoomKind


async def a_principal_announces_and_the_whole_school_reads(world: World) -> None:
    """Everybody with an account reads it: guardians, teachers, office, school life; pupils where the school says so."""
    for place in (world.main, world.large):
        room = await place.room(RoomKind.ANNOUNCE_SCHOOL)
        principal = await place.client(Part.PRINCIPAL)
        told = await principal.say(room, "La rentrée des parents a lieu vendredi à 18 h.")
        for someone in await world.clients(place.players):
            await someone.hears(told)


async def a_guardian_or_pupil_may_not_write_there(world: World) -> None:
    """M_FORBIDDEN, for parents, a person in charge and a pupil."""
    place = world.large
    room = await place.room(RoomKind.ANNOUNCE_SCHOOL)
    for part in (Part.OPTED_IN, Part.NOT_OPTED_IN, Part.IN_CHARGE, Part.PUPIL):
        await (await place.client(part)).is_forbidden_to_say(room, "Quelqu’un a le numéro du cirque ?")


async def a_guardian_reacts_and_votes_there(world: World) -> None:
    """A reaction, a poll's answer, and taking back one's own reaction."""
    place = world.main
    room = await place.room(RoomKind.ANNOUNCE_SCHOOL)
    principal, parent = await place.client(Part.PRINCIPAL), await place.client(Part.NOT_OPTED_IN)
    poll = await principal.ask(room, "Viendrez-vous vendredi ?", "Oui", "Non")
    await parent.hears(poll)
    reaction = await parent.react(room, poll, "👍")
    vote = await parent.vote(room, poll, "a0")
    for event in (reaction, vote):
        await principal.hears(event)
    await parent.take_back(room, reaction)


async def nobody_passes_for_the_principal(world: World) -> None:
    """Display names are the service's: a guardian can neither change theirs nor carry another in one room."""
    place = world.main
    principal, parent = place.player(Part.PRINCIPAL), place.player(Part.OPTED_IN)
    room = await place.room(RoomKind.ANNOUNCE_SCHOOL)
    as_parent = place.academy.homeserver.api(parent.user)
    try:
        await as_parent.put(f"/_matrix/client/v3/profile/{parent.user}/displayname", {"displayname": principal.name})
    except HomeserverError as refused:
        expect(refused.status == 403, f"renaming oneself was answered with {refused.status}, not 403")
    shown = (await (await place.client(Part.PRINCIPAL)).members(room))[parent.user]
    expect(shown == parent.name, f"{parent.user} is shown as {shown!r}")
    expect(shown.endswith(" · parent"), f"{shown!r} does not say that this is a parent")
