"""What the records say about the service in use: read models for the pages, without patient data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from .tables import codes_not_understood, decisions, feedback, shown, unknowns

PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardCounts:
    """What became of the cards of one row, service, client and month. The last report of each card counts; cards
    without any were neither accepted nor overridden."""

    row: str
    service: str
    client: str
    month: date
    """The first day of the month (UTC)."""
    shown: int
    accepted: int
    overridden: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideReason:
    """How often clinicians gave a coded reason for overriding the cards of a row. Both are empty where none was
    given."""

    row: str
    system: str
    code: str
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How often something was met."""

    name: str
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """How long the answers of one service took, in milliseconds, by percentile."""

    service: str
    calls: int
    percentiles: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Insights:
    """A period in figures."""

    calls: int
    calls_without_cards: int
    cards: Sequence[CardCounts]
    override_reasons: Sequence[OverrideReason]
    unknowns: Sequence[Times]
    """Reasons for not knowing something, most frequent first; met several times in a call, they count as often."""
    codes_not_understood: Sequence[Times]
    """Codes that the terminology does not map, with the number of calls that held them."""
    durations: Sequence[Durations]


def insights(connection: sa.Connection, since: datetime, until: datetime) -> Insights:
    """The figures of the answers from `since` to before `until`. Feedback counts for the time its card was shown."""
    period = sa.and_(decisions.c.at >= since, decisions.c.at < until)
    calls, empty = connection.execute(
        sa.select(sa.func.count(), sa.func.count(sa.case((decisions.c.cards == 0, 1)))).where(period)
    ).one()
    return Insights(
        calls=calls,
        calls_without_cards=empty,
        cards=_cards(connection, period),
        override_reasons=_override_reasons(connection, period),
        unknowns=_times(connection, unknowns.c.reason, sa.func.sum(unknowns.c.times), period),
        codes_not_understood=_times(connection, codes_not_understood.c.code, sa.func.count(), period),
        durations=_durations(connection, period),
    )


_last = sa.select(sa.func.max(feedback.c.id)).group_by(feedback.c.card)
_outcome = sa.select(feedback).where(feedback.c.id.in_(_last)).subquery()
"""The last report of each card: clinicians change their minds."""
_cards_shown = shown.join(decisions, decisions.c.call == shown.c.call)


def _cards(connection: sa.Connection, period: sa.ColumnElement[bool]) -> list[CardCounts]:
    year, month = sa.extract("year", decisions.c.at), sa.extract("month", decisions.c.at)
    by = (shown.c.row, decisions.c.service, decisions.c.client, year, month)
    outcomes = [sa.func.count(sa.case((_outcome.c.outcome == each, 1))) for each in ("accepted", "overridden")]
    found = connection.execute(
        sa.select(*by, sa.func.count(), *outcomes)
        .select_from(_cards_shown.outerjoin(_outcome, _outcome.c.card == shown.c.card))
        .where(period)
        .group_by(*by)
        .order_by(*by)
    )
    return [
        CardCounts(
            row=row,
            service=service,
            client=client,
            month=date(int(year), int(month), 1),
            shown=count,
            accepted=accepted,
            overridden=overridden,
        )
        for row, service, client, year, month, count, accepted, overridden in found
    ]


def _override_reasons(connection: sa.Connection, period: sa.ColumnElement[bool]) -> list[OverrideReason]:
    by = (shown.c.row, _outcome.c.reason_system, _outcome.c.reason_code)
    found = connection.execute(
        sa.select(*by, sa.func.count().label("times"))
        .select_from(_cards_shown.join(_outcome, _outcome.c.card == shown.c.card))
        .where(period, _outcome.c.outcome == "overridden")
        .group_by(*by)
        .order_by(sa.desc("times"), *by)
    )
    return [OverrideReason(row=row, system=system, code=code, times=times) for row, system, code, times in found]


def _times(
    connection: sa.Connection, name: sa.Column[str], count: sa.ColumnElement[int], period: sa.ColumnElement[bool]
) -> list[Times]:
    found = connection.execute(
        sa.select(name, count.label("times"))
        .join(decisions, decisions.c.call == name.table.c.call)
        .where(period)
        .group_by(name)
        .order_by(sa.desc("times"), name)
    )
    return [Times(name=each, times=int(times)) for each, times in found]


def _durations(connection: sa.Connection, period: sa.ColumnElement[bool]) -> list[Durations]:
    """Percentiles by nearest rank, found by the database: the durations of a year do not fit into memory."""
    counted = sa.select(decisions.c.service, sa.func.count()).where(period).group_by(decisions.c.service)
    found = []
    for service, calls in connection.execute(counted.order_by(decisions.c.service)).all():
        ranked = (
            sa.select(decisions.c.duration_ms)
            .where(period, decisions.c.service == service)
            .order_by(decisions.c.duration_ms)
            .limit(1)
        )
        ranks = ((each, -(-calls * each // 100) - 1) for each in PERCENTILES)
        percentiles = tuple((each, connection.execute(ranked.offset(rank)).scalar_one()) for each, rank in ranks)
        found.append(Durations(service=service, calls=calls, percentiles=percentiles))
    return found
