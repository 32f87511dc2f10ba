"""Data that did not arrive never turns one conclusion into another without the card saying so."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cds_service.core.plan import Decision
from cds_service.core.vocabulary import Side
from cds_service.pipeline import Answer
from tests.case_charts import OPTIONAL_KEYS, Asker, CaseChart, Json, chart, request

from .records import records

FAILURE: Json = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
FAILED_SEARCH: Json = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": FAILURE}]}
HIDDEN: dict[str, Json | None] = {"absent": None, "failed": FAILURE, "failed inside a bundle": FAILED_SEARCH}

keys = st.sampled_from(OPTIONAL_KEYS)
ways = st.sampled_from(list(HIDDEN))


def answers(ask: Asker, case: CaseChart, key: str, way: str) -> tuple[Answer, Answer]:
    """The answer to everything, and to everything but one key."""
    whole = request(case, "patient-view")
    part = request(case, "patient-view", hidden=key)
    if HIDDEN[way] is not None:
        part["prefetch"][key] = HIDDEN[way]
    return tuple(ask(each, protocol=case.protocol, today=case.today) for each in (whole, part))  # type: ignore[return-value]


def by_side(answer: Answer) -> dict[Side, Decision]:
    return {decision.situation.side: decision for decision in answer.decisions}


def deciding(decision: Decision | None) -> Any:
    """The row that decides, and how far its step has got; nothing where the breast is left alone."""
    if decision is None or decision.row is None or decision.exclusion is not None:
        return None
    return decision.row.id, decision.step.status if decision.step else None


def cards_about(answer: Answer, side: Side) -> list[Json]:
    """The cards that speak of a side."""
    return [
        card
        for card, advice in zip(answer.cards, answer.advice, strict=True)
        if any(decision.situation.side is side for decision in advice.decisions)
    ]


def names_as_not_checked(card: Json, key: str) -> bool:
    lines = [line for line in card["detail"].splitlines() if line.startswith("**Not checked:**")]
    return any(f"{key} (" in line for line in lines)


@given(case=records, key=keys, way=ways)
@example(case=chart("a 2 after a 4B with a biopsy in between is simply a 2"), key="procedures", way="absent")
@example(case=chart("a man keeps the diagnostic pathway"), key="patient", way="failed")
def test_a_hidden_key_changes_no_row_without_being_named(ask: Asker, case: CaseChart, key: str, way: str) -> None:
    whole, part = answers(ask, case, key, way)
    before, after = by_side(whole), by_side(part)
    assert set(before) == set(after)
    for side in before:
        if deciding(before[side]) != deciding(after[side]):
            for card in cards_about(part, side):
                assert names_as_not_checked(card, key), card["detail"]


@given(case=records, key=keys, way=ways)
def test_every_card_names_the_hidden_key(ask: Asker, case: CaseChart, key: str, way: str) -> None:
    _, part = answers(ask, case, key, way)
    for card in part.cards:
        assert names_as_not_checked(card, key)
        checked = next(line for line in card["detail"].splitlines() if line.startswith("**Checked:**"))
        assert key not in checked


@given(case=records, key=keys, way=ways)
def test_a_hidden_key_never_silences_a_breast(ask: Asker, case: CaseChart, key: str, way: str) -> None:
    whole, part = answers(ask, case, key, way)
    for side in by_side(whole):
        if cards_about(whole, side):
            assert cards_about(part, side)


@given(case=records, key=keys, way=ways)
def test_only_a_lifted_exclusion_or_an_open_question_may_change_a_row(
    ask: Asker, case: CaseChart, key: str, way: str
) -> None:
    """Either the row stays; or nothing had decided; or it is the row that asks whether tissue was taken."""
    whole, part = answers(ask, case, key, way)
    before, after = by_side(whole), by_side(part)
    for side, decision in before.items():
        row = after[side].row
        if decision.row is not None and row is not decision.row:
            assert row is not None
            assert (key, row.id) == ("procedures", "UnconfirmedSuspicion")


@pytest.mark.parametrize("key", OPTIONAL_KEYS)
@pytest.mark.parametrize("way", HIDDEN)
def test_an_open_4b_stays_whatever_is_hidden(ask: Asker, key: str, way: str) -> None:
    case = chart("a 4B on the left, five days old, nothing ordered")
    _, part = answers(ask, case, key, way)
    (card,) = part.cards
    assert card["source"]["topic"]["code"] == "Category4"
    assert names_as_not_checked(card, key)
    assert card["suggestions"]
