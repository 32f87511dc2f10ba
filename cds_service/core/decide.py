"""Evaluating rows on facts that may be unknown.

In a table where the first match decides, an unknown fact in an earlier row stops the search: skipping that row and
letting a later one fire would give confident advice that a known fact might have forbidden.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from .answers import Gap, Unknown
from .protocol import Condition, Row

R = TypeVar("R", bound=Row)
Facts = Mapping[str, object]
"""The value of every fact by its name; `Unknown` where it is not known."""


@dataclass(frozen=True, slots=True)
class Undecided(Generic[R]):
    """The search stopped at `row`, because the fact it needs is not known."""

    row: R
    why: Gap


def holds(conditions: tuple[Condition, ...], facts: Facts) -> bool | Unknown:
    """Whether all conditions hold. One that is false settles it; otherwise one that is unknown leaves it open."""
    unknown: Unknown | None = None
    for condition in conditions:
        value = facts[condition.fact]
        if isinstance(value, Unknown):
            unknown = unknown or value
        elif not condition.holds(value):
            return False
    return True if unknown is None else unknown


def first_match(rows: Iterable[R], facts: Facts) -> R | Undecided[R] | None:
    """The first row whose conditions all hold; `Undecided` where an unknown fact stops the search before one is
    found; None where every row is ruled out."""
    for row in rows:
        verdict = holds(row.when, facts)
        if verdict is True:
            return row
        if isinstance(verdict, Unknown):
            return Undecided(row, verdict.why)
    return None


def all_matches(rows: Iterable[R], facts: Facts) -> Iterator[R]:
    """Every row that certainly holds. For rows that stand beside each other; an unknown one is not asserted."""
    return (row for row in rows if holds(row.when, facts) is True)
