"""From a situation to the step that comes next: what, by when, and whether somebody has already taken it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from .answers import Gap
from .dates import PartialDate
from .decide import Undecided, all_matches, first_match
from .history import Order
from .protocol import Anchor, CheckRow, DecisionRow, ExclusionRow, StepKind
from .situation import Record, Situation, situations
from .vocabulary import Indicator, Modality, OrderKind, Side


class Status(StrEnum):
    """How far a step has got."""

    OPEN = "open"
    PLANNED = "planned"
    ORDERED = "ordered"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What should happen next to a breast, and when."""

    row: DecisionRow
    kind: StepKind
    side: Side
    """The side of its orders: both breasts where the row asks for an examination of both."""
    since: PartialDate
    """The study or result that calls for it: only what follows it can satisfy the step."""
    due: date
    accepted_from: date
    overdue_from: date
    is_overdue: bool
    is_urgent: bool
    window: tuple[date, date]
    """First and last day for a new order."""
    status: Status
    by: str | None
    """The reference of what satisfies it."""
    unchecked: tuple[Gap, ...]
    """Lists that could have held what satisfies it, and were not to be had."""

    @property
    def indicator(self) -> Indicator:
        return self.row.indicator_overdue if self.is_overdue else self.row.indicator


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the protocol concludes for one situation."""

    situation: Situation
    row: DecisionRow | None
    """The row that decided; None where none applies or the search stopped."""
    undecided: Undecided[DecisionRow] | None
    exclusion: ExclusionRow | None
    """The row by which this breast is left alone, entirely or for the step that was decided."""
    step: Step | None
    checks: tuple[CheckRow, ...]

    @property
    def is_open(self) -> bool:
        """Whether there is a step that nobody has taken yet."""
        return self.step is not None and self.step.status is Status.OPEN


def decisions(record: Record) -> list[Decision]:
    """The decision for each situation of a patient, by the record's protocol, most severe first. Of an examination
    without a side that is seen with the record of either breast, the more pressing one."""
    made = [_decide(record, situation) for situation in situations(record)]
    unsided = [decision for decision in made if decision.situation.side is Side.UNSTATED]
    if len(unsided) > 1:
        most = max(unsided, key=_pressure)
        made = [decision for decision in made if decision is most or decision not in unsided]
    made.sort(key=_severity, reverse=True)
    return made


def _pressure(decision: Decision) -> tuple[bool, tuple[int, int], int, int, date]:
    situation = decision.situation
    suspicion = situation.suspected
    index = situation.index.first if situation.index else date.min  # the younger a surveillance, the less it reassures
    return decision.is_open, _severity(decision), len(decision.checks), suspicion.severity if suspicion else -1, index


def _severity(decision: Decision) -> tuple[int, int]:
    current = decision.situation.current
    category = None if current is None else current.verdict.category
    rank = -1 if decision.step is None else _RANK[decision.step.indicator]
    return rank, 0 if category is None else category.severity


_RANK = {indicator: rank for rank, indicator in enumerate(Indicator)}


def _decide(record: Record, situation: Situation) -> Decision:
    protocol, facts = record.protocol, situation.facts
    exclusions = list(all_matches(protocol.exclusions, facts))
    exclusion = next((row for row in exclusions if row.steps is None), None)
    checks = tuple(
        check
        for check in all_matches(protocol.checks, facts)
        if exclusion is None or exclusion.id in check.beside_exclusions
    )
    found = None if exclusion else first_match(protocol.decisions, facts)
    row = found if isinstance(found, DecisionRow) else None
    step = None
    if row is not None and row.step is not None:
        exclusion = next((each for each in exclusions if each.steps and row.step in each.steps), None)
        if exclusion is None:
            step = _step(record, situation, row)
    return Decision(
        situation=situation,
        row=row,
        undecided=found if isinstance(found, Undecided) else None,
        exclusion=exclusion,
        step=step,
        checks=checks,
    )


def _step(record: Record, situation: Situation, row: DecisionRow) -> Step | None:
    timing, today = row.timing, record.today
    if timing is None or row.step is None or situation.current is None:
        return None
    kind = record.protocol.steps[row.step]
    since = situation.current.study.date
    if timing.anchor is Anchor.SUSPICION and situation.suspicion is not None:
        since = situation.suspicion.study.date
    elif timing.anchor is Anchor.PATHOLOGY and situation.pathology is not None and situation.pathology.date is not None:
        since = situation.pathology.date
    anchor = situation.index if timing.anchor is Anchor.INDEX and situation.index is not None else since
    due, accepted_from, overdue_from = (
        interval.after(anchor.first) for interval in (timing.due, timing.accepted_from, timing.overdue_after)
    )
    is_overdue = today > overdue_from
    is_escalated = timing.escalates_after is not None and today > timing.escalates_after.after(anchor.first)
    counts = _Counting(since=since, accepted_from=accepted_from, strictly=timing.anchor is Anchor.PATHOLOGY)
    status, by = _status(record, situation, kind, counts)
    return Step(
        row=row,
        kind=kind,
        side=Side.BOTH if row.both_breasts and not _other_is_removed(record, situation.side) else situation.side,
        since=since,
        due=due,
        accepted_from=accepted_from,
        overdue_from=overdue_from,
        is_overdue=is_overdue,
        is_urgent=row.is_urgent or is_escalated,
        window=_window(record, row, due, is_overdue=is_overdue),
        status=status,
        by=by,
        unchecked=_unchecked(record, kind) if status is Status.OPEN else (),
    )


def _other_is_removed(record: Record, side: Side) -> bool:
    return any(removal.side is side.opposite for removal in record.mastectomies)


def _window(record: Record, row: DecisionRow, due: date, *, is_overdue: bool) -> tuple[date, date]:
    """The time window of a new order: around the due date, never before today; once overdue, from today on."""
    limits, today, timing = record.protocol.limits, record.today, row.timing
    if is_overdue or timing is None:
        return today, limits.overdue_window.after(today)
    opens = timing.window_before.before(due)
    closes = timing.window_after.after(due)
    return (opens, closes) if opens > today else (today, max(closes, limits.least_window.after(today)))


# --------------------------------------------------------------------------------------
# Is the step already taken?


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counting:
    """From when on something counts as an answer to what called for the step."""

    since: PartialDate
    accepted_from: date
    strictly: bool
    """Something of the same day does not count: the biopsy is no answer to its own pathology."""

    def includes(self, when: PartialDate | None) -> bool:
        if when is None or when.first < self.accepted_from:
            return False
        return self.since.last < when.first if self.strictly else when.may_follow(self.since)


def _status(record: Record, situation: Situation, kind: StepKind, counts: _Counting) -> tuple[Status, str | None]:
    if not kind.satisfied_by:
        return Status.OPEN, None
    done = _done(record, situation, kind, counts)
    if done is not None:
        return Status.DONE, done
    since = counts.since.first
    for order in record.history.orders:
        is_in_time = order.authored is None or order.authored.last >= since
        if is_in_time and _answers(order, kind, situation):
            return Status.ORDERED, order.reference
    for appointment in record.history.appointments:
        is_in_time = appointment.starts is not None and appointment.starts.last >= since
        if is_in_time and _answers(appointment, kind, situation):
            return Status.PLANNED, appointment.reference
    return Status.OPEN, None


def _answers(order: Order, kind: StepKind, situation: Situation) -> bool:
    return order.side.covers(situation.concerns) and is_right_kind(order.kind, kind, situation)


def _unchecked(record: Record, kind: StepKind) -> tuple[Gap, ...]:
    if not kind.satisfied_by:
        return ()
    return tuple(each.gap for each in (record.history.procedures, record.history.orders) if each.gap is not None)


def is_right_kind(order_kind: OrderKind, kind: StepKind, situation: Situation) -> bool:
    """Whether an order, procedure or study of that kind brings the step about. Ultrasound and MRI count for a
    surveillance only where the assessment itself was made with them."""
    if order_kind in kind.satisfied_by:
        return True
    if not kind.satisfied_by_same_modality or situation.current is None:
        return False
    return order_kind.modality in (Modality.ULTRASOUND, Modality.MRI) and order_kind.modality in {
        each.modality for each in situation.current.study.kinds
    }


def _done(record: Record, situation: Situation, kind: StepKind, counts: _Counting) -> str | None:
    side, current = situation.concerns, situation.current
    if kind.satisfied_by_pathology:
        for result in record.pathology:
            if result.side.covers(side) and counts.includes(result.date):
                return result.reference
    for procedure in record.procedures:
        if (
            procedure.side.covers(side)
            and is_right_kind(procedure.kind, kind, situation)
            and counts.includes(procedure.date)
        ):
            return procedure.reference
    for study in record.studies:
        if (
            (current is None or study is not current.study)
            and study.side.covers(side)
            and any(is_right_kind(each, kind, situation) for each in study.kinds)
            and counts.includes(study.date)
        ):
            return study.reference
    return None
