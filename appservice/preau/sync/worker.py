"""The owner of the inbox: takes events in order, has them handled, and marks them done.

An event that cannot be handled is tried again a few times, then set aside as stuck with its reason; it never holds
the others up, and each start of the service tries it once more. A homeserver that does not answer, or a database that
cannot be written, holds everything up: the worker waits and goes on where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import structlog

from preau.errors import HomeserverError, HomeserverUnreachable, PreauError, StoreError
from preau.matrix.wire import BrokenEvent, parse_event
from preau.store import inbox
from preau.store.inbox import InboxEvent
from preau.sync import visits
from preau.sync.again import Again
from preau.sync.context import Context
from preau.sync.peers import Peers
from preau.sync.repair import ACTOR, Memory, handle
from preau.sync.settle import settle

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_BATCH: Final = 200
_LOOK_AGAIN: Final = 5.0
"""Seconds after which the inbox is looked at even if nobody called: another process may have put events back."""
_PAUSE: Final = 2.0
"""Seconds to wait when the homeserver does not answer; each call has retried for longer before."""
KEPT: Final = timedelta(days=7)
"""How long handled events and transaction ids are kept: longer than a homeserver would repeat one."""


class Worker:
    """Handles the inbox until it is cancelled.

    Args:
        context: homeserver, store, clock and académie.
        arrived: set by whoever puts something into the inbox.
        sleep: waits so many seconds.
    """

    def __init__(
        self, context: Context, arrived: asyncio.Event, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._context = context
        self._arrived = arrived
        self._sleep = sleep
        self._memory = Memory(context.academy)
        self._peers = Peers(context)
        self._look_abroad = Again()

    async def run(self) -> None:
        """Never ends by itself."""
        await self._patiently(self.try_stuck_again)
        while True:
            if self._look_abroad.is_due(self._context.clock.now()):
                await self._patiently(self.look_abroad)
            self._arrived.clear()
            await self._patiently(self._turn)

    async def _patiently(self, work: Callable[[], Awaitable[None]]) -> None:
        """Does it, or waits a little when everything stands still."""
        try:
            await work()
        except (HomeserverUnreachable, StoreError) as trouble:
            log.warning("waiting", trouble=type(trouble).__name__, reason=trouble.happened)
            await self._sleep(_PAUSE)

    async def _turn(self) -> None:
        if not await self.batch():
            await self._rest()

    async def try_stuck_again(self) -> None:
        """Whatever made events fail may be mended by now: that is often why somebody restarts the service."""
        async with self._context.store.writing() as db:
            await inbox.retry(db, [event.seq for event in await inbox.stuck(db)])

    async def look_abroad(self) -> None:
        """The control rooms, until every peer was reached; and visitors who must come or go, by a word or a date.

        Raises:
            HomeserverUnreachable: our own homeserver does not answer.
        """
        done = False
        try:
            if not self._peers.reached:
                await self._peers.attend()
            if schools := await visits.due(self._context):
                await settle(self._context, schools, actor=ACTOR)
            done = self._peers.reached
        except HomeserverUnreachable:
            raise
        except HomeserverError as refused:
            log.warning("not_settled_abroad", reason=refused.happened)
        finally:
            self._look_abroad.tried(self._context.clock.now(), done=done)

    async def batch(self) -> int:
        """Handles what is waiting, up to a bound; how many events were taken up.

        Raises:
            HomeserverUnreachable: what was handled is marked done, the rest waits.
        """
        async with self._context.store.reading() as db:
            waiting = await inbox.pending(db, _BATCH)
        done: list[int] = []
        try:
            for event in waiting:
                done += await self._one(event)
        finally:
            if done:
                async with self._context.store.writing() as db:
                    await inbox.done(db, done, self._context.clock.now())
        return len(waiting)

    async def _one(self, found: InboxEvent) -> list[int]:
        """The event's number, if it is dealt with; a failure is noted and counted."""
        try:
            event = parse_event(found.event)
            await handle(self._context, self._memory, event)
            if await self._peers.hear(event):
                self._look_abroad.soon()
        except HomeserverUnreachable:
            raise
        except (PreauError, BrokenEvent) as failed:
            reason = failed.happened if isinstance(failed, PreauError) else str(failed)
            log.warning("event_not_handled", seq=found.seq, attempts=found.attempts + 1, reason=reason)
            async with self._context.store.writing() as db:
                await inbox.failed(db, found.seq, reason, self._context.clock.now())
            return []
        return [found.seq]

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_AGAIN):
                await self._arrived.wait()
        except TimeoutError:
            await self._forget()

    async def _forget(self) -> None:
        async with self._context.store.writing() as db:
            await inbox.forget(db, self._context.clock.now() - KEPT)
