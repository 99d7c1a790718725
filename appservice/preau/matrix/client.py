"""The adapter that the service and the command line use."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from preau.matrix.accounts import Accounts
from preau.matrix.administration import Administration
from preau.matrix.batches import Batches
from preau.matrix.calls import Caller, Endpoint
from preau.matrix.guard import GuardCalls
from preau.matrix.patience import Patience


class Homeserver(Accounts, Administration, Batches, GuardCalls):
    """One académie's homeserver, as the service's bot sees it. An asynchronous context manager.

    Every call may raise `HomeserverError`, `HomeserverBusy` and `HomeserverUnreachable`; none lasts without end.

    Args:
        endpoint: where it is and as whom we speak.
        patience: time limit and retries of every call.
        at_once: how many requests may be on their way together.
        sleep: waits so many seconds; given by tests that do not wait.
        draw: a number in [0, 1), the jitter of the waits.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        patience: Patience = Patience(),  # noqa: B008 - a frozen value
        at_once: int = 8,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.endpoint = endpoint
        self._caller = Caller(endpoint, patience=patience, at_once=at_once, sleep=sleep, draw=draw)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the session."""
        await self._caller.close()
