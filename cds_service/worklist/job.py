"""What is asked for, and how it is cut into parts that fit into the memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import orjson

from ..prefetch import REQUIRED, RESOURCE_TYPES
from .export import NoExport, Portion, Tally, WorklistError
from .patients import KEYS

MEGABYTE = 1024 * 1024
_OF_PROCESS = 110 * MEGABYTE
"""What a process takes before it holds data: the interpreter, the knowledge, the libraries."""
_LARGEST_SHARE = 256 * MEGABYTE
_MOST_BUCKETS = 4096


class TooLittleMemory(WorklistError):
    """The memory does not suffice for the workers."""


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
        code = sorted(Path(__file__).parents[1].rglob("*.py"))
        cards = [path for path in sorted(self.cards.rglob("*")) if path.is_file()]
        digest = hashlib.sha256()
        for path in (*code, *cards):
            digest.update(path.name.encode() + path.read_bytes())
        digest.update(orjson.dumps([stats, self.protocol, self.today, self.share]))
        return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What an engine made of the portions."""

    tallies: Sequence[Tally]
    """One for each portion, in their order."""
    patients: int
    rows: Sequence[Path]
    """Files with a row on each line."""


def absent(tallies: Iterable[Tally]) -> frozenset[str]:
    """The prefetch keys of which an export holds nothing. Raises `NoExport` where it holds neither reports nor
    observations, because then no silence would mean anything."""
    met = {KEYS[kind] for tally in tallies for kind in tally.resources if kind in KEYS}
    if not met & set(REQUIRED):
        raise NoExport("the export holds neither a DiagnosticReport nor an Observation")
    return frozenset(RESOURCE_TYPES) - met
