"""Homeservers for tests, and people on them."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import nio

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver, HomeserverSpec
from preau.model.ids import UserId

PASSWORD = "Préau-d’essai-2026"


@dataclass(frozen=True, slots=True)
class HomeserverPorts:
    """Ports that a homeserver will take; from them follow its name and its address, before it runs."""

    client: int
    federation: int


def spec(folder: Path, ports: HomeserverPorts, authority: Authority, *peers: HomeserverPorts) -> HomeserverSpec:
    """A homeserver on SQLite that federates with these peers."""
    names = tuple(spec(folder, peer, authority).server_name for peer in peers)
    return HomeserverSpec(
        folder=folder, client_port=ports.client, federation_port=ports.federation, authority=authority, peers=names
    )


class Person:
    """Somebody with an account, logged in with a real client (matrix-nio)."""

    def __init__(self, homeserver: Homeserver, client: nio.AsyncClient) -> None:
        self.homeserver = homeserver
        self.client = client
        self.user = UserId(client.user_id)


async def register(homeserver: Homeserver, localpart: str, display_name: str) -> UserId:
    """An account made as the service makes it: registered by the provision token, named by the bot; with `PASSWORD`."""
    request = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
    user = UserId((await homeserver.api().post("/_matrix/client/v3/register", request))["user_id"])
    details = {"displayname": display_name, "password": PASSWORD, "logout_devices": False}
    await homeserver.api().put(f"/_synapse/admin/v2/users/{quote(user)}", details)
    return user


@asynccontextmanager
async def logged_in(homeserver: Homeserver, user: UserId, password: str = PASSWORD) -> AsyncIterator[nio.AsyncClient]:
    """A client of that person; its connections are closed afterwards."""
    client = nio.AsyncClient(homeserver.client_url, user)
    try:
        answer = await client.login(password)
        assert isinstance(answer, nio.LoginResponse), answer
        yield client
    finally:
        await client.close()


def new_localpart() -> str:
    """A name that nobody has had yet: tests share homeservers, never people."""
    return "p" + secrets.token_hex(6)
