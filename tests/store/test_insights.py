"""What the records say about the service in use."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from cds_service.store import Store
from cds_service.store.insights import CardCounts, Durations, OverrideReason, Times
from tests.store.conftest import NOON, overridden, record

YEAR = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
SERVICE = "breast-imaging-patient-view"


def counts(row: str, client: str, month: int, shown: int, accepted: int, overridden: int) -> CardCounts:
    return CardCounts(
        row=row,
        service=SERVICE,
        client=client,
        month=date(2026, month, 1),
        shown=shown,
        accepted=accepted,
        overridden=overridden,
    )


def test_cards_are_counted_by_row_client_and_month_and_by_the_last_word_on_each(store: Store) -> None:
    june = [record("Suspicious") for _ in range(3)]
    july = record("Suspicious", "Prior", at=datetime(2026, 7, 31, 23, 59, tzinfo=UTC))
    south = record("Suspicious", client="south")
    for each in (*june, july, south):
        store.add_decision(each)
    store.close()
    first, second, _ = (next(iter(each.cards)) for each in june)
    store.add_feedback(SERVICE, [overridden(first), overridden(second)])
    store.add_feedback(SERVICE, [overridden(second, outcome="accepted", accepted=("s",), at="2026-06-01T09:00:00Z")])
    store.add_feedback(SERVICE, [overridden("a card that was never shown")])
    assert list(store.insights(*YEAR).cards) == [
        counts("Prior", "north", 7, 1, 0, 0),
        counts("Suspicious", "north", 6, 3, 1, 1),
        counts("Suspicious", "north", 7, 1, 0, 0),
        counts("Suspicious", "south", 6, 1, 0, 0),
    ]


def test_reasons_for_overriding_are_counted_by_row(store: Store) -> None:
    given = [record("Suspicious") for _ in range(3)]
    for each, code in zip(given, ["away", "away", ""], strict=True):
        store.add_decision(each)
        store.add_feedback(SERVICE, [overridden(*each.cards, reason_code=code, reason_system="urn:r" if code else "")])
    store.close()
    assert list(store.insights(*YEAR).override_reasons) == [
        OverrideReason(row="Suspicious", system="urn:r", code="away", times=2),
        OverrideReason(row="Suspicious", system="", code="", times=1),
    ]


def test_what_was_not_known_is_counted_most_frequent_first(store: Store) -> None:
    store.add_decision(record(unknowns={"failed": 1, "undated": 5}, codes_not_understood=("24605-8",)))
    store.add_decision(record(unknowns={"failed": 1}, codes_not_understood=("24605-8", "129746007")))
    store.close()
    found = store.insights(*YEAR)
    assert list(found.unknowns) == [Times(name="undated", times=5), Times(name="failed", times=2)]
    assert list(found.codes_not_understood) == [Times(name="24605-8", times=2), Times(name="129746007", times=1)]


def test_durations_are_told_as_percentiles_of_the_nearest_rank(store: Store) -> None:
    for duration in range(1, 11):
        store.add_decision(record("Row" if duration > 3 else "Other", duration_ms=float(duration)))
    store.add_decision(record(duration_ms=99.0))
    store.close()
    found = store.insights(*YEAR)
    (durations,) = found.durations
    expected = ((50, 6.0), (90, 10.0), (95, 99.0), (99, 99.0))
    assert durations == Durations(service=SERVICE, calls=11, percentiles=expected)
    assert (found.calls, found.calls_without_cards) == (11, 1)


def test_a_period_begins_with_its_first_moment_and_ends_before_its_last(store: Store) -> None:
    hour = timedelta(hours=1)
    for at in (NOON - hour, NOON, NOON + hour):
        store.add_decision(record("Row", at=at))
    store.close()
    assert store.insights(NOON, NOON + hour).calls == 1


def test_a_period_without_calls_is_empty(store: Store) -> None:
    found = store.insights(*YEAR)
    assert (found.calls, list(found.cards), list(found.durations)) == (0, [], [])
