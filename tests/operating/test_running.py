"""The service in real processes: watched, killed, stopped, and without its database."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa

from cds_service.store.spool import Spool
from cds_service.store.tables import decisions, feedback, shown
from tests.services import Postgres, Running, running, until
from tests.spec.hook_requests import Json, request, url
from tests.store.conftest import connected

pytestmark = pytest.mark.slow

CALL = url("patient-view")
FEEDBACK = f"{CALL}/feedback"


def entry(card: str) -> Json:
    return {"feedback": [{"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-06-01T08:00:00Z"}]}


def count(database: str, table: sa.Table) -> int:
    with connected(database) as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def cards_with_feedback(database: str) -> set[str]:
    with connected(database) as connection:
        return set(connection.execute(sa.select(feedback.c.card)).scalars())


class Load:
    """Clients that go on calling until they are told to stop; what was acknowledged is remembered."""

    def __init__(self, service: Running) -> None:
        self.acknowledged: set[str] = set()
        self.statuses: dict[str, list[int]] = {"call": [], "feedback": []}
        self.cut = 0
        self._service = service
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._go) for _ in range(4)]

    def _go(self) -> None:
        while not self._is_over.is_set():
            card = str(uuid.uuid4())
            try:
                self.statuses["call"].append(self._service.post(CALL, request()).status_code)
                answer = self._service.post(FEEDBACK, entry(card))
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
                self.cut += 1  # the worker that had the call was killed
                continue
            self.statuses["feedback"].append(answer.status_code)
            if answer.status_code == 200:
                self.acknowledged.add(card)

    def __enter__(self) -> Load:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._is_over.set()
        for each in self._threads:
            each.join()

    def go_on_for(self, more: int) -> None:
        """Waits for so many more acknowledgements."""
        wanted = len(self.acknowledged) + more
        until(lambda: len(self.acknowledged) >= wanted, "acknowledged feedback")


@contextmanager
def locked(database: str) -> Iterator[None]:
    """A SQLite database that somebody else writes to: feedback has to wait."""
    connection = sqlite3.connect(database.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute("begin immediate")
    try:
        yield
    finally:
        connection.execute("rollback")
        connection.close()


def test_the_metrics_of_two_workers_add_up(database_url: str, tmp_path: Path) -> None:
    with running(tmp_path, database_url) as service:
        sent = 0
        while len({line["pid"] for line in service.calls()}) < 2:
            assert service.post(CALL, request()).status_code == 200
            sent += 1
        service.post(FEEDBACK, entry("c-1"))
        until(lambda: service.metric("cds_store_records_total") == sent, "the records to be written")
        assert service.metric("cds_calls_total") == sent
        assert service.metric("cds_call_seconds_count") == sent
        assert service.metric("cds_cards_total") == sent
        assert service.metric("cds_feedback_total") == 1
        assert service.metric("cds_store_up") == 1
    assert count(database_url, decisions) == count(database_url, shown) == sent


def test_a_worker_that_is_killed_loses_no_acknowledged_feedback_and_is_replaced(
    database_url: str, tmp_path: Path
) -> None:
    with running(tmp_path, database_url) as service, Load(service) as load:
        for started in (3, 4):  # once each: a worker that dies twice within seconds ends the service
            load.go_on_for(20)
            before = service.metric("cds_feedback_total")
            victim = service.workers()[0]
            os.kill(victim, signal.SIGKILL)
            until(lambda victim=victim: victim not in service.workers(), "the worker to be gone")
            until(lambda started=started: service.started() == started, "the worker to be replaced")
            until(lambda before=before: service.metric("cds_feedback_total") >= before, "the figures of all workers")
        load.go_on_for(20)
    assert load.acknowledged <= cards_with_feedback(database_url)
    assert set(load.statuses["call"]) == {200}


def test_the_whole_service_may_be_killed_at_any_moment(database_url: str, tmp_path: Path) -> None:
    with running(tmp_path, database_url) as service:
        with Load(service) as load:
            load.go_on_for(50)
            for pid in (service.process.pid, *service.workers()):
                os.kill(pid, signal.SIGKILL)
        service.process.wait()
    assert load.acknowledged <= cards_with_feedback(database_url)


def test_guidance_goes_on_while_the_database_is_stopped_and_every_record_is_written_later(
    postgres: Postgres, tmp_path: Path
) -> None:
    database = postgres.new_database()
    with running(tmp_path, database) as service:
        with Load(service) as load:
            load.go_on_for(20)
            postgres.stop()
            try:
                until(lambda: 503 in load.statuses["feedback"], "feedback to be refused")
                until(lambda: service.get("/health/ready").json()["spool_bytes"] > 0, "records in the spool")
                state = service.get("/health/ready")
                assert (state.status_code, state.json()["status"]) == (200, "degraded")
                assert service.metric("cds_store_up") == 0
                calls = len(load.statuses["call"])
                until(lambda: len(load.statuses["call"]) > calls + 50, "guidance without the database")
            finally:
                postgres.start()
            load.go_on_for(20)
        until(lambda: service.get("/health/ready").json()["status"] == "ok", "the service to recover")
        until(lambda: count(database, decisions) >= len(load.statuses["call"]), "every record to be written")
    assert set(load.statuses["call"]) == {200}
    assert set(load.statuses["feedback"]) == {200, 503}
    assert load.acknowledged <= cards_with_feedback(database)
    assert count(database, decisions) == len(load.statuses["call"])


def test_a_service_starts_without_its_database_and_prepares_it_later(postgres: Postgres, tmp_path: Path) -> None:
    database = postgres.new_database()
    postgres.stop()
    try:
        with running(tmp_path, database, workers=1) as service:
            assert len(service.post(CALL, request()).json()["cards"]) == 1
            assert service.post(FEEDBACK, entry("c-1")).status_code == 503
            postgres.start()
            until(lambda: service.post(FEEDBACK, entry("c-1")).status_code == 200, "feedback to be taken")
            until(lambda: count(database, decisions) == 1, "the record to be written")
    finally:
        postgres.start()
    assert cards_with_feedback(database) == {"c-1"}


def test_a_spool_that_is_full_costs_records_and_nothing_else(tmp_path: Path) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    with running(tmp_path, nowhere, workers=1, spool_bytes=2000) as service:
        for _ in range(30):
            assert len(service.post(CALL, request()).json()["cards"]) == 1
        until(lambda: service.metric("cds_store_records_total") == 30, "the records to be dealt with")
        assert 'cds_store_records_total{what="dropped"}' in service.get("/metrics").text
        assert 0 < service.metric("cds_spool_bytes") <= 2000


def test_calls_in_flight_are_finished_before_the_service_ends(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'store.sqlite'}"
    with running(tmp_path, database) as service, ThreadPoolExecutor() as pool:
        assert service.post(CALL, request()).status_code == 200
        with locked(database):
            slow = pool.submit(service.post, FEEDBACK, entry("c-1"))
            time.sleep(0.5)
            service.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            assert not slow.done()
        assert slow.result().status_code == 200
        assert service.process.wait(timeout=60) == 0
    assert cards_with_feedback(database) == {"c-1"}
    spooled = [record for _, batch in Spool(tmp_path / "spool", 0).batches() for record in batch]
    assert count(database, decisions) + len(spooled) == 1


def test_a_worker_that_is_full_says_so_and_stays_healthy(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'store.sqlite'}"
    with running(tmp_path, database, workers=1, max_concurrent_calls=1) as service, ThreadPoolExecutor() as pool:
        with locked(database):
            slow = pool.submit(service.post, FEEDBACK, entry("c-1"))
            time.sleep(0.5)
            refused = service.post(CALL, request())
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
            assert service.get("/health/live").status_code == 200
        assert slow.result().status_code == 200
        assert service.post(CALL, request()).status_code == 200
