"""Decision records on their way to the database: an answer never waits for them and never fails because of them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from .errors import StoreDown, StoreRefused
from .records import DecisionRecord
from .spool import Spool

MOST_WAITING = 10_000
"""Records in memory; beyond that they are dropped and counted."""
BATCH = 500
COLLECT_SECONDS = 0.25
"""How long records are collected where they come one upon the other: a transaction for each of them would cost several
times what the calls cost that they are records of. A single record is written at once."""
_IDLE_SECONDS = 1.0
"""How long the thread looks for more before it ends. Also the longest that a shutdown waits for it."""
RETRY_SECONDS = 2.0
"""How long the database is left alone after it refused a connection."""

Counter = Callable[[str, int], None]
"""Told what became of records: `written`, `spooled`, or `dropped`, and how many."""


class Recorder:
    """A bounded queue and one thread that empties it, in batches, into the database or else into the spool.

    The thread lives while there is something to write, is not a daemon, and so is waited for when a process ends in
    an orderly way.
    """

    def __init__(self, write: Callable[[Sequence[DecisionRecord]], None], spool: Spool, count: Counter) -> None:
        self._write = write
        self._spool = spool
        self._count = count
        self._waiting: queue.Queue[DecisionRecord] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._not_before = 0.0
        self._closing = threading.Event()

    def add(self, record: DecisionRecord) -> None:
        """Takes a record on, or drops it where too many wait."""
        try:
            self._waiting.put_nowait(record)
        except queue.Full:
            self._count("dropped", 1)
        self.wake()

    def wake(self) -> None:
        """Sees to it that somebody writes."""
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="store-recorder")
                with suppress(RuntimeError):  # no thread to be had now: the next record tries again
                    thread.start()
                    self._thread = thread

    def finish(self) -> None:
        """Waits until nothing is left in memory; what is in the spool may stay there."""
        self._closing.set()
        thread = self._thread
        if thread is not None:
            thread.join()
        self._closing.clear()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            with self._lock:
                if self._thread is threading.current_thread():
                    self._thread = None  # it failed; the next record starts another

    def _work(self) -> None:
        self._spool.tidy()
        while True:
            batch = self._next_batch()
            if batch:
                self._deliver(batch)
            if time.monotonic() >= self._not_before:
                self._empty_spool()
            with self._lock:
                if not batch and self._waiting.empty() and (self._spool.is_empty() or self._is_ending()):
                    self._thread = None
                    return

    def _next_batch(self) -> list[DecisionRecord]:
        batch: list[DecisionRecord] = []
        try:
            batch.append(self._waiting.get(timeout=_IDLE_SECONDS))
            if 0 < self._waiting.qsize() < BATCH:
                self._closing.wait(COLLECT_SECONDS)
            while len(batch) < BATCH:
                batch.append(self._waiting.get_nowait())
        except queue.Empty:
            pass
        return batch

    def _deliver(self, batch: list[DecisionRecord]) -> None:
        if time.monotonic() >= self._not_before and self._is_written(batch):
            return
        self._keep(batch)

    def _keep(self, batch: list[DecisionRecord]) -> None:
        """Spools a batch, or as much of it as there is room for."""
        if self._spool.put(batch):
            self._count("spooled", len(batch))
        elif len(batch) == 1:
            self._count("dropped", 1)
        else:
            half = len(batch) // 2
            self._keep(batch[:half])
            self._keep(batch[half:])

    def _empty_spool(self) -> None:
        for path, batch in self._spool.batches():
            if not self._is_written(batch):
                return
            self._spool.done(path)

    def _is_written(self, batch: Sequence[DecisionRecord]) -> bool:
        """Whether the batch needs no further attention: it is in the database, or will never be."""
        try:
            self._write(batch)
        except StoreRefused:
            if len(batch) == 1:
                self._count("dropped", 1)
                return True
            return all(self._is_written([record]) for record in batch)
        except StoreDown:
            self._not_before = time.monotonic() + RETRY_SECONDS
            return False
        self._count("written", len(batch))
        return True

    def _is_ending(self) -> bool:
        """Whether the process is about to end; the next one empties the spool then."""
        return self._closing.is_set() or not threading.main_thread().is_alive()
