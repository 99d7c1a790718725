"""A word to every process of the homeserver, over Synapse's own cache stream (Redis between processes).

::

    ring(a, b) in one process ─► that process at once, the others within the stream's delay ─► heard(("a", "b"))
                                 the stream was interrupted: anything may have been missed ─► heard(None)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from synapse.module_api import ModuleApi


class Bell:
    """The shape of a cached function that Synapse invalidates: it only ever does that with it.

    Args:
        api: Synapse's.
        name: which bell; each name once.
        heard: called in every process with what was rung; None stands for everything.
    """

    def __init__(self, api: ModuleApi, name: str, heard: Callable[[Sequence[str] | None], None]) -> None:
        self.__module__ = __name__
        self.__name__ = name
        self._api = api
        self._heard = heard
        self._cached = cast(Any, self)
        api.register_cached_function(self._cached)

    async def ring(self, *what: str) -> None:
        """Tells all processes, this one first."""
        await self._api.invalidate_cache(self._cached, what)

    def invalidate(self, key: Sequence[str]) -> None:
        """Called by Synapse: somebody rang."""
        self._heard(key)

    def invalidate_all(self) -> None:
        """Called by Synapse: the connection to the other processes was lost for a while."""
        self._heard(None)
