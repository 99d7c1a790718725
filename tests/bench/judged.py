"""A module for the measured Synapse: how long the guard takes over each message, in CPU of its own thread::

every event made here ─► the clock of the thread ─► the guard's judge ─► the clock again ─► summed up, for `PATH`
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from synapse.module_api import DirectServeJsonResource, ModuleApi, SynapseRequest

PATH: Final = "/_synapse/client/preau-bench/judged"


class Judged:
    """Named under ``modules``, after the guard; it has no configuration."""

    def __init__(self, _config: object, api: ModuleApi) -> None:
        self.nanoseconds = self.messages = 0
        callbacks: Any = api._hs.get_module_api_callbacks()
        rules, spam = callbacks.third_party_event_rules, callbacks.spam_checker
        rules.check_event_allowed = self._timed(rules.check_event_allowed, counted=1)
        spam.check_event_for_spam = self._timed(spam.check_event_for_spam, counted=0)
        api.register_web_resource(PATH, _Told(self))

    @staticmethod
    def parse_config(_config: object) -> None:
        """Nothing to check."""

    def _timed(self, hook: Callable[..., Awaitable[Any]], *, counted: int) -> Callable[..., Awaitable[Any]]:
        async def timed(event: Any, *more: Any) -> Any:
            began = time.thread_time_ns()
            answer = await hook(event, *more)
            if event.type == "m.room.message":
                self.nanoseconds += time.thread_time_ns() - began
                self.messages += counted
            return answer

        return timed


class _Told(DirectServeJsonResource):
    """``GET``: the sums up to now."""

    def __init__(self, judged: Judged) -> None:
        super().__init__()
        self._judged = judged

    async def _async_render_GET(self, _request: SynapseRequest) -> tuple[int, Any]:  # noqa: N802 -- Synapse's name
        return 200, {"nanoseconds": self._judged.nanoseconds, "messages": self._judged.messages}
