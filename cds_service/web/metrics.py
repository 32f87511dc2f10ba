"""Figures for Prometheus. The only module that knows its client; no label ever holds data of a patient or a user.

Under several worker processes `serve` sets PROMETHEUS_MULTIPROC_DIR, and whichever worker is asked adds all of them up.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from ..store import Store, StoreDown

_here = CollectorRegistry()
"""The figures of this process; with several processes only a way to write them down."""

CALLS = Counter("cds_calls", "Calls, by service and HTTP status.", ["service", "status"], registry=_here)
DURATIONS = Histogram(
    "cds_call_seconds",
    "Time to answer a call, by service.",
    ["service"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=_here,
)
CARDS = Counter("cds_cards", "Cards shown, by protocol and row.", ["protocol", "row"], registry=_here)
SILENT = Counter("cds_calls_without_cards", "Answers without any card, by service.", ["service"], registry=_here)
UNKNOWNS = Counter("cds_unknowns", "Things that were not known, by reason.", ["reason"], registry=_here)
FETCHES = Counter("cds_fetches", "Fetches from FHIR servers, by outcome.", ["outcome"], registry=_here)
FEEDBACK = Counter("cds_feedback", "Entries of feedback, by what became of them.", ["outcome"], registry=_here)
RECORDS = Counter("cds_store_records", "Decision records written, spooled or dropped.", ["what"], registry=_here)


def count_records(what: str, number: int) -> None:
    """What the store tells of its records."""
    RECORDS.labels(what).inc(number)


class _StoreState(Collector):
    """The store as it is at the moment of asking: the same for every worker of a host."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("cds_store_up", "Whether the database answers.", value=is_up(self._store))
        yield GaugeMetricFamily("cds_spool_bytes", "Bytes that wait in the spool.", value=self._store.spool.size())


def is_up(store: Store) -> bool:
    """Whether the database answers."""
    try:
        store.check()
    except StoreDown:
        return False
    return True


def blueprint(store: Store) -> Blueprint:
    """`/metrics`. It tells nothing of patients, but it is meant for the inside of the network."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    def metrics() -> Response:
        registry = CollectorRegistry()
        registry.register(_StoreState(store))
        content = generate_latest(registry)
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            workers = CollectorRegistry()
            MultiProcessCollector(workers)  # type: ignore[no-untyped-call]
            content += generate_latest(workers)
        else:
            content += generate_latest(_here)
        return Response(content, content_type=CONTENT_TYPE_LATEST)

    return routes
