"""Stores that are closed again, and records to put into them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cds_service.store import DecisionRecord, Store
from cds_service.store.engine import engine
from cds_service.wire import Feedback

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def record(*rows: str, **members: Any) -> DecisionRecord:
    """What is kept of one answer with cards of these rows."""
    given = {
        "call": str(uuid.uuid4()),
        "at": NOON,
        "service": "breast-imaging-patient-view",
        "client": "north",
        "protocol": "brochure-calcification",
        "version": "1.0.0",
        "cards": {str(uuid.uuid4()): row for row in rows},
        "duration_ms": 10.0,
    }
    return DecisionRecord(**given | members)


def overridden(card: str, **members: Any) -> Feedback:
    given = {
        "card": card,
        "outcome": "overridden",
        "accepted": (),
        "reason_code": None,
        "reason_system": None,
        "at": "2026-06-01T08:00:00Z",
    }
    return Feedback(**given | members)


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    """A connection to look into a database, or to prepare it."""
    opened = engine(url)
    with opened.begin() as connection:
        yield connection
    opened.dispose()


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """Opens stores that are closed after the test, each test with a spool of its own."""
    opened: list[Store] = []

    def opens(url: str, **options: Any) -> Store:
        opened.append(Store(url, **{"spool": tmp_path / "spool"} | options))
        return opened[-1]

    yield opens
    for each in opened:
        each.close()


@pytest.fixture
def store(database_url: str, open_store: Callable[..., Store]) -> Store:
    return open_store(database_url)
