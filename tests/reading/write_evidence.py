"""Writes docs/report-reading.md: how the labelled reports are read, by language, format and category, with every miss.

`python -m tests.reading.write_evidence` writes it; with `--check` it exits 1 where the document is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cds_service.evaluation.reports import BARS, Scored, figures, scored
from cds_service.knowledge import DEFAULT_FOLDER, load
from cds_service.reading.reader import ReportReader

from .corpora import FOLDER

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "report-reading.md"
FILES = {
    "dev.jsonl": "the texts that the rules began from",
    "written.jsonl": "written with the rules in view",
    "more.jsonl": "written apart, scored, then opened and learnt from",
    "unseen.jsonl": "written apart, never opened by whoever writes the rules",
}
INTRODUCTION = """\
# How reports are read

Every labelled report text of `tests/fixtures/reports`, read by the service. `make evidence` writes this page anew;
`make check` fails while it is stale.
[Clinical evidence](clinical-evidence.md) says what the measures mean and what they cannot tell.
"""


def document() -> str:
    reader = ReportReader(load(DEFAULT_FOLDER).languages)
    found = {name: list(scored(FOLDER / name, reader)) for name in FILES if (FOLDER / name).exists()}
    return "\n".join([INTRODUCTION, *_measures(found), *_groups(found), *_misses(found), ""])


def _row(*cells: object) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _table(headings: Sequence[str], rows: Iterable[str]) -> list[str]:
    return [_row(*headings), _row(*("---" for _ in headings)), *rows, ""]


def _measures(found: dict[str, list[Scored]]) -> list[str]:
    rows = []
    for bar in BARS:
        counts = [bar.hits(each) for each in found.values()]
        rows.append(_row(bar.name, f"{bar.least:.0%}", *(f"{hits} of {total}" for hits, total in counts)))
    parts = [f"- `{name}`: {len(found[name])} texts, {what}" for name, what in FILES.items() if name in found]
    return ["## The bars", "", *parts, "", *_table(["measure", "bar", *(f"`{name}`" for name in found)], rows)]


def _groups(found: dict[str, list[Scored]]) -> Iterator[str]:
    yield "## Overall, right and left all exactly right\n"
    by = {name: figures(each)["by"] for name, each in found.items()}
    for group in ("language", "format", "category", "difficulty"):
        values = sorted({value for each in by.values() for value in each[group]})
        rows = []
        for value in values:
            counts = [each[group].get(value, {"right": 0, "of": 0}) for each in by.values()]
            rows.append(_row(value, *(f"{count['right']} of {count['of']}" for count in counts)))
        yield from _table([group, *(f"`{name}`" for name in found)], rows)


def _misses(found: dict[str, list[Scored]]) -> Iterator[str]:
    yield "## Every miss\n"
    rows = []
    for name, reports in found.items():
        for each in reports:
            if not each.is_right:
                why = "not opened" if name == "unseen.jsonl" else each.why.partition(":")[2].strip().replace("|", "/")
                rows.append(_row(each.id, each.language, each.expected, each.got, why))
    yield from _table(["text", "language", "labelled", "read", "what it is about"], rows)


def main() -> None:
    text = document()
    if "--check" in sys.argv:
        if not DOCUMENT.exists() or DOCUMENT.read_text() != text:
            sys.exit("docs/report-reading.md is stale: make evidence")
    else:
        DOCUMENT.write_text(text)


if __name__ == "__main__":
    main()
