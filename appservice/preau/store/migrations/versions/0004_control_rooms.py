"""What the académies say to each other in their control rooms."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "control_room",
        sa.Column("server", sa.Text, primary_key=True),
        sa.Column("room_id", sa.Text, nullable=False),
        sa.UniqueConstraint("room_id", name="uq_control_room_room_id"),
    )
    op.create_table(
        "control_word",
        sa.Column("server", sa.Text, primary_key=True),
        sa.Column("type", sa.Text, primary_key=True),
        sa.Column("state_key", sa.Text, primary_key=True),
        sa.Column("content", sa.Text, nullable=False),
    )
