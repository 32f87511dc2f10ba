"""What is said at a hook: which of the decisions, checks and objections become cards, and which stay silent.

Section 6 of the behaviour contract. Breasts with the same step share one piece of advice; a mismatch and the open step
behind it are one; nothing is said twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .concordance import (
    Concern,
    Objection,
    concerns_breast,
    identical_drafts,
    is_met,
    objections,
    same_step,
)
from .history import Order
from .plan import Decision
from .protocol import CheckRow, Shown
from .situation import Record
from .vocabulary import Indicator, Side, joined


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One card to be: about an open step, about an order that does not fit, or a request to look again.

    Exactly one of these holds: `objection` is set; `check` is set; the first decision is undecided; or the first
    decision has an open step.
    """

    decisions: tuple[Decision, ...]
    check: CheckRow | None = None
    objection: Objection | None = None

    @property
    def side(self) -> Side:
        """The breast or breasts that it is about."""
        return joined({decision.situation.side for decision in self.decisions})

    @property
    def indicator(self) -> Indicator:
        if self.check is not None:
            return self.check.indicator
        step = self.decisions[0].step if self.decisions else None
        if self.objection is not None and self.objection.concern not in (Concern.WRONG_BREAST, Concern.WRONG_KIND):
            return Indicator.INFO
        indicator = Indicator.INFO if step is None else step.indicator
        if self.objection is not None and self.objection.concern is Concern.WRONG_BREAST:
            return max(indicator, Indicator.WARNING, key=_RANKS.__getitem__)
        return indicator


_RANKS = {indicator: rank for rank, indicator in enumerate(Indicator)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """The hook that asks: its name, whether it is about orders, which concerns it wants, and its drafts."""

    hook: str
    is_about_orders: bool
    concerns: frozenset[Concern] = frozenset()
    looked_at: tuple[Order, ...] = ()
    drafts: tuple[Order, ...] = ()
    beside_unrelated_orders: bool = True
    """Whether an open 4 or 5 is brought up although the orders have nothing to do with the breast (a setting)."""


def advice(record: Record, decisions: Sequence[Decision], occasion: Occasion) -> list[Advice]:
    """Everything to be said, most severe first. An empty list means that there is nothing to do."""
    found = _about_orders(record, decisions, occasion) if occasion.is_about_orders else _about_patient(decisions)
    found += _checks(decisions, occasion)
    found.sort(key=_severity, reverse=True)
    return found


def _severity(each: Advice) -> tuple[int, int]:
    current = each.decisions[0].situation.current if each.decisions else None
    category = None if current is None else current.verdict.category
    return _RANKS[each.indicator], 0 if category is None else category.severity


def _about_patient(decisions: Sequence[Decision]) -> list[Advice]:
    shown = [decision for decision in decisions if decision.undecided is not None or _is_shown(decision)]
    return _shared(shown)


def _is_shown(decision: Decision) -> bool:
    step = decision.step
    if step is None or not decision.is_open:
        return False
    when = step.row.on_chart_open
    return when is Shown.ALWAYS or (when is Shown.WHEN_OVERDUE and step.is_overdue)


def _shared(decisions: Sequence[Decision]) -> list[Advice]:
    """One piece of advice for each step; both breasts together where they have the same."""
    found: list[Advice] = []
    for decision in decisions:
        for place, other in enumerate(found):
            if same_step(other.decisions[0], decision):
                found[place] = Advice(decisions=(*other.decisions, decision))
                break
        else:
            found.append(Advice(decisions=(decision,)))
    return found


def _about_orders(record: Record, decisions: Sequence[Decision], occasion: Occasion) -> list[Advice]:
    raised = objections(record, decisions, occasion.looked_at, occasion.drafts)
    if Concern.IDENTICAL_DRAFTS in occasion.concerns:
        raised += identical_drafts(occasion.drafts)
    raised = [objection for objection in raised if objection.concern in occasion.concerns]
    answered = [decision for objection in raised for decision in objection.decisions]
    plain = [
        decision
        for decision in decisions
        if not any(decision is each for each in answered) and _is_brought_up(decision, occasion)
    ]
    return [Advice(decisions=each.decisions, objection=each) for each in raised] + _shared(plain)


def _is_brought_up(decision: Decision, occasion: Occasion) -> bool:
    """Whether a step that no order objects to is mentioned while orders are made."""
    if decision.undecided is not None:
        return concerns_breast(decision, occasion.looked_at)
    step = decision.step
    if step is None or not decision.is_open or is_met(decision, occasion.drafts):
        return False
    if not step.kind.offers:
        return step.row.on_chart_open is not Shown.NEVER and concerns_breast(decision, occasion.looked_at)
    return occasion.beside_unrelated_orders and occasion.hook in step.row.beside_unrelated_orders


def _checks(decisions: Sequence[Decision], occasion: Occasion) -> list[Advice]:
    found: list[Advice] = []
    for decision in decisions:
        for check in decision.checks:
            if occasion.hook not in check.hooks:
                continue
            if occasion.is_about_orders and not concerns_breast(decision, occasion.looked_at):
                continue
            for place, other in enumerate(found):
                if other.check is check and _is_same_matter(check, other.decisions[0], decision):
                    found[place] = Advice(decisions=(*other.decisions, decision), check=check)
                    break
            else:
                found.append(Advice(decisions=(decision,), check=check))
    return found


def _is_same_matter(check: CheckRow, one: Decision, other: Decision) -> bool:
    """Whether two breasts raise the same question about the same study, or about the unread ones of one day."""
    mine, theirs = one.situation, other.situation
    if check.is_about("unread"):
        return mine.unread is not None and theirs.unread is not None and mine.unread.date == theirs.unread.date
    if check.is_about("in_doubt"):
        return (
            mine.doubt is not None
            and theirs.doubt is not None
            and mine.doubt.study is theirs.doubt.study
            and mine.doubt.verdict.category is theirs.doubt.verdict.category
        )
    return (
        mine.current is not None
        and theirs.current is not None
        and mine.current.study is theirs.current.study
        and mine.current.verdict.category is theirs.current.verdict.category
        and mine.suspected is theirs.suspected
    )
