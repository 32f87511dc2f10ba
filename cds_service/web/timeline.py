"""The chart of a patient as a picture: studies, orders, biopsies and due windows of both breasts on a line of time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from ..core.classify import State, Verdict
from ..core.dates import Interval
from ..core.history import Order
from ..core.plan import Decision, Status
from ..core.situation import Record
from ..core.vocabulary import Group, Modality, OrderKind, Pathology, Side
from ..knowledge import Catalogue
from ..pipeline import Answer
from ..render import assessment_words

WIDTH, GUTTER, EDGE = 960, 128, 12
LANE, LOW_LANE = 124, 90
"""The height of a lane, and of one without orders, procedures and results."""
APART = 32
"""Units between the middles of two marks, so that neither covers the other."""
_TICKS = (1, 2, 3, 6, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that happened, or is ordered, on one day."""

    kind: str
    """study, order, draft, procedure or pathology."""
    day: date
    letters: str
    look: str
    words: str
    x: float = 0
    true_x: float = 0
    date_words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A stretch of time: when a step is due, or since when it is overdue."""

    kind: str
    x: float
    width: float


@dataclass(slots=True, kw_only=True)
class Lane:
    """One breast."""

    side: Side
    y: int
    status: str
    look: str
    studies: list[Mark]
    actions: list[Mark]
    bands: list[Band] = field(default_factory=list)
    due_x: float | None = None
    step_words: str = ""
    step_x: float = 0
    step_anchor: str = "start"
    removed_x: float | None = None

    @property
    def height(self) -> int:
        return LANE if self.actions else LOW_LANE


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The drawing, and the same in words for those who do not see it."""

    lanes: tuple[Lane, ...]
    ticks: tuple[tuple[float, str], ...]
    today: date
    today_x: float
    words: tuple[str, ...]
    first: date
    last: date
    width: int = WIDTH
    gutter: int = GUTTER

    @property
    def height(self) -> int:
        return sum(lane.height for lane in self.lanes) + 44


def drawn(answer: Answer, catalogue: Catalogue, drafts: Collection[str] = ()) -> Timeline:
    """The picture of what an answer was made from. `drafts` holds the references of orders not signed yet."""
    record = answer.record
    marks = {side: list(_marks(record, side, catalogue, drafts)) for side in (Side.RIGHT, Side.LEFT)}
    decided = {side: _decision(answer.decisions, side) for side in marks}
    removed = {side: _removed(record, side) for side in marks}
    scale = _Scale.of(record.today, [mark.day for each in marks.values() for mark in each], answer.decisions)
    lanes: list[Lane] = []
    for side, found in marks.items():
        y = sum(lane.height for lane in lanes)
        lanes.append(_lane(scale, side, y, found, decided[side], removed[side], catalogue))
    return Timeline(
        lanes=tuple(lanes),
        ticks=tuple(scale.ticks()),
        today=record.today,
        today_x=scale.x(record.today),
        words=tuple(_sentences(marks, lanes)),
        first=scale.first,
        last=scale.last,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """Days to units of the drawing, linear."""

    first: date
    last: date

    @classmethod
    def of(cls, today: date, days: Sequence[date], decisions: Sequence[Decision]) -> _Scale:
        """From the oldest mark to the end of what is pending. Routine screening is far off, and is shown only where
        nothing else is pending."""
        steps = [decision.step for decision in decisions if decision.step is not None]
        pressing = [step for step in steps if step.row.group is not Group.BENIGN] or steps
        ends = [Interval(months=1).after(step.overdue_from) for step in pressing]
        first = min([*days, Interval(months=5).before(today)])
        last = max([*ends, *days, Interval(months=3).after(today)])
        return cls(first=first - timedelta(days=20), last=last)

    def x(self, day: date) -> float:
        share = (day - self.first).days / (self.last - self.first).days
        return round(GUTTER + share * (WIDTH - GUTTER - EDGE), 1)

    def clipped(self, day: date) -> float:
        return min(max(self.x(day), GUTTER), WIDTH - EDGE)

    def ticks(self) -> Iterator[tuple[float, str]]:
        months = (self.last - self.first).days / 30.4
        room = (WIDTH - GUTTER - EDGE) / months
        every = next((each for each in _TICKS if each * room >= 74), 12)
        day = self.first.replace(day=1)
        while day <= self.last:
            if day >= self.first and (day.month - 1) % every == 0:
                yield self.x(day), f"{day:%b %Y}"
            day = Interval(months=1).after(day)


# --------------------------------------------------------------------------------------
# What is on record


def _marks(record: Record, side: Side, catalogue: Catalogue, drafts: Collection[str]) -> Iterator[Mark]:
    for study, said in zip(record.studies, record.verdicts, strict=True):
        verdict = said.get(side) or said.get(Side.UNSTATED)
        words = f"{study.date}: {study.title or 'study'}"
        if verdict is not None:
            yield Mark(
                kind="study",
                day=study.date.first,
                letters=_letters(verdict),
                look=_look(verdict),
                words=f"{words}, {assessment_words(verdict)}",
            )
        elif study.side.covers(side) and not said and not any(kind.is_biopsy for kind in study.kinds):
            yield Mark(kind="study", day=study.date.first, letters="?", look="none", words=f"{words}, no assessment")
    for order in record.history.orders:
        if order.side.covers(side):
            yield _ordered(order, record.today, catalogue, is_draft=order.reference in drafts)
    for done in record.history.procedures:
        if done.side.covers(side) and done.date is not None:
            label = catalogue.kind_labels[done.kind]
            yield Mark(
                kind="procedure",
                day=done.date.first,
                letters=_initial(done.kind),
                look="done",
                words=f"{done.date}: {label}, done",
            )
    for result in record.history.pathology:
        if result.side.covers(side) and result.date is not None:
            value = result.result.value if result.result else "not read"
            yield Mark(
                kind="pathology",
                day=result.date.first,
                letters="P",
                look=_PATHOLOGY.get(result.result, "none") if result.result else "none",
                words=f"{result.date}: pathology, {value}",
            )


_PATHOLOGY = {
    Pathology.BENIGN: "benign",
    Pathology.MALIGNANT: "known-malignancy",
    Pathology.HIGH_RISK: "suspicious",
}


def _ordered(order: Order, today: date, catalogue: Catalogue, *, is_draft: bool) -> Mark:
    label = catalogue.kind_labels[order.kind]
    when = f", for {order.starts} to {order.ends}" if order.starts and order.ends else ""
    state = "draft order" if is_draft else "ordered"
    return Mark(
        kind="draft" if is_draft else "order",
        day=order.authored.first if order.authored else today,
        letters=_initial(order.kind),
        look="order",
        words=f"{order.authored or 'undated'}: {label}, {state}{when}",
    )


def _initial(kind: OrderKind) -> str:
    """One letter on the mark of an order or procedure; the legend says what it stands for."""
    if kind.is_biopsy:
        return "B"
    if kind.modality is not None:
        return "R" if kind.modality is Modality.MRI else kind.modality.value[0].upper()
    return {OrderKind.WIRE_LOCALISATION: "W", OrderKind.MASTECTOMY: "X"}.get(kind, "•")


def _letters(verdict: Verdict) -> str:
    if verdict.category is None:
        return "≠" if verdict.state is State.CONFLICT else "?"
    return verdict.category.value


def _look(verdict: Verdict) -> str:
    look = "none" if verdict.category is None else verdict.category.group.value
    return f"{look} derived" if verdict.state is State.DERIVED else look


def _decision(decisions: Sequence[Decision], side: Side) -> Decision | None:
    """The decision for a breast, or for the examination where the assessment names no side."""
    return next((each for each in decisions if each.situation.side in (side, Side.UNSTATED)), None)


def _removed(record: Record, side: Side) -> date | None:
    return next(
        (
            each.since.first if each.since else date.min
            for each in record.mastectomies
            if each.side in (side, Side.BOTH)
        ),
        None,
    )


# --------------------------------------------------------------------------------------
# Where it goes


def _lane(
    scale: _Scale,
    side: Side,
    y: int,
    marks: Sequence[Mark],
    decision: Decision | None,
    removed: date | None,
    catalogue: Catalogue,
) -> Lane:
    lane = Lane(
        side=side,
        y=y,
        status=_status(decision, removed),
        look="none",
        studies=_placed(scale, [mark for mark in marks if mark.kind == "study"]),
        actions=_placed(scale, [mark for mark in marks if mark.kind != "study"]),
    )
    if removed is not None:
        lane.removed_x = scale.clipped(max(removed, scale.first))
    elif decision is not None and decision.situation.current is not None:
        lane.look = _look(decision.situation.current.verdict)
    step = decision.step if decision else None
    if step is None:
        return lane
    label = catalogue.step_labels[step.kind.id]
    if step.status is Status.OPEN:
        begins, ends = scale.clipped(step.accepted_from), scale.clipped(step.overdue_from)
        if ends > begins:
            lane.bands.append(Band(kind="due", x=begins, width=ends - begins))
        if ends < WIDTH - EDGE:
            kind = "overdue" if step.is_overdue else "late"
            lane.bands.append(Band(kind=kind, x=ends, width=WIDTH - EDGE - ends))
        is_in_sight = step.due <= scale.last
        lane.due_x = scale.clipped(step.due) if is_in_sight else None
        lane.step_words = f"{label} {'was due' if step.is_overdue else 'due'} {step.due}"
        lane.step_x = lane.due_x if lane.due_x is not None else WIDTH - EDGE
    else:
        lane.step_words = f"{label}: {step.status.value}"
        lane.step_x = scale.clipped(scale.last)
    if lane.step_x > WIDTH * 0.6:
        lane.step_anchor = "end"
    return lane


def _status(decision: Decision | None, removed: date | None) -> str:
    if removed is not None:
        return "removed"
    if decision is None:
        return ""
    if decision.exclusion is not None and decision.exclusion.steps is None:
        return "known cancer" if decision.situation.facts["known_cancer"] is True else "left alone"
    current = decision.situation.current
    if current is None:
        return "nothing on record"
    category = current.verdict.category
    return category.group.words if category else current.verdict.state.value


def _placed(scale: _Scale, marks: Sequence[Mark]) -> list[Mark]:
    """Marks in the order of their days, pushed apart where they would cover each other."""
    placed: list[Mark] = []
    taken = -999.0
    labelled = -999.0
    for mark in sorted(marks, key=lambda each: each.day):
        true_x = scale.x(mark.day)
        x = max(true_x, taken + APART)
        words = f"{mark.day:%-d %b}" if x - labelled >= 50 else ""
        labelled = x if words else labelled
        taken = x
        placed.append(replace(mark, x=round(x, 1), true_x=true_x, date_words=words))
    overshoot = taken - (WIDTH - EDGE - 16)
    if overshoot > 0:
        placed = [replace(mark, x=round(mark.x - overshoot, 1)) for mark in placed]
    return placed


def _sentences(marks: dict[Side, list[Mark]], lanes: Sequence[Lane]) -> Iterator[str]:
    """The picture in words, oldest first, then what comes next."""
    found = [(mark.day, f"{side.words}, {mark.words}") for side, each in marks.items() for mark in each]
    yield from (words[0].upper() + words[1:] for _, words in sorted(found, key=lambda each: each[0]))
    for lane in lanes:
        words = lane.side.words.capitalize()
        yield f"{words}, next: {lane.step_words}" if lane.step_words else f"{words}: {lane.status}"
