"""The inner parts of Synapse that the guard uses, all of them, each with the reason why the module API is not enough.

Every part is looked at when Synapse starts: is it there, does it take what we give it? One that is not as expected is
left alone, and the guard does without: slower, or with the public API, and `preau doctor` says so.

============================================  =====================================================================
part                                          why
============================================  =====================================================================
``third_party_event_rules.check_event_        The official hook is given every state event of the room, for every
allowed`` (replaced on the instance)          event: 35 ms in a room of 2,000 (``synapse.md`` 1.3). Ours asks for the
                                              one or two that a rule needs. Without it, or without the two
                                              below: the official hook.
``EventContext.get_prev_state_ids``,          One piece of the state before an event.
``StateFilter.from_types``
profiles, devices, account data, uploads      See `preau.guard.inner.people`.
``spam_checker_api.RegistrationBehaviour``    What the registration hook must answer with; documented, but not part
                                              of the module API. Without it Synapse itself does not start.
``store.get_event``                           The message that somebody takes back must be read to be judged and
                                              sealed; the module API reads state only. Without it: nobody but the
                                              service takes anything back.
``store.get_devices_by_user``                 Which devices an account has, to tell the first from later ones.
                                              Without it: every device must be confirmed.
``store.db_pool.runInteraction``              Runs a transaction at READ COMMITTED, so that uses of one account
                                              wait for each other instead of failing; the module API has no such
                                              choice. Without it: Synapse's own retries.
``FederationServer.on_send_join_request``     A homeserver that joins is told the members later unless we decline, and
                                              meanwhile may refuse for ever what members say whom it does not know
                                              yet. Without it: so it is.
those of ``preau.guard.inner.parts``          Rooms and memberships in batches. Without them: the public API.
``users``, ``profiles``, ``room_memberships`` A hundred accounts at once (`preau.guard.inner.tables`).
``redactions``                                Whether a message was taken back before it arrived (the same module).
============================================  =====================================================================
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from typing import Any, Final, Protocol, TypeAlias

from synapse.module_api import EventBase, ModuleApi, StateMap

from preau.guard.inner.chain import Chains
from preau.guard.inner.parts import GET_EVENT, RUN_INTERACTION, ChainParts
from preau.guard.inner.people import PeopleParts

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

    def __init__(self, store: Any, filters: Any, context: Any) -> None:
        self._store = store
        self._filters = filters
        self._context = context

    async def get(self, event_type: str, state_key: str = "") -> EventBase | None:
        """One piece of it."""
        ids = await self._context.get_prev_state_ids(self._filters.from_types([(event_type, state_key)]))
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
        self.people = PeopleParts(self._hs, self._as_expected)
        self._reads_events = self._as_expected(self.store, "get_event", GET_EVENT)
        self._reads_devices = self._as_expected(self.store, "get_devices_by_user", ("user_id",))
        self._chooses_isolation = self._as_expected(self.store.db_pool, "runInteraction", RUN_INTERACTION)

    @property
    def process(self) -> str:
        """This process's name in the homeserver (``main`` or the worker's)."""
        return str(self._hs.get_instance_name())

    def judge_events(self, judge: Judge) -> None:
        """Has every event that this homeserver makes judged, with as little state loaded as the judge asks for."""
        rules = self._hs.get_module_api_callbacks().third_party_event_rules
        filters = self._state_filters()
        if filters is None or not self._as_expected(rules, "check_event_allowed", _EVENT_AND_CONTEXT):
            self._api.register_third_party_rules_callbacks(check_event_allowed=_official(judge))
            return

        async def check_event_allowed(event: EventBase, context: Any) -> tuple[bool, None]:
            await judge(event, _Lazy(self.store, filters, context))
            return True, None

        rules.check_event_allowed = check_event_allowed

    def _state_filters(self) -> Any:
        """Synapse's class that asks for some pieces of a room's state; None if they cannot be asked for one by one."""
        contexts, types = _module("synapse.events.snapshot"), _module("synapse.types.state")
        filters = getattr(types, "StateFilter", None)
        as_expected = [
            self._reads_events,
            self._as_expected(filters, "from_types", ("types",)),
            *(
                self._as_expected(getattr(contexts, kind, None), "get_prev_state_ids", ("self", "state_filter"))
                for kind in ("EventContext", "UnpersistedEventContext")
            ),
        ]
        return filters if all(as_expected) else None

    def name_all_members(self) -> None:
        """Has a homeserver whose person joins one of our rooms told at once everybody who is in it.

        It may ask for less (``omit_members``, Matrix specification, server-server API, "Joining rooms"), which helps in
        rooms of tens of thousands; those that académies share have some dozens.
        """
        server = self._hs.get_federation_server()
        if not self._as_expected(server, "on_send_join_request", _JOIN):
            return
        answer = server.on_send_join_request

        async def on_send_join_request(origin: str, content: Any, room_id: str, *_: object, **__: object) -> Any:
            return await answer(origin, content, room_id, caller_supports_partial_state=False)

        server.on_send_join_request = on_send_join_request

    async def event(self, event_id: str) -> EventBase | None:
        """An event of any room; None if it is not here, or cannot be read."""
        if not self._reads_events:
            return None
        found: EventBase | None = await self.store.get_event(event_id, allow_none=True)
        return found

    async def devices(self, user: str) -> Mapping[str, str] | None:
        """The devices of a user of ours with the names that clients gave them; None if that cannot be told."""
        if not self._reads_devices:
            return None
        found = await self.store.get_devices_by_user(user)
        return {device: str(details.get("display_name") or "") for device, details in found.items()}

    async def one_by_one(self, description: str, work: Callable[..., Any], *arguments: Any) -> Any:
        """Runs a transaction in which each statement sees what others have committed before it."""
        if not self._chooses_isolation:
            return await self._api.run_db_interaction(description, work, *arguments)
        return await self.store.db_pool.runInteraction(description, work, *arguments, isolation_level=_READ_COMMITTED)

    def chains(self) -> Chains | None:
        """What makes events in batches; None if this Synapse's parts for it are not as expected."""
        parts = ChainParts.find(self._hs, self._as_expected)
        return Chains(parts) if parts is not None else None

    def _as_expected(self, owner: Any, name: str, parameters: tuple[str, ...]) -> bool:
        """Whether a method is there and takes exactly these parameters; if not, it is noted as missing."""
        method = getattr(owner, name, None)
        try:
            found = tuple(inspect.signature(method).parameters) if callable(method) else None
        except (TypeError, ValueError):
            found = None
        if found == parameters:
            return True
        part = f"{getattr(owner, '__name__', type(owner).__name__)}.{name}"
        log.warning("%s of this Synapse takes %s, not %s: the guard does without it", part, found, parameters)
        self.missing.append(part)
        return False


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


def registration_allowed() -> Any:
    """The answer of the registration hook that lets an account be made."""
    from synapse.spam_checker_api import RegistrationBehaviour  # noqa: PLC0415 -- here only: one inner part, one place

    return RegistrationBehaviour.ALLOW


_EVENT_AND_CONTEXT: Final = ("event", "context")
_JOIN: Final = ("origin", "content", "room_id", "caller_supports_partial_state")
_READ_COMMITTED: Final = 1
"""``synapse.storage.engines.IsolationLevel.READ_COMMITTED``; SQLite takes no notice of it."""


def _official(judge: Judge) -> Callable[[EventBase, StateMap[EventBase]], Awaitable[tuple[bool, None]]]:
    async def check_event_allowed(event: EventBase, state_events: StateMap[EventBase]) -> tuple[bool, None]:
        await judge(event, Loaded(state_events))
        return True, None

    return check_event_allowed
