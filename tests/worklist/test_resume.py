"""Killed at any moment, a run goes on from the parts that are done; and it keeps within its memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from cds_service.fhir_elements import Json
from tests.worklist.exports import lines_of, problems, rows, write

pytestmark = pytest.mark.slow

COMMAND = (sys.executable, "-m", "cds_service", "worklist")


def started(export: Path, out: Path, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*COMMAND, str(export), "--out", str(out), "--today", "2026-06-01", *options])


def until(condition: Callable[[], object]) -> None:
    """Waits for something that has to come."""
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("it did not come about within a minute")


def children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def test_after_a_kill_the_finished_parts_are_not_made_again(
    export: Path, worklist: tuple[Path, Json], tmp_path: Path
) -> None:
    out, options = tmp_path / "out", ("--memory", "300", "--workers", "1")
    run = started(export, out, *options)
    until(lambda: list(out.glob(".parts/rows-*.patients")))
    workers = children(run.pid)
    run.send_signal(signal.SIGKILL)
    run.wait()
    until(lambda: not any(Path(f"/proc/{worker}/cmdline").exists() for worker in workers))
    assert not (out / "worklist.csv").exists()

    # Whatever is done again would wipe out these marks, in a slice and in the rows of a bucket.
    tally = sorted(out.glob(".parts/slice-*.tally"))[0]
    stated = orjson.loads(tally.read_bytes())
    tally.write_bytes(orjson.dumps(stated | {"problems": [[1, "marked"]]}))
    done = sorted(out.glob(".parts/rows-*.patients"))
    part = done[0].with_suffix(".ndjson")
    marked = orjson.loads(part.read_bytes().splitlines()[0]) | {"patient": "~marked"}
    part.write_bytes(part.read_bytes() + orjson.dumps(marked) + b"\n")

    assert started(export, out, *options).wait() == 0
    found = rows(out)
    assert found[-1]["patient"] == "~marked"
    assert found[:-1] == rows(worklist[0])
    assert [problem for _, _, problem in problems(out)] == ["marked"]
    assert not (out / ".parts").exists()


def test_a_worker_that_is_lost_is_told_and_costs_only_its_part(
    small_export: Path, small_worklist: tuple[Path, Json], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [*COMMAND, str(small_export), "--out", str(out), "--today", "2026-06-01", "--workers", "1"]
    run = subprocess.Popen(command, stderr=subprocess.PIPE)
    until(lambda: list(out.glob(".parts/slice-*.tally")))
    os.kill(next(pid for pid in children(run.pid) if b"spawn_main" in command_line(pid)), signal.SIGKILL)
    _, said = run.communicate()
    assert run.returncode == 1
    assert said.decode().strip() == "Error: a worker ended unexpectedly; run the command again to go on from here"
    assert started(small_export, out, "--workers", "1").wait() == 0
    assert rows(out) == rows(small_worklist[0])


def command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_parts_of_another_day_are_never_used(small_export: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = started(small_export, out, "--workers", "1")
    until(lambda: list(out.glob(".parts/slice-*.tally")))
    run.send_signal(signal.SIGKILL)
    run.wait()
    mark = (out / ".parts" / "fingerprint").read_bytes()
    run = subprocess.Popen([*COMMAND, str(small_export), "--out", str(out), "--today", "2027-06-01", "--workers", "1"])
    until(lambda: (out / ".parts" / "fingerprint").exists() and (out / ".parts" / "fingerprint").read_bytes() != mark)
    assert run.wait() == 0
    assert orjson.loads((out / "summary.json").read_bytes())["today"] == "2027-06-01"


def test_the_memory_stays_within_the_setting_whatever_the_size_of_the_export(
    small_export: Path, small_worklist: tuple[Path, Json], tmp_path: Path
) -> None:
    """An export that is larger than all the data that the workers may hold."""
    lines = lines_of(small_export)
    weights = [line for line in lines if b"29463-7" in line]
    more = (line.replace(b'"id":"', b'"id":"m%d-' % number, 1) for number in range(700) for line in weights)
    export = write(tmp_path / "export", lines)
    with (export / "more.ndjson").open("wb") as file:
        file.writelines(line + b"\n" for line in more)
    size = sum(path.stat().st_size for path in export.iterdir())
    limit = 420
    assert size > 0.4 * limit * 1024 * 1024

    run = started(export, tmp_path / "out", "--memory", str(limit), "--workers", "2")
    highest = 0
    while run.poll() is None:
        highest = max(highest, sum(resident(pid) for pid in tree(run.pid)))
        time.sleep(0.02)
    assert run.returncode == 0
    assert 0 < highest <= limit * 1024
    assert rows(tmp_path / "out") == rows(small_worklist[0])


def tree(pid: int) -> Iterator[int]:
    yield pid
    for child in children(pid):
        yield from tree(child)


def resident(pid: int) -> int:
    """Kilobytes of a process in memory, shared ones in part only."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        pass
    return 0
