"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)
NOTHING = "0" * 64


def upgrade() -> None:
    people()
    snapshots()
    consents_and_opt_outs()
    appointments_and_overrides()
    homeserver()
    inbox()
    journal()
    if op.get_bind().dialect.name == "sqlite":
        guard_journal_on_sqlite()
    else:
        guard_journal_on_postgresql()


def person(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, sa.ForeignKey("person.id"), nullable=False, index=True)


def people() -> None:
    op.create_table(
        "person",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("introduced_at", MOMENT, nullable=False),
    )
    op.create_table(
        "roster_key",
        sa.Column("school", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("number", sa.Text, primary_key=True),
        person("person"),
        sa.Column("introduced_at", MOMENT, nullable=False),
    )


def snapshots() -> None:
    op.create_table(
        "snapshot",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("school", sa.Text, nullable=False, index=True),
        sa.Column("school_name", sa.Text, nullable=False),
        sa.Column("year", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("imported_at", MOMENT, nullable=False),
        sa.Column("accepted_at", MOMENT),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("state IN ('pending', 'current', 'past')", name="state"),
        sqlite_autoincrement=True,
    )
    at_most_one("uq_snapshot_pending", "snapshot", ["school"], "state = 'pending'")
    at_most_one("uq_snapshot_current", "snapshot", ["school"], "state = 'current'")
    op.create_table(
        "facts",
        sa.Column("school", sa.Text, primary_key=True),
        sa.Column("version", NUMBER, nullable=False, autoincrement=False),
    )


def at_most_one(name: str, table: str, columns: list[str], condition: str) -> None:
    only = sa.text(condition)
    op.create_index(name, table, columns, unique=True, sqlite_where=only, postgresql_where=only)


def consents_and_opt_outs() -> None:
    op.create_table(
        "consent",
        sa.Column("id", NUMBER, primary_key=True),
        person("person"),
        sa.Column("school", sa.Text, nullable=False, index=True),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("granted_at", MOMENT, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("revoked_at", MOMENT),
        sa.Column("revoked_source", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "opt_out",
        sa.Column("id", NUMBER, primary_key=True),
        person("person"),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("school", sa.Text, nullable=False, index=True),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("cleared_at", MOMENT),
        sqlite_autoincrement=True,
    )
    at_most_one("uq_consent_in_force", "consent", ["person", "school", "topic"], "revoked_at IS NULL")
    at_most_one("uq_opt_out_in_force", "opt_out", ["person", "kind", "school", "scope"], "cleared_at IS NULL")


def appointments_and_overrides() -> None:
    op.create_table(
        "appointment",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False, index=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("school", sa.Text, nullable=False, index=True),
        sa.Column("division", sa.Text),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("appointed_by", sa.Text, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT),
        sa.Column("given_name", sa.Text, nullable=False),
        sa.Column("family_name", sa.Text, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("ended_by", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "override",
        sa.Column("id", NUMBER, primary_key=True),
        person("guardian"),
        person("pupil"),
        sa.Column("school", sa.Text, nullable=False, index=True),
        sa.Column("restriction", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("set_by", sa.Text, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT),
        sa.Column("lifted_at", MOMENT),
        sa.Column("lifted_by", sa.Text),
        sqlite_autoincrement=True,
    )
    at_most_one("uq_override_in_force", "override", ["guardian", "pupil", "school"], "lifted_at IS NULL")


def homeserver() -> None:
    op.create_table(
        "account",
        sa.Column("user_id", sa.Text, primary_key=True),
        person("person"),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("activated_at", MOMENT, nullable=False),
    )
    op.create_table(
        "room",
        sa.Column("room_id", sa.Text, primary_key=True),
        sa.Column("school", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.UniqueConstraint("school", "kind", "scope"),
    )
    op.create_table(
        "room_state",
        sa.Column("room_id", sa.Text, sa.ForeignKey("room.room_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("type", sa.Text, primary_key=True),
        sa.Column("state_key", sa.Text, primary_key=True),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_table(
        "room_member",
        sa.Column("room_id", sa.Text, sa.ForeignKey("room.room_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("user_id", sa.Text, primary_key=True, index=True),
        sa.Column("membership", sa.Text, nullable=False),
    )


def inbox() -> None:
    op.create_table(
        "inbox_transaction",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("received_at", MOMENT, nullable=False, index=True),
    )
    op.create_table(
        "inbox_event",
        sa.Column("seq", NUMBER, primary_key=True),
        sa.Column("event_id", sa.Text, unique=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.Column("settled_at", MOMENT),
        sa.CheckConstraint("state IN ('pending', 'done', 'stuck')", name="state"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_inbox_event_state_seq", "inbox_event", ["state", "seq"])


def journal() -> None:
    op.create_table(
        "journal",
        sa.Column("seq", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("previous", sa.Text, nullable=False, unique=True),
        sa.Column("hash", sa.Text, nullable=False, unique=True),
    )
    head = op.create_table(
        "journal_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", NUMBER, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.CheckConstraint("id = 1", name="only_one"),
    )
    op.bulk_insert(head, [{"id": 1, "seq": 0, "hash": NOTHING}])


def guard_journal_on_sqlite() -> None:
    for deed in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER journal_keeps_{deed.lower()} BEFORE {deed} ON journal"
            " BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
        )
    op.execute(
        "CREATE TRIGGER journal_head_keeps_delete BEFORE DELETE ON journal_head"
        " BEGIN SELECT RAISE(ABORT, 'the journal has a head'); END"
    )
    op.execute(
        "CREATE TRIGGER journal_head_keeps_update BEFORE UPDATE ON journal_head WHEN NEW.seq <= OLD.seq"
        " BEGIN SELECT RAISE(ABORT, 'the journal only grows'); END"
    )


def guard_journal_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION journal_refuses() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'the journal is append-only: % on % refused', TG_OP, TG_TABLE_NAME; END $$"
    )
    op.execute(
        "CREATE TRIGGER journal_keeps BEFORE UPDATE OR DELETE OR TRUNCATE ON journal"
        " FOR EACH STATEMENT EXECUTE FUNCTION journal_refuses()"
    )
    op.execute(
        "CREATE TRIGGER journal_head_keeps BEFORE DELETE OR TRUNCATE ON journal_head"
        " FOR EACH STATEMENT EXECUTE FUNCTION journal_refuses()"
    )
    op.execute(
        "CREATE TRIGGER journal_head_grows BEFORE UPDATE ON journal_head FOR EACH ROW"
        " WHEN (NEW.seq <= OLD.seq) EXECUTE FUNCTION journal_refuses()"
    )
