"""Modules that a test has Synapse load beside the guard: one dies at a chosen moment, one is another Synapse's."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from preau.demo.homeserver import HomeserverSpec

_ROOT: Final = Path(__file__).parents[2]

PYTHONPATH: Final = os.pathsep.join((str(_ROOT / "appservice"), str(_ROOT)))
"""Where Synapse finds these modules, and the guard beside them."""


class SuddenDeath:
    """Ends Synapse as a power cut would, at the moment that a file names."""

    MOMENTS = ("alias set", "before the events", "after the events", "after the second events")

    def __init__(self, config: Mapping[str, Any], api: Any) -> None:
        self._file = Path(config["file"])
        hs = api._hs
        store, persistence = hs.get_datastores().main, hs.get_storage_controllers().persistence
        self._stored = 0
        self._wrap(store, "create_room_alias_association", "", "alias set")
        self._wrap(persistence, "persist_events", "before the events", "after the events")

    @staticmethod
    def parse_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
        """As it is."""
        return config

    def _wrap(self, owner: Any, name: str, before: str, after: str) -> None:
        original: Callable[..., Awaitable[Any]] = getattr(owner, name)

        @functools.wraps(original)
        async def wrapped(*arguments: Any, **named: Any) -> Any:
            self._die_if(before)
            result = await original(*arguments, **named)
            self._die_if(after)
            if name == "persist_events":
                self._stored += 1
                self._die_if("after the second events" if self._stored == 2 else "")
            return result

        setattr(owner, name, wrapped)

    def _die_if(self, moment: str) -> None:
        if self._file.exists():
            if moment and self._file.read_text(encoding="utf-8") == moment:
                os.kill(os.getpid(), signal.SIGKILL)
        else:
            self._stored = 0


class OtherSynapse:
    """Makes an inner part look as it may look in another release: one parameter has another name."""

    def __init__(self, _config: Any, _api: Any) -> None:
        pass

    @staticmethod
    def parse_config(_config: Any) -> None:
        """Called before any module, the guard too, is built."""
        from synapse.handlers.event_auth import EventAuthHandler  # noqa: PLC0415 -- in Synapse's process only

        original = EventAuthHandler.compute_auth_events

        def compute_auth_events(self: Any, event: Any, state_ids: Any, for_verification: bool = False) -> Any:
            return original(self, event, state_ids, for_verification)

        EventAuthHandler.compute_auth_events = compute_auth_events  # type: ignore[method-assign]


def sabotaged(spec: HomeserverSpec, module: type, config: Mapping[str, Any] | None = None) -> HomeserverSpec:
    """The same homeserver with that module, which Synapse finds by `PYTHONPATH`."""
    entry = {"module": f"{module.__module__}.{module.__qualname__}", "config": dict(config or {})}
    return replace(spec, modules=(entry, *spec.modules))
