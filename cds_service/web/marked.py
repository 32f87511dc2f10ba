"""The text of a report cut into passages: the words that decided, the words that were passed over, and the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..core.vocabulary import Side
from ..reading.assess import Reading
from ..reading.mentions import Mention, Status

_PASSED = {
    Status.DATED: "of another day",
    Status.HISTORY: "history",
    Status.CONDITIONAL: "a condition",
    Status.NEGATED: "negated",
    Status.LEGEND: "explains the scale",
    Status.DENSITY: "breast density",
    Status.OPEN: "left open",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A stretch of text. `kind` is empty, deciding, disputed or passed; `label` says what it was taken for."""

    text: str
    kind: str = ""
    label: str = ""


def passages(reading: Reading) -> list[Passage]:
    """The whole text of a reading, in order."""
    text = reading.tokens.text.original
    found: list[Passage] = []
    end = 0
    for begin, behind, kind, label in sorted(_marks(reading)):
        if begin < end:
            continue
        found += [Passage(text=text[end:begin]), Passage(text=text[begin:behind], kind=kind, label=label)]
        end = behind
    found.append(Passage(text=text[end:]))
    return [passage for passage in found if passage.text]


def _marks(reading: Reading) -> Iterator[tuple[int, int, str, str]]:
    deciding: dict[tuple[int, int], list[str]] = {}
    for side, mention in reading.deciding.items():
        if mention.category is not None:
            where = "exam" if side is Side.UNSTATED else side.value
            deciding.setdefault(_span(reading, mention), []).append(where)
    for (begin, behind), sides in deciding.items():
        yield begin, behind, "deciding", f"decides: {' and '.join(sorted(sides))}"
    for mentions in reading.disputed.values():
        for mention in mentions:
            yield *_span(reading, mention), "disputed", "not settled"
    for mention in reading.mentions:
        if mention.status in _PASSED and _span(reading, mention) not in deciding:
            yield *_span(reading, mention), "passed", f"not counted: {_PASSED[mention.status]}"


def _span(reading: Reading, mention: Mention) -> tuple[int, int]:
    return reading.tokens.span(mention.first, max(mention.last, mention.first + 1))
