"""Brings a database to the form of this release. Several workers and hosts may try at once: one does it."""

from __future__ import annotations

import logging
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

_LOCK = 0x62697261647321
"""The number of the advisory lock in PostgreSQL ("birads!")."""
_log = logging.getLogger("cds_service.store")


def upgrade(connection: sa.Connection) -> str:
    """Applies the changes that are missing, all or none, inside the transaction of `connection`. Gives the revision
    that the database has now.

    A database of a later release is left as it is: changes only add, so this release can go on working with it while
    hosts are upgraded one by one.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("set local statement_timeout = 0"))
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    # SQLite needs no lock of its own: a transaction that may write has the database to itself from its start.
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    known = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in {each.revision for each in known.walk_revisions()}:
        _log.warning("the database is of a later release (revision %s); left as it is", current)
        return current
    if current != known.get_current_head():
        command.upgrade(config, "head")
    return str(known.get_current_head())
