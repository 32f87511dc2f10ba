"""What a worklist is written as: Parquet, CSV, FHIR Tasks, the problems of the export, a summary and its page.

DuckDB sorts and writes within its own memory limit; the rows never pass through this process all at once.
"""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import get_type_hints

import duckdb
import orjson

from ..fhir_elements import Json
from ..knowledge import Knowledge
from .export import Portion, Tally
from .page import page
from .patients import Row
from .tasks import task

_TYPES: Mapping[object, str] = {
    str: "VARCHAR",
    str | None: "VARCHAR",
    date | None: "DATE",
    bool: "BOOLEAN",
    int | None: "INTEGER",
}
COLUMNS: Mapping[str, str] = {each.name: _TYPES[get_type_hints(Row)[each.name]] for each in fields(Row)}
"""The columns of the worklist with their SQL types, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """What was read and how it was decided."""

    today: date
    protocol: str
    patients: int
    read: Sequence[tuple[Portion, Tally]]
    """In the order of the files and of the portions in them."""
    absent: frozenset[str]


def written(
    folder: Path,
    parts: Sequence[Path],
    population: Population,
    knowledge: Knowledge,
    *,
    scratch: Path,
    memory: int,
    threads: int,
) -> Json:
    """Writes the worklist from the rows of its parts, and gives the summary. Sorted by patient and breast, so that the
    same rows give the same files whatever parts they came in."""
    with duckdb.connect() as database:
        database.execute(f"SET memory_limit = '{memory // 2} B'")
        database.execute(f"SET threads = {threads}")
        database.execute("SET temp_directory = ?", [str(scratch / "spilled")])
        columns = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
        source = f"read_json(?, format = 'newline_delimited', columns = {{{columns}}})"
        database.execute(
            f"CREATE TABLE worklist AS FROM {source} ORDER BY patient, side",
            [[str(each) for each in parts]],
        )
        for name, options in (("worklist.parquet", "FORMAT parquet, COMPRESSION zstd"), ("worklist.csv", "HEADER")):
            with _whole(folder / name) as part:
                database.execute(f"COPY (FROM worklist ORDER BY patient, side) TO ? ({options})", [str(part)])
        with _whole(folder / "tasks.ndjson") as part, part.open("wb") as file:
            for row in _rows(database):
                file.write(orjson.dumps(task(row, population.today, knowledge, population.protocol)) + b"\n")
        summary = _summary(database, population, knowledge)
    _write_problems(folder / "problems.csv", population)
    with _whole(folder / "summary.json") as part:
        part.write_bytes(orjson.dumps(summary, option=orjson.OPT_INDENT_2))
    with _whole(folder / "summary.html") as part:
        part.write_text(page(summary), encoding="utf-8")
    return summary


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A path to write to, which becomes `path` when everything is written."""
    part = path.with_name(f".{path.name}")
    yield part
    shutil.move(part, path)


def _rows(database: duckdb.DuckDBPyConnection) -> Iterator[Row]:
    found = database.execute("FROM worklist ORDER BY patient, side")
    while some := found.fetchmany(10_000):
        yield from (Row(**dict(zip(COLUMNS, values, strict=True))) for values in some)


def _write_problems(path: Path, population: Population) -> None:
    with _whole(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "line", "problem"))
        before: Counter[str] = Counter()
        for portion, tally in population.read:
            writer.writerows((portion.file, before[portion.file] + line, what) for line, what in tally.problems)
            before[portion.file] += tally.lines


# --------------------------------------------------------------------------------------
# The summary


def _summary(database: duckdb.DuckDBPyConnection, population: Population, knowledge: Knowledge) -> Json:
    resources: Counter[str] = Counter()
    problems: Counter[str] = Counter()
    for _, tally in population.read:
        resources += tally.resources
        problems.update(what for _, what in tally.problems)
    steps = database.execute(
        "SELECT step, count(*), count(*) FILTER (is_overdue), count(*) FILTER (is_urgent) FROM worklist "
        "WHERE step IS NOT NULL GROUP BY step ORDER BY step"
    ).fetchall()
    labels = knowledge.catalogue.step_labels
    overdue: dict[str, dict[str, int]] = {}
    for step, months, count in database.execute(
        "SELECT step, months_overdue, count(*) FROM worklist WHERE is_overdue GROUP BY ALL ORDER BY ALL"
    ).fetchall():
        overdue.setdefault(step, {})[str(months)] = count
    ((listed, undecided),) = database.execute(
        "SELECT count(DISTINCT patient), count(DISTINCT patient) FILTER (because IS NOT NULL) FROM worklist"
    ).fetchall()
    return {
        "today": population.today.isoformat(),
        "protocol": population.protocol,
        "version": knowledge.guidelines[population.protocol].protocol.version,
        "patients": population.patients,
        "patients_listed": listed,
        "patients_not_decided": undecided,
        "rows": dict(_counted(database, "state")),
        "categories": dict(_counted(database, "category")),
        "steps": {
            step: {"label": labels[step], "open": count, "overdue": overdue, "urgent": urgent}
            for step, count, overdue, urgent in steps
        },
        "overdue_by_months": overdue,
        "files": len({portion.file for portion, _ in population.read}),
        "lines": sum(tally.lines for _, tally in population.read),
        "resources": dict(sorted(resources.items())),
        "problem_lines": sum(problems.values()),
        "problems": dict(sorted(problems.items())),
        "not_exported": sorted(population.absent),
    }


def _counted(database: duckdb.DuckDBPyConnection, column: str) -> list[tuple[str, int]]:
    return database.execute(
        f"SELECT {column}, count(*) FROM worklist WHERE {column} IS NOT NULL GROUP BY ALL ORDER BY ALL"  # noqa: S608
    ).fetchall()
