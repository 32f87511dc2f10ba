"""How often one address may do something that costs time or that guesses."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable

from ..errors import TooMany

_MOST_ADDRESSES = 10_000


class Attempts:
    """Counts attempts per address within a sliding stretch of `seconds`, in this process."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._lock = threading.Lock()
        self._made: dict[str, deque[float]] = defaultdict(deque)

    def count(self, address: str | None) -> None:
        """Counts one more. Raises `TooMany` where there were too many already."""
        now = self._clock()
        with self._lock:
            if len(self._made) > _MOST_ADDRESSES:
                self._made.clear()
            made = self._made[address or ""]
            while made and made[0] <= now - self._seconds:
                made.popleft()
            if len(made) >= self._most:
                raise TooMany
            made.append(now)
