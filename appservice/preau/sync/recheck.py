"""What we know, compared with what is: every room of some schools read again from the homeserver.

Events tell the service of every drift while it runs, and the homeserver repeats them until they are taken. This is for
the day when somebody doubts it: after a restored backup, or work on the homeserver's database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from preau.errors import HomeserverError, HomeserverUnreachable, plainly
from preau.model.ids import Uai
from preau.model.rooms import RoomKey
from preau.model.wanted import ActualRoom
from preau.policy.wanted import ACADEMY
from preau.store import actual
from preau.sync.context import Context
from preau.sync.rooms import read_room


async def recheck(
    context: Context, schools: Collection[Uai], *, progress: Callable[[RoomKey], None] = lambda _: None
) -> int:
    """Reads the rooms again and writes down how they are; how many were otherwise than we knew.

    Raises:
        HomeserverUnreachable: the homeserver stopped answering; the rooms read until then are written down.
    """
    async with context.store.reading() as db:
        known = [room for school in (*schools, ACADEMY) for room in (await actual.rooms_of_school(db, school)).values()]
    changed = 0

    async def one(room: ActualRoom) -> None:
        nonlocal changed
        found = await _read(context, room)
        if found is not None and found != room:
            changed += 1
            async with context.store.writing() as db:
                await actual.save_room(db, found)
        progress(room.key)

    with plainly():
        async with asyncio.TaskGroup() as group:  # the adapter sends only a few requests at once
            for room in known:
                group.create_task(one(room))
    return changed


async def _read(context: Context, room: ActualRoom) -> ActualRoom | None:
    """The room as it is; None when the bot cannot see it any more, which the plan's steps will report."""
    try:
        return await read_room(context.homeserver, context.academy, room.key, room.room)
    except HomeserverUnreachable:
        raise
    except HomeserverError:
        return None
