"""The inner parts of Synapse that `preau.guard.inner.chain` needs, found and checked once, when Synapse starts.

The module API makes events one at a time, each with some twenty transactions and, whatever the parallelism, ten to
fifteen a second (``synapse.md`` 2.1 and 2.2). Nothing public makes them in batches, so these parts are used:

==========================================  =======================================================================
part                                        why
==========================================  =======================================================================
event builders, validator, auth handler     an event is built, signed and judged as every other, but on the state
                                            that the caller holds, instead of one that is fetched for each
state handler, state groups                 the room's state once per batch; one state group per event, stored in
                                            one transaction
event persister, or the call to it          all events in one transaction, here or on the process that Synapse
                                            made responsible for the room (``stream_writers.events``)
notifier                                    clients, services and other homeservers are told once per batch
linearizer and purge lock                   nobody else changes the room's members meanwhile
room store, random room ids, room versions  a new room's row, before its first event
==========================================  =======================================================================
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from operator import attrgetter
from typing import Any, Final, TypeAlias

from synapse.module_api import EventBase

AsExpected: TypeAlias = Callable[[Any, str, tuple[str, ...]], bool]
"""Whether an owner has a method that takes exactly these parameters; notes it as missing if not."""

Delta: TypeAlias = Mapping[tuple[str, str], str]
"""Changed pieces of a room's state: type and state key → event id."""

GET_EVENT: Final = (
    "event_id",
    "redact_behaviour",
    "get_prev_content",
    "allow_rejected",
    "allow_none",
    "check_room_id",
)
RUN_INTERACTION: Final = ("desc", "func", "args", "db_autocommit", "isolation_level", "kwargs")

_PURGE_LOCK: Final = "new_event_during_purge_lock"
"""Held by whoever makes an event, so that the room is not purged meanwhile (``synapse.handlers.worker_lock``)."""

_WRITER: Final = "controllers.persistence"
"""Of the process that writes the events of a room; the others have none (Synapse 1.163)."""

_METHODS: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("builders", "for_room_version", ("room_version", "key_values")),
    ("builder.EventBuilder", "build", ("self", "prev_event_ids", "auth_event_ids", "depth", "prev_state_events")),
    ("auth", "compute_auth_events", ("event", "current_state_ids", "for_verification")),
    ("auth", "check_auth_rules_from_context", ("event", "batched_auth_events")),
    ("auth_rules", "validate_event_for_room_version", ("event",)),
    ("validator", "validate_new", ("event", "config")),
    ("resolver", "resolve_state_groups_for_events", ("room_id", "event_ids", "await_full_state")),
    ("state._StateCacheEntry", "get_state", ("self", "state_storage", "state_filter")),
    ("states", "store_state_group", ("event_id", "room_id", "prev_group", "delta_ids", "current_state_ids")),
    ("state_store", "_count_state_group_hops_txn", ("txn", "state_group")),
    ("state_store", "store_state_deltas_for_batched", ("events_and_context", "room_id", "prev_group")),
    ("state_store.db_pool", "runInteraction", RUN_INTERACTION),
    ("store", "get_event", GET_EVENT),
    ("store", "get_events", ("event_ids", "redact_behaviour", "get_prev_content", "allow_rejected")),
    ("store", "get_prev_events_for_room", ("room_id",)),
    ("store", "get_room_version", ("room_id",)),
    ("store", "store_room", ("room_id", "room_creator_user_id", "is_public", "room_version")),
    ("store", "get_association_from_room_alias", ("room_alias",)),
    ("store", "create_room_alias_association", ("room_alias", "room_id", "servers", "creator")),
    ("store", "delete_room_alias", ("room_alias",)),
    ("notifier", "on_new_room_events", ("events_and_pos", "max_room_stream_token", "extra_users")),
    ("locks", "acquire_read_write_lock", ("lock_name", "lock_key", "write")),
    ("members", "queue", ("key",)),
    ("rooms", "_generate_room_id", ()),
    (
        "snapshot",
        "UnpersistedEventContext",
        (
            "storage",
            "state_group_before_event",
            "state_group_after_event",
            "state_delta_due_to_event",
            "prev_group_for_state_group_before_event",
            "delta_ids_to_state_group_before_event",
            "partial_state",
            "state_map_before_event",
        ),
    ),
    (
        "snapshot",
        "EventContext",
        (
            "storage",
            "state_group_deltas",
            "rejected",
            "state_group",
            "state_group_before_event",
            "state_delta_due_to_event",
            "app_service",
            "partial_state",
        ),
    ),
    (
        "snapshot.UnpersistedEventContext",
        "batch_persist_unpersisted_contexts",
        ("events_and_context", "room_id", "last_known_state_group", "datastore"),
    ),
    (
        "snapshot.EventContext",
        "with_state",
        (
            "storage",
            "state_group",
            "state_group_before_event",
            "state_delta_due_to_event",
            "partial_state",
            "state_group_deltas",
        ),
    ),
    ("types", "PersistedEventPosition", ("instance_name", "stream")),
    ("types.UserID", "from_string", ("s",)),
    (
        "types",
        "create_requester",
        (
            "user_id",
            "access_token_id",
            "is_guest",
            "scope",
            "shadow_banned",
            "device_id",
            "app_service",
            "authenticated_entity",
        ),
    ),
    ("writers", "get_instance", ("key",)),
    (_WRITER, "persist_events", ("events_and_contexts", "backfilled")),
    ("creation", "send_events", ("instance_name", "kwargs")),
    (
        "replication",
        "_serialize_payload",
        ("events_and_context", "store", "requester", "ratelimit", "extra_users"),
    ),
)
"""Whose method (a part of the table above, or what is found in it), its name, its parameters."""


@dataclass(frozen=True, slots=True)
class ChainParts:
    """The parts, under the names of the table above. All are Synapse's own objects, hence `Any`."""

    hs: Any
    store: Any
    state_store: Any
    states: Any
    controllers: Any
    resolver: Any
    state: Any
    builders: Any
    builder: Any
    creation: Any
    writers: Any
    auth: Any
    auth_rules: Any
    validator: Any
    notifier: Any
    locks: Any
    members: Any
    rooms: Any
    snapshot: Any
    types: Any
    versions: Any
    replication: Any

    @classmethod
    def find(cls, hs: Any, as_expected: AsExpected) -> ChainParts | None:
        """The parts; None if one is missing or takes something else than we give it."""
        try:
            found = cls._found(hs)
            owners = [attrgetter(owner)(found) for owner, _, _ in _METHODS]
        except (AttributeError, ImportError) as error:
            as_expected(hs, f"batches ({error})", ())
            return None
        good = [
            as_expected(owner, name, parameters)
            for owner, (where, name, parameters) in zip(owners, _METHODS, strict=True)
            if owner is not None or where != _WRITER  # a process that writes no events has none, and hands them on
        ]
        return found if all(good) else None

    @classmethod
    def _found(cls, hs: Any) -> ChainParts:
        stores, controllers = hs.get_datastores(), hs.get_storage_controllers()
        return cls(
            hs=hs,
            store=stores.main,
            state_store=stores.state,
            states=controllers.state,
            controllers=controllers,
            resolver=hs.get_state_handler(),
            state=import_module("synapse.state"),
            builders=hs.get_event_builder_factory(),
            builder=import_module("synapse.events.builder"),
            creation=hs.get_event_creation_handler(),
            writers=hs.config.worker.events_shard_config,
            auth=hs.get_event_auth_handler(),
            auth_rules=import_module("synapse.event_auth"),
            validator=hs.get_event_creation_handler().validator,
            notifier=hs.get_notifier(),
            locks=hs.get_worker_locks_handler(),
            members=hs.get_room_member_handler().member_linearizer,
            rooms=hs.get_room_creation_handler(),
            snapshot=import_module("synapse.events.snapshot"),
            types=import_module("synapse.types"),
            versions=import_module("synapse.api.room_versions").KNOWN_ROOM_VERSIONS,
            replication=import_module("synapse.replication.http.send_events").ReplicationSendEventsRestServlet,
        )

    @asynccontextmanager
    async def alone_in(self, room: str) -> AsyncIterator[None]:
        """Until left: nobody's membership of that room changes on this process, and nobody purges it.

        So do ordinary joins (``RoomMemberHandler.update_membership``). Messages go on meanwhile, beside the batch, and
        the next event follows both; Synapse has no lock that would stop them (``EventCreationHandler.limiter`` is
        given back before the event is made).
        """
        async with (
            self.members.queue((room,)),
            self.locks.acquire_read_write_lock(_PURGE_LOCK, room, write=False),
        ):
            yield

    async def hops(self, group: int) -> int:
        """On how many other state groups a state group is built."""
        count = self.state_store._count_state_group_hops_txn  # noqa: SLF001 -- the count that Synapse itself goes by
        hops: int = await self.state_store.db_pool.runInteraction("preau_guard_hops", count, group)
        return hops

    def random_room_id(self) -> str:
        """An id for a room whose version does not derive it from the first event."""
        return str(self.rooms._generate_room_id())  # noqa: SLF001 -- Synapse's only maker of such ids

    def context(self, before: int, after: int, delta: Delta) -> Any:
        """What Synapse wants to know of an event whose state groups are stored."""
        return self.snapshot.EventContext.with_state(
            storage=self.controllers,
            state_group=after,
            state_group_before_event=before,
            state_delta_due_to_event=delta,
            partial_state=False,
            state_group_deltas={(before, after): delta},
        )

    async def contexts(
        self, events: Sequence[tuple[EventBase, Delta]], room: str, group: int
    ) -> list[tuple[EventBase, Any]]:
        """The same for events that follow each other, after storing a state group for each, in one transaction.

        Args:
            events: each with the one piece of state that it changes.
            room: theirs.
            group: the state group before the first.
        """
        if not events:
            return []
        kind = self.snapshot.UnpersistedEventContext
        pairs = [
            (event, kind(self.controllers, None, None, delta, None, None, partial_state=False))
            for event, delta in events
        ]
        found: list[tuple[EventBase, Any]] = await kind.batch_persist_unpersisted_contexts(
            pairs, room, group, self.state_store
        )
        return found

    async def persist(self, room: str, sender: str, pairs: list[tuple[EventBase, Any]], tell: Sequence[str]) -> None:
        """Stores the events, all or none, on the process that does so for this room, and lets everybody know.

        Args:
            room: theirs.
            sender: on whose behalf.
            pairs: the events, each with its context.
            tell: people to wake who are neither in the room before nor after.
        """
        told = [self.types.UserID.from_string(user) for user in tell]
        writer = self.writers.get_instance(room)
        if writer != self.hs.get_instance_name():
            await self.creation.send_events(
                instance_name=writer,
                events_and_context=pairs,
                store=self.store,
                requester=self.types.create_requester(sender),
                ratelimit=False,
                extra_users=told,
            )
            return
        stored, token = await self.controllers.persistence.persist_events(pairs)
        position = self.types.PersistedEventPosition
        positions = [(event, position(writer, event.internal_metadata.stream_ordering)) for event in stored]
        await self.notifier.on_new_room_events(positions, token, extra_users=told)
