"""Laws of partial dates and of lengths of time."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta, timezone

from hypothesis import assume, example, given
from hypothesis import strategies as st

from cds_service.core.dates import Interval, PartialDate, age_in_years
from cds_service.fhir_elements import partial_date

from .conftest import examples

days = st.dates(date(1900, 1, 1), date(2100, 12, 31))
zones = st.sampled_from([None, UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))])


@st.composite
def partial_dates(draw: st.DrawFn) -> PartialDate:
    """A day, a day with a time, a month or a year."""
    day = draw(days)
    match draw(st.sampled_from(["day", "time", "month", "year"])):
        case "day":
            return PartialDate(day, day)
        case "time":
            clock = draw(st.times().map(lambda found: found.replace(microsecond=0)))
            return PartialDate(day, day, datetime.combine(day, clock, draw(zones)))
        case "month":
            last = calendar.monthrange(day.year, day.month)[1]
            return PartialDate(day.replace(day=1), day.replace(day=last))
    return PartialDate(date(day.year, 1, 1), date(day.year, 12, 31))


intervals = st.builds(Interval, months=st.integers(0, 60), days=st.integers(0, 900))
months_only = st.builds(Interval, months=st.integers(0, 60))
days_only = st.builds(Interval, days=st.integers(0, 900))


@given(partial_dates())
def test_a_date_reads_as_it_is_written(found: PartialDate) -> None:
    assert partial_date(str(found)) == PartialDate(found.first, found.last)


@given(partial_dates())
def test_nothing_is_before_itself_and_a_day_may_follow_itself(found: PartialDate) -> None:
    assert not found.is_surely_before(found)
    assert found.may_follow(found) == (found.first == found.last)


@examples(200)
@given(partial_dates(), partial_dates())
def test_before_goes_one_way_only(one: PartialDate, other: PartialDate) -> None:
    assert not (one.is_surely_before(other) and other.is_surely_before(one))


@examples(200)
@given(partial_dates(), partial_dates(), partial_dates())
def test_before_carries_over(one: PartialDate, two: PartialDate, three: PartialDate) -> None:
    if one.is_surely_before(two) and two.is_surely_before(three):
        assert one.is_surely_before(three)


@examples(200)
@given(partial_dates(), partial_dates())
def test_what_is_surely_before_never_follows(one: PartialDate, other: PartialDate) -> None:
    if one.is_surely_before(other):
        assert not one.may_follow(other)


@examples(200)
@given(partial_dates(), partial_dates())
def test_what_follows_is_on_the_day_or_later_whatever_the_unknown_parts(one: PartialDate, other: PartialDate) -> None:
    if one.may_follow(other):
        assert one.first >= other.last


@given(days, days)
def test_known_days_are_before_the_same_or_after(one: date, other: date) -> None:
    mine, theirs = PartialDate(one, one), PartialDate(other, other)
    assert [mine.is_surely_before(theirs), one == other, theirs.is_surely_before(mine)].count(True) == 1
    assert mine.may_follow(theirs) == (one >= other)


@given(day=days, early=st.times(), late=st.times(), zone=zones)
def test_on_one_day_the_times_decide(day: date, early: time, late: time, zone: timezone | None) -> None:
    assume(early < late)
    one, other = (PartialDate(day, day, datetime.combine(day, clock, zone)) for clock in (early, late))
    assert one.is_surely_before(other)
    assert other.may_follow(one)
    assert not one.may_follow(other)


@given(day=days, one=st.times(), other=st.times())
def test_times_with_and_without_a_zone_do_not_decide(day: date, one: time, other: time) -> None:
    local, zoned = (
        PartialDate(day, day, datetime.combine(day, one)),
        PartialDate(day, day, datetime.combine(day, other, UTC)),
    )
    assert not local.is_surely_before(zoned)
    assert local.may_follow(zoned)
    assert zoned.may_follow(local)


@given(days, intervals)
def test_an_interval_never_leads_back(day: date, length: Interval) -> None:
    assert length.after(day) >= day
    assert length.before(day) <= day


@given(days, days, intervals)
def test_intervals_keep_the_order_of_days(one: date, other: date, length: Interval) -> None:
    first, last = sorted((one, other))
    assert length.after(first) <= length.after(last)
    assert length.before(first) <= length.before(last)


@given(days, days_only)
def test_days_forth_and_back_are_where_one_was(day: date, length: Interval) -> None:
    assert length.before(length.after(day)) == day
    assert length.after(day) == day + timedelta(days=length.days)


@given(days, months_only)
@example(date(2026, 1, 31), Interval(months=1))
@example(date(2024, 2, 29), Interval(months=12))
def test_months_land_in_the_right_month_on_the_same_day_or_its_last(day: date, length: Interval) -> None:
    landed = length.after(day)
    assert landed.year * 12 + landed.month == day.year * 12 + day.month + length.months
    assert landed.day == min(day.day, calendar.monthrange(landed.year, landed.month)[1])
    assert length.before(landed) <= day


@given(days, st.integers(0, 24), st.integers(0, 24))
def test_months_add_up_save_for_the_last_days_of_a_month(day: date, one: int, other: int) -> None:
    at_once = Interval(months=one + other).after(day)
    in_two = Interval(months=other).after(Interval(months=one).after(day))
    assert timedelta() <= at_once - in_two <= timedelta(days=3)


@given(days, intervals)
def test_months_are_counted_before_days(day: date, length: Interval) -> None:
    assert length.after(day) == Interval(months=length.months).after(day) + timedelta(days=length.days)


@given(born=partial_dates(), today=days)
@example(born=PartialDate(date(2000, 2, 29), date(2000, 2, 29)), today=date(2026, 2, 28))
def test_an_age_is_known_only_where_every_day_of_birth_gives_it(born: PartialDate, today: date) -> None:
    possible = {whole_years(born.first + timedelta(days=n), today) for n in range((born.last - born.first).days + 1)}
    assert age_in_years(born, today) == (possible.pop() if len(possible) == 1 else None)


def whole_years(born: date, today: date) -> int:
    """Birthdays that have passed, counted one by one from the year of birth."""
    age = today.year - born.year
    return age if (today.month, today.day) >= (born.month, born.day) else age - 1


@examples(200)
@given(st.text(max_size=30) | st.from_regex(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?", fullmatch=True))
def test_any_text_is_a_date_or_is_not(text: str) -> None:
    found = partial_date(text)
    assert found is None or found.first <= found.last
