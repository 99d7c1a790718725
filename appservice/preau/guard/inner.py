"""The inner parts of Synapse that the guard uses, all of them, each with the reason why the module API is not enough.

Every part is looked at when Synapse starts: is it there, does it take what we give it? One that is not as expected is
left alone, and the guard does without: slower, or with the public API, and `preau doctor` says so.

============================================  =====================================================================
part                                          why
============================================  =====================================================================
``third_party_event_rules.check_event_        The official hook is given every state event of the room, for every
allowed`` (replaced on the instance)          event: 35 ms in a room of 2,000 (``synapse.md`` 1.3). Ours asks for the
                                              one or two that a rule needs. Without it: the official hook.
============================================  =====================================================================
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeAlias

from synapse.module_api import EventBase, ModuleApi, StateMap

log = logging.getLogger(__name__)


class StateBefore(Protocol):
    """The room's state just before an event."""

    async def get(self, event_type: str, state_key: str = "") -> EventBase | None:
        """One piece of it."""


Judge: TypeAlias = Callable[[EventBase, StateBefore], Awaitable[None]]
"""Passes when an event of ours may be, raises `SynapseError` when not."""


class Loaded:
    """State that Synapse has loaded whole."""

    def __init__(self, state: StateMap[EventBase]) -> None:
        self._state = state

    async def get(self, event_type: str, state_key: str = "") -> EventBase | None:
        """One piece of it."""
        return self._state.get((event_type, state_key))


class _Lazy:
    """State of which each piece is loaded when asked for."""

    def __init__(self, store: Any, context: Any) -> None:
        self._store = store
        self._context = context

    async def get(self, event_type: str, state_key: str = "") -> EventBase | None:
        """One piece of it."""
        # The state filter is handed over ready-made by the class itself: importing it would be one inner part more.
        from synapse.types.state import StateFilter  # noqa: PLC0415 -- only where the replaced hook is in use

        ids = await self._context.get_prev_state_ids(StateFilter.from_types([(event_type, state_key)]))
        event_id = ids.get((event_type, state_key))
        if event_id is None:
            return None
        found: EventBase | None = await self._store.get_event(event_id, allow_none=True)
        return found


class Inner:
    """Access to the inner parts of one homeserver process. ``missing`` names those that are not as expected."""

    def __init__(self, api: ModuleApi) -> None:
        self._api = api
        self._hs: Any = api._hs  # noqa: SLF001 -- the one door to everything below
        self.store: Any = self._hs.get_datastores().main
        self.missing: list[str] = []

    @property
    def process(self) -> str:
        """This process's name in the homeserver (``main`` or the worker's)."""
        return str(self._hs.get_instance_name())

    def judge_events(self, judge: Judge) -> None:
        """Has every event that this homeserver makes judged, with as little state loaded as the judge asks for."""
        rules = self._hs.get_module_api_callbacks().third_party_event_rules
        if not self._as_expected(rules, "check_event_allowed", _EVENT_AND_CONTEXT):
            self._api.register_third_party_rules_callbacks(check_event_allowed=_official(judge))
            return

        async def check_event_allowed(event: EventBase, context: Any) -> tuple[bool, None]:
            await judge(event, _Lazy(self.store, context))
            return True, None

        rules.check_event_allowed = check_event_allowed

    def _as_expected(self, owner: Any, name: str, parameters: tuple[str, ...]) -> bool:
        """Whether a method is there and takes exactly these parameters; if not, it is noted as missing."""
        method = getattr(owner, name, None)
        try:
            found = tuple(inspect.signature(method).parameters) if callable(method) else None
        except (TypeError, ValueError):
            found = None
        if found == parameters:
            return True
        part = f"{type(owner).__name__}.{name}"
        log.warning("%s of this Synapse takes %s, not %s: the guard does without it", part, found, parameters)
        self.missing.append(part)
        return False


_EVENT_AND_CONTEXT: Final = ("event", "context")


def _official(judge: Judge) -> Callable[[EventBase, StateMap[EventBase]], Awaitable[tuple[bool, None]]]:
    async def check_event_allowed(event: EventBase, state_events: StateMap[EventBase]) -> tuple[bool, None]:
        await judge(event, Loaded(state_events))
        return True, None

    return check_event_allowed
