"""What a call costs beside a baseline that does nothing, measured on this machine in one run.

Run by `make bench`. Writes the figures into docs/performance.md and docs/images/performance.svg.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import orjson

from bench import bodies, load, servers, steps
from cds_service import knowledge
from cds_service.reading.reader import ReportReader
from cds_service.reading.text import Text

DOCUMENT = Path(__file__).parent.parent / "docs" / "performance.md"
PLOT = DOCUMENT.parent / "images" / "performance.svg"
BEGIN, END = "<!-- measured by make bench -->\n", "<!-- end of what was measured -->\n"
CASES: dict[str, tuple[str, Callable[..., bytes]]] = {
    "coded": ("five coded resources", bodies.coded),
    "words": ("a report of 350 words", bodies.in_words),
    "heavy": ("300 resources", bodies.heavy),
}
WARM_UP_CALLS = 1_000


@dataclass
class Side:
    """What was measured of one server for one case, one figure for each round."""

    cpu_us: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Bar:
    """One line of the table: a figure, what it may be at most, and how both are written."""

    name: str
    value: float
    limit: float
    figures: str

    @property
    def verdict(self) -> str:
        return "reached" if self.value <= self.limit else "**not reached**"


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    seconds: float
    memory_calls: int
    profile_calls: int


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter, and nothing is written to docs/")
    options = parser.parse_args()
    plan = Plan(3, 2, 5_000, 100) if options.quick else Plan(5, 3, 100_000, 300)
    measured = _measured(plan)
    print(measured[0])
    if not options.quick:
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        DOCUMENT.write_text(f"{before}{BEGIN}{measured[0]}{END}{rest.partition(END)[2]}", encoding="utf-8")
        PLOT.write_text(measured[1], encoding="utf-8")


def _measured(plan: Plan) -> tuple[str, str]:
    today = datetime.now().astimezone().date()
    sent = {case: body(today) for case, (_, body) in CASES.items()}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        answers = Path(folder, "answers")
        answers.mkdir()
        mine = running.enter_context(servers.ours(Path(folder), steps.SERVICE, sent["coded"]))
        for case, body in sent.items():
            (answers / f"{case}.json").write_bytes(mine.post(steps.SERVICE, body))
        other = running.enter_context(servers.baseline(answers, "/coded", sent["coded"]))
        sides = _side_by_side(mine, other, sent, plan)
        early, late = _memory(Path(folder), sent["coded"], plan.memory_calls)
        starts = [_start(Path(folder, str(each)), sent["coded"]) for each in range(3)]
    profiles = {case: steps.profile(body, plan.profile_calls) for case, body in sent.items()}
    bars = _bars(sides, sent, (early, late, plan.memory_calls), statistics.median(starts))
    reading = _timed(_read, 20)
    parts = [
        _preface(sent),
        _table(("measure", "measured", "ratio or figure", "bar", ""), [_row(bar) for bar in bars]),
        f"Reading the report of {len(bodies.REPORT.split())} words alone takes {reading / 1000:.1f} ms.\n",
        "Times as the callers saw them, in ms, and CPU of the worker, in µs a call:\n",
        _table(("case", "", "CPU", "p50", "p99"), _sides_rows(sides)),
        "Steps of a call, in µs, in one process without the server, and so without its threads:\n",
        _table(
            ("step", *(words for words, _ in CASES.values()), "what it is"),
            [(step, *(f"{profiles[case][step]:.0f}" for case in CASES), steps.MEANING[step]) for step in steps.STEPS]
            + [("**all**", *(f"**{sum(profiles[case].values()):.0f}**" for case in CASES), "")],
        ),
        "![CPU of a call beside the baseline](images/performance.svg)\n",
    ]
    return "\n".join(parts), _plot(sides, profiles)


def _side_by_side(
    mine: servers.Server, other: servers.Server, sent: dict[str, bytes], plan: Plan
) -> dict[tuple[str, str], Side]:
    sides = {(case, who): Side() for case in CASES for who in ("service", "baseline")}
    runs = [(case, who) for case in CASES for who in ("service", "baseline")]
    for case, who in runs:
        server, path = (mine, steps.SERVICE) if who == "service" else (other, f"/{case}")
        load.load(server.port, path, sent[case], 1)
    for _ in range(plan.rounds):
        random.shuffle(runs)
        for case, who in runs:
            server, path = (mine, steps.SERVICE) if who == "service" else (other, f"/{case}")
            before = server.cpu_seconds()
            seen = load.load(server.port, path, sent[case], plan.seconds)
            side = sides[case, who]
            side.cpu_us.append(1e6 * (server.cpu_seconds() - before) / seen.calls)
            side.p50.append(seen.p50)
            side.p99.append(seen.p99)
    return sides


def _memory(folder: Path, body: bytes, calls: int) -> tuple[float, float]:
    """MB of a fresh worker after 1,000 calls, and after `calls`."""
    state = folder / "memory"
    state.mkdir()
    done, early = 0, 0.0
    with servers.ours(state, steps.SERVICE, body) as server:
        while done < calls:
            done += load.load(server.port, steps.SERVICE, body, 1 if not early else 5).calls
            if not early and done >= WARM_UP_CALLS:
                early = server.megabytes()
        return early, server.megabytes()


def _start(state: Path, body: bytes) -> float:
    """Seconds from the start of the command to the first answer, the first start of its store included."""
    state.mkdir()
    with servers.ours(state, steps.SERVICE, body) as server:
        return server.start_seconds


def _timed(work: Callable[[], object], times: int) -> float:
    """Microseconds of one piece of work, the median of `times` times."""
    work()
    taken = []
    for _ in range(times):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return 1e6 * statistics.median(taken)


_LANGUAGES = knowledge.load(knowledge.DEFAULT_FOLDER).languages


def _read() -> object:
    return ReportReader(_LANGUAGES).reading(Text(bodies.REPORT))


def _median(side: Side, figure: str) -> float:
    return statistics.median(getattr(side, figure))


def _bars(
    sides: dict[tuple[str, str], Side], sent: dict[str, bytes], memory: tuple[float, float, int], start: float
) -> list[Bar]:
    def pair(case: str, figure: str) -> tuple[float, float]:
        return _median(sides[case, "service"], figure), _median(sides[case, "baseline"], figure)

    coded, plain = pair("coded", "cpu_us")
    p99, plain_p99 = pair("coded", "p99")
    words, plain_words = pair("words", "cpu_us")
    words_p99, plain_words_p99 = pair("words", "p99")
    heavy, plain_heavy = pair("heavy", "cpu_us")
    loads = _timed(lambda: orjson.loads(sent["heavy"]), 50)
    early, late, calls = memory
    return [
        Bar("CPU of order-select, five resources", coded / plain, 1.5, f"{coded:.0f} µs beside {plain:.0f}"),
        Bar("p99 of it, 8 connections, ms", p99, _latency(plain_p99), f"{p99:.1f} ms beside {plain_p99:.1f}"),
        Bar("CPU with a report of 350 words", words / plain_words, 2.5, f"{words:.0f} µs beside {plain_words:.0f}"),
        Bar("p99 of it, ms", words_p99, _latency(plain_words_p99), f"{words_p99:.1f} ms beside {plain_words_p99:.1f}"),
        Bar(
            "CPU with a heavy chart, beyond the baseline, in `orjson.loads` of the body",
            (heavy - plain_heavy) / loads,
            6,
            f"{heavy:.0f} µs beside {plain_heavy:.0f}; `orjson.loads` {loads:.0f}",
        ),
        Bar(f"memory after {calls:,} calls, MB", late, 120, f"{late:.0f} MB"),
        Bar("memory after them, in that after 1,000", late / early, 1.05, f"{late:.1f} MB beside {early:.1f}"),
        Bar("start of a worker to the first answer, s", start, 1.5, f"{start:.2f} s"),
    ]


def _latency(plain: float) -> float:
    """What p99 may be, in ms: 10 while the baseline's is 5 or less, else twice the baseline's."""
    return 10.0 if plain <= 5 else 2 * plain


def _row(bar: Bar) -> tuple[str, ...]:
    return bar.name, bar.figures, f"{bar.value:.2f}", f"{bar.limit:.4g}", bar.verdict


def _sides_rows(sides: dict[tuple[str, str], Side]) -> list[tuple[str, ...]]:
    return [
        (
            CASES[case][0],
            who,
            f"{_median(side, 'cpu_us'):.0f}",
            f"{_median(side, 'p50'):.2f}",
            f"{_median(side, 'p99'):.2f}",
        )
        for (case, who), side in sides.items()
    ]


def _preface(sent: dict[str, bytes]) -> str:
    sizes = ", ".join(f"{CASES[case][0]} {len(body) / 1000:.1f} kB" for case, body in sent.items())
    tool = "wrk" if load.WRK else "connections of our own"
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, load from {tool} at "
        f"{load.CONNECTIONS} connections, one worker each. Bodies: {sizes}.\n"
    )


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


# --------------------------------------------------------------------------------------
# The plot

_HUES = ("#8d99a6", "#1f6f8b", "#5aa9a1", "#d98e04", "#b5485d", "#6b5b95", "#3d7a3d", "#c06f30", "#708238", "#444444")


def _plot(sides: dict[tuple[str, str], Side], profiles: dict[str, dict[str, float]]) -> str:
    """Two bars for each case: the baseline, and the service split by its steps in the proportions of the profile."""
    drawn = ['<text x="10" y="22" font-weight="bold">CPU of a call relative to the baseline</text>']
    top = 40.0
    most = max(_median(sides[case, "service"], "cpu_us") / _median(sides[case, "baseline"], "cpu_us") for case in CASES)
    scale = 470 / most
    for case, (words, _) in CASES.items():
        ratio = _median(sides[case, "service"], "cpu_us") / _median(sides[case, "baseline"], "cpu_us")
        whole = sum(profiles[case].values())
        drawn.append(f'<text x="10" y="{top + 24:.0f}">{words}</text>')
        drawn.append(f'<rect x="170" y="{top:.0f}" width="{scale:.1f}" height="14" fill="#cfd6dc"/>')
        left = 170.0
        for step, hue in zip(steps.STEPS, _HUES, strict=True):
            width = scale * ratio * profiles[case][step] / whole
            drawn.append(
                f'<rect x="{left:.1f}" y="{top + 16:.0f}" width="{width:.1f}" height="18" fill="{hue}">'
                f"<title>{step}</title></rect>"
            )
            left += width
        drawn.append(f'<text x="{left + 6:.0f}" y="{top + 30:.0f}">{ratio:.2f}</text>')
        top += 52
    for place, (step, hue) in enumerate(zip(steps.STEPS, _HUES, strict=True)):
        x = 10 + 69 * place
        drawn.append(f'<rect x="{x}" y="{top + 2:.0f}" width="11" height="11" fill="{hue}"/>')
        drawn.append(f'<text x="{x + 15}" y="{top + 12:.0f}">{step}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 710 {top + 26:.0f}" font-family="sans-serif" '
        f'font-size="12" role="img" aria-label="CPU of a call relative to the baseline, by step">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(drawn)}</svg>\n'
    )


if __name__ == "__main__":
    main()
