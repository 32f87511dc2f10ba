"""What outlives a request: feedback and decision records. The only room that knows SQLAlchemy.

Nothing in here is patient data: cards and suggestions are known by their random ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from ..wire import Feedback
from .tables import feedback, metadata

_SAME = ("service", "card", "outcome", "accepted", "outcome_at")
"""What makes two reports of feedback the same one, repeated."""


class StoreDown(Exception):
    """The database could not be reached or refused the write."""


class Store:
    """The database behind the service."""

    def __init__(self, url: str) -> None:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:"):
            Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
        self._engine = sa.create_engine(parsed)

    def prepare(self) -> None:
        """Creates what is missing. Raises `StoreDown` where the database cannot be used."""
        try:
            metadata.create_all(self._engine)
        except sa.exc.SQLAlchemyError as problem:
            raise StoreDown(type(problem).__name__) from None

    def add_feedback(self, service: str, entries: Iterable[Feedback]) -> None:
        """Keeps feedback durably, before it is acknowledged. What was reported before is kept once.

        Raises `StoreDown`.
        """
        rows = [
            {
                "service": service,
                "card": entry.card,
                "outcome": entry.outcome,
                "accepted": ",".join(entry.accepted),
                "reason_system": entry.reason_system or "",
                "reason_code": entry.reason_code or "",
                "outcome_at": entry.at,
                "received_at": datetime.now(UTC),
            }
            for entry in entries
        ]
        try:
            with self._engine.begin() as connection:
                for row in rows:
                    known = sa.select(feedback.c.id).where(
                        *(
                            feedback.c[name] == row[name]
                            for name in ("service", "card", "outcome", "accepted", "outcome_at")
                        )
                    )
                    if connection.execute(known).first() is None:
                        connection.execute(sa.insert(feedback), row)
        except sa.exc.SQLAlchemyError as problem:
            raise StoreDown(type(problem).__name__) from None
