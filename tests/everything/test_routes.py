"""Every route that the running homeserver serves to clients is known, and answered for."""

from __future__ import annotations

import asyncio

import pytest

from tests.everything.cast import PARTS
from tests.everything.classified import CLOSED, HARMLESS, READS, RULED
from tests.everything.routes import Route, served
from tests.everything.world import World, transaction

pytestmark = pytest.mark.live

ADMIN = "/_synapse/admin/"
PARTS_OF_PATHS = {
    "room_id": "!nulle-part",
    "user_id": "@personne:nord.example",
    "target_user_id": "@personne:nord.example",
    "server_name": "nord.example",
}
WITH_A_SHARED_SECRET = {Route("GET", f"{ADMIN}v1/register"), Route("POST", f"{ADMIN}v1/register")}
"""Gives out a number to sign with the shared secret, which no member knows; the signed request makes an account."""

OF_ONESELF = {Route("GET", f"{ADMIN}v1/server_version")}
"""Tells the version of Synapse to everybody."""


class Anything(dict[str, str]):
    """A text for any part of a path."""

    def __missing__(self, name: str) -> str:
        return PARTS_OF_PATHS.get(name, "x")


def path_of(route: Route) -> str:
    return route.path.format_map(Anything(txn_id=transaction()))


async def test_every_route_is_classified_and_everything_classified_is_served(world: World) -> None:
    found = {route.deed for route in world.routes if not route.path.startswith(ADMIN)}
    known = [*RULED, *CLOSED, *HARMLESS, *READS]
    assert len(known) == len(set(known)), "a route stands in two tables"
    assert (found - set(known), set(known) - found) == (set(), set())


async def test_a_route_is_read_from_its_pattern() -> None:
    pattern = r"^/_matrix/client/(r0|v3)/rooms/(?P<room_id>[^/]*)/(?P<what>join|leave)(/(?P<txn_id>[^/]*))?$"
    routes = served([("POST", pattern, "")])
    assert len(routes) == 8
    assert routes[0].path == "/_matrix/client/r0/rooms/{room_id}/join"
    assert {route.deed for route in routes} == {
        f"POST rooms/{{room_id}}/{what}{end}" for what in ("join", "leave") for end in ("", "/{txn_id}")
    }


async def test_direction_is_no_administrator(world: World) -> None:
    principal = next(world.first(part).user for part in PARTS if part.name == "direction A")
    routes = [route for route in world.routes if route.path.startswith(ADMIN)]
    routes = [route for route in routes if route not in WITH_A_SHARED_SECRET | OF_ONESELF]
    tries = [(name, route) for route in routes for name in world.urls if route in world.served[name]]
    replies = await asyncio.gather(
        *(world.ask(route.method, path_of(route), principal, at=name) for name, route in tries)
    )
    open_to_all = [
        f"{route} at {name}"
        for (name, route), reply in zip(tries, replies, strict=True)
        if reply.status not in {401, 403}
    ]
    assert len(routes) > 80
    assert not open_to_all


async def test_what_is_closed_is_closed_to_everybody(world: World) -> None:
    people = [world.first(part) for part in PARTS]
    routes = world.routes_of(*CLOSED)
    tries = [(person, route) for person in people[:: len(people) // 4] for route in routes]
    replies = await asyncio.gather(
        *(world.ask(route.method, path_of(route), who.user, at=world.place_of(route, str(who))) for who, route in tries)
    )
    granted = [
        f"{route} by {who}: {reply.status}"
        for (who, route), reply in zip(tries, replies, strict=True)
        if not 400 <= reply.status < 500
    ]
    assert not granted
