"""Which step of a call each microsecond belongs to, in one process without a server.

The functions that begin a step are timed, each without what the steps inside it take. What no step owns is Flask, the
watching of the call and the hand-over of its record.
"""

from __future__ import annotations

import io
import logging
import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import orjson

from cds_service import pipeline, wire
from cds_service.core.situation import Record
from cds_service.logs import JsonLines
from cds_service.reading.reader import ReportReader
from cds_service.settings import Settings
from cds_service.web import api, create_app, observed

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

STEPS = ("flask", "watch", "parse", "gather", "map", "read", "decide", "render", "check", "dump")
MEANING = {
    "flask": "routing, headers, the response, limits",
    "watch": "figures, log line, decision record",
    "parse": "JSON to objects, the envelope checked",
    "gather": "what arrived for each prefetch key",
    "map": "FHIR resources to a history",
    "read": "reports in words",
    "decide": "verdicts, situations, rows, advice",
    "render": "advice to cards with orders",
    "check": "the answer against its schema",
    "dump": "cards to JSON",
}
SERVICE = "/cds-services/breast-imaging-order-select"


class _Clock:
    """Splits running time between steps: what an inner step takes is not counted for the outer one."""

    def __init__(self) -> None:
        self.taken = dict.fromkeys(STEPS, 0.0)
        self._open: list[str] = []
        self._since = 0.0

    def _switch(self) -> None:
        now = time.perf_counter()
        if self._open:
            self.taken[self._open[-1]] += now - self._since
        self._since = now

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            self._switch()
            self._open.append(step)
            try:
                return function(*args, **kwargs)
            finally:
                self._switch()
                self._open.pop()

        return called


def application() -> Callable[[bytes], bytes]:
    """The service without a server: gives the answer to a body. Calls are logged as in a server, to nowhere."""
    log = logging.getLogger("cds_service")
    log.setLevel(logging.INFO)
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(JsonLines())
    log.addHandler(handler)
    return called(create_app(Settings(database_url="sqlite://", development=True, calls_per_second=10**9)))


def called(app: WSGIApplication) -> Callable[[bytes], bytes]:
    """A WSGI application as a function from the body of a call to that of its answer."""

    def call(body: bytes) -> bytes:
        environ = {
            "REQUEST_METHOD": "POST", "PATH_INFO": SERVICE, "SCRIPT_NAME": "", "QUERY_STRING": "",
            "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body)), "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8080", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "127.0.0.1:8080", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(), "wsgi.version": (1, 0), "wsgi.multithread": True,
            "wsgi.multiprocess": False, "wsgi.run_once": False,
        }  # fmt: skip
        return b"".join(app(environ, lambda status, headers, exc_info=None: lambda data: None))

    return call


def profile(body: bytes, calls: int) -> dict[str, float]:
    """Microseconds of each step of one call: medians over ten batches."""
    clock = _Clock()
    undo = [_timed(clock, owner, name, step) for owner, name, step in _BEGINNINGS]
    undo.append(_timed_json(clock))
    try:
        answer = clock.timed("flask", application())
        for _ in range(calls):
            answer(body)
        batches = []
        for _ in range(10):
            clock.taken = dict.fromkeys(STEPS, 0.0)
            for _ in range(calls // 10):
                answer(body)
            batches.append({step: 1e6 * taken / (calls // 10) for step, taken in clock.taken.items()})
    finally:
        for each in undo:
            each()
    return {step: statistics.median(batch[step] for batch in batches) for step in STEPS}


_BEGINNINGS: tuple[tuple[Any, str, str], ...] = (
    (observed, "answered", "watch"),
    (pipeline.ServiceDesk, "request", "parse"),
    (pipeline.ServiceDesk, "_gathered", "gather"),
    (pipeline, "history", "map"),
    (pipeline, "drafts", "map"),
    (ReportReader, "__call__", "read"),
    (Record, "__init__", "decide"),
    (pipeline, "decisions", "decide"),
    (pipeline, "advice", "decide"),
    (pipeline.render, "cards", "render"),
    (api, "dumped", "check"),
)


def _timed(clock: _Clock, owner: Any, name: str, step: str) -> Callable[[], None]:
    plain = getattr(owner, name)
    timed = clock.timed(step, plain)
    setattr(owner, name, lambda *args, **kwargs: timed(*args, **kwargs))
    return lambda: setattr(owner, name, plain)


def _timed_json(clock: _Clock) -> Callable[[], None]:
    wire.orjson = SimpleNamespace(  # type: ignore[assignment]
        loads=orjson.loads, dumps=clock.timed("dump", orjson.dumps), JSONDecodeError=orjson.JSONDecodeError
    )
    return lambda: setattr(wire, "orjson", orjson)
