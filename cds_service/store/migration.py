"""Brings a database to the form of this release. Several workers and hosts may try at once: one does it."""

from __future__ import annotations

import logging
from pathlib import Path

import sqlalchemy as sa

_MIGRATIONS = Path(__file__).parent / "migrations"
NEWEST = max(path.name[1:5] for path in (_MIGRATIONS / "versions").glob("r*.py"))
"""The revision of this release."""
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
    current = _revision(connection)
    if current == NEWEST:
        return current
    # Not before it is needed: every worker comes here at its start, and nearly always finds nothing to do.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {each.revision for each in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        _log.warning("the database is of a later release (revision %s); left as it is", current)
        return current
    command.upgrade(config, "head")
    return NEWEST


def _revision(connection: sa.Connection) -> str | None:
    """The revision that the database has; None for a database without one."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("select version_num from alembic_version")).scalar()
