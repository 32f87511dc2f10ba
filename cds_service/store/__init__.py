"""What outlives a request: feedback, decision records, seen token ids. The only room that knows SQLAlchemy.

Nothing in here is patient data: cards and suggestions are known by their random ids.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ..wire import Feedback
from . import migration
from .engine import engine
from .errors import BadDatabaseUrl, StoreDown, StoreRefused
from .insights import Insights, insights
from .recorder import Counter, Recorder
from .records import DecisionRecord
from .spool import Spool
from .tables import codes_not_understood, decisions, feedback, seen_tokens, shown, unknowns

__all__ = ["BadDatabaseUrl", "DecisionRecord", "Insights", "Store", "StoreDown", "StoreRefused"]

DEFAULT_SPOOL_BYTES = 100_000_000
_FORGET_EVERY_SECONDS = 60.0
PAUSE_SECONDS = 1.0
"""How long nobody tries to connect after an attempt has failed."""


class Store:
    """The database behind the service, and the spool in front of it."""

    def __init__(
        self,
        url: str,
        *,
        spool: Path | None = None,
        spool_bytes: int = DEFAULT_SPOOL_BYTES,
        count: Counter = lambda what, number: None,
    ) -> None:
        """Opens nothing yet. Raises `BadDatabaseUrl`.

        The spool is by default a folder beside the SQLite file, or `var/spool`.
        """
        self._engine = engine(url)
        self._insert = sqlite.insert if self._engine.dialect.name == "sqlite" else postgresql.insert
        self.spool = Spool(spool or _beside(self._engine.url), spool_bytes)
        self._recorder = Recorder(self._add_decisions, self.spool, count)
        self._preparing = threading.Lock()
        self._is_prepared = False
        self._down_until = 0.0
        self._forget_at = 0.0

    def prepare(self) -> str:
        """Brings the database to the form of this release, and gives its revision. Raises `StoreDown`.

        It need not be called: whatever uses the database prepares it first where that has not succeeded yet, so a
        service can start without its database.
        """
        with self._preparing, self._connection() as connection, connection.begin():
            revision = migration.upgrade(connection)
        self._is_prepared = True
        return revision

    def recover(self) -> None:
        """Writes, in the background, what an earlier process left in the spool."""
        if not self.spool.is_empty():
            self._recorder.wake()

    def check(self) -> None:
        """Asks the database for a sign of life. Raises `StoreDown`."""
        with self._transaction(reads=True) as connection:
            connection.execute(sa.select(1))

    def close(self) -> None:
        """Writes what waits in memory and lets the connections go."""
        self._recorder.finish()
        self._engine.dispose()

    @contextmanager
    def _transaction(self, *, reads: bool = False) -> Iterator[sa.Connection]:
        """A transaction that is durable when it ends. Raises `StoreDown` or `StoreRefused`."""
        if not self._is_prepared:
            self.prepare()
        with self._connection() as connection, connection.execution_options(reads=reads).begin():
            yield connection

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        if time.monotonic() < self._down_until:
            raise StoreDown("not reached a moment ago")
        try:
            connection = self._engine.connect()
        except sa.exc.SQLAlchemyError as problem:
            # A host that does not answer at all costs every caller the time of a connection attempt.
            self._down_until = time.monotonic() + PAUSE_SECONDS
            raise StoreDown(type(problem).__name__) from None
        try:
            with connection:
                yield connection
        except (sa.exc.DataError, sa.exc.IntegrityError) as problem:
            raise StoreRefused(type(problem).__name__) from None
        except sa.exc.SQLAlchemyError as problem:
            raise StoreDown(type(problem).__name__) from None

    def _add(self, connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
        """Adds rows, leaving out those whose key is there already."""
        if rows:
            connection.execute(self._insert(table).on_conflict_do_nothing(), rows)

    # ------------------------------------------------------------------------------
    # Tokens

    def first_use(self, issuer: str, jti: str, expires: datetime) -> bool:
        """Whether the token with this id is seen for the first time, by any worker of any host. It is remembered
        until `expires` (with the leeway that the caller grants); only a digest is kept. Raises `StoreDown`."""
        now = datetime.now(UTC)
        with self._transaction() as connection:
            if time.monotonic() >= self._forget_at:
                self._forget_at = time.monotonic() + _FORGET_EVERY_SECONDS
                connection.execute(sa.delete(seen_tokens).where(seen_tokens.c.expires < now))
            row = {"same": _digest(issuer, jti), "expires": expires.astimezone(UTC)}
            added = self._insert(seen_tokens).on_conflict_do_nothing().returning(seen_tokens.c.same)
            return connection.execute(added, row).first() is not None

    # ------------------------------------------------------------------------------
    # Feedback

    def add_feedback(self, service: str, entries: Iterable[Feedback]) -> None:
        """Keeps feedback durably in the database, before it is acknowledged. What was reported before is kept once.

        Raises `StoreDown`. The spool is not used: it dies with its host, and the client can repeat what was not
        acknowledged.
        """
        rows = [_feedback_row(service, entry) for entry in entries]
        with self._transaction() as connection:
            self._add(connection, feedback, rows)

    # ------------------------------------------------------------------------------
    # Decisions

    def add_decision(self, record: DecisionRecord) -> None:
        """Hands over what is kept of an answer. Neither waits nor fails: it is written later, from the spool if the
        database is down, and dropped (and counted) where that is full."""
        self._recorder.add(record)

    def _add_decisions(self, records: Sequence[DecisionRecord]) -> None:
        with self._transaction() as connection:
            self._add(connection, decisions, [_decision_row(each) for each in records])
            for table, rows in (
                (
                    shown,
                    [
                        {"card": card, "row": row, "call": each.call}
                        for each in records
                        for card, row in each.cards.items()
                    ],
                ),
                (
                    unknowns,
                    [
                        {"call": each.call, "reason": reason, "times": times}
                        for each in records
                        for reason, times in each.unknowns.items()
                    ],
                ),
                (
                    codes_not_understood,
                    [{"call": each.call, "code": code} for each in records for code in each.codes_not_understood],
                ),
            ):
                self._add(connection, table, rows)

    def insights(self, since: datetime, until: datetime) -> Insights:
        """What the records of a period say, from `since` to before `until`. Raises `StoreDown`."""
        with self._transaction(reads=True) as connection:
            return insights(connection, since, until)


def _beside(url: sa.URL) -> Path:
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        return Path(f"{url.database}.spool")
    return Path("var") / "spool"


def _digest(*parts: str) -> str:
    """One key for several texts of any length."""
    content = b"".join(len(part).to_bytes(8, "big") + part for part in (each.encode() for each in parts))
    return hashlib.sha256(content).hexdigest()


def _feedback_row(service: str, entry: Feedback) -> dict[str, Any]:
    accepted = _storable(",".join(entry.accepted))
    card, at = _storable(entry.card), _storable(entry.at)
    return {
        "service": service,
        "card": card,
        "outcome": entry.outcome,
        "accepted": accepted,
        "reason_system": _storable(entry.reason_system or ""),
        "reason_code": _storable(entry.reason_code or ""),
        "outcome_at": at,
        "received_at": datetime.now(UTC),
        "same": _digest(service, card, entry.outcome, accepted, at),
    }


def _storable(text: str) -> str:
    """Without the one character that PostgreSQL cannot store in a text."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _decision_row(record: DecisionRecord) -> dict[str, Any]:
    return {
        "call": record.call,
        "at": record.at,
        "service": record.service,
        "client": record.client,
        "protocol": record.protocol,
        "version": record.version,
        "cards": len(record.cards),
        "duration_ms": record.duration_ms,
        "parts_ms": dict(record.parts_ms),
        "fetches": dict(record.fetches),
    }
