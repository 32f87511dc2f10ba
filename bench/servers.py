"""Real server processes with one worker each, and what that worker has used of the machine."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE_SECONDS = 30
THREADS = 20
"""Threads of a worker of ours with the default settings; the baseline gets as many."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A server that answers, its one worker, and how long it took from its start to its first answer."""

    port: int
    worker: int
    start_seconds: float

    def post(self, path: str, body: bytes) -> bytes:
        """One call. Raises `RuntimeError` where it is not answered with 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path} answered {response.status}: {answer[:300]!r}")
        return answer

    def cpu_seconds(self) -> float:
        """What the worker has used of a core so far, its threads included."""
        stat = Path(f"/proc/{self.worker}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / _TICKS

    def megabytes(self) -> float:
        """What the worker holds in memory."""
        status = Path(f"/proc/{self.worker}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@contextmanager
def ours(state: Path, path: str, body: bytes) -> Iterator[Server]:
    """This service, with a store of its own. `path` and `body` are the first call that it has to answer."""
    environ = {
        "CDS_DATABASE_URL": f"sqlite:///{state / 'bench.sqlite'}",
        "CDS_CALLS_PER_SECOND": "1000000",
        "CDS_MAX_CONCURRENT_CALLS": "16",
    }
    command = ["-m", "cds_service", "serve", "--development", "--workers", "1", "--port"]
    with _running(command, environ, path, body) as server:
        yield server


@contextmanager
def baseline(answers: Path, path: str, body: bytes) -> Iterator[Server]:
    """The baseline, with the folder of the answers that it gives."""
    command = ["-m", "granian", "--interface", "wsgi", "--workers", "1", "--blocking-threads", str(THREADS)]
    command += ["--no-access-log", "--log-level", "warning", "bench.baseline:app", "--port"]
    with _running(command, {"BENCH_ANSWERS": str(answers)}, path, body) as server:
        yield server


@contextmanager
def _running(command: list[str], environ: Mapping[str, str], path: str, body: bytes) -> Iterator[Server]:
    port, began = _free_port(), time.perf_counter()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    process = subprocess.Popen(
        [sys.executable, *command, str(port)],
        env=inherited | environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _first_answer(Server(port, 0, 0), process, path, body)
        seconds = time.perf_counter() - began
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        workers = [int(pid) for pid in children if b"resource_tracker" not in _command_line(pid)]
        if len(workers) != 1:
            raise RuntimeError(f"one worker was expected, there are {len(workers)}")
        yield Server(port, workers[0], seconds)
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def _command_line(pid: str) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def _first_answer(server: Server, process: subprocess.Popen[bytes], path: str, body: bytes) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            server.post(path, body)
        except OSError:
            if process.poll() is not None:
                raise RuntimeError(f"{process.args!r} ended with {process.returncode}") from None
            time.sleep(0.01)
        else:
            return
    raise RuntimeError(f"{process.args!r} did not answer within {PATIENCE_SECONDS} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
