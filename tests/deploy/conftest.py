"""The repository's inventories, rendered once for all laws."""

from __future__ import annotations

import pytest

from tests.deploy.rendered import INVENTORIES, World, make_worlds


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, World]:
    return {world.name: world for world in make_worlds(tmp_path_factory.mktemp("inventories"))}


@pytest.fixture(params=INVENTORIES)
def world(request: pytest.FixtureRequest, worlds: dict[str, World]) -> World:
    return worlds[request.param]
