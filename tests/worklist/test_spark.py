"""The worklist of a Spark cluster, a master and two workers as processes of their own, is that of one machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from cds_service.fhir_elements import Json
from tests.worklist.exports import listed, problems, reshaped, rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("pyspark") is None, reason="pyspark is not installed; `make test-spark` installs it"),
    pytest.mark.skipif(shutil.which("java") is None, reason="there is no java on the PATH; Spark needs Java 17"),
]


def said(log: Path, words: str) -> re.Match[str]:
    """Waits until a process has said something."""
    for _ in range(1200):
        found = re.search(words, log.read_text()) if log.exists() else None
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{log.name}: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[Path]]]:
    """The address of a master, and the logs of its two workers."""
    import pyspark

    folder = tmp_path_factory.mktemp("cluster")
    spark_class = str(Path(pyspark.__file__).parent / "bin" / "spark-class")
    running: list[subprocess.Popen[bytes]] = []

    def start(name: str, kind: str, *options: str) -> Path:
        log = folder / f"{name}.log"
        environment = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1"}
        command = [spark_class, f"org.apache.spark.deploy.{kind}", "--host", "127.0.0.1", "--webui-port", "0", *options]
        with log.open("wb") as file:
            running.append(subprocess.Popen(command, env=environment, stderr=file, cwd=folder))
        return log

    try:
        master = said(start("master", "master.Master", "--port", "0"), r"Starting Spark master at (spark://\S+)")[1]
        workers = [
            start(name, "worker.Worker", "--cores", "1", "--memory", "1g", "--work-dir", str(folder / name), master)
            for name in ("one", "two")
        ]
        for log in workers:
            said(log, "Successfully registered with master")
        yield master, workers
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def on_the_cluster(master: str, export: Path, out: Path) -> None:
    arguments = [str(export), "--out", str(out), "--today", "2026-06-01", "--spark-master", master]
    done = subprocess.run(
        [sys.executable, "-m", "cds_service", "worklist", *arguments], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]


def test_two_workers_give_the_same_rows_as_one_machine(
    cluster: tuple[str, list[Path]], small_export: Path, small_worklist: tuple[Path, Json], tmp_path: Path
) -> None:
    master, workers = cluster
    on_the_cluster(master, small_export, tmp_path / "out")
    for name in ("worklist.csv", "tasks.ndjson", "summary.json"):
        assert (tmp_path / "out" / name).read_bytes() == (small_worklist[0] / name).read_bytes()
    assert all("Asked to launch executor" in log.read_text() for log in workers)


def test_problems_and_damaged_patients_are_the_same_too(
    cluster: tuple[str, list[Path]], small_export: Path, tmp_path: Path
) -> None:
    export = reshaped(small_export, tmp_path / "export", 5)
    for path in sorted(export.rglob("*.ndjson"))[:3]:
        lines = path.read_bytes().splitlines()
        path.write_bytes(b"\n".join([*lines[:-1], lines[-1][:-7], b"nonsense"]))
    listed(export, tmp_path / "here")
    on_the_cluster(cluster[0], export, tmp_path / "there")
    assert rows(tmp_path / "there") == rows(tmp_path / "here")
    assert problems(tmp_path / "there") == problems(tmp_path / "here") != []
