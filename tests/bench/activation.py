"""One guardian activates: code entered → account with password, and joined to all their rooms."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Final

from preau.demo.homeserver import SqliteDatabase
from preau.model.ids import PersonId, UserId, split_user_id
from preau.model.people import Function
from preau.model.wanted import Wanted
from preau.sync.activate import activate
from preau.sync.directory import places
from preau.sync.importer import import_rosters
from tests.bench.academy import ACTOR, MINT, rosters, school, wanted_now
from tests.bench.measure import Row, in_fresh_process, insist, seconds, timed
from tests.bench.synapse import Measured, synapse

_PUPILS: Final = 60
_GUARDIANS: Final = 5
_PASSWORD: Final = "Préau-d’essai-2026"


def run(folder: Path) -> Iterable[Row]:
    """The first guardian of a school, and later ones."""
    return in_fresh_process(_work, folder)


def _work(folder: Path) -> list[Row]:
    return asyncio.run(_measure(folder / "activation"))


async def _measure(folder: Path) -> list[Row]:
    async with synapse(folder, SqliteDatabase()) as measured:
        await import_rosters(measured.context, rosters(school(_PUPILS), folder), mint=MINT, actor=ACTOR)
        (wanted,) = await wanted_now(measured.context)
        first, *others = await _guardians(measured, wanted)
        alone = await _activate(measured, wanted, first)
        before = measured.cpu()
        later = sorted([await _activate(measured, wanted, user) for user in others])
        cpu = (measured.cpu() - before) / len(later)
    rooms = len(_rooms(wanted, others[0]))
    how = (
        f"`activate`, password with 12 rounds of bcrypt, {rooms} rooms and spaces; SQLite; homeserver asked afterwards"
    )
    return [
        Row(
            "activation of a guardian whose rooms exist",
            "≤ 2 s",
            f"median {seconds(median(later))}, longest "
            f"{seconds(later[-1])} of {len(later)}; Synapse {1000 * cpu:.0f} ms",
            how,
        ),
        Row("activation of a school's very first guardian", "", seconds(alone), f"{how}; their rooms are made, too"),
    ]


async def _guardians(measured: Measured, wanted: Wanted) -> list[UserId]:
    """Those with the same, most frequent number of rooms come first; the very first is followed by its like."""
    everybody = await places(measured.context, [wanted.school])
    users = [place.user for place in everybody if place.functions == (Function.GUARDIAN,)]
    return sorted(users, key=lambda user: -len(_rooms(wanted, user)))[: _GUARDIANS + 1]


def _rooms(wanted: Wanted, user: UserId) -> list[object]:
    return [key for key, room in wanted.rooms.items() if user in room.members]


async def _activate(measured: Measured, wanted: Wanted, user: UserId) -> float:
    """Seconds until the guardian is in every room; the homeserver itself is asked whether they are."""
    with timed() as span:
        done = await activate(measured.context, {PersonId(split_user_id(user)[0]): _PASSWORD}, actor=ACTOR)
    insist(not done.applied.refused, f"an activation was refused: {done.applied.refused[:1]}")
    joined = await measured.context.homeserver.joined_rooms(user)
    insist(len(joined) == len(_rooms(wanted, user)), f"{user} is in {len(joined)} rooms, not in all of theirs")
    return span.wall
