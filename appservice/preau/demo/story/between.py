"""Between académies: those on the list talk, anybody else is refused both ways."""

from __future__ import annotations

import secrets
from urllib.parse import quote

from preau.demo.academy import Player
from preau.demo.homeserver import Homeserver
from preau.demo.parts import Part
from preau.demo.story.client import Someone
from preau.demo.story.telling import expect
from preau.demo.story.world import World
from preau.model.ids import AcademyName, PersonId, Uai, UserId


async def teachers_of_two_academies_talk_both_ways(world: World) -> None:
    """In the room that nord's school shares."""
    room = world.demo.shared_room
    ours, theirs = await world.clients(world.demo.visitors)
    for speaker, listener in ((ours, theirs), (theirs, ours)):
        said = await speaker.say(room, "Et si nos orchestres jouaient ensemble ?")
        await listener.hears(said)


async def an_unlisted_homeserver_is_refused_in_both_directions(world: World) -> None:
    """Its people can neither invite ours, nor be invited, nor enter our rooms; nor can ours enter theirs."""
    stranger = await world.stranger()
    theirs = await _newcomer(stranger)
    try:
        await _invitations(world, theirs)
        await _rooms(world, stranger, theirs)
    finally:
        await theirs.close()


async def _newcomer(stranger: Homeserver) -> Someone:
    """Somebody with an account there."""
    name, password = "p" + secrets.token_hex(6), secrets.token_urlsafe(16)
    request = {"type": "m.login.application_service", "username": name, "inhibit_login": True}
    user = UserId((await stranger.api().post("/_matrix/client/v3/register", request))["user_id"])
    await stranger.api().put(f"/_synapse/admin/v2/users/{quote(user)}", {"password": password})
    player = Player(AcademyName("stranger"), Uai(""), Part.PARENT, PersonId(name), user, password, "somebody unlisted")
    someone = Someone(player, stranger.client_url)
    await someone.log_in()
    return someone


async def _invitations(world: World, theirs: Someone) -> None:
    for place in (world.main, world.large):
        ours = await place.client(Part.TEACHER)
        expect(not await theirs.invite(await theirs.open_room(), ours.user), f"an unlisted user invited {ours.user}")
        expect(not await ours.is_invited(), f"an invitation from outside reached {ours.user}")
        await ours.may_not_begin(theirs.user)
    expect(not await theirs.is_invited(), "an invitation of ours reached the unlisted user")


async def _rooms(world: World, stranger: Homeserver, theirs: Someone) -> None:
    """Even rooms that are open to everybody; and whoever is on the list enters what is shared, and nothing else."""
    away, here = await _open_room(stranger), await _open_room(world.demo.nord.homeserver)
    neighbour = await world.large.client(Part.TEACHER)
    expect(not await neighbour.join(here), f"{neighbour.user} entered {here}, which nobody shares with their académie")
    expect(not await theirs.join(here), f"an unlisted user entered {here}")
    for place in (world.main, world.large):
        ours = await place.client(Part.TEACHER)
        expect(not await ours.join(away), f"{ours.user} entered {away}, of an unlisted homeserver")


async def _open_room(homeserver: Homeserver) -> str:
    """The alias of a new room of that homeserver which everybody may enter."""
    alias = "_preau_" + secrets.token_hex(4)  # the provision token may make no others
    await homeserver.api().post("/_matrix/client/v3/createRoom", {"preset": "public_chat", "room_alias_name": alias})
    return f"#{alias}:{homeserver.server_name}"
