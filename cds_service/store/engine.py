"""Connections: SQLite for one host, PostgreSQL for several, both so that a commit is durable and nothing waits long."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from .errors import BadDatabaseUrl

WAIT_SECONDS = 2
"""How long a call waits for a connection, for a lock or for an answer. Cards do not wait for the store at all; the
check of a token does."""


def engine(url: str) -> sa.Engine:
    """The engine for a SQLAlchemy URL (`sqlite:///file` or `postgresql://...`). Raises `BadDatabaseUrl`."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise BadDatabaseUrl("it is not a SQLAlchemy URL") from None
    match parsed.get_backend_name():
        case "sqlite":
            return _sqlite(parsed)
        case "postgresql":
            return _postgresql(parsed)
        case _:
            raise BadDatabaseUrl("it has to begin with sqlite: or postgresql:")


def _sqlite(url: sa.URL) -> sa.Engine:
    if url.database not in (None, "", ":memory:"):
        with suppress(OSError):  # a folder that cannot be made is a database that cannot be reached
            Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    made = sa.create_engine(url, connect_args={"timeout": WAIT_SECONDS})

    @sa.event.listens_for(made, "connect")
    def set_up(connection: Any, record: object) -> None:
        connection.isolation_level = None  # transactions begin where `begin` below says so, also around DDL
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")  # in WAL mode the default may lose the last commits
        connection.execute("pragma foreign_keys = on")

    @sa.event.listens_for(made, "begin")
    def begin(connection: sa.Connection) -> None:
        reads = connection.get_execution_options().get("reads")
        connection.exec_driver_sql("begin" if reads else "begin immediate")

    return made


def _postgresql(url: sa.URL) -> sa.Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    milliseconds = WAIT_SECONDS * 1000
    return sa.create_engine(
        url,
        pool_pre_ping=True,
        pool_timeout=WAIT_SECONDS,
        connect_args={
            "connect_timeout": WAIT_SECONDS,
            "tcp_user_timeout": milliseconds,
            "options": f"-c timezone=UTC -c statement_timeout={milliseconds} -c synchronous_commit=on",
        },
    )
