"""A real Synapse with the guard, on SQLite, and people on it whose facts the tests push themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver
from tests.guard.guarded import Guarded, Opened, guarded_spec
from tests.guard.neighbours import Neighbours, neighbours
from tests.guard.places import ONE_OR_SEVERAL


@pytest.fixture(scope="session")
def guard_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certificate authority of the guarded homeservers."""
    return Authority(tmp_path_factory.mktemp("guard-authority"))


@pytest.fixture(scope="session")
async def guarded(tmp_path_factory: pytest.TempPathFactory, guard_authority: Authority) -> AsyncIterator[Guarded]:
    """A guarded homeserver with rooms of version 12."""
    spec = guarded_spec(tmp_path_factory.mktemp("guarded"), guard_authority)
    async with Homeserver(spec) as homeserver:
        yield Guarded(homeserver)


@pytest.fixture(scope="session")
async def opened(tmp_path_factory: pytest.TempPathFactory, guard_authority: Authority) -> AsyncIterator[Guarded]:
    """A guarded homeserver whose other settings protect nobody: what is refused there, the guard refuses."""
    spec = guarded_spec(tmp_path_factory.mktemp("opened"), guard_authority)
    async with Opened(spec) as homeserver:
        yield Guarded(homeserver)


@pytest.fixture(scope="session")
async def border(tmp_path_factory: pytest.TempPathFactory, guard_authority: Authority) -> AsyncIterator[Neighbours]:
    """A guarded homeserver, and another académie's whose guard is off."""
    async with neighbours(tmp_path_factory.mktemp("border"), guard_authority) as running:
        yield running


@pytest.fixture(scope="module", params=ONE_OR_SEVERAL)
async def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, guard_authority: Authority
) -> AsyncIterator[Neighbours]:
    """The same for one module alone: ours in one process, then in several."""
    folder = tmp_path_factory.mktemp("both")
    async with neighbours(folder, guard_authority, **request.param(request)) as running:
        yield running
