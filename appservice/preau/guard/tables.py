"""The facts in Synapse's own database, and every statement on them.

::

    preau_guard_stream    one row: whose facts these are, and at which version
    preau_guard_fact      (kind, id) → body, and the version that last changed it; body NULL: forgotten
    preau_guard_name      see `preau.guard.name_tables`
    preau_guard_process   each process of the homeserver: by which version it decides, and when it last said so

All functions run inside ``ModuleApi.run_db_interaction``, on SQLite and PostgreSQL alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from synapse.module_api import LoggingTransaction

from preau.guard import name_tables
from preau.model.fact_codec import decode, encode
from preau.model.facts import Fact, FactKey, FactKind, PersonFacts
from preau.model.wanted import Json

_SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS preau_guard_stream (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1), stream TEXT NOT NULL, version BIGINT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS preau_guard_fact (
        kind TEXT NOT NULL, id TEXT NOT NULL, version BIGINT NOT NULL, body TEXT, PRIMARY KEY (kind, id))""",
    "CREATE INDEX IF NOT EXISTS preau_guard_fact_version ON preau_guard_fact (version)",
    """CREATE TABLE IF NOT EXISTS preau_guard_process (
        name TEXT PRIMARY KEY, version BIGINT NOT NULL, seen_at BIGINT NOT NULL, started_at BIGINT NOT NULL)""",
    "INSERT INTO preau_guard_stream (only_row, stream, version) VALUES (1, '', 0) ON CONFLICT DO NOTHING",
)


@dataclass(frozen=True, slots=True)
class Position:
    """Whose facts are held (the service's own random name for its counter), and up to which version."""

    stream: str
    version: int


@dataclass(frozen=True, slots=True)
class Push:
    """Changed facts, on their way from the service. ``None`` stands for a fact that is no more.

    ``after`` is the version they follow; None takes over whatever is held (a service with a new or restored database),
    and ``forget_before`` then drops every fact that the new stream has not repeated.
    """

    stream: str
    after: int | None
    version: int
    facts: Mapping[FactKey, Fact | None]
    forget_before: int = 0


def create(txn: LoggingTransaction) -> None:
    """Makes the tables that are missing."""
    for statement in _SCHEMA:
        txn.execute(statement)
    name_tables.create(txn)


def position(txn: LoggingTransaction) -> Position:
    """What is held now."""
    txn.execute("SELECT stream, version FROM preau_guard_stream")
    row = txn.fetchone()
    return Position(*row) if row else Position("", 0)


def take(txn: LoggingTransaction, push: Push) -> Position:
    """Stores the facts if they follow what is held, or take over; otherwise nothing.

    Returns:
        what is held afterwards: the push's own position, if it was taken now or before.
    """
    held = position(txn)
    same = held.stream == push.stream
    if push.after is not None and not (same and held.version == push.after):
        return held
    if push.after is None and same and held.version >= push.version:
        return held
    _store(txn, push)
    txn.execute("UPDATE preau_guard_stream SET stream = ?, version = ?", (push.stream, push.version))
    return Position(push.stream, push.version)


def fact(txn: LoggingTransaction, key: FactKey) -> Fact | None:
    """One fact.

    Raises:
        BrokenFact: what is stored cannot be read.
    """
    if "\0" in key[1]:  # another homeserver may write so; PostgreSQL cannot, and no fact is about it
        return None
    txn.execute("SELECT body FROM preau_guard_fact WHERE kind = ? AND id = ?", (key[0].value, key[1]))
    row = txn.fetchone()
    return decode(key[0], key[1], json.loads(row[0])) if row and row[0] is not None else None


def facts(txn: LoggingTransaction, kind: FactKind, keys: Sequence[str]) -> dict[str, Fact]:
    """Those of some facts of one kind that are held; a few hundred at most.

    Raises:
        BrokenFact: one of them cannot be read.
    """
    if not keys:
        return {}
    marks = ", ".join("?" * len(keys))
    txn.execute(
        f"SELECT id, body FROM preau_guard_fact WHERE kind = ? AND body IS NOT NULL AND id IN ({marks})",  # noqa: S608 -- only placeholders are put in
        (kind.value, *keys),
    )
    return {key: decode(kind, key, json.loads(body)) for key, body in txn}


def changed_since(txn: LoggingTransaction, version: int, limit: int) -> list[FactKey]:
    """The facts that changed after a version, at most ``limit`` of them."""
    txn.execute("SELECT kind, id FROM preau_guard_fact WHERE version > ? LIMIT ?", (version, limit))
    return [(FactKind(kind), key) for kind, key in txn]


def note_process(txn: LoggingTransaction, name: str, version: int, now: int, started: int) -> None:
    """A process says by which version it decides; times are milliseconds since 1970."""
    txn.execute(
        "INSERT INTO preau_guard_process (name, version, seen_at, started_at) VALUES (?, ?, ?, ?) ON CONFLICT (name) "
        "DO UPDATE SET version = EXCLUDED.version, seen_at = EXCLUDED.seen_at, started_at = EXCLUDED.started_at",
        (name, version, now, started),
    )


def processes(txn: LoggingTransaction) -> list[tuple[str, int, int, int]]:
    """Name, version, last sign and start of every process that ever spoke."""
    txn.execute("SELECT name, version, seen_at, started_at FROM preau_guard_process ORDER BY name")
    return [(name, version, seen, started) for name, version, seen, started in txn]


def counts(txn: LoggingTransaction) -> dict[str, int]:
    """How many facts of each kind are held."""
    txn.execute("SELECT kind, COUNT(*) FROM preau_guard_fact WHERE body IS NOT NULL GROUP BY kind")
    return {kind: count for kind, count in txn}  # noqa: C416 -- a cursor is no mapping


def _store(txn: LoggingTransaction, push: Push) -> None:
    rows = [(kind.value, key, push.version, _body(fact)) for (kind, key), fact in push.facts.items()]
    txn.execute_batch(
        "INSERT INTO preau_guard_fact (kind, id, version, body) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (kind, id) DO UPDATE SET version = EXCLUDED.version, body = EXCLUDED.body",
        rows,
    )
    persons = [(key, fact) for (kind, key), fact in push.facts.items() if kind is FactKind.PERSON]
    known = [person for _, person in persons if isinstance(person, PersonFacts)]
    name_tables.store(txn, [key for key, _ in persons], known)
    if push.forget_before:
        _forget(txn, push)


def _forget(txn: LoggingTransaction, push: Push) -> None:
    """Facts that a stream which took over has not repeated: kept as forgotten, so that every cache drops them."""
    txn.execute(
        "DELETE FROM preau_guard_name WHERE user_id IN "
        "(SELECT id FROM preau_guard_fact WHERE kind = ? AND version < ?)",
        (FactKind.PERSON.value, push.forget_before),
    )
    txn.execute(
        "UPDATE preau_guard_fact SET body = NULL, version = ? WHERE version < ? AND body IS NOT NULL",
        (push.version, push.forget_before),
    )


def _body(fact: Fact | None) -> str | None:
    body: Json = encode(fact) if fact is not None else None
    return None if body is None else json.dumps(body, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
