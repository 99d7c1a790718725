"""The schema as the code sees it; `migrations` makes it so, and a test holds the two together.

::

    person ◄── roster_key            registers' keys of one human
       ▲ ◄──── consent, opt_out, override        (appointment: its holder may be another académie's)
       └────── account               what the homeserver has ──► room ◄── room_state, room_member
    snapshot                         a school, whole, compressed
    facts                            one counter per school: did snapshot or decisions change?
    inbox_transaction, inbox_event   what the homeserver told us
    guard_stream, guard_fact,        what we told the guard in the homeserver, and what it has not confirmed yet;
    guard_outbox
    guard_school, guard_due          by what each school's facts were worked out, and whose moved since
    control_room, control_word       what the académies say to each other
    touched                          one counter per school: did anything change that a plan is made from? by trigger
    settled                          schools in which there was nothing to do, and at which counts
    imported_files                   which files the newest snapshot was read from, and what was told of them
    journal ◄─ journal_head          append-only, by trigger

People's names stand in four places only: inside ``snapshot.body``; in ``appointment``, for those whom no roster names;
in ``account.display_name``, which repeats what the homeserver shows to everybody in the room; and in
``guard_outbox.body``, until the guard has confirmed it.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from preau.store.columns import CanonicalJson, Moment, RowNumber

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _at_most_one(name: str, condition: str, *columns: Column[Any]) -> None:
    only = text(condition)
    Index(name, *columns, unique=True, sqlite_where=only, postgresql_where=only)


person: Final = Table(
    "person",
    metadata,
    Column("id", Text, primary_key=True),
    Column("introduced_at", Moment, nullable=False),
)

roster_key: Final = Table(
    "roster_key",
    metadata,
    Column("school", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("number", Text, primary_key=True),
    Column("person", ForeignKey("person.id"), nullable=False, index=True),
    Column("introduced_at", Moment, nullable=False),
)

snapshot: Final = Table(
    "snapshot",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("school", Text, nullable=False, index=True),
    Column("school_name", Text, nullable=False),
    Column("year", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("imported_at", Moment, nullable=False),
    Column("accepted_at", Moment),
    Column("digest", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    CheckConstraint("state IN ('pending', 'current', 'past')", name="state"),
    sqlite_autoincrement=True,
)
_at_most_one("uq_snapshot_pending", "state = 'pending'", snapshot.c.school)
_at_most_one("uq_snapshot_current", "state = 'current'", snapshot.c.school)

facts: Final = Table(
    "facts",
    metadata,
    Column("school", Text, primary_key=True),
    Column("version", RowNumber, nullable=False, autoincrement=False),
)

consent: Final = Table(
    "consent",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("person", ForeignKey("person.id"), nullable=False, index=True),
    Column("school", Text, nullable=False, index=True),
    Column("topic", Text, nullable=False),
    Column("granted_at", Moment, nullable=False),
    Column("source", Text, nullable=False),
    Column("revoked_at", Moment),
    Column("revoked_source", Text),
    sqlite_autoincrement=True,
)

opt_out: Final = Table(
    "opt_out",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("person", ForeignKey("person.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("school", Text, nullable=False, index=True),
    Column("scope", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("cleared_at", Moment),
    sqlite_autoincrement=True,
)
_at_most_one("uq_consent_in_force", "revoked_at IS NULL", consent.c.person, consent.c.school, consent.c.topic)
_at_most_one(
    "uq_opt_out_in_force", "cleared_at IS NULL", *(opt_out.c[n] for n in ("person", "kind", "school", "scope"))
)

appointment: Final = Table(
    "appointment",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("holder", Text, nullable=False, index=True),
    Column("role", Text, nullable=False),
    Column("school", Text, nullable=False, index=True),
    Column("division", Text),
    Column("scope", Text, nullable=False),
    Column("appointed_by", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment),
    Column("given_name", Text, nullable=False),
    Column("family_name", Text, nullable=False),
    Column("ended_at", Moment),
    Column("ended_by", Text),
    sqlite_autoincrement=True,
)

override: Final = Table(
    "override",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("guardian", ForeignKey("person.id"), nullable=False, index=True),
    Column("pupil", ForeignKey("person.id"), nullable=False, index=True),
    Column("school", Text, nullable=False, index=True),
    Column("restriction", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment),
    Column("lifted_at", Moment),
    Column("lifted_by", Text),
    sqlite_autoincrement=True,
)
_at_most_one("uq_override_in_force", "lifted_at IS NULL", override.c.guardian, override.c.pupil, override.c.school)

account: Final = Table(
    "account",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("person", ForeignKey("person.id"), nullable=False, index=True),
    Column("display_name", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("activated_at", Moment, nullable=False),
)

room: Final = Table(
    "room",
    metadata,
    Column("room_id", Text, primary_key=True),
    Column("school", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("version", Text, nullable=False),
    UniqueConstraint("school", "kind", "scope"),
)

room_state: Final = Table(
    "room_state",
    metadata,
    Column("room_id", ForeignKey("room.room_id", ondelete="CASCADE"), primary_key=True),
    Column("type", Text, primary_key=True),
    Column("state_key", Text, primary_key=True),
    Column("content", CanonicalJson, nullable=False),
)

room_member: Final = Table(
    "room_member",
    metadata,
    Column("room_id", ForeignKey("room.room_id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Text, primary_key=True, index=True),
    Column("membership", Text, nullable=False),
)

inbox_transaction: Final = Table(
    "inbox_transaction",
    metadata,
    Column("id", Text, primary_key=True),
    Column("received_at", Moment, nullable=False, index=True),
)

inbox_event: Final = Table(
    "inbox_event",
    metadata,
    Column("seq", RowNumber, primary_key=True),
    Column("event_id", Text, unique=True),
    Column("body", CanonicalJson, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("reason", Text, nullable=False, server_default=""),
    Column("settled_at", Moment),
    CheckConstraint("state IN ('pending', 'done', 'stuck')", name="state"),
    Index("ix_inbox_event_state_seq", "state", "seq"),
    sqlite_autoincrement=True,
)

guard_stream: Final = Table(
    "guard_stream",
    metadata,
    Column("only_row", Integer, primary_key=True, autoincrement=False),
    Column("stream", Text, nullable=False),
    Column("version", RowNumber, nullable=False),
    Column("reload_from", RowNumber),
    CheckConstraint("only_row = 1", name="only_one"),
)

guard_fact: Final = Table(
    "guard_fact",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("school", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Index("ix_guard_fact_kind_school", "kind", "school"),
)

guard_school: Final = Table(
    "guard_school",
    metadata,
    Column("school", Text, primary_key=True),
    Column("basis", Text, nullable=False),
    Column("derived_at", Moment, nullable=False),
)

guard_due: Final = Table(
    "guard_due",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("at", Moment, primary_key=True, index=True),
    Column("version", RowNumber, nullable=False),
)

guard_outbox: Final = Table(
    "guard_outbox",
    metadata,
    Column("version", RowNumber, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
    Column("takes_over", Boolean, nullable=False),
    Column("queued_at", Moment, nullable=False),
)

control_room: Final = Table(
    "control_room",
    metadata,
    Column("server", Text, primary_key=True),
    Column("room_id", Text, nullable=False, unique=True),
)

control_word: Final = Table(
    "control_word",
    metadata,
    Column("server", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("state_key", Text, primary_key=True),
    Column("content", CanonicalJson, nullable=False),
)

touched: Final = Table(
    "touched",
    metadata,
    Column("school", Text, primary_key=True),
    Column("version", RowNumber, nullable=False, autoincrement=False),
    Column("by_transaction", RowNumber, nullable=False, server_default="0"),
)

settled: Final = Table(
    "settled",
    metadata,
    Column("school", Text, primary_key=True),
    Column("version", RowNumber, nullable=False),
    Column("academy_version", RowNumber, nullable=False),
    Column("basis", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment),
)

imported_files: Final = Table(
    "imported_files",
    metadata,
    Column("school", Text, primary_key=True),
    Column("snapshot", RowNumber, nullable=False),
    Column("inputs", Text, nullable=False),
    Column("report", CanonicalJson, nullable=False),
)

journal: Final = Table(
    "journal",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous", Text, nullable=False, unique=True),
    Column("hash", Text, nullable=False, unique=True),
)

journal_head: Final = Table(
    "journal_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", RowNumber, nullable=False),
    Column("hash", Text, nullable=False),
    CheckConstraint("id = 1", name="only_one"),
)
