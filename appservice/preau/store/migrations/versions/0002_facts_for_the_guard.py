"""What was told to the guard, and what it has not confirmed yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "guard_stream",
        sa.Column("only_row", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("reload_from", NUMBER),
        sa.CheckConstraint("only_row = 1", name="only_one"),
    )
    op.create_table(
        "guard_fact",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("school", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
    )
    op.create_index("ix_guard_fact_kind_school", "guard_fact", ["kind", "school"])
    op.create_table(
        "guard_school",
        sa.Column("school", sa.Text, primary_key=True),
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("choices", sa.Text, nullable=False),
        sa.Column("until", MOMENT),
    )
    op.create_table(
        "guard_outbox",
        sa.Column("version", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("takes_over", sa.Boolean, nullable=False),
        sa.Column("queued_at", MOMENT, nullable=False),
    )
