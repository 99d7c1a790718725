"""Alembic's entry: `preau.store.schema` hands over a connection whose transaction is already open."""

from __future__ import annotations

from alembic import context

from preau.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot ALTER: tables are rebuilt
    transaction_per_migration=False,  # all steps or none
)
context.run_migrations()
