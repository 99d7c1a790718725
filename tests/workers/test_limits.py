"""Worker mode: limits are counted over all processes, and all of them learn which devices are confirmed."""

from __future__ import annotations

import asyncio
import secrets
from itertools import cycle
from urllib.parse import quote

import pytest

from preau.model.ids import UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from preau.policy.fan_out import ROOMS_IN_AN_HOUR
from preau.policy.powers import WRITER
from tests.guard.guarded import GUARD, Guarded, Reply
from tests.workers.harness import SeveralProcesses

pytestmark = [pytest.mark.live, pytest.mark.postgresql]

PUPIL_ROOMS = ROOMS_IN_AN_HOUR[Function.PUPIL]


async def say(several: Guarded, room: str, user: UserId, at: str) -> Reply:
    path = f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message/{secrets.token_hex(8)}"
    return await several.call("PUT", path, user, {"msgtype": "m.text", "body": "Bonjour"}, at=at)


async def say_everywhere(several: Guarded, processes: SeveralProcesses, room: str, user: UserId) -> set[str]:
    """The rules that refuse a message, over all processes."""
    replies = await asyncio.gather(*(say(several, room, user, url) for url in processes.urls.values()))
    return {reply.rule for reply in replies}


async def test_writes_through_all_processes_at_once_do_not_get_round_the_limit(
    several: Guarded, processes: SeveralProcesses
) -> None:
    pupil = await several.person(Function.PUPIL, divisions=["5 A"])
    rooms = [await several.managed(RoomKind.PUPILS_DIVISION, "5 A") for _ in range(PUPIL_ROOMS + 4)]
    for room in rooms:
        await several.bring_in(room, pupil)
    replies = await asyncio.gather(
        *(say(several, room, pupil, url) for room, url in zip(rooms, cycle(processes.urls.values())))
    )
    assert sorted(reply.rule for reply in replies) == [""] * PUPIL_ROOMS + ["fan_out"] * 4


async def test_a_confirmation_counts_on_every_process_and_ends_on_every_process(
    several: Guarded, processes: SeveralProcesses
) -> None:
    principal = await several.person(Function.DIRECTION)
    room = await several.managed(RoomKind.ANNOUNCE_SCHOOL, levels={principal: WRITER})
    await several.bring_in(room, principal)
    await several.log_in(principal, "SECOND")
    assert await say_everywhere(several, processes, room, principal) == {"new_device"}

    body = {"user": principal, "device": "SECOND", "by": "help desk"}
    assert (await several.call("POST", f"{GUARD}/devices/confirm", several.homeserver.bot, body)).status == 200
    assert await say_everywhere(several, processes, room, principal) == {""}

    await several.log_in(principal, "SECOND")
    await asyncio.sleep(1)  # the budget for a word to reach every process
    assert await say_everywhere(several, processes, room, principal) == {"new_device"}
