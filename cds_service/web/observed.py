"""What is told of each call: one log line, the figures, and the decision record. None of it holds patient data."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from flask import Flask, Response, g, request

from ..clients import ANYONE
from ..core.answers import Gap, Reason
from ..pipeline import Answer, new_id
from ..store import DecisionRecord
from ..terminology import is_valid_loinc, is_valid_sctid
from . import metrics

_log = logging.getLogger("cds_service.calls")

NOBODY = ANYONE.id
"""The client of a call without authentication."""
_REQUEST_ID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)
"""A UUID or a trace id. Anything freer could carry the number or the name of a patient into the logs."""


@dataclass(slots=True, kw_only=True)
class Call:
    """What is known of the call that is being answered."""

    request_id: str
    service: str = "unknown"
    client: str = NOBODY
    """Id of the client as registered here, set once it is authenticated."""
    fields: dict[str, object] = field(default_factory=dict)
    """What else goes on the log line."""
    started: float = field(default_factory=time.perf_counter)

    @property
    def elapsed_ms(self) -> float:
        return round((time.perf_counter() - self.started) * 1000, 3)


def call() -> Call:
    """The call that is being answered."""
    current: Call = g.call
    return current


def register(app: Flask, services: Iterable[str]) -> None:
    """Watches every call of the CDS Hooks endpoints, from before anything else happens until its answer."""
    known = frozenset(services)

    @app.before_request
    def begin() -> None:
        given = request.headers.get("X-Request-Id", "")
        g.call = Call(request_id=given.lower() if _REQUEST_ID.fullmatch(given) else new_id())
        service = (request.view_args or {}).get("service_id")
        if service in known:
            g.call.service = service

    @app.after_request
    def end(response: Response) -> Response:
        current = call()
        response.headers["X-Request-Id"] = current.request_id
        if not request.path.startswith("/cds-services"):
            return response
        endpoint = (request.endpoint or "none").rpartition(".")[2]
        elapsed = current.elapsed_ms
        if endpoint == "call":
            metrics.CALLS.labels(current.service, response.status_code).inc()
            metrics.DURATIONS.labels(current.service).observe(elapsed / 1000)
        line = {
            "request_id": current.request_id,
            "endpoint": endpoint,
            "service": current.service,
            "client": current.client,
            "status": response.status_code,
            "duration_ms": elapsed,
        }
        _log.info("call", extra={"fields": line | current.fields})
        return response


def answered(answer: Answer) -> DecisionRecord:
    """Counts an answer, puts it on the log line, and gives the record that is kept of it."""
    current = call()
    record = DecisionRecord(
        call=new_id(),
        at=datetime.now(UTC),
        service=current.service,
        client=current.client,
        protocol=answer.guideline.protocol.id,
        version=answer.guideline.protocol.version,
        cards={card["uuid"]: card["source"]["topic"]["code"] for card in answer.cards},
        duration_ms=current.elapsed_ms,
        unknowns=dict(Counter(str(gap.reason) for gap in answer.gaps)),
        codes_not_understood=tuple(sorted(set(_codes(answer.gaps)))),
        fetches={fetch.key: str(fetch.outcome) for fetch in answer.fetches},
    )
    current.fields |= {
        "call": record.call,
        "protocol": f"{record.protocol} {record.version}",
        "rows": list(record.cards.values()),
        "unknowns": record.unknowns,
    }
    for row in record.cards.values():
        metrics.CARDS.labels(record.protocol, row).inc()
    if not record.cards:
        metrics.SILENT.labels(record.service).inc()
    for reason, times in record.unknowns.items():
        metrics.UNKNOWNS.labels(reason).inc(times)
    fetched(answer.fetches)
    return record


def fetched(fetches: Iterable[tuple[str, str, float]]) -> None:
    """Counts what was fetched for a call by how it ended, and puts it on the log line."""
    ended = [str(outcome) for _, outcome, _ in fetches]
    if ended:
        call().fields["fetches"] = dict(Counter(ended))
    for outcome in ended:
        metrics.FETCHES.labels(outcome).inc()


def fed_back(outcomes: Iterable[str]) -> None:
    """Counts entries of feedback by what became of them, and puts them on the log line."""
    counted = Counter(outcomes)
    call().fields["feedback"] = dict(counted)
    for outcome, times in counted.items():
        metrics.FEEDBACK.labels(outcome).inc(times)


def _codes(gaps: Iterable[Gap]) -> Iterable[str]:
    """Codes that were not understood, as far as their check digits show that they are codes: a word may be a name."""
    for gap in gaps:
        if gap.reason in (Reason.UNKNOWN_WORD, Reason.MISUSED_CODE):
            code = gap.about.partition(" ")[0]
            if len(code) <= 20 and code.isascii() and (is_valid_sctid(code) or is_valid_loinc(code)):
                yield code
