"""A suggestion that is taken up is the end of the matter: our own orders satisfy us, on record and as drafts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.case_charts import PROTOCOLS, Asker, CaseChart, Json, case_charts, request

from .records import charted, shorthand


def suggestions(ask: Asker, case: CaseChart) -> Iterator[tuple[Json, list[Json]]]:
    """Each card as the chart is opened, with the orders of each of its suggestions."""
    for card in ask(request(case, "patient-view"), protocol=case.protocol, today=case.today).cards:
        for suggestion in card.get("suggestions", ()):
            orders = [action["resource"] for action in suggestion["actions"]]
            yield card, [{**order, "id": f"taken-{n}"} for n, order in enumerate(orders)]


def summaries(ask: Asker, case: CaseChart, asked: Json) -> list[str]:
    return [card["summary"] for card in ask(asked, protocol=case.protocol, today=case.today).cards]


def assert_ends_the_matter(ask: Asker, case: CaseChart) -> None:
    for card, orders in suggestions(ask, case):
        on_record = request(case, "patient-view")
        found = on_record["prefetch"].setdefault("orders", {"resourceType": "Bundle"})
        found.pop("total", None)
        found["entry"] = [*found.get("entry", ()), *({"resource": {**each, "status": "active"}} for each in orders)]
        assert card["summary"] not in summaries(ask, case, on_record)
        for hook in ("order-select", "order-sign"):
            said = ask(request(case, hook, drafts=orders), protocol=case.protocol, today=case.today)
            assert [each.objection for each in said.advice if each.objection] == []
            assert card["summary"] not in [each["summary"] for each in said.cards]


@pytest.mark.parametrize("case", case_charts(), ids=repr)
def test_a_suggestion_of_a_case_that_is_taken_up_ends_the_matter(ask: Asker, case: CaseChart) -> None:
    assert_ends_the_matter(ask, case)


@given(raw=shorthand, protocol=st.sampled_from(PROTOCOLS))
def test_any_suggestion_that_is_taken_up_ends_the_matter(ask: Asker, raw: Json, protocol: str) -> None:
    assert_ends_the_matter(ask, charted(protocol, raw))


def test_a_suggestion_without_a_side_that_is_taken_up_ends_the_matter(ask: Asker) -> None:
    study = {"date": "2026-05-27", "kind": "diagnostic-mammogram", "left": "1", "overall": "4A"}
    assert_ends_the_matter(ask, charted(PROTOCOLS[0], {"studies": [study]}))
