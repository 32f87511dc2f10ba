"""The embedded engine: a whole export on one machine, on all cores, within a given memory, resumable at any moment.

Portions of the export become slices, each bucket of the slices becomes rows, the rows become the worklist. Every part
is written whole or not at all; a run that was stopped, by whatever, goes on with the parts that are missing.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from .. import knowledge as knowledge_folder
from ..fhir_elements import Json
from .buckets import Slices, write_whole
from ..knowledge import Knowledge
from ..prefetch import REQUIRED, RESOURCE_TYPES
from .export import NoExport, Portion, Tally, WorklistError, entries, portions
from .outcome import Population, written
from .patients import KEYS, Decider, Relevance, Row

MEGABYTE = 1024 * 1024
_OF_PROCESS = 110 * MEGABYTE
"""What a process takes before it holds data: the interpreter, the knowledge, the libraries."""
_LARGEST_SHARE = 256 * MEGABYTE
_MOST_BUCKETS = 4096


class TooLittleMemory(WorklistError):
    """The memory does not suffice for the workers."""


class WorkerLost(WorklistError):
    """A worker ended without a word, as when the system runs out of memory. The parts that are done stay done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is asked for."""

    export: Path
    out: Path
    cards: Path
    protocol: str
    today: date
    memory: int
    """Bytes that all processes together may take."""
    workers: int

    @property
    def share(self) -> int:
        """Bytes of data that one worker may hold. Raises `TooLittleMemory`."""
        share = (self.memory - _OF_PROCESS) // self.workers - _OF_PROCESS
        if share < 16 * MEGABYTE:
            least = (self.workers + 1) * _OF_PROCESS + self.workers * 16 * MEGABYTE
            raise TooLittleMemory(f"{self.workers} workers need at least {least // MEGABYTE} MB")
        return min(share, _LARGEST_SHARE)

    @property
    def portion_size(self) -> int:
        return self.share // 4

    def buckets(self, found: Sequence[Portion]) -> int:
        """How many buckets, so that each fits into the share of a worker several times."""
        size = sum(each.size * (12 if each.file.endswith(".gz") else 1) for each in found)
        return max(1, min(_MOST_BUCKETS, 1 + 16 * size // self.share))

    def fingerprint(self, found: Sequence[Portion]) -> str:
        """What the parts of a run depend on; parts of another run are never used."""
        files = sorted({each.file for each in found})
        stats = [(name, (stat := (self.export / name).stat()).st_size, stat.st_mtime_ns) for name in files]
        code = [path for path in sorted(Path(__file__).parents[1].rglob("*.py"))]
        cards = [path for path in sorted(self.cards.rglob("*")) if path.is_file()]
        digest = hashlib.sha256()
        for path in (*code, *cards):
            digest.update(path.name.encode() + path.read_bytes())
        digest.update(orjson.dumps([stats, self.protocol, self.today, self.share]))
        return digest.hexdigest()


def run(job: Job, console: Console, spark_master: str | None = None) -> Json:
    """Makes the worklist, on this machine or on a Spark cluster, and gives its summary. Raises `WorklistError`."""
    if job.out.is_relative_to(job.export):
        raise WorklistError("the worklist cannot be written into the export that it is made from")
    loaded = knowledge_folder.load(job.cards)
    if job.protocol not in loaded.guidelines:
        raise WorklistError(f"there is no protocol {job.protocol}; there are {', '.join(sorted(loaded.guidelines))}")
    found = portions(job.export, job.portion_size)
    parts = _parts(job, found)
    slices = Slices(parts, job.buckets(found))
    with _progress(console) as progress, _pool(job) as pool:
        waiting = [number for number in range(len(found)) if slices.tally(number) is None]
        started = [pool.submit(_slice, job, slices, number, found[number]) for number in waiting]
        _follow(progress, "reading", len(found), started)
        tallies = [tally for number in range(len(found)) if (tally := slices.tally(number)) is not None]
        missing = absent(tallies)
        waiting = [bucket for bucket in range(slices.count) if not _counts(parts, bucket).exists()]
        started = [pool.submit(_decide, job, slices, bucket, missing) for bucket in waiting]
        _follow(progress, "deciding", slices.count, started)
    population = Population(
        today=job.today,
        protocol=job.protocol,
        patients=sum(orjson.loads(_counts(parts, bucket).read_bytes()) for bucket in range(slices.count)),
        read=tuple(zip(found, tallies, strict=True)),
        absent=missing,
    )
    rows = sorted(parts.glob("rows-*.ndjson"))
    summary = written(job.out, rows, population, loaded, scratch=parts, memory=job.memory, threads=job.workers)
    shutil.rmtree(parts)
    return summary


def absent(tallies: Iterable[Tally]) -> frozenset[str]:
    """The prefetch keys of which an export holds nothing. Raises `NoExport` where it holds neither reports nor
    observations, because then no silence would mean anything."""
    met = {KEYS[kind] for tally in tallies for kind in tally.resources if kind in KEYS}
    if not met & set(REQUIRED):
        raise NoExport("the export holds neither a DiagnosticReport nor an Observation")
    return frozenset(RESOURCE_TYPES) - met


def _parts(job: Job, found: Sequence[Portion]) -> Path:
    """The folder of the finished parts of this very run; those of any other run are removed."""
    parts, fingerprint = job.out / ".parts", job.fingerprint(found).encode()
    mark = parts / "fingerprint"
    if not mark.exists() or mark.read_bytes() != fingerprint:
        shutil.rmtree(parts, ignore_errors=True)
        parts.mkdir(parents=True)
        write_whole(mark, fingerprint)
    return parts


def _counts(parts: Path, bucket: int) -> Path:
    """Holds how many patients a bucket had; written last, so that it says that the bucket is done."""
    return parts / f"rows-{bucket:06}.patients"


# --------------------------------------------------------------------------------------
# In the workers


_knowledge: Knowledge


def _prepare(cards: Path) -> None:
    global _knowledge
    _knowledge = knowledge_folder.load(cards)
    parent = multiprocessing.parent_process()
    if parent is not None:  # a worker whose parent was killed would wait for work for ever
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def _slice(job: Job, slices: Slices, number: int, portion: Portion) -> None:
    tally = Tally()
    found = entries(job.export, portion, Relevance(_knowledge.terminology), tally)
    slices.write(number, found, tally, job.share // 3)


def _decide(job: Job, slices: Slices, bucket: int, missing: frozenset[str]) -> None:
    decider = Decider(_knowledge, job.protocol, job.today, missing)
    count = 0
    rows: list[Row] = []
    for patient, lines in slices.patients(bucket, job.share):
        count += 1
        rows += decider.rows(patient, lines.usable(), lines.damaged)
    write_whole(slices.folder / f"rows-{bucket:06}.ndjson", b"".join(row.json() + b"\n" for row in rows))
    write_whole(_counts(slices.folder, bucket), orjson.dumps(count))


# --------------------------------------------------------------------------------------
# Around them


@contextmanager
def _pool(job: Job) -> Iterator[ProcessPoolExecutor]:
    pool = ProcessPoolExecutor(
        job.workers, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare, initargs=(job.cards,)
    )
    try:
        yield pool
    except BrokenProcessPool:
        raise WorkerLost("a worker ended unexpectedly; run the command again to go on from here") from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _progress(console: Console) -> Iterator[Progress]:
    columns = (TextColumn("{task.description:>9}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        yield progress


def _follow(progress: Progress, what: str, total: int, started: Sequence[Future[None]]) -> None:
    task = progress.add_task(what, total=total, completed=total - len(started))
    for future in as_completed(started):
        future.result()
        progress.advance(task)
