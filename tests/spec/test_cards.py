"""What is sent: every card of every vignette, and what a malformed answer comes to."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from copy import deepcopy
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from fhir.resources.R4B.servicerequest import ServiceRequest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt

from cds_service.errors import InvalidAnswer
from cds_service.wire import dumped, schema
from tests.conftest import PUBLIC_URL
from tests.spec.conftest import Exchange
from tests.spec.hook_requests import (
    DIAGNOSTIC,
    Json,
    actions,
    cards,
    draft,
    empties,
    patient,
    post,
    request,
    study,
)

RESPONSE = Draft202012Validator(schema("response"))
LONG_ID = "eXy.Z-1" * 27
"""As long as the ids of a large vendor, which are longer than FHIR allows."""


@pytest.fixture(scope="session")
def found(exchanges: list[Exchange]) -> list[Json]:
    """The cards of all exchanges: of every indicator, with and without suggestions."""
    every = [card for exchange in exchanges for card in exchange.cards]
    assert {card["indicator"] for card in every} == {"info", "warning", "critical"}
    assert {"suggestions" in card for card in every} == {True, False}
    return every


# --------------------------------------------------------------------------------------
# The answer


@pytest.mark.requirement("SVC-08", "OUT-01", "OUT-02", "OUT-03", "SVC-10", "SVC-14")
def test_an_answer_is_an_object_that_holds_its_cards_and_nothing_else(exchanges: list[Exchange]) -> None:
    assert {tuple(exchange.answer) for exchange in exchanges} == {("cards",)}
    assert {type(exchange.answer["cards"]) for exchange in exchanges} == {list}


@pytest.mark.requirement("SVC-09", "GEN-03", "OUT-01")
def test_nothing_to_say_is_an_empty_array(exchanges: list[Exchange]) -> None:
    silent = [exchange.body for exchange in exchanges if not exchange.cards]
    assert silent
    assert set(silent) == {b'{"cards":[]}'}


@pytest.mark.requirement("GEN-03")
def test_no_card_holds_an_empty_member(found: list[Json]) -> None:
    assert list(empties(found)) == []


@pytest.mark.requirement("GEN-05", "GEN-09")
def test_answers_are_strict_json(exchanges: list[Exchange]) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    for exchange in exchanges:
        json.loads(exchange.body.decode("utf-8"), parse_constant=refuse)


@pytest.mark.requirement("OUT-01", "OUT-08", "OUT-10", "OUT-25", "OUT-27")
def test_a_second_validator_agrees_with_every_answer(exchanges: list[Exchange]) -> None:
    assert [error.message for exchange in exchanges for error in RESPONSE.iter_errors(exchange.answer)] == []


@pytest.mark.requirement("SVC-12")
def test_an_answer_takes_far_less_than_half_a_second(client: FlaskClient) -> None:
    def seconds() -> float:
        start = time.perf_counter()
        post(client, request())
        return time.perf_counter() - start

    assert min(seconds() for _ in range(3)) < 0.25


# --------------------------------------------------------------------------------------
# The card


@pytest.mark.requirement("OUT-04", "OUT-20")
def test_every_card_and_suggestion_has_an_id_of_its_own(found: list[Json]) -> None:
    ids = [each["uuid"] for card in found for each in (card, *card.get("suggestions", ()))]
    assert len(set(ids)) == len(ids)
    assert all(str(UUID(each)) == each and UUID(each).version == 4 for each in ids)


@pytest.mark.requirement("OUT-05")
def test_summaries_are_shorter_than_140_characters_in_utf_16(found: list[Json]) -> None:
    assert all(0 < len(card["summary"].encode("utf-16-le")) // 2 < 140 for card in found)
    assert not any(re.search(r"[\r\n]", card["summary"]) for card in found)


@pytest.mark.requirement("OUT-07")
def test_indicators_are_info_warning_or_critical(found: list[Json]) -> None:
    assert {card["indicator"] for card in found} == {"info", "warning", "critical"}


@pytest.mark.requirement("OUT-06")
def test_details_are_markdown_without_html(found: list[Json]) -> None:
    for card in found:
        assert "html" not in token_types(card["detail"])


@pytest.mark.requirement("OUT-06")
@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x>",
        "[here](https://evil.example)",
        "<https://evil.example>",
        "# Title\n\n- a",
    ],
)
def test_patient_data_is_no_markup_in_a_detail(client: FlaskClient, hostile: str) -> None:
    report, seen = study("4B")
    report["code"]["coding"][0]["display"] = hostile
    (card,) = cards(client, request(resources=[report | {"id": hostile}, seen]))
    (plain,) = cards(client, request())
    assert token_types(card["detail"]) == token_types(plain["detail"])


def token_types(detail: str) -> set[str]:
    """The kinds of Markdown that a detail holds, raw HTML as `html`."""
    blocks = MarkdownIt("commonmark", {"html": True}).parse(detail)
    kinds = {token.type for block in blocks for token in (block, *(block.children or ()))}
    return {"html" if kind.startswith("html") else kind for kind in kinds}


@pytest.mark.requirement("OUT-08", "OUT-14", "OUT-15", "OUT-17", "OUT-18")
def test_the_source_is_labelled_leads_to_no_patient_and_has_a_stable_topic(found: list[Json]) -> None:
    for card in found:
        source = card["source"]
        assert source["label"].strip()
        assert source["url"].startswith(f"{PUBLIC_URL}/protocols/")
        assert re.fullmatch(r"[A-Za-z0-9]{1,100}", source["topic"]["code"])
        assert source["topic"]["system"] == "urn:breast-imaging-cds:row"


@pytest.mark.requirement("OUT-11", "OUT-18", "cds-resp-4")
def test_override_reasons_have_code_system_and_display(found: list[Json]) -> None:
    reasons = [reason for card in found for reason in card.get("overrideReasons", ())]
    assert reasons
    assert all(reason["code"] and reason["display"] for reason in reasons)
    assert {reason["system"] for reason in reasons} == {"urn:breast-imaging-cds:override-reason"}


@pytest.mark.requirement("OUT-12", "OUT-15", "OUT-29", "OUT-30", "OUT-31", "OUT-32", "cds-resp-3")
def test_links_are_labelled_and_absolute_and_lead_somewhere(client: FlaskClient, found: list[Json]) -> None:
    links = [link for card in found for link in card["links"]]
    assert all(link["label"].strip() and link["type"] == "absolute" and "appContext" not in link for link in links)
    for target in {link["url"] for link in links} | {card["source"]["url"] for card in found}:
        assert target.startswith(f"{PUBLIC_URL}/")
        assert client.get(urlsplit(target).path).status_code == 200, target


# --------------------------------------------------------------------------------------
# Suggestions and actions


@pytest.mark.requirement("OUT-09", "OUT-10", "OUT-19", "OUT-21", "OUT-22", "cds-resp-1", "cds-resp-6")
def test_suggestions_have_a_label_and_at_most_one_is_recommended(found: list[Json]) -> None:
    recommended = []
    for card in found:
        assert ("suggestions" in card) == ("selectionBehavior" in card)
        suggestions = card.get("suggestions", [])
        assert all(each["label"].strip() and each["actions"] for each in suggestions)
        assert card.get("selectionBehavior", "at-most-one") == "at-most-one"
        flags = [each["isRecommended"] for each in suggestions if "isRecommended" in each]
        assert flags in ([], [True])
        recommended += flags
    assert recommended


@pytest.mark.requirement("SVC-13", "OUT-23", "cds-resp-7")
def test_no_suggestion_says_how_its_actions_are_selected(exchanges: list[Exchange]) -> None:
    assert not any(b"actionSelectionBehavior" in exchange.body for exchange in exchanges)


@pytest.mark.requirement("OUT-24", "OUT-25", "cds-resp-5")
def test_actions_create_update_or_delete_and_say_so_in_words(found: list[Json]) -> None:
    every = actions(found)
    assert {action["type"] for action in every} == {"create", "update", "delete"}
    assert all(action["description"].strip() for action in every)


@pytest.mark.requirement("OUT-26", "GEN-04")
def test_orders_are_whole_fhir_resources(found: list[Json]) -> None:
    for action in actions(found):
        if action["type"] != "delete":
            order = ServiceRequest.model_validate(action["resource"])
            assert (order.status, order.intent) == ("draft", "order")
            assert ("id" in action["resource"]) == (action["type"] == "update")


@pytest.mark.requirement("OUT-27", "OUT-28", "cds-resp-2", "ord-1")
def test_a_delete_names_a_draft_of_the_session(exchanges: list[Exchange]) -> None:
    deletes = [(exchange, action) for exchange in exchanges for action in actions(exchange.cards)]
    deletes = [(exchange, action) for exchange, action in deletes if action["type"] == "delete"]
    assert deletes
    for exchange, action in deletes:
        drafts = [entry["resource"] for entry in exchange.request["context"]["draftOrders"]["entry"]]
        assert re.fullmatch(r"\w+/[\w.-]+", action["resourceId"])
        assert action["resourceId"] in {f"{each['resourceType']}/{each['id']}" for each in drafts}
        assert "resource" not in action


@pytest.mark.requirement("OUT-28", "ord-1")
def test_a_long_id_with_dots_comes_back_as_it_was_sent(client: FlaskClient) -> None:
    found = cards(client, request("order-sign", study("3"), drafts=[draft(LONG_ID)]))
    assert [each["resourceId"] for each in actions(found) if each["type"] == "delete"] == [f"ServiceRequest/{LONG_ID}"]


@pytest.mark.requirement("OUT-26", "OUT-28")
def test_an_update_gives_the_whole_order_back(client: FlaskClient) -> None:
    extension = [{"url": "https://ehr.example.org/room", "valueString": "3"}]
    order = draft(LONG_ID, code=DIAGNOSTIC, side=None, note=[{"text": "Call first"}], extension=extension)
    (action,) = actions(cards(client, request("order-select", study("3"), drafts=[order])))
    assert action["type"] == "update"
    assert {name: action["resource"].get(name) for name in order} == order
    assert action["resource"].keys() - order.keys() == {"bodySite", "occurrencePeriod"}


@pytest.mark.requirement("OUT-26", "GEN-03")
@pytest.mark.parametrize("empty", [None, [], {}, ""], ids=str)
def test_an_update_leaves_out_what_the_client_sent_empty(client: FlaskClient, empty: object) -> None:
    order = draft(code=DIAGNOSTIC, side=None, note=empty)
    (action,) = actions(cards(client, request("order-select", study("3"), drafts=[order])))
    assert "note" not in action["resource"]


# --------------------------------------------------------------------------------------
# What is not sent: an answer that breaks a rule


Breach = Callable[[Json], object]
VALID: Json = {
    "uuid": "00000000-0000-4000-8000-000000000001",
    "summary": "BI-RADS 3, left breast: follow-up due.",
    "indicator": "info",
    "detail": "Nothing else.",
    "source": {"label": "Us", "url": "https://cds.example.org", "topic": {"code": "Row", "system": "urn:rows"}},
    "suggestions": [
        {
            "label": "Order it",
            "uuid": "00000000-0000-4000-8000-000000000002",
            "isRecommended": True,
            "actions": [{"type": "create", "description": "Order it", "resource": patient()}],
        },
        {
            "label": "Delete it",
            "uuid": "00000000-0000-4000-8000-000000000003",
            "actions": [{"type": "delete", "description": "Delete it", "resourceId": "ServiceRequest/1"}],
        },
    ],
    "selectionBehavior": "at-most-one",
    "overrideReasons": [{"code": "no", "system": "urn:reasons", "display": "No"}],
    "links": [{"label": "Why", "url": "https://cds.example.org/why", "type": "absolute"}],
}


def create(card: Json) -> Json:
    return card["suggestions"][0]["actions"][0]  # type: ignore[no-any-return]


def delete(card: Json) -> Json:
    return card["suggestions"][1]["actions"][0]  # type: ignore[no-any-return]


BREACHES: dict[str, Breach] = {
    "a null member": lambda card: card.update(detail=None),
    "an empty array": lambda card: card.update(links=[]),
    "an empty object": lambda card: card.update(extension={}),
    "an empty text": lambda card: card.update(detail=""),
    "a null in a resource": lambda card: create(card)["resource"].update(gender=None),
    "no summary": lambda card: card.pop("summary"),
    "a summary of 140 characters": lambda card: card.update(summary="a" * 140),
    "an unknown indicator": lambda card: card.update(indicator="hard-stop"),
    "an upper-case uuid": lambda card: card.update(uuid="0000000A-0000-4000-8000-000000000001"),
    "no source": lambda card: card.pop("source"),
    "no source label": lambda card: card["source"].pop("label"),
    "a topic without a system": lambda card: card["source"]["topic"].pop("system"),
    "two recommendations": lambda card: card["suggestions"][1].update(isRecommended=True),
    "a recommendation in words": lambda card: card["suggestions"][0].update(isRecommended="true"),
    "no selection behaviour": lambda card: card.pop("selectionBehavior"),
    "an unknown selection behaviour": lambda card: card.update(selectionBehavior="all"),
    "a selection of actions": lambda card: card["suggestions"][0].update(actionSelectionBehavior="some"),
    "a suggestion without a label": lambda card: card["suggestions"][0].pop("label"),
    "a suggestion without actions": lambda card: card["suggestions"][0].update(actions=[]),
    "an upper-case action": lambda card: create(card).update(type="CREATE"),
    "an action without a description": lambda card: create(card).pop("description"),
    "a resource in a string": lambda card: create(card).update(resource="{}"),
    "a create without a resource": lambda card: create(card).pop("resource"),
    "a delete with a resource": lambda card: delete(card).update(resource=patient()),
    "a delete without an id": lambda card: delete(card).pop("resourceId"),
    "a delete by a bare id": lambda card: delete(card).update(resourceId="1"),
    "a reason without a display": lambda card: card["overrideReasons"][0].pop("display"),
    "a reason without a system": lambda card: card["overrideReasons"][0].pop("system"),
    "a relative link": lambda card: card["links"][0].update(url="/why"),
    "an unknown kind of link": lambda card: card["links"][0].update(type="relative"),
    "a link without a label": lambda card: card["links"][0].pop("label"),
    "app context on an absolute link": lambda card: card["links"][0].update(appContext="x"),
}


@pytest.mark.requirement("OUT-05", "OUT-10")
def test_a_card_within_the_rules_is_sent() -> None:
    longest = VALID | {"summary": "a" * 139}
    assert json.loads(dumped([longest])) == {"cards": [longest]}


@pytest.mark.requirement(
    "GEN-03", "OUT-04", "OUT-05", "OUT-07", "OUT-08", "OUT-10", "OUT-11", "OUT-14", "OUT-18", "OUT-19", "OUT-21",
    "OUT-22", "OUT-23", "OUT-24", "OUT-25", "OUT-26", "OUT-27", "OUT-29", "OUT-30", "OUT-31", "OUT-32", "cds-resp-1",
    "cds-resp-2", "cds-resp-3", "cds-resp-4", "cds-resp-5", "cds-resp-6", "cds-resp-7", "ord-1",
)  # fmt: skip
@pytest.mark.parametrize("breach", BREACHES)
def test_a_card_that_breaks_a_rule_is_refused_by_us_and_by_a_second_validator(breach: str) -> None:
    card = deepcopy(VALID)
    BREACHES[breach](card)
    with pytest.raises(InvalidAnswer):
        dumped([card])
    assert not RESPONSE.is_valid({"cards": [card]})


@pytest.mark.requirement("OUT-05")
def test_a_summary_is_counted_in_utf_16() -> None:
    assert dumped([VALID | {"summary": "🩻" * 69}])
    with pytest.raises(InvalidAnswer):
        dumped([VALID | {"summary": "🩻" * 70}])


@pytest.mark.requirement("OUT-04", "OUT-20")
def test_an_id_that_stands_twice_is_refused() -> None:
    with pytest.raises(InvalidAnswer):
        dumped([VALID, VALID])


@pytest.mark.requirement("GEN-09", "GEN-03")
def test_a_number_that_json_does_not_have_is_never_sent() -> None:
    card = deepcopy(VALID)
    create(card)["resource"]["odd"] = float("nan")
    with pytest.raises(InvalidAnswer):
        dumped([card])


@pytest.mark.requirement("OUT-13", "GEN-06")
@pytest.mark.parametrize("extension", [{"com.example.note": 1}, [{"url": "x"}], "x", {}], ids=str)
def test_an_extension_of_ours_is_an_object(extension: object) -> None:
    card = VALID | {"extension": extension}
    is_right = isinstance(extension, dict) and bool(extension)
    assert RESPONSE.is_valid({"cards": [card]}) is is_right
    if not is_right:
        with pytest.raises(InvalidAnswer):
            dumped([card])
