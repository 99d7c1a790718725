"""People who write without pause while something breaks, and the account of what became of their messages.

A message is *acknowledged* once the homeserver answered with its event's id: from then on it must never be lost. One
that is not answered is sent again under the same transaction, as clients do, until it is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import aiohttp

from tests.hosts.people import Refused, Someone

_ANSWER_SECONDS: Final = 10
_BETWEEN: Final = 1.0  # each person: Synapse allows some more
_AGAIN: Final = 0.25


@dataclass
class Traffic:
    """What was written so far. Times are seconds of a monotonic clock."""

    room: str
    began: float = field(default_factory=time.monotonic)
    acknowledged: dict[str, str] = field(default_factory=dict)  # event id → text
    moments: list[float] = field(default_factory=list)  # of each acknowledgement
    refusals: int = 0

    def longest_silence(self, since: float) -> float:
        """The longest time without an acknowledgement after a moment, the time until the first one included."""
        moments = [since, *(moment for moment in self.moments if moment >= since)]
        return max((later - earlier for earlier, later in pairwise(moments)), default=float("inf"))

    async def flows(self, count: int = 10, seconds: float = 180) -> None:
        """Waits until so many more messages were acknowledged.

        Raises:
            TimeoutError: they were not, in that time.
        """
        wanted, deadline = len(self.moments) + count, time.monotonic() + seconds
        while len(self.moments) < wanted:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{wanted - len(self.moments)} of {count} messages are not acknowledged")
            await asyncio.sleep(_AGAIN)

    async def lost(self, reader: Someone) -> list[str]:
        """The acknowledged messages that somebody who reads the room does not find."""
        found = await reader.texts(self.room, limit=len(self.acknowledged) * 2 + 1000)
        return [text for event, text in self.acknowledged.items() if found.get(event) != text]

    async def doubled(self, reader: Someone) -> list[str]:
        """Texts that are to be read more than once: each was written once, however often it was sent."""
        found = list((await reader.texts(self.room, limit=len(self.acknowledged) * 2 + 1000)).values())
        return sorted({text for text in self.acknowledged.values() if found.count(text) > 1})


@asynccontextmanager
async def traffic(room: str, writers: Sequence[Someone]) -> AsyncIterator[Traffic]:
    """Everybody writes into the room until the block ends; it begins once that works."""
    told = Traffic(room)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_write(told, writer, number)) for number, writer in enumerate(writers)]
        try:
            await told.flows(count=2 * len(writers), seconds=60)
            yield told
        finally:
            for task in tasks:
                task.cancel()


async def _write(told: Traffic, writer: Someone, number: int) -> None:
    count = 0
    while True:
        count += 1
        text = f"message {count} de {number}, {told.began:.3f}"
        event = await _until_acknowledged(told, writer, text)
        told.acknowledged[event] = text
        told.moments.append(time.monotonic())
        await asyncio.sleep(_BETWEEN)


async def _until_acknowledged(told: Traffic, writer: Someone, text: str) -> str:
    transaction = text.replace(" ", "-").replace(",", "")
    while True:
        try:
            return await writer.say(told.room, text, transaction=transaction, seconds=_ANSWER_SECONDS)
        except (Refused, aiohttp.ClientError, TimeoutError, OSError):
            told.refusals += 1
            await asyncio.sleep(_AGAIN)
