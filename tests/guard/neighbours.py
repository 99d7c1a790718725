"""A guarded homeserver that federates with one whose guard is off: what a broken-into académie could send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver, HomeserverSpec, server_name_at
from preau.demo.processes import free_ports
from tests.guard.guarded import Guarded, guarded_spec


@dataclass(frozen=True, slots=True)
class Neighbours:
    """``ours`` with the guard, ``theirs`` without."""

    ours: Guarded
    theirs: Guarded


@asynccontextmanager
async def neighbours(
    folder: Path, authority: Authority, *, run: Callable[[HomeserverSpec], Homeserver] = Homeserver, **more: Any
) -> AsyncIterator[Neighbours]:
    """Both, running; ``more`` is of ours' spec, of which theirs has the room version and Synapse's options.

    ``run`` makes our homeserver of it: of one process, or of several.
    """
    their_client, their_federation, *ports = free_ports(4)
    ours = guarded_spec(folder / "ours", authority, server_name_at(their_federation), ports=(*ports,), **more)
    theirs = HomeserverSpec(
        folder=folder / "theirs",
        client_port=their_client,
        federation_port=their_federation,
        authority=authority,
        peers=(ours.server_name,),
        guard=False,
        room_version=ours.room_version,
        operator=ours.operator,
    )
    async with run(ours) as one, Homeserver(theirs) as other:
        yield Neighbours(Guarded(one), Guarded(other))


async def soon(seconds: float = 10.0) -> AsyncIterator[None]:
    """Some looks, a tenth of a second apart, before giving up."""
    for _ in range(int(seconds * 10)):
        yield
        await asyncio.sleep(0.1)
