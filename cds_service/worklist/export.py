"""A FHIR Bulk Data export as it lies on disk: NDJSON files, gzip or not, read in portions of any size.

Every line is parsed once. One that cannot be read, or names no patient, is a problem with its file and line; where the
broken line still tells whose it was, that patient is marked, so that nobody is silently taken for well.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import orjson

from ..fhir_elements import objects, text
from .patients import KEYS, Relevance, Use, patients_of

LONGEST_LINE = 64 * 1024 * 1024
"""Bytes of the longest line that is read; a longer one is a problem, so that no file can exhaust the memory."""

NAMES = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")

NOT_JSON = "not a JSON object"
NOT_FHIR = "not a FHIR resource"
TOO_LONG = "longer than 64 MB"
NO_PATIENT = "names no patient"
DAMAGED_FILE = "the file is damaged from here on"


class WorklistError(Exception):
    """A worklist that cannot be made. The message says what is wrong, without patient data."""


class NoExport(WorklistError):
    """The folder holds nothing that can be read as an export."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Portion:
    """A stretch of one file: the lines that begin in it. A compressed file is one portion."""

    file: str
    """Path of the file below the folder of the export."""
    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


def portions(folder: Path, size: int) -> list[Portion]:
    """The portions of all files of an export, of about `size` bytes each. Raises `NoExport` where there is none."""
    if not folder.is_dir():
        raise NoExport(f"{folder}: there is no such folder")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name.endswith(NAMES))
    if not files:
        raise NoExport(f"{folder}: no file in it ends in {', '.join(NAMES)}")
    found = []
    for path in files:
        length, name = path.stat().st_size, path.relative_to(folder).as_posix()
        step = length if path.suffix == ".gz" else size
        found += [
            Portion(file=name, start=start, end=min(start + step, length)) for start in range(0, length, step or 1)
        ]
    if not found:
        raise NoExport(f"{folder}: every file in it is empty")
    return found


@dataclass(slots=True)
class Tally:
    """What was met in a portion."""

    lines: int = 0
    """All lines, blank ones too, so that line numbers add up over the portions of a file."""
    resources: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[int, str]] = field(default_factory=list)
    """Line within the portion, counted from 1, and what is wrong with it. No patient data."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line that may matter for a patient.

    `mark` says how: its `Use`, for one that matters if a report leads to it followed by its id; or `!` and the type
    where the line could not be read, and is left out.
    """

    patient: str
    mark: str
    line: bytes = b""


def entries(folder: Path, portion: Portion, relevance: Relevance, tally: Tally) -> Iterator[Entry]:
    """What a portion holds for each patient; `tally` is filled in on the way."""
    for line in _lines(folder, portion, tally):
        tally.lines += 1
        bare = line.strip()
        if not bare:
            continue
        try:
            resource = orjson.loads(bare)
        except orjson.JSONDecodeError:
            tally.problems.append((tally.lines, TOO_LONG if len(line) >= LONGEST_LINE else NOT_JSON))
            yield from _marked(bare)
            continue
        kind = text(resource.get("resourceType")) if isinstance(resource, dict) else ""
        if not kind:
            tally.problems.append((tally.lines, NOT_FHIR if isinstance(resource, dict) else NOT_JSON))
            yield from _marked(bare)
            continue
        tally.resources[kind] += 1
        if kind not in KEYS:
            continue
        people = [each for each in patients_of(kind, resource) if _is_plain(each)]
        if not people:
            if kind != "Appointment" and not _is_about_something_else(resource):
                tally.problems.append((tally.lines, NO_PATIENT))
            continue
        mark = str(relevance.use(kind, resource, bare))
        if mark == Use.IF_LED_TO:
            ident = text(resource.get("id"))
            mark = f"-{ident}" if ident and _is_plain(ident) else ""
        if not mark:
            continue
        for patient in people:
            yield Entry(patient, mark, bare)


def _is_plain(ident: str) -> bool:
    return ident.isprintable() and "\t" not in ident


def _is_about_something_else(resource: dict[str, object]) -> bool:
    """Whether the subject is said to be no patient: a group, a device, a place."""
    subject = objects(resource.get("subject"))
    kinds = {
        text(each.get("reference")).rpartition("/")[0].rpartition("/")[2] or text(each.get("type")) for each in subject
    }
    return bool(kinds) and kinds <= {"Group", "Device", "Location"}


def _lines(folder: Path, portion: Portion, tally: Tally) -> Iterator[bytes]:
    path = folder / portion.file
    if path.suffix == ".gz":
        with gzip.open(path) as file:
            try:
                yield from _each_line(file, None)
            except (EOFError, gzip.BadGzipFile, zlib.error):
                tally.problems.append((tally.lines + 1, DAMAGED_FILE))
        return
    with path.open("rb") as file:
        if portion.start:
            file.seek(portion.start - 1)
            _skip_line(file)
        yield from _each_line(file, portion.end)


def _each_line(file: BinaryIO | gzip.GzipFile, end: int | None) -> Iterator[bytes]:
    place = file.tell()
    while (end is None or place < end) and (line := file.readline(LONGEST_LINE)):
        yield line if place else line.removeprefix(b"\xef\xbb\xbf")
        place += len(line)
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            place += _skip_line(file)


def _skip_line(file: BinaryIO | gzip.GzipFile) -> int:
    """Reads up to the next line and gives the number of bytes."""
    skipped = 0
    while rest := file.readline(LONGEST_LINE):
        skipped += len(rest)
        if rest.endswith(b"\n"):
            break
    return skipped


# --------------------------------------------------------------------------------------
# What a broken line still tells


_TYPE = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]+)"')
_OWN_ID = re.compile(rb'"id"\s*:\s*"([A-Za-z0-9\-.]{1,64})"')
_SUBJECT = re.compile(rb'"reference"\s*:\s*"(?:[^"]*/)?Patient/([A-Za-z0-9\-.]{1,64})[/"]')


def _marked(line: bytes) -> Iterator[Entry]:
    """The patients that a line which cannot be read was about, where it still says so."""
    head = line[:1_000_000]
    found = _TYPE.search(head)
    kind = found[1].decode() if found else ""
    if kind and kind not in KEYS:
        return
    whose = _OWN_ID.findall(head)[:1] if kind == "Patient" else _SUBJECT.findall(head)
    for ident in sorted(set(whose)):
        yield Entry(ident.decode(), f"!{kind}")
