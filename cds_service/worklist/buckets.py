"""Grouping by patient within a bounded memory: portions of the export become slices, slices are read by bucket.

A patient belongs to one bucket by a hash of the id. A slice is one file that holds a portion's entries sorted by
bucket, in blocks of bounded size, beside an index of offsets. It is complete when its tally exists, which is written
last, so that whatever a stopped run leaves behind is either whole or ignored.
"""

from __future__ import annotations

import os
import zlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import orjson

from .export import Entry, Tally
from .patients import led_to

_ENTRY_OVERHEAD = 120
"""Bytes that an entry takes in memory beyond its own."""


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that it is there entirely or not at all, also after a loss of power."""
    part = path.with_name(f"{path.name}.part{os.getpid()}")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def stated_tally(tally: Tally) -> bytes:
    """A tally as JSON."""
    return orjson.dumps({"lines": tally.lines, "resources": tally.resources, "problems": tally.problems})


def tally_from(stated: bytes) -> Tally:
    """The tally that was stated as JSON."""
    found = orjson.loads(stated)
    problems = [(line, what) for line, what in found["problems"]]
    return Tally(lines=found["lines"], resources=Counter(found["resources"]), problems=problems)


@dataclass(frozen=True, slots=True)
class Slices:
    """The slices of a run in a folder; `count` is the number of buckets."""

    folder: Path
    count: int

    def write(self, number: int, found: Iterable[Entry], tally: Tally, block_size: int) -> None:
        """Writes one slice. `tally` is complete once `found` is used up."""
        index = array("Q")
        path = self.folder / f"slice-{number:06}"
        with path.open("wb") as file:
            block: dict[int, list[bytes]] = defaultdict(list)
            held = 0
            for entry in found:
                patient = entry.patient.encode()
                record = b"\t".join((patient, entry.mark.encode(), entry.line))
                block[zlib.crc32(patient) % self.count].append(record)
                held += len(record) + _ENTRY_OVERHEAD
                if held >= block_size:
                    self._close(block, index, file)
                    held = 0
            self._close(block, index, file)
        write_whole(path.with_suffix(".index"), index.tobytes())
        write_whole(path.with_suffix(".tally"), stated_tally(tally))

    def _close(self, block: dict[int, list[bytes]], index: array[int], file: BinaryIO) -> None:
        for bucket in range(self.count):
            index.append(file.tell())
            if records := block.get(bucket):
                file.write(b"\n".join(records) + b"\n")
        index.append(file.tell())
        block.clear()

    def tally(self, number: int) -> Tally | None:
        """What was met in a portion; None where its slice is not complete."""
        try:
            return tally_from((self.folder / f"slice-{number:06}.tally").read_bytes())
        except FileNotFoundError:
            return None

    def patients(self, bucket: int, memory: int) -> Iterator[tuple[str, Lines]]:
        """The patients of a bucket with their lines. Where the bucket is larger than the memory allows, it is read
        several times, each time for a part of its patients."""
        stretches = list(self._stretches(bucket))
        size = sum(length for _, _, length in stretches)
        passes = 1 + 3 * size // memory  # a line is held in the block, as a record and in its group
        for each in range(passes):
            grouped: dict[bytes, Lines] = {}
            for path, start, length in stretches:
                with path.open("rb") as file:
                    file.seek(start)
                    block = file.read(length)
                for record in block.split(b"\n")[:-1]:
                    patient, mark, line = record.split(b"\t", 2)
                    if passes == 1 or zlib.crc32(patient) // self.count % passes == each:
                        grouped.setdefault(patient, Lines()).add(mark, line)
            for patient in sorted(grouped):
                yield patient.decode(), grouped.pop(patient)

    def _stretches(self, bucket: int) -> Iterator[tuple[Path, int, int]]:
        """Where the entries of a bucket stand: file, offset and length."""
        width = 8 * (self.count + 1)
        for path in sorted(self.folder.glob("slice-*.index")):
            with path.open("rb") as file:
                for block in range(path.stat().st_size // width):
                    file.seek(block * width + 8 * bucket)
                    start, end = array("Q", file.read(16))
                    if end > start:
                        yield path.with_suffix(""), start, end - start


@dataclass(slots=True)
class Lines:
    """What an export holds of one patient."""

    sure: list[bytes] = field(default_factory=list)
    leading: list[bytes] = field(default_factory=list)
    """Reports that matter only if they lead to an Observation of the breast."""
    aside: dict[str, list[bytes]] = field(default_factory=dict)
    """Observations that matter only if a report leads to them, by their ids."""
    damaged: set[str] = field(default_factory=set)
    """Types of the resources that could not be read."""

    def add(self, mark: bytes, line: bytes) -> None:
        """Takes in one entry."""
        if mark == b"+":
            self.sure.append(line)
        elif mark == b"?":
            self.leading.append(line)
        elif mark.startswith(b"-"):
            self.aside.setdefault(mark[1:].decode(), []).append(line)
        else:
            self.damaged.add(mark[1:].decode())

    def usable(self) -> list[bytes]:
        """The lines that can matter."""
        return [*self.sure, *led_to(self.sure, self.leading, self.aside)]
