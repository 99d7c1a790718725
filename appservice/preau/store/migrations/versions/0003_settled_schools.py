"""Schools in which nothing is left to do, what moves when they are touched, and the files they were read from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)

OWN = "SELECT {row}.school AS school"
OF_THE_ROOM = "SELECT school FROM room WHERE room_id = {row}.room_id"
OF_THE_PERSON = "SELECT school FROM roster_key WHERE person = {row}.person"

SCHOOLS = {
    "snapshot": OWN,
    "consent": OWN,
    "opt_out": OWN,
    "appointment": OWN,
    "override": OWN,
    "room": OWN,
    "room_state": OF_THE_ROOM,
    "room_member": OF_THE_ROOM,
    "account": OF_THE_PERSON,
    "roster_key": f"{OWN} UNION {OF_THE_PERSON}",
}
"""Everything that a plan is made from, and to which schools a row of it belongs; keep `preau.store.settled` with it."""

DEEDS = {"insert": ("new",), "delete": ("old",), "update": ("old", "new")}


def upgrade() -> None:
    op.create_table(
        "touched",
        sa.Column("school", sa.Text, primary_key=True),
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("by_transaction", NUMBER, nullable=False, server_default="0"),
    )
    op.create_table(
        "settled",
        sa.Column("school", sa.Text, primary_key=True),
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("academy_version", NUMBER, nullable=False),
        sa.Column("basis", sa.Text, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT),
    )
    op.create_table(
        "imported_files",
        sa.Column("school", sa.Text, primary_key=True),
        sa.Column("snapshot", NUMBER, nullable=False),
        sa.Column("inputs", sa.Text, nullable=False),
        sa.Column("report", sa.Text, nullable=False),
    )
    for table, schools in SCHOOLS.items():
        if op.get_bind().dialect.name == "sqlite":
            count_on_sqlite(table, schools)
        else:
            count_on_postgresql(table, schools)


def count_on_sqlite(table: str, schools: str) -> None:
    """Row by row: SQLite knows nothing else, and changes the counter's row in place."""
    for deed, rows in DEEDS.items():
        moves = "".join(
            f" INSERT INTO touched (school, version) SELECT school, 1 FROM ({schools.format(row=row.upper())})"  # noqa: S608 -- our own words
            " WHERE true ON CONFLICT (school) DO UPDATE SET version = version + 1;"
            for row in rows
        )
        op.execute(f'CREATE TRIGGER touched_by_{table}_{deed} AFTER {deed.upper()} ON "{table}" BEGIN{moves} END')


def count_on_postgresql(table: str, schools: str) -> None:
    """Once a transaction and school: each change of the counter would leave a dead row for the next one to step over.

    Schools in order, so that two transactions do not wait for each other.
    """
    op.execute(
        f"CREATE FUNCTION touched_by_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"  # noqa: S608 -- our own words
        " INSERT INTO touched (school, version, by_transaction)"
        " SELECT DISTINCT found.school, 1, pg_current_xact_id()::text::bigint"
        f" FROM changed, LATERAL ({schools.format(row='changed')}) AS found ORDER BY 1"
        " ON CONFLICT (school) DO UPDATE SET version = touched.version + 1, by_transaction = excluded.by_transaction"
        " WHERE touched.by_transaction <> excluded.by_transaction; RETURN NULL; END $$"
    )
    for deed, rows in DEEDS.items():
        for row in rows:
            op.execute(
                f'CREATE TRIGGER touched_by_{table}_{deed}_{row} AFTER {deed.upper()} ON "{table}"'
                f" REFERENCING {row.upper()} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION touched_by_{table}()"
            )
