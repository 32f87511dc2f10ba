"""How long a population takes: the worklist against reading and parsing the same files, run in turns on the same cores.

Run by `make bench-worklist`. Prints a table in Markdown; docs/scale.md says what the figures mean.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

TODAY = "2026-06-01"
PARSE = """
import sys
from multiprocessing import Pool
from pathlib import Path
import orjson

def parse(portion):
    path, start, end = portion
    with open(path, "rb") as file:
        if start:
            file.seek(start - 1)
            file.readline()
        place = file.tell()
        while place < end and (line := file.readline()):
            orjson.loads(line)
            place += len(line)

if __name__ == "__main__":
    size = 8 << 20
    files = [(path, path.stat().st_size) for path in sorted(Path(sys.argv[1]).iterdir())]
    portions = [(path, at, min(at + size, length)) for path, length in files for at in range(0, length, size)]
    with Pool(int(sys.argv[2])) as pool:
        pool.map(parse, portions, chunksize=1)
"""

HEADINGS = (
    "patients",
    "MB",
    "parsing, s (CPU)",
    "worklist, s (CPU)",
    "ratio of time",
    "ratio of CPU",
    "CPU ms a patient",
    "MB held at most",
)


@dataclass(frozen=True)
class Measured:
    """Seconds of one command, and the most memory that its processes held together."""

    wall: float
    cpu: float
    megabytes: float


def measured(*command: str) -> Measured:
    """Runs a command to its end."""
    before, began, highest = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), 0
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
    while process.poll() is None:
        highest = max(highest, sum(map(held, tree(process.pid))))
        time.sleep(0.5)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise SystemExit(f"{command[:3]} ended with {process.returncode}")
    return Measured(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, highest / 1024)


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [pid, *(each for child in children for each in tree(int(child)))]


def held(pid: int) -> int:
    """Kilobytes of a process in memory, those that are shared counted in part."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def population(folder: Path, patients: int) -> Path:
    """The export of an invented population, made once."""
    made = folder / str(patients)
    if not (made / "truth.csv").exists():
        options = ["--patients", str(patients), "--seed", "11", "--today", TODAY, "--out", str(made)]
        subprocess.run([sys.executable, "-m", "cds_service", "synthesise", *options], check=True)
    return made / "export"


def main() -> None:
    """Measures and prints."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--patients", type=int, nargs="+", default=[10_000, 100_000])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--folder", type=Path, default=Path("var/bench"))
    given = options.parse_args()
    print(f"| {' | '.join(HEADINGS)} |\n|{' --- |' * len(HEADINGS)}")
    for patients in given.patients:
        export = population(given.folder, patients)
        parsing, listing = [], []
        with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
            script = Path(scratch) / "parse.py"
            script.write_text(PARSE)
            for number in range(given.rounds):
                parsing.append(measured(str(script), str(export), str(given.workers)))
                out = str(Path(scratch) / f"out{number}")
                command = ("-m", "cds_service", "worklist", str(export), "--today", TODAY, "--out", out)
                listing.append(measured(*command, "--workers", str(given.workers)))
        print(f"| {' | '.join(row(patients, export, parsing, listing))} |", flush=True)


def row(patients: int, export: Path, parsing: list[Measured], listing: list[Measured]) -> list[str]:
    """The medians of the rounds; a ratio is that of the two commands of one round, which ran one after the other."""
    pairs = list(zip(parsing, listing, strict=True))
    parsed, listed = (
        f"{statistics.median(each.wall for each in some):.1f} ({statistics.median(each.cpu for each in some):.1f})"
        for some in (parsing, listing)
    )
    return [
        f"{patients:,}",
        f"{sum(path.stat().st_size for path in export.iterdir()) / 1e6:,.0f}",
        parsed,
        listed,
        f"{statistics.median(b.wall / a.wall for a, b in pairs):.1f}",
        f"{statistics.median(b.cpu / a.cpu for a, b in pairs):.1f}",
        f"{1000 * statistics.median(each.cpu for each in listing) / patients:.2f}",
        f"{max(each.megabytes for each in listing):,.0f}",
    ]


if __name__ == "__main__":
    main()
