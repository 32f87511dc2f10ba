"""Limits that keep one caller, or too many calls at once, from holding up the others. Each worker keeps its own."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from flask import Flask, current_app, g, request

from ..errors import Busy, TooMany
from ..settings import Settings
from . import observed

MOST_CALLERS = 10_000
"""Callers that are remembered; whoever called longest ago is forgotten first."""
_RATES = "cds_rates"


class Rates:
    """A token bucket for each caller: `per_second` calls in the long run, and at most so many at once."""

    def __init__(self, per_second: float, most_at_once: int) -> None:
        self._per_second, self._most = per_second, most_at_once
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def admits(self, caller: str, now: float) -> bool:
        """Whether one more call of the caller is within its rate; `now` in seconds of a clock that only runs on."""
        with self._lock:
            left, since = self._buckets.pop(caller, (float(self._most), now))
            left = min(self._most, left + (now - since) * self._per_second)
            is_admitted = left >= 1
            self._buckets[caller] = (left - 1 if is_admitted else left, now)
            if len(self._buckets) > MOST_CALLERS:
                self._buckets.popitem(last=False)
            return is_admitted

    def admit(self, caller: str) -> None:
        """Takes one more call of the caller. Raises `TooMany`."""
        if not self.admits(caller, time.monotonic()):
            raise TooMany


def register(app: Flask, settings: Settings) -> None:
    """Refuses, with 503, what exceeds the calls that a worker answers at once. Health, metrics and pages are not
    limited."""
    places = threading.BoundedSemaphore(settings.max_concurrent_calls)
    app.extensions[_RATES] = Rates(settings.calls_per_second, 2 * settings.calls_per_second)

    @app.before_request
    def admit() -> None:
        if request.method == "POST" and request.path.startswith("/cds-services"):
            if not places.acquire(blocking=False):
                raise Busy
            g.has_place = True

    @app.teardown_request
    def leave(error: BaseException | None) -> None:
        if g.pop("has_place", False):
            places.release()


def within_rate() -> None:
    """Refuses, with 429, a caller that calls too often. To be called as soon as the client is known; without one, the
    caller is an address. Raises `TooMany`."""
    client = observed.call().client
    rates: Rates = current_app.extensions[_RATES]
    rates.admit(address() if client == observed.NOBODY else client)


def address() -> str:
    """Where the request at hand comes from."""
    return request.remote_addr or ""
