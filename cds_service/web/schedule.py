"""The schedule of a protocol as a picture: for every row, when its step is accepted, due and overdue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..core.dates import Interval
from ..core.protocol import Anchor, DecisionRow, Protocol, Timing
from ..core.vocabulary import Group
from .explained import interval

WIDTH, GUTTER, EDGE, ROW = 960, 350, 14, 38
_DAYS_A_MONTH = 30.44
_ANCHORS = {
    Anchor.STUDY: "after the study",
    Anchor.INDEX: "after the first 3",
    Anchor.SUSPICION: "after the earlier 4 or 5",
    Anchor.PATHOLOGY: "after the pathology result",
}
_ORDER = (Group.SUSPICIOUS, Group.INCOMPLETE, Group.PROBABLY_BENIGN, Group.BENIGN, Group.KNOWN_MALIGNANCY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row of the table on the line of time."""

    row: DecisionRow
    y: int
    title: tuple[str, ...]
    from_x: float
    due_x: float
    late_x: float
    escalates_x: float | None
    ends_x: float
    """Where the drawing of being overdue stops; the time itself has no end."""
    due_words: str
    anchor: str

    @property
    def words(self) -> str:
        """The same in a sentence."""
        return f"{self.row.title}: due {self.due_words} {self.anchor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The drawing."""

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    width: int = WIDTH
    gutter: int = GUTTER

    @property
    def height(self) -> int:
        return len(self.bars) * ROW + 34


def drawn(protocol: Protocol) -> Schedule:
    """The schedule of every row that has one, the most pressing group first."""
    timed = [(row, row.timing) for row in protocol.decisions if row.timing is not None]
    timed.sort(key=lambda each: (_ORDER.index(each[0].group) if each[0].group else len(_ORDER), _days(each[1].due)))
    span = max(_days(timing.overdue_after) for _, timing in timed) + 45
    scale = (WIDTH - GUTTER - EDGE) / span
    return Schedule(
        bars=tuple(_bar(row, timing, place * ROW, scale) for place, (row, timing) in enumerate(timed)),
        ticks=tuple(_ticks(span, scale)),
    )


def _bar(row: DecisionRow, timing: Timing, y: int, scale: float) -> Bar:
    def x(length: Interval) -> float:
        return round(GUTTER + _days(length) * scale, 1)

    late_x = x(timing.overdue_after)
    escalates_x = x(timing.escalates_after) if timing.escalates_after else None
    return Bar(
        row=row,
        y=y,
        title=tuple(_lines(row.title)),
        from_x=x(timing.accepted_from),
        due_x=x(timing.due),
        late_x=late_x,
        escalates_x=escalates_x,
        ends_x=min(max(late_x + 44, (escalates_x or 0) + 22), WIDTH - EDGE),
        due_words=interval(timing.due),
        anchor=_ANCHORS[timing.anchor],
    )


def _days(length: Interval) -> float:
    return length.months * _DAYS_A_MONTH + length.days


def _ticks(span: float, scale: float) -> Iterator[tuple[float, str]]:
    for month in range(0, int(span / _DAYS_A_MONTH) + 1, 3):
        yield round(GUTTER + month * _DAYS_A_MONTH * scale, 1), f"{month} months" if month else "start"


def _lines(title: str, most: int = 46) -> Iterator[str]:
    line = ""
    for word in title.split():
        if line and len(line) + 1 + len(word) > most:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    yield line
