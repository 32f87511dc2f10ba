"""What must never happen (section 8 of the behaviour contract), whatever else is on record."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cds_service.core.vocabulary import Side
from tests.case_charts import PROTOCOLS, Asker, Json, request, resources_of, without_ids
from tests.conftest import TODAY

from .records import breasts, categories, charted, shorthand
from .test_every_row import assert_fit_to_be_shown, drafts

OTHER = {"left": "right", "right": "left"}

protocols = st.sampled_from(PROTOCOLS)
sessions = st.sampled_from([(), *drafts(TODAY).values()])
hooks = st.sampled_from(["patient-view", "order-select", "order-sign"])


def created(cards: list[Json]) -> list[Json]:
    """Every order that the cards offer to create."""
    return [
        action["resource"]
        for card in cards
        for suggestion in card.get("suggestions", ())
        for action in suggestion["actions"]
        if action["type"] == "create"
    ]


def sides_of(resource: Json) -> set[str]:
    """The breasts that an order names by its site."""
    codes = {coding["code"] for site in resource.get("bodySite", ()) for coding in site["coding"]}
    both = {"63762007"} & codes
    return {side for side, code in (("left", "80248007"), ("right", "73056007")) if both or code in codes}


def new_study(**said: Any) -> Json:
    """A study of three days ago, newer than everything in a random record."""
    return {"date": "2026-05-29", "kind": "diagnostic-mammogram", **said}


def with_study(raw: Json, study: Json, *without: str) -> Json:
    """A record with one more study, and without some of its lists."""
    kept = {key: value for key, value in raw.items() if key not in without}
    return {**kept, "studies": [*raw["studies"], study]}


@given(raw=shorthand, protocol=protocols, side=breasts, category=st.sampled_from(["4", "4A", "4B", "4C", "5"]))
def test_a_new_4_or_5_is_never_answered_with_silence(
    ask: Asker, raw: Json, protocol: str, side: str, category: str
) -> None:
    raw = with_study(raw, new_study(**{side: category}), "cancer", "mastectomy")
    answer = ask(request(charted(protocol, raw), "patient-view"), protocol=protocol)
    about = [
        card
        for card, advice in zip(answer.cards, answer.advice, strict=True)
        if Side(side) in {decision.situation.side for decision in advice.decisions} and card.get("suggestions")
    ]
    assert [card["indicator"] for card in about] == ["critical" if category == "5" else "warning"]
    assert all(side in sides_of(order) for order in created(about))


@given(raw=shorthand, protocol=protocols, hook=hooks, session=sessions, gone=st.sampled_from(["left", "right", "both"]))
def test_no_order_is_ever_made_for_a_breast_that_is_gone(
    ask: Asker, raw: Json, protocol: str, hook: str, session: tuple[Json, ...], gone: str
) -> None:
    raw = {**raw, "mastectomy": [{"side": gone, "since": "2019-01-01"}]}
    answer = ask(request(charted(protocol, raw), hook, drafts=session), protocol=protocol)
    for order in created(answer.cards):
        assert not sides_of(order) & ({"left", "right"} if gone == "both" else {gone})


@given(raw=shorthand, protocol=protocols, side=breasts, hook=hooks, session=sessions)
def test_no_order_is_ever_made_for_a_breast_with_a_6(
    ask: Asker, raw: Json, protocol: str, side: str, hook: str, session: tuple[Json, ...]
) -> None:
    raw = with_study(raw, new_study(**{side: "6", OTHER[side]: "1"}), "pathology")
    for order in created(ask(request(charted(protocol, raw), hook, drafts=session), protocol=protocol).cards):
        assert side not in sides_of(order)


@pytest.mark.parametrize("result", ["insufficient", "indeterminate", "high-risk"])
def test_no_order_is_made_for_a_breast_with_a_6_whatever_a_later_sample_says(ask: Asker, result: str) -> None:
    raw = {
        "studies": [new_study(left="6", right="1")],
        "pathology": [{"date": "2026-05-30", "side": "left", "result": result}],
    }
    assert created(ask(request(charted(PROTOCOLS[0], raw), "patient-view")).cards) == []


@given(raw=shorthand, protocol=protocols, hook=hooks, session=sessions)
def test_any_record_gives_fit_cards_at_any_hook(
    ask: Asker, raw: Json, protocol: str, hook: str, session: tuple[Json, ...]
) -> None:
    assert_fit_to_be_shown(ask(request(charted(protocol, raw), hook, drafts=session), protocol=protocol))


@given(raw=shorthand, protocol=protocols, side=breasts, category=categories)
def test_a_report_that_is_not_final_opens_replaces_and_closes_nothing(
    ask: Asker, raw: Json, protocol: str, side: str, category: str
) -> None:
    raw = {**raw, "studies": [study for study in raw["studies"] if not study.get("preliminary")]}
    before = ask(request(charted(protocol, raw), "patient-view"), protocol=protocol)
    more = with_study(raw, new_study(preliminary=True, **{side: category}))
    after = ask(request(charted(protocol, more), "patient-view"), protocol=protocol)
    assert without_ids(after.cards) == without_ids(before.cards)


@given(raw=shorthand, other=shorthand, protocol=protocols)
def test_resources_of_another_patient_decide_nothing(ask: Asker, raw: Json, other: Json, protocol: str) -> None:
    asked = request(charted(protocol, raw), "patient-view")
    mixed = copy.deepcopy(asked)
    for resource in list(resources_of(other))[1:]:
        stranger = {**resource, "id": f"stranger-{resource['id']}", "subject": {"reference": "Patient/stranger"}}
        key = {"DiagnosticReport": "reports", "Observation": "observations", "ServiceRequest": "orders"}.get(
            resource["resourceType"], "procedures" if resource["resourceType"] == "Procedure" else "conditions"
        )
        mixed["prefetch"][key].setdefault("entry", []).append({"resource": stranger})
    before, after = ask(asked, protocol=protocol), ask(mixed, protocol=protocol)
    assert [card["summary"] for card in after.cards] == [card["summary"] for card in before.cards]
    assert created(without_ids(after.cards)) == created(without_ids(before.cards))


@given(raw=shorthand, protocol=protocols, side=breasts, worse=st.sampled_from(["4B", "5"]))
def test_a_worse_category_never_gives_a_milder_card(
    ask: Asker, raw: Json, protocol: str, side: str, worse: str
) -> None:
    """What is said of a breast with a new 2 is never more urgent than what is said of it with a new 4B or 5."""
    ranks = ["info", "warning", "critical"]
    indicators = []
    for category in ("2", worse):
        more = with_study(raw, new_study(**{side: category}), "cancer", "mastectomy")
        answer = ask(request(charted(protocol, more), "patient-view"), protocol=protocol)
        said = [
            ranks.index(card["indicator"])
            for card, advice in zip(answer.cards, answer.advice, strict=True)
            if Side(side) in {decision.situation.side for decision in advice.decisions}
        ]
        indicators.append(max(said, default=-1))
    assert indicators[0] <= indicators[1]


UNREAD = {
    "studies": [
        {"date": "2026-05-27", "kind": "screening-mammogram", "side": "left"},
        {"date": "2026-05-27", "kind": "diagnostic-mammogram"},
    ]
}
TWICE = {"studies": [], "orders": [{"kind": "diagnostic-mammogram", "date": "2026-05-27", "side": "left"}]}


@given(raw=shorthand, protocol=protocols, hook=hooks, session=sessions)
@example(raw=UNREAD, protocol=PROTOCOLS[0], hook="patient-view", session=())
@example(raw=TWICE, protocol=PROTOCOLS[0], hook="order-select", session=drafts(TODAY)["twice the same"])
def test_no_record_gives_the_same_card_twice(
    ask: Asker, raw: Json, protocol: str, hook: str, session: tuple[Json, ...]
) -> None:
    answer = ask(request(charted(protocol, raw), hook, drafts=session), protocol=protocol)
    said = [(card["summary"], card["indicator"]) for card in answer.cards]
    assert len(said) == len(set(said))
