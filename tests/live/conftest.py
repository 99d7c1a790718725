"""Real homeservers: started once, by the first test that asks. Tests share homeservers, never people.

`nord` and `sud` are as in production; `plain` and `plain_peer` have no guard, for tests of the homeserver's own
settings and of the adapter, whose people no service has told anybody of.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver
from preau.demo.processes import free_ports
from tests.live.homeservers import HomeserverPorts, Person, logged_in, new_localpart, register, spec

MakePerson = Callable[..., Awaitable[Person]]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The one certificate authority of all homeservers of the tests."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def ports() -> dict[str, HomeserverPorts]:
    """Ports of the shared homeservers, chosen before any starts, since each must know its peer's name."""
    names = ("nord", "sud", "plain", "plain_peer", "stranger")
    client_and_federation = iter(free_ports(2 * len(names)))
    return {name: HomeserverPorts(next(client_and_federation), next(client_and_federation)) for name in names}


@pytest.fixture(scope="session")
async def nord(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, ports: dict[str, HomeserverPorts]
) -> AsyncIterator[Homeserver]:
    """A homeserver on SQLite, rooms of version 12, federated with `sud`; no service behind it."""
    async with Homeserver(spec(tmp_path_factory.mktemp("nord"), ports["nord"], authority, ports["sud"])) as homeserver:
        yield homeserver


@pytest.fixture(scope="session")
async def sud(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, ports: dict[str, HomeserverPorts]
) -> AsyncIterator[Homeserver]:
    """Like `nord`, federated with it."""
    async with Homeserver(spec(tmp_path_factory.mktemp("sud"), ports["sud"], authority, ports["nord"])) as homeserver:
        yield homeserver


@pytest.fixture(scope="session")
async def plain(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, ports: dict[str, HomeserverPorts]
) -> AsyncIterator[Homeserver]:
    """Like `nord`, but without the guard, and federated with `plain_peer`."""
    found = spec(tmp_path_factory.mktemp("plain"), ports["plain"], authority, ports["plain_peer"])
    async with Homeserver(replace(found, guard=False)) as homeserver:
        yield homeserver


@pytest.fixture(scope="session")
async def plain_peer(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, ports: dict[str, HomeserverPorts]
) -> AsyncIterator[Homeserver]:
    """Like `plain`, federated with it."""
    found = spec(tmp_path_factory.mktemp("plain-peer"), ports["plain_peer"], authority, ports["plain"])
    async with Homeserver(replace(found, guard=False)) as homeserver:
        yield homeserver


@pytest.fixture(scope="session")
async def stranger(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, ports: dict[str, HomeserverPorts]
) -> AsyncIterator[Homeserver]:
    """A homeserver that would like to federate with the others, but is on the list of none."""
    folder = tmp_path_factory.mktemp("stranger")
    found = spec(folder, ports["stranger"], authority, ports["plain"], ports["plain_peer"])
    async with Homeserver(replace(found, guard=False)) as homeserver:
        yield homeserver


@pytest.fixture
async def person() -> AsyncIterator[MakePerson]:
    """``await person(homeserver, "Alice MARTIN · parent")``: a new account with a logged-in matrix-nio client."""
    async with AsyncExitStack() as stack:

        async def make(homeserver: Homeserver, display_name: str = "Camille ESSAI · parent") -> Person:
            user = await register(homeserver, new_localpart(), display_name)
            return Person(homeserver, await stack.enter_async_context(logged_in(homeserver, user)))

        yield make
