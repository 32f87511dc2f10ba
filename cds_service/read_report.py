"""A report read for a person: the assessments, the sentences they stand in, and marks under the words that decided."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from .core.vocabulary import Side
from .reading.assess import Reading
from .reading.formats import text_of
from .reading.mentions import Mention, Status
from .reading.reader import ReportReader
from .reading.text import Text

_TYPES = {
    ".txt": "text/plain", ".html": "text/html", ".htm": "text/html", ".xhtml": "text/html", ".rtf": "text/rtf",
    ".pdf": "application/pdf",
}  # fmt: skip
WIDTH = 100
"""Characters of a sentence on one line of the terminal."""


def media_type(path: Path) -> str:
    """The media type by the name of a file; empty, for looking at the content, where the name does not tell."""
    return _TYPES.get(path.suffix.lower(), "")


def show(content: bytes, kind: str, reader: ReportReader, console: Console) -> Reading:
    """Prints the reading of a report. Raises `Unreadable` where it cannot be turned into text."""
    reading = reader.reading(Text(text_of(content, kind)))
    console.print(f"Language: {reading.language}")
    for side in (Side.RIGHT, Side.LEFT, Side.UNSTATED):
        mention = reading.deciding.get(side)
        if mention is not None and mention.category is not None:
            films = ", waits for earlier images" if reading.prior_films_needed else ""
            console.print(
                f"[bold]{_name(side)}: {mention.category.value}[/bold] "
                f"({mention.category.group.words}{films}){_in(mention)}"
            )
            _quote(reading, mention, console)
    if reading.overall is not None and Side.UNSTATED not in reading.deciding:
        console.print(f"[bold]Overall: {reading.overall.value}[/bold], the most severe of the breasts")
    for side, mentions in reading.disputed.items():
        console.print(f"[bold]{_name(side)}: to be settled by a person[/bold]")
        for mention in mentions:
            _quote(reading, mention, console)
        if not mentions:
            console.print("    the text seems to be cut off")
    if not (reading.deciding or reading.disputed):
        console.print("[bold]No assessment[/bold]")
    passed = [each for each in reading.mentions if each.status not in (Status.CURRENT, Status.OPEN)]
    if passed:
        console.print("Also found, and not counted:")
    for mention in passed:
        category = mention.category.value if mention.category else "left open"
        console.print(f"  {category}: {mention.status.value}")
        _quote(reading, mention, console)
    return reading


def _name(side: Side) -> str:
    return "Overall" if side is Side.UNSTATED else f"{side.value.capitalize()} breast"


def _in(mention: Mention) -> str:
    kind = mention.section.kind
    where = f", in the {kind}" if kind else ""
    return f"{where}, {_ordinal(mention.section.addendum)} addendum" if mention.section.addendum else where


def _ordinal(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")


def _quote(reading: Reading, mention: Mention, console: Console) -> None:
    """A sentence, with marks under the words that state the category."""
    tokens = reading.tokens
    begin, end = tokens.span(*mention.statement)
    first, last = tokens.span(mention.first, max(mention.last, mention.first + 1))
    for line, marks in _marked(tokens.text.original, begin, max(end, last), first, last):
        console.print(f"    {line}", markup=False, soft_wrap=True)
        if marks.strip():
            console.print(f"    {marks}", markup=False, soft_wrap=True, style="bold cyan")


def _marked(text: str, begin: int, end: int, first: int, last: int) -> Iterator[tuple[str, str]]:
    """The lines of a passage, each with the marks below it."""
    line = marks = ""
    for place in range(begin, end):
        char = " " if text[place].isspace() else text[place]
        is_marked = first <= place < last
        if char == " " and line.endswith(" "):
            continue
        if char == " " and len(line) >= WIDTH - 10 and not is_marked:
            yield line, marks
            line = marks = ""
            continue
        line += char
        marks += "^" if is_marked else " "
    if line.strip():
        yield line, marks
