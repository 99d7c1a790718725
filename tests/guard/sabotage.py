"""Modules that a test has Synapse load beside the guard: one dies at a chosen moment, one is another Synapse's."""

from __future__ import annotations

import functools
import inspect
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from importlib import import_module
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
    """Makes inner parts look as they may look in another release: the last parameter of each has another name."""

    DEFAULT: Final = ("synapse.handlers.event_auth:EventAuthHandler.compute_auth_events",)

    def __init__(self, _config: Any, _api: Any) -> None:
        pass

    @staticmethod
    def parse_config(config: Mapping[str, Any]) -> None:
        """Called before any module, the guard too, is built; ``parts`` of the configuration says which."""
        for part in config.get("parts", OtherSynapse.DEFAULT):
            module, name = part.split(":")
            *owners, method = name.split(".")
            _rename_last_parameter(functools.reduce(getattr, owners, import_module(module)), method)


def _rename_last_parameter(owner: Any, name: str) -> None:
    """The same function, of a class or a module, under a signature that the guard does not know."""
    found = vars(owner)[name]
    kind = type(found) if isinstance(found, staticmethod | classmethod) else None
    original = found.__func__ if kind else found

    @functools.wraps(original)
    def changed(*arguments: Any, **named: Any) -> Any:
        return original(*arguments, **named)

    signature = inspect.signature(original)
    *others, last = signature.parameters.values()
    parameters = [*others, last.replace(name=f"another_{last.name}")]
    changed.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    setattr(owner, name, kind(changed) if kind else changed)


def sabotaged(spec: HomeserverSpec, module: type, config: Mapping[str, Any] | None = None) -> HomeserverSpec:
    """The same homeserver with that module, which Synapse finds by `PYTHONPATH`."""
    entry = {"module": f"{module.__module__}.{module.__qualname__}", "config": dict(config or {})}
    return replace(spec, modules=(entry, *spec.modules))
