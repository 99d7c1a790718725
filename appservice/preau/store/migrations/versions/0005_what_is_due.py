"""Of whom and of what the guard must be told again, and from when; schools' facts are worked out whole only rarely.

What the guard was told stays; which facts follow from what was not noted until now, so every school is looked at once.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "guard_due",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("at", MOMENT, primary_key=True),
        sa.Column("version", NUMBER, nullable=False),
    )
    op.create_index("ix_guard_due_at", "guard_due", ["at"])
    op.drop_table("guard_school")
    op.create_table(
        "guard_school",
        sa.Column("school", sa.Text, primary_key=True),
        sa.Column("basis", sa.Text, nullable=False),
        sa.Column("derived_at", MOMENT, nullable=False),
    )
