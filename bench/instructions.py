"""Instructions of a call, relative to those of the baseline: a check that the noise of a machine cannot move.

Run by `make bench-instructions` with valgrind. One process is started under it, warms up, and forks; each fork takes
its counters along, so that two forks that did different numbers of calls differ by nothing else. The ratios are held
against the committed ones in `instructions.json`; `--write` writes them anew.
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import orjson
from flask import Flask, Response, request

from bench import bodies, steps
from cds_service.store.recorder import Recorder

COMMITTED = Path(__file__).with_name("instructions.json")
TOLERANCE = 0.05
FEW, MANY, WARM_UP = 5, 15, 20
TODAY = date(2026, 6, 1)
CASES: dict[str, Callable[[date], bytes]] = {"coded": bodies.coded, "words": bodies.in_words}


def main() -> int:
    """Counts, compares, and says what has become dearer. Gives an exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the committed figures anew")
    parser.add_argument("--under-valgrind", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.under_valgrind:
        _work()
        return 0
    found = _ratios()
    if options.write:
        COMMITTED.write_text(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n", encoding="utf-8")
    committed = orjson.loads(COMMITTED.read_bytes())
    status = 0
    for case, ratio in found.items():
        change = ratio / committed[case] - 1
        print(f"{case}: {ratio:.2f} times the instructions of the baseline, {change:+.1%} against {committed[case]}")
        status = max(status, int(abs(change) > TOLERANCE))
    if status:
        print(f"More than {TOLERANCE:.0%} off. Find out why; if it is meant so, add --write and say why in the commit.")
    return status


def _ratios() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/%p", sys.executable]
        command += ["-m", "bench.instructions", "--under-valgrind"]
        said = subprocess.run(
            command,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        counted = {
            name: int(re.search(r"^(?:summary|totals): (\d+)", Path(folder, pid).read_text(), re.MULTILINE)[1])  # type: ignore[index]
            for name, pid in re.findall(r"^fork (\S+) (\d+)$", said, re.MULTILINE)
        }
    cost = {name.rpartition("-")[0]: 0.0 for name in counted}
    for each in cost:
        cost[each] = (counted[f"{each}-{MANY}"] - counted[f"{each}-{FEW}"]) / (MANY - FEW)
    return {case: round(cost[f"service-{case}"] / cost[f"baseline-{case}"], 2) for case in CASES}


def _work() -> None:
    """What runs under valgrind. Records are taken on but not written, and garbage is not collected: when that happens
    is up to a thread, and to what was allocated before."""
    gc.disable()
    Recorder.wake = lambda self: None  # type: ignore[method-assign]
    service = steps.application()
    sent = {case: body(TODAY) for case, body in CASES.items()}
    answers = {case: service(body) for case, body in sent.items()}
    runs = {f"service-{case}": (service, body) for case, body in sent.items()}
    runs |= {f"baseline-{case}": (_baseline(answers[case]), body) for case, body in sent.items()}
    for call, body in runs.values():
        for _ in range(WARM_UP):
            call(body)
    for name, (call, body) in runs.items():
        for calls in (FEW, MANY):
            _fork(f"{name}-{calls}", lambda call=call, body=body, calls=calls: [call(body) for _ in range(calls)])


def _fork(name: str, work: Callable[[], object]) -> None:
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError(f"{name} failed")
    print("fork", name, pid)


def _baseline(answer: bytes) -> Callable[[bytes], bytes]:
    app = Flask("baseline")

    @app.post(steps.SERVICE)
    def answered() -> Response:
        orjson.loads(request.get_data(cache=False))
        return Response(answer, mimetype="application/json")

    return steps.called(app)


if __name__ == "__main__":
    sys.exit(main())
