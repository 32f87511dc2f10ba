"""The same worklist over a Spark cluster: Spark reads the portions, groups by patient and calls the same function.

Every node has this package, and finds the export and the knowledge folder under the same paths. Only rows come back.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from py4j.protocol import Py4JJavaError
from pyspark import RDD, SparkConf, SparkContext, StorageLevel

from .. import knowledge as knowledge_folder
from ..knowledge import Knowledge
from .buckets import Lines, stated_tally, tally_from
from .export import Portion, Tally, WorklistError, entries
from .job import Decided, Job, absent
from .patients import Decider, Relevance

_LEAST_PARTITIONS = 16
_TALLY = ""
"""The key of what belongs to no patient: the tally of a portion, under its number."""


class ClusterFailed(WorklistError):
    """Spark gave up; its own log says why."""


def decided_by(master: str, job: Job, found: Sequence[Portion], parts: Path) -> Decided:
    """Decides on a cluster; `master` is its address."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # the nodes have this package where this one has it
    settings = SparkConf().setMaster(master).setAppName("breast imaging worklist").set("spark.ui.enabled", "false")
    with SparkContext(conf=settings) as cluster:
        try:
            return _decided(cluster, job, found, parts)
        except Py4JJavaError as error:
            raise ClusterFailed(f"Spark gave up: {error.java_exception.getClass().getSimpleName()}") from None


def _decided(cluster: SparkContext, job: Job, found: Sequence[Portion], parts: Path) -> Decided:
    numbered = cluster.parallelize(list(enumerate(found)), len(found))
    read: RDD[tuple[str, tuple[str, bytes]]] = numbered.flatMap(lambda each: _read(job, *each))
    read.persist(StorageLevel.DISK_ONLY)
    tallies = {
        int(number): tally_from(line) for _, (number, line) in read.filter(lambda each: each[0] == _TALLY).collect()
    }
    ordered = [tallies[number] for number in range(len(found))]
    missing = absent(ordered)
    partitions = max(job.buckets(found), 4 * cluster.defaultParallelism, _LEAST_PARTITIONS)
    grouped = read.filter(lambda each: each[0] != _TALLY).groupByKey(partitions, lambda key: zlib.crc32(key.encode()))
    patients, path = 0, parts / "rows-spark.ndjson"
    with path.open("wb") as file:
        for rows in grouped.map(lambda each: _rows(job, missing, *each)).toLocalIterator(prefetchPartitions=True):
            patients += 1
            file.write(rows)
    return Decided(tallies=ordered, patients=patients, rows=[path])


# --------------------------------------------------------------------------------------
# On the nodes


@lru_cache(maxsize=1)
def _knowledge(cards: Path) -> Knowledge:
    return knowledge_folder.load(cards)


@lru_cache(maxsize=1)
def _decider(job: Job, missing: frozenset[str]) -> Decider:
    return Decider(_knowledge(job.cards), job.protocol, job.today, missing)


def _read(job: Job, number: int, portion: Portion) -> Iterator[tuple[str, tuple[str, bytes]]]:
    tally = Tally()
    for entry in entries(job.export, portion, Relevance(_knowledge(job.cards).terminology), tally):
        yield entry.patient, (entry.mark, entry.line)
    yield _TALLY, (str(number), stated_tally(tally))


def _rows(job: Job, missing: frozenset[str], patient: str, found: Iterable[tuple[str, bytes]]) -> bytes:
    lines = Lines()
    for mark, line in found:
        lines.add(mark.encode(), line)
    rows = _decider(job, missing).rows(patient, lines.usable(), lines.damaged)
    return b"".join(row.json() + b"\n" for row in rows)
