"""The database's schema: brought up to date, or refused when it is not this version's.

Two processes that start at once take turns: SQLite by its write lock, PostgreSQL by an advisory lock. The second finds
nothing left to do. All steps are one transaction: a migration that fails leaves the schema as it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from preau.errors import StoreError

_TURN: Final = 0x50726561  # "Prea": any number that nobody else in this database uses


def migrate(connection: Connection) -> bool:
    """Bring the schema up to date, in the open transaction of ``connection``. False: there was nothing to do.

    Alembic keeps what it is doing in global variables: within one process, databases are migrated one after the other.
    One that is up to date is only looked at, so any number of flows may open it at once.

    Raises:
        StoreError: the schema is newer than this version of Préau.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": _TURN})
    config = _config()
    scripts, found = ScriptDirectory.from_config(config), _found(connection)
    _refuse_newer(found, scripts)
    if found == scripts.get_current_head():
        return False
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise StoreError(
            "After the migration, rows of the database point to rows that do not exist; nothing was changed.",
            advice="Restore the last good copy of the database, and report this with the version you came from.",
        )
    return True


def is_behind(connection: Connection) -> bool:
    """Whether `migrate` would do anything.

    Raises:
        StoreError: the schema is newer than this version of Préau.
    """
    scripts, found = ScriptDirectory.from_config(_config()), _found(connection)
    _refuse_newer(found, scripts)
    return found != scripts.get_current_head()


def check(connection: Connection) -> None:
    """Pass when the schema is this version's.

    Raises:
        StoreError: it is missing, older or newer; the advice says what to do.
    """
    scripts = ScriptDirectory.from_config(_config())
    found = _found(connection)
    _refuse_newer(found, scripts)
    needed = scripts.get_current_head()
    if found is None:
        raise StoreError(
            "The database is empty.", advice="Check the database URL; if it is right, start `preau serve` once."
        )
    if found != needed:
        raise StoreError(
            f"The database was last used by an older Préau (schema {found}; this version needs {needed}).",
            advice="Copy the database, then restart `preau serve` with this version: it brings the schema up to date.",
        )


def _config() -> Config:
    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _found(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_newer(found: str | None, scripts: ScriptDirectory) -> None:
    known = {script.revision for script in scripts.walk_revisions()}
    if found is not None and found not in known:
        raise StoreError(
            f"The database was last used by a newer Préau (schema {found}, unknown here).",
            advice="Install that version again, or restore the copy of the database made before it.",
        )
