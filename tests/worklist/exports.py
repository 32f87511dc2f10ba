"""Exports for the tests of the worklist: written, rewritten in another shape, and listed."""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import orjson
from rich.console import Console

from cds_service.fhir_elements import Json
from cds_service.knowledge import DEFAULT_FOLDER
from cds_service.synthetic import resources as fhir
from cds_service.worklist.job import MEGABYTE, Job
from cds_service.worklist.run import run
from tests.conftest import TODAY

DAY = date(2026, 5, 2)


def job(
    export: Path, out: Path, *, memory: int = 1500, workers: int = 1, protocol: str = "brochure-calcification"
) -> Job:
    return Job(
        export=export,
        out=out,
        cards=DEFAULT_FOLDER,
        protocol=protocol,
        today=TODAY,
        memory=memory * MEGABYTE,
        workers=workers,
    )


def listed(export: Path, out: Path, *, workers: int = 1, memory: int = 1500) -> Json:
    """Makes the worklist of an export, and gives the summary."""
    return run(job(export, out, workers=workers, memory=memory), Console(quiet=True))


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "worklist.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def problems(out: Path) -> list[tuple[str, int, str]]:
    with (out / "problems.csv").open(encoding="utf-8", newline="") as file:
        return [(each["file"], int(each["line"]), each["problem"]) for each in csv.DictReader(file)]


def lines_of(export: Path) -> list[bytes]:
    return [line for path in sorted(export.iterdir()) for line in path.read_bytes().splitlines()]


def write(folder: Path, lines: Iterable[bytes | Json], name: str = "all.ndjson") -> Path:
    """An export of one file."""
    folder.mkdir(parents=True, exist_ok=True)
    content = b"".join((each if isinstance(each, bytes) else orjson.dumps(each)) + b"\n" for each in lines)
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder


def reshaped(export: Path, into: Path, seed: int) -> Path:
    """The same resources in another order, in files of other names and sizes, some of them compressed."""
    rng = random.Random(seed)
    lines = lines_of(export)
    rng.shuffle(lines)
    number = 0
    while lines:
        count = rng.randint(1, 4000)
        some, lines = lines[:count], lines[count:]
        name = f"{rng.randint(0, 999):03}-{number}.{rng.choice(('ndjson', 'ndjson.gz', 'jsonl'))}"
        write(into / rng.choice(("", "a", "b/c")), some, name)
        number += 1
    return into


def person(ident: str) -> Json:
    return fhir.patient(ident, family="Invented", given="Ada", born=date(1970, 1, 1))


def mammogram(ident: str, subject: str, left: str, right: str, day: date = DAY) -> list[Json]:
    """A report with the category of each breast, and its Observations."""
    found = [
        fhir.assessment(f"{ident}-l", subject, day, left, "left"),
        fhir.assessment(f"{ident}-r", subject, day, right, "right"),
    ]
    code = (fhir.LOINC, "26346-7", "MG Breast - bilateral Diagnostic")
    return [fhir.report(ident, subject, day, code=code, results=[each["id"] for each in found]), *found]


def with_open_4b(ident: str) -> list[Json]:
    """Somebody with a 4B on the left and nothing ordered."""
    return [person(ident), *mammogram(f"r-{ident}", ident, "4B", "2")]
