"""Dates as clinical records have them: often partial, and counted in calendar months as well as in days."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class PartialDate:
    """A date that may be known to the month or the year only (FHIR `date` and `dateTime`).

    `first` and `last` are the days between which it lies, equal where the day is known; `at` is the time of day, with
    or without a zone, where one was stated.
    """

    first: date
    last: date
    at: datetime | None = None

    def __str__(self) -> str:
        if self == UNDATED:
            return "no date"
        if self.first == self.last:
            return self.first.isoformat()
        return f"{self.first:%Y-%m}" if self.first.month == self.last.month else f"{self.first:%Y}"

    def is_surely_before(self, other: PartialDate) -> bool:
        """Whether it lies before `other` whatever the unknown parts are; on one day the times decide, if comparable."""
        if self.last != other.first or self.at is None or other.at is None:
            return self.last < other.first
        if (self.at.tzinfo is None) != (other.at.tzinfo is None):
            return False
        return self.at < other.at

    def may_follow(self, other: PartialDate) -> bool:
        """Whether it lies on the day of `other` or later. Where the unknown parts decide, the answer is no: what may
        have happened before an assessment is not an answer to it."""
        return self.first >= other.last and not self.is_surely_before(other)


UNDATED = PartialDate(date.min, date.max)
"""A date of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A length of time in calendar months and days. Nothing lies before the first or after the last day of the
    calendar: real systems write those for "unknown" and "for ever"."""

    months: int = 0
    days: int = 0

    def after(self, day: date) -> date:
        """The day that lies this long after `day`; the last day of the month where the month is shorter."""
        return _days_after(_months_after(day, self.months), self.days)

    def before(self, day: date) -> date:
        """The day that lies this long before `day`."""
        return _days_after(_months_after(day, -self.months), -self.days)


def _days_after(day: date, days: int) -> date:
    if not days:
        return day
    return date.fromordinal(min(max(day.toordinal() + days, date.min.toordinal()), date.max.toordinal()))


def _months_after(day: date, months: int) -> date:
    if not months:
        return day
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not date.min.year <= year <= date.max.year:
        return date.min if year < date.min.year else date.max
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def age_in_years(born: PartialDate, today: date) -> int | None:
    """Age on `today`; None where a partial date of birth leaves two ages possible."""
    oldest, youngest = (
        today.year - day.year - ((today.month, today.day) < (day.month, day.day)) for day in (born.first, born.last)
    )
    return oldest if oldest == youngest else None
