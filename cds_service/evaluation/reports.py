"""How well the categories of labelled report texts are read: the measures and their bars, by language, format and
category, and every miss."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ..core.vocabulary import Category, Group
from ..reading.formats import plain_text
from ..reading.reader import ReportReader
from ..reading.text import Text

MEDIA_TYPES = {"plain": "text/plain", "html": "text/html", "rtf": "text/rtf"}


@dataclass(frozen=True, slots=True)
class Labels:
    """What a report states, as a person or the service says it."""

    overall: str | None
    right: str | None
    left: str | None
    review: bool

    def __str__(self) -> str:
        words = [f"{name} {value}" for name in ("overall", "right", "left") if (value := getattr(self, name))]
        return ", ".join([*words, *(["review"] if self.review else [])]) or "no category"


@dataclass(frozen=True, slots=True)
class Scored:
    """One report: how it is labelled, and how it was read."""

    id: str
    language: str
    format: str
    why: str
    expected: Labels
    got: Labels

    @property
    def is_right(self) -> bool:
        return self.expected == self.got

    @property
    def is_overall_right(self) -> bool:
        return (self.expected.overall, self.expected.review) == (self.got.overall, self.got.review)

    @property
    def are_sides_right(self) -> bool:
        return (self.expected.right, self.expected.left) == (self.got.right, self.got.left)

    @property
    def has_no_category(self) -> bool:
        """Whether the report states no category and leaves none open."""
        return self.expected == Labels(None, None, None, False)

    @property
    def is_invented(self) -> bool:
        return self.has_no_category and any((self.got.overall, self.got.right, self.got.left))

    @property
    def is_dangerous(self) -> bool:
        """A 4, 5 or 0 read as 1, 2, 3 or nothing; a 1 or 2 read as 4 or 5; the sides swapped."""
        if not self.got.review and any(
            _is_missed(said, read)
            for said, read in [
                (self.expected.overall, self.got.overall),
                (self.expected.right, self.got.right or _of_whole(self.got)),
                (self.expected.left, self.got.left or _of_whole(self.got)),
            ]
        ):
            return True
        pairs = ((getattr(self.expected, name), getattr(self.got, name)) for name in ("overall", "right", "left"))
        if any(said in ("1", "2") and read is not None and read[0] in "45" for said, read in pairs):
            return True
        sides = self.expected.right, self.expected.left
        return sides[0] != sides[1] and sides == (self.got.left, self.got.right)


def _of_whole(labels: Labels) -> str | None:
    """The overall category stands for a breast without one of its own."""
    return labels.overall


def _is_missed(said: str | None, read: str | None) -> bool:
    return _needs_action(said) and not _needs_action(read)


def _needs_action(category: str | None) -> bool:
    return category is not None and Category(category).group in (Group.SUSPICIOUS, Group.INCOMPLETE)


@dataclass(frozen=True, slots=True)
class Bar:
    """What has to be reached: at least a share of the reports, or none at all."""

    name: str
    hits: Callable[[Sequence[Scored]], tuple[int, int]]
    least: float

    def is_reached(self, scored: Sequence[Scored]) -> bool:
        hits, total = self.hits(scored)
        return total == 0 or hits / total >= self.least


BARS = (
    Bar("no dangerous miss", lambda all_: (sum(not each.is_dangerous for each in all_), len(all_)), 1.0),
    Bar("overall category exactly right", lambda all_: (sum(each.is_overall_right for each in all_), len(all_)), 0.98),
    Bar("right and left exactly right", lambda all_: (sum(each.are_sides_right for each in all_), len(all_)), 0.97),
    Bar(
        "no category invented",
        lambda all_: (
            sum(each.has_no_category and not each.is_invented for each in all_),
            sum(each.has_no_category for each in all_),
        ),
        1.0,
    ),
)


def scored(path: Path, reader: ReportReader) -> Iterator[Scored]:
    """Every report of a JSON Lines file, read. Raises `ValueError` that names the line where one cannot be used."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield _one(json.loads(line), reader)
                except (ValueError, KeyError, TypeError) as problem:
                    raise ValueError(f"{path.name}, line {number}: {problem!r}") from problem


def _one(row: Mapping[str, Any], reader: ReportReader) -> Scored:
    reading = reader.reading(Text(plain_text(row["text"], MEDIA_TYPES[row["format"]])))
    expected = row["expect"]
    return Scored(
        id=row["id"],
        language=row["lang"],
        format=row["format"],
        why=row.get("why", ""),
        expected=Labels(expected["overall"], expected["right"], expected["left"], expected["review"]),
        got=Labels(reading.overall, reading.right, reading.left, reading.review),
    )


def missed_bars(found: Sequence[Scored]) -> list[str]:
    """The names of the bars that are not reached."""
    return [bar.name for bar in BARS if not bar.is_reached(found)]


def figures(found: Sequence[Scored]) -> dict[str, Any]:
    """Everything that `printed` shows, as data."""
    return {
        "reports": len(found),
        "bars": {bar.name: {"hits": bar.hits(found)[0], "of": bar.hits(found)[1], "least": bar.least} for bar in BARS},
        "by": {name: _by(found, key) for name, key in _GROUPS.items()},
        "misses": [
            {
                "id": each.id,
                "expected": str(each.expected),
                "got": str(each.got),
                "dangerous": each.is_dangerous,
                "why": each.why,
            }
            for each in found
            if not each.is_right
        ],
    }


_GROUPS: Mapping[str, Callable[[Scored], str]] = {
    "language": lambda each: each.language,
    "format": lambda each: each.format,
    "category": lambda each: each.expected.overall or ("review" if each.expected.review else "none"),
    "difficulty": lambda each: each.why.partition(":")[0],
}


def _by(found: Sequence[Scored], key: Callable[[Scored], str]) -> dict[str, dict[str, int]]:
    total = Counter(map(key, found))
    right = Counter(key(each) for each in found if each.is_right)
    return {name: {"right": right[name], "of": total[name]} for name in sorted(total)}


def printed(found: Sequence[Scored], console: Console, *, with_misses: bool = True) -> None:
    """The measures with their bars, the table by group, and every miss."""
    table = Table(title=f"{len(found)} reports")
    for heading in ("measure", "right", "of", "share", "bar"):
        table.add_column(heading, justify="left" if heading == "measure" else "right")
    for bar in BARS:
        hits, total = bar.hits(found)
        share = f"{hits / total:.1%}" if total else "-"
        style = None if bar.is_reached(found) else "red"
        table.add_row(bar.name, str(hits), str(total), share, f"{bar.least:.0%}", style=style)
    console.print(table)
    groups = Table(title="Overall, right and left all exactly right")
    for heading in ("by", "value", "right", "of"):
        groups.add_column(heading, justify="right" if heading in ("right", "of") else "left")
    for name, key in _GROUPS.items():
        for value, counts in _by(found, key).items():
            groups.add_row(name, value, str(counts["right"]), str(counts["of"]))
    console.print(groups)
    for each in found if with_misses else ():
        if not each.is_right:
            mark = "  DANGEROUS" if each.is_dangerous else ""
            console.print(f"{each.id}: expected {each.expected}; read {each.got}{mark}", markup=False)
            console.print(f"    {each.why}", markup=False, style="dim")
