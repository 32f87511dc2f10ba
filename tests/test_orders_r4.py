"""Every order that the service suggests is a FHIR R4 ServiceRequest, by two independent implementations, and complete.

Orders come from the golden exchanges and from all cases of the knowledge folder at all hooks. Completeness is section 7
of the behaviour contract.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Any

import pytest
from fhir.resources.R4B.servicerequest import ServiceRequest
from fhirclient.models.fhirabstractbase import FHIRValidationError
from fhirclient.models.servicerequest import ServiceRequest as IndependentServiceRequest

from cds_service import knowledge as knowledge_folder
from cds_service.pipeline import ServiceDesk
from tests.case_charts import Asker, Json, case_charts, request
from tests.conftest import TODAY
from tests.properties.records import charted
from tests.properties.test_every_row import protocols_of, requests
from tests.test_exchanges import EXCHANGES, read

SCT, LOINC, ICD = "http://snomed.info/sct", "http://loinc.org", "http://hl7.org/fhir/sid/icd-10-cm"
SITES = {"80248007": "left", "73056007": "right", "63762007": "both"}
SIDES_OF_LOINC = {
    code: entry["side"]
    for code, entry in knowledge_folder.read_yaml(knowledge_folder.DEFAULT_FOLDER / "_terminology" / "loinc.yaml")[
        "codes"
    ].items()
    if entry.get("side")
}
WITHOUT_LOINC = {"237372000", "433008009"}
"""Orders without a LOINC code of their own: the surgical biopsy, whose code in table A5 is for ultrasound guidance, and
the MRI-guided one where no side is known."""
CATEGORIES = {"363679005", "387713003"}  # imaging, surgical procedure

Suggested = tuple[str, str, Json, Json]
"""Where an order was suggested, by which kind of action, the order, and the context of the request."""


def orders_in(where: str, cards: list[Json], context: Json) -> Iterator[Suggested]:
    for card in cards:
        for suggestion in card.get("suggestions", ()):
            for action in suggestion["actions"]:
                if "resource" in action:
                    yield where, action["type"], action["resource"], context


@cache
def suggested() -> tuple[Suggested, ...]:
    """Every order of the golden answers and of all cases, at every hook, under every protocol."""
    found: list[Suggested] = []
    for exchange in EXCHANGES:
        cards = read(exchange / "response.json")["cards"]
        found += orders_in(str(exchange.name), cards, read(exchange / "request.json")["context"])
    ask = Asker(ServiceDesk(knowledge_folder.load()))
    for case in case_charts():
        for protocol in protocols_of(case):
            for asked in requests(case):
                answer = ask(asked, protocol=protocol, today=case.today)
                found += orders_in(f"{case!r} at {asked['hook']}", answer.cards, asked["context"])
    return tuple(found)


def created() -> list[tuple[str, Json, Json]]:
    return [(where, order, context) for where, kind, order, context in suggested() if kind == "create"]


def codes(concept: Json, system: str) -> list[str]:
    return [coding["code"] for coding in concept["coding"] if coding["system"] == system]


def side_of(order: Json) -> str | None:
    """The side that an order names by its site."""
    found = [SITES[code] for site in order.get("bodySite", ()) for code in codes(site, SCT)]
    assert len(found) <= 1
    return found[0] if found else None


def test_there_are_orders_of_every_kind_to_look_at() -> None:
    kinds = {code for _, order, _ in created() for code in codes(order["code"], SCT)}
    assert kinds >= {"24623002", "241055006", "47079000", "116334007", "428907005", "237372000"}
    assert {kind for _, kind, _, _ in suggested()} == {"create", "update"}


def test_fhir_resources_accepts_every_order() -> None:
    for _, _, order, _ in suggested():
        ServiceRequest.model_validate(order)


def test_an_independent_implementation_of_r4_accepts_every_order() -> None:
    for _, _, order, _ in suggested():
        assert IndependentServiceRequest(order, strict=True).as_json() == order


@pytest.mark.parametrize("odd", [{"subject": "x"}, {"status": 7}, {"code": {"coding": "x"}}, {"occurrenceDateTime": 1}])
def test_both_implementations_do_refuse_what_is_not_a_service_request(odd: Json) -> None:
    broken = created()[0][1] | odd
    with pytest.raises(ValueError, match=r"\w"):
        ServiceRequest.model_validate(broken)
    with pytest.raises(FHIRValidationError):
        IndependentServiceRequest(broken, strict=True)


def test_every_order_is_a_draft_of_an_order() -> None:
    for where, _, order, _ in suggested():
        assert (order["status"], order["intent"]) == ("draft", "order"), where


def test_a_new_order_has_no_id_and_an_update_keeps_its_own() -> None:
    for where, kind, order, context in suggested():
        drafted = {each["resource"]["id"] for each in context.get("draftOrders", {}).get("entry", ())}
        assert ("id" not in order) if kind == "create" else (order["id"] in drafted), where


def test_every_new_order_says_what_for_whom_by_whom_and_in_which_encounter() -> None:
    for where, order, context in created():
        assert order["subject"] == {"reference": f"Patient/{context['patientId']}"}, where
        assert order["requester"] == {"reference": context["userId"]}, where
        assert order["encounter"] == {"reference": f"Encounter/{context['encounterId']}"}, where
        assert {code for each in order["category"] for code in codes(each, SCT)} <= CATEGORIES, where
        assert order["category"], where
        assert order["code"]["text"], where
        assert order["priority"] in ("routine", "urgent"), where


def test_a_new_order_carries_one_snomed_ct_code_and_the_loinc_code_of_its_side() -> None:
    for where, order, _ in created():
        (snomed,) = codes(order["code"], SCT)
        loinc = codes(order["code"], LOINC)
        assert len(loinc) == 1 or (snomed in WITHOUT_LOINC and not loinc), where
        assert {SIDES_OF_LOINC.get(code) for code in loinc} <= {side_of(order)}, where


def test_a_new_order_has_a_time_window_that_is_not_past() -> None:
    for where, order, _ in created():
        first, last = (date.fromisoformat(order["occurrencePeriod"][end]) for end in ("start", "end"))
        assert TODAY <= first <= last, where
        assert order["authoredOn"] == TODAY.isoformat(), where
        assert not [name for name in order if name.startswith("occurrence") and name != "occurrencePeriod"], where


def test_a_new_order_says_why_and_points_to_the_report() -> None:
    for where, order, _ in created():
        assert order["reasonCode"], where
        assert any("BI-RADS" in reason.get("text", "") for reason in order["reasonCode"]), where
        assert order["reasonReference"], where
        for target in order["reasonReference"]:
            assert target["reference"].startswith("DiagnosticReport/"), where


def test_a_biopsy_or_a_work_up_for_calcifications_names_them_in_icd_10() -> None:
    for where, order, _ in created():
        if "calcifications" in where and "biopsy" in order["code"]["text"].lower():
            assert any(
                code.startswith("R92.")
                for reason in order["reasonCode"]
                if "coding" in reason
                for code in codes(reason, ICD)
            ), where


def test_no_order_carries_a_cpt_code() -> None:
    for where, _, order, _ in suggested():
        assert "ama-assn" not in str(order), where
        assert "urn:oid:2.16.840.1.113883.6.12" not in str(order), where


def test_category_5_is_ordered_as_urgent() -> None:
    urgent = [
        order["priority"]
        for where, order, _ in created()
        if "a 5 is critical" in where or where.startswith("category-5")
    ]
    assert urgent
    assert set(urgent) == {"urgent"}


@pytest.fixture(scope="module")
def ask() -> Asker:
    return Asker(ServiceDesk(knowledge_folder.load()))


def orders_for(ask: Asker, *studies: Json, **context: Any) -> list[Json]:
    """The orders that are offered as the chart of a patient with these studies is opened."""
    asked = request(charted("brochure-calcification", {"studies": list(studies)}), "patient-view")
    asked["context"] |= context
    return [order for _, _, order, _ in orders_in("", ask(asked).cards, {})]


def test_without_an_encounter_no_encounter_is_made_up(ask: Asker) -> None:
    for order in orders_for(ask, {"date": "2026-05-20", "left": "4B"}, encounterId=None):
        assert "encounter" not in order


@pytest.mark.parametrize("user", ["Patient/case", "RelatedPerson/r", "Device/d", "x"])
def test_only_a_practitioner_is_a_requester(ask: Asker, user: str) -> None:
    for order in orders_for(ask, {"date": "2026-05-20", "left": "4B"}, userId=user):
        assert "requester" not in order


def test_where_no_side_is_known_the_order_has_none(ask: Asker) -> None:
    orders = orders_for(ask, {"date": "2026-05-20", "overall": "4"})
    assert orders
    for order in orders:
        assert side_of(order) is None
        assert not set(codes(order["code"], LOINC)) & set(SIDES_OF_LOINC)


@pytest.mark.parametrize(("left", "right"), [("1", "1"), ("2", "2"), ("1", "2")])
def test_overdue_screening_of_both_breasts_is_one_order(ask: Asker, left: str, right: str) -> None:
    (order,) = orders_for(ask, {"date": "2024-05-20", "kind": "screening-mammogram", "left": left, "right": right})
    assert side_of(order) == "both"


def test_two_benign_categories_on_one_card_are_both_named(ask: Asker) -> None:
    study = {"date": "2024-05-20", "kind": "screening-mammogram", "left": "2", "right": "1"}
    (card,) = ask(request(charted("brochure-calcification", {"studies": [study]}), "patient-view")).cards
    assert card["summary"].startswith("BI-RADS 1 and 2 (benign), both breasts, 2024-05-20: ")


def test_a_report_without_an_id_is_not_referred_to(ask: Asker) -> None:
    record = charted("brochure-calcification", {"studies": [{"date": "2026-05-20", "overall": "4"}]})
    asked = request(record, "patient-view")
    del asked["prefetch"]["reports"]["entry"][0]["resource"]["id"]
    for _, _, order, _ in orders_in("", ask(asked).cards, {}):
        assert "?" not in str(order.get("reasonReference", ""))
