"""The embedded engine: a whole export on one machine, on all cores, within a given memory, resumable at any moment.

Portions of the export become slices, each bucket of the slices becomes rows, the rows become the worklist. Every part
is written whole or not at all; a run that was stopped, by whatever, goes on with the parts that are missing.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from .. import knowledge as knowledge_folder
from ..fhir_elements import Json
from ..knowledge import Knowledge
from .buckets import Slices, write_whole
from .export import Portion, Tally, WorklistError, entries, portions
from .job import Decided, Job, absent
from .outcome import Population, written
from .patients import Decider, Relevance, Row


class WorkerLost(WorklistError):
    """A worker ended without a word, as when the system runs out of memory. The parts that are done stay done."""


def run(job: Job, console: Console, spark_master: str | None = None) -> Json:
    """Makes the worklist, on this machine or on a Spark cluster, and gives its summary.

    Raises `WorklistError`, and `KnowledgeError`.
    """
    if job.out.is_relative_to(job.export):
        raise WorklistError("the worklist cannot be written into the export that it is made from")
    loaded = knowledge_folder.load(job.cards)
    loaded.guideline(job.protocol)
    found = portions(job.export, job.portion_size)
    parts = _parts(job, found)
    if spark_master is None:
        decided = _decided_here(job, found, parts, console)
    else:
        from .spark import decided_by

        decided = decided_by(spark_master, job, found, parts)
    population = Population(
        today=job.today,
        protocol=job.protocol,
        patients=decided.patients,
        read=tuple(zip(found, decided.tallies, strict=True)),
        absent=absent(decided.tallies),
    )
    summary = written(job.out, decided.rows, population, loaded, scratch=parts, memory=job.memory, threads=job.workers)
    shutil.rmtree(parts)
    return summary


def _decided_here(job: Job, found: Sequence[Portion], parts: Path, console: Console) -> Decided:
    """Decides on this machine; what `parts` holds already is not done again."""
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
    return Decided(
        tallies=tallies,
        patients=sum(orjson.loads(_counts(parts, bucket).read_bytes()) for bucket in range(slices.count)),
        rows=[_rows(parts, bucket) for bucket in range(slices.count)],
    )


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


def _rows(parts: Path, bucket: int) -> Path:
    return parts / f"rows-{bucket:06}.ndjson"


# --------------------------------------------------------------------------------------
# In the workers


_knowledge: Knowledge


def _prepare(cards: Path) -> None:
    global _knowledge
    _knowledge = knowledge_folder.load(cards)
    parent = multiprocessing.parent_process()
    if parent is not None:  # a worker whose parent was killed would wait for work for ever
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


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
    write_whole(_rows(slices.folder, bucket), b"".join(row.json() + b"\n" for row in rows))
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
