"""A real homeserver for the tests of what the guard is told, and a service beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver as Synapse
from preau.demo.homeserver import HomeserverSpec
from preau.demo.processes import free_ports
from tests.sync.telling import Service, service_of


@pytest.fixture(scope="session")
async def synapse(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Synapse]:
    """A homeserver of these tests' own: they restart it and put older copies of its database back."""
    client, federation = free_ports(2)
    authority = Authority(tmp_path_factory.mktemp("authority"))
    folder = tmp_path_factory.mktemp("told")
    spec = HomeserverSpec(folder=folder, client_port=client, federation_port=federation, authority=authority)
    async with Synapse(spec) as homeserver:
        yield homeserver


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'preau.db'}"
    return str(request.getfixturevalue("make_database")())


@pytest.fixture
async def service(synapse: Synapse, url: str) -> AsyncIterator[Service]:
    """A new service: for the guard it is another one each time, which takes over from the one before."""
    async with service_of(synapse, url) as service:
        yield service
