"""The homeserver of the matrix, with everybody on it, and the record of what was tried."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver
from preau.demo.processes import free_ports
from tests.everything.conversations import accounts_needed
from tests.everything.managed import members_needed
from tests.everything.trial import Record
from tests.everything.world import OPERATOR, World
from tests.guard.guarded import Guarded, guarded_spec

_ROOT = Path(__file__).parents[2]
_LISTING = {"module": "tests.guard.route_listing.RouteListing", "config": {}}


@pytest.fixture(scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Everybody, on a guarded homeserver that also tells its routes."""
    client, federation = free_ports(2)
    authority = Authority(tmp_path_factory.mktemp("everything-authority"))
    spec = guarded_spec(tmp_path_factory.mktemp("everything"), client, federation, authority, operator=OPERATOR)
    homeserver = Homeserver(replace(spec, modules=(*spec.modules, _LISTING)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(_ROOT))  # for Synapse to find the listing
        await homeserver.start()
    try:
        timeout = aiohttp.ClientTimeout(total=120)
        async with aiohttp.ClientSession(homeserver.client_url, timeout=timeout) as session:
            found = World(Guarded(homeserver), session)
            await found.read_routes()
            await found.populate(accounts_needed(), members_needed())
            yield found
    finally:
        await homeserver.stop()


@pytest.fixture(scope="session")
def record() -> Record:
    """What was tried so far."""
    return Record()
