"""A protocol as typed data: rows of conditions on facts, and what follows from each.

A protocol is loaded from the knowledge folder; nothing in this module knows a clinical number.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from .dates import Interval
from .vocabulary import Category, Change, Distribution, Group, Indicator, Morphology, OrderKind


class Operator(StrEnum):
    """The closed set of comparisons that a row may make."""

    IS = "is"
    IS_NOT = "is-not"
    IN = "in"
    AT_LEAST = "at-least"
    LESS_THAN = "less-than"


def _is_at_least(operand: Any, value: Any) -> bool:
    return value is not None and value >= operand


def _is_less_than(operand: Any, value: Any) -> bool:
    return value is not None and value < operand


_TESTS: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.IS: operator.eq,
    Operator.IS_NOT: operator.ne,
    Operator.IN: operator.contains,
    Operator.AT_LEAST: _is_at_least,
    Operator.LESS_THAN: _is_less_than,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a fact with a value."""

    fact: str
    operator: Operator
    operand: object

    holds: Callable[[object], bool] = field(init=False, repr=False, compare=False)
    """Whether a known value of the fact meets the condition. Made once, because every call asks every row."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "holds", partial(_TESTS[self.operator], self.operand))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One rule: all its conditions together, and where it comes from."""

    id: str
    title: str
    when: tuple[Condition, ...]
    citations: tuple[str, ...]


class Anchor(StrEnum):
    """The date from which a step is counted."""

    STUDY = "study"
    INDEX = "index"
    """The first category 3 of an unbroken run."""
    SUSPICION = "suspicion"
    """The earlier 4 or 5 that no tissue answered."""
    PATHOLOGY = "pathology"


class Shown(StrEnum):
    """When a step that is open appears as the chart is opened."""

    ALWAYS = "always"
    WHEN_OVERDUE = "when-overdue"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When a step should happen, each interval counted from the anchor."""

    anchor: Anchor
    due: Interval
    accepted_from: Interval
    overdue_after: Interval
    escalates_after: Interval | None
    window_before: Interval
    """How long before the due date the time window of a new order opens, and `window_after`, closes after it."""
    window_after: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow(Row):
    """A row that decides what should happen next to a breast. `step` None: nothing, and that is the answer."""

    step: str | None
    group: Group | None
    timing: Timing | None
    indicator: Indicator
    indicator_overdue: Indicator
    is_urgent: bool
    may_recommend: bool
    on_chart_open: Shown
    beside_unrelated_orders: frozenset[str]
    """The hooks at which the card appears although the orders have nothing to do with the breast."""
    both_breasts: bool
    """The step is an examination of both breasts although one of them calls for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExclusionRow(Row):
    """A row that says who is left alone. `steps` None: entirely; otherwise those steps only."""

    steps: frozenset[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow(Row):
    """A row that asks somebody to look again, beside whatever the decision is. It never carries an order."""

    indicator: Indicator
    hooks: frozenset[str]
    """The hooks at which it is shown; at order hooks only where the orders concern the breast."""
    beside_exclusions: frozenset[str]
    """The rows of those who are left alone beside which it is asked all the same."""

    def is_about(self, fact: str) -> bool:
        """Whether it asks because of that fact."""
        return any(condition.fact == fact for condition in self.when)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteRow(Row):
    """A row that adds one line to the detail of a card. `steps` None: of every card; otherwise of those steps."""

    steps: frozenset[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One way to take a step: the orders that belong together, when they are offered and when recommended."""

    id: str
    orders: tuple[str, ...]
    """Ids of the order templates of the catalogue."""
    when: tuple[Condition, ...]
    recommended_when: tuple[Condition, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepKind:
    """What a step is: what satisfies it, what is offered for it, and which other orders it objects to."""

    id: str
    satisfied_by: frozenset[OrderKind]
    satisfied_by_pathology: bool
    satisfied_by_same_modality: bool
    """An examination of the modality that made the assessment counts too."""
    replaces: frozenset[OrderKind]
    """Orders that are a mistake in its place, and are deleted when the right one is taken."""
    objects_to: frozenset[OrderKind]
    """Orders that the assessment does not call for, which are named and left as they are."""
    wants_window: bool
    """Whether an order of the right kind without a time window is worth completing."""
    wants_side: bool
    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One planned visit of the surveillance of a category 3, counted from the index study."""

    id: str
    accepted_from: Interval


class Pattern(StrEnum):
    """What a report may document about a finding that changes a cell of the derivation table, strongest first."""

    INCREASE = "increase"
    CHANGED = "changed"
    STABLE_FULL_YEAR = "stable-full-year"
    STABLE = "stable"
    ISOLATED = "isolated"
    BILATERAL = "bilateral"


CHANGE_PATTERNS: Mapping[Change, Pattern] = {
    Change.INCREASE: Pattern.INCREASE,
    Change.CHANGED: Pattern.CHANGED,
    Change.STABLE: Pattern.STABLE,
    Change.DECREASE: Pattern.STABLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The category that one morphology in one distribution implies, and what changes it."""

    category: Category
    when: Mapping[Pattern, Category] = field(default_factory=dict)

    @property
    def least(self) -> Category:
        """The least suspicious category that the cell can give."""
        return min((self.category, *self.when.values()), key=lambda category: category.severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """The table of morphology by distribution (clinical table C4 with its amendment), and the age in days that a prior
    study needs before "stable" means stable for a full year."""

    cells: Mapping[tuple[Morphology, Distribution], Cell]
    full_year_days: int
    citations: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Numbers of a protocol that are not the timing of a row."""

    unread_horizon: Interval
    """How old the newest study may be for its unread report to be worth a card."""
    suspicion_horizon: Interval
    """How long a 4 or 5 that was followed by a 1, 2 or 3 without tissue is asked about."""
    surveillance_gap: Interval
    """The longest time between two 3s of one surveillance; after it, a 3 begins another."""
    duplicate_horizon: Interval
    """How long an order without a time window counts as waiting."""
    overdue_window: Interval
    """The length of the window of an overdue order, from today."""
    least_window: Interval
    """The shortest time window that an order is given, from today."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A guideline as data, ready to be evaluated."""

    id: str
    version: str
    title: str
    exclusions: tuple[ExclusionRow, ...]
    decisions: tuple[DecisionRow, ...]
    checks: tuple[CheckRow, ...]
    notes: tuple[NoteRow, ...]
    visits: tuple[Visit, ...]
    derivation: Derivation
    limits: Limits
    steps: Mapping[str, StepKind]
