"""The context of each hook: what it has to hold, what it may leave out, and which orders are looked at."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.spec.hook_requests import (
    ASPIRIN,
    HOOKS,
    Json,
    actions,
    cards,
    draft,
    post,
    request,
    study,
    without,
)


def with_context(content: Json, **fields: object) -> Json:
    return content | {"context": content["context"] | fields}


def orders(client: FlaskClient, content: Json) -> list[Json]:
    """The new orders of an answer."""
    found = [action["resource"] for action in actions(cards(client, content)) if action["type"] == "create"]
    assert found
    return found


@pytest.mark.requirement(
    "HCX-01", "HCX-02", "HCX-04", "HCX-05", "HCX-08", "HCX-09", "HCX-11", "CTX-01", "REQ-05", "STA-400"
)
@pytest.mark.parametrize(
    ("hook", "field"),
    [
        *((hook, field) for hook in HOOKS for field in ("userId", "patientId")),
        *((hook, "draftOrders") for hook in ("order-select", "order-sign")),
    ],
)
def test_a_missing_field_that_the_hook_requires_is_named(client: FlaskClient, hook: str, field: str) -> None:
    content = request(hook, drafts=[draft()])
    answer = post(client, content | {"context": without(content["context"], field)}, hook)
    assert answer.status_code == 400
    assert [each["diagnostics"] for each in answer.get_json()["issue"]] == [f"context.{field}: is required."]


@pytest.mark.requirement("CTX-01", "STA-400")
@pytest.mark.parametrize("value", ["", None, 7, ["pat-1"]])
def test_a_patient_id_of_another_form_is_refused(client: FlaskClient, value: object) -> None:
    assert post(client, with_context(request(), patientId=value)).status_code == 400


@pytest.mark.requirement("HCX-03", "HCX-06", "HCX-10")
@pytest.mark.parametrize("hook", HOOKS)
def test_orders_belong_to_the_encounter_where_there_is_one(client: FlaskClient, hook: str) -> None:
    content = request(hook, drafts=[draft()])
    for order in orders(client, with_context(content, encounterId="enc-7")):
        assert order["encounter"] == {"reference": "Encounter/enc-7"}
    nowhere = content | {"context": without(content["context"], "encounterId")}
    assert not any("encounter" in order for order in orders(client, nowhere))
    for empty in (None, "", " "):
        assert not any("encounter" in order for order in orders(client, with_context(content, encounterId=empty)))


@pytest.mark.requirement("HCX-01", "HCX-04", "HCX-09")
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("user", ["Practitioner/a-1", "PractitionerRole/b.2"])
def test_a_clinician_is_the_requester(client: FlaskClient, hook: str, user: str) -> None:
    for order in orders(client, with_context(request(hook, drafts=[draft()]), userId=user)):
        assert order["requester"] == {"reference": user}


@pytest.mark.requirement("HCX-01")
@pytest.mark.parametrize("user", ["Patient/pat-1", "RelatedPerson/r-1", "a bare id"])
def test_anybody_else_is_answered_and_requests_nothing(client: FlaskClient, user: str) -> None:
    assert not any("requester" in order for order in orders(client, with_context(request(), userId=user)))


@pytest.mark.requirement("CTX-02", "HCX-07", "HCX-08")
def test_order_select_speaks_of_the_selected_orders_only(client: FlaskClient) -> None:
    both = [ASPIRIN, draft("screening")]
    record = study("3")
    chosen = request("order-select", record, drafts=both, selections=["ServiceRequest/screening"])
    beside = request("order-select", record, drafts=both, selections=["MedicationRequest/draft-aspirin"])
    assert "screening mammogram" in cards(client, chosen)[0]["summary"]
    assert cards(client, beside) == []


@pytest.mark.requirement("HCX-07")
@pytest.mark.parametrize("selections", [None, []], ids=["null", "[]"])
def test_without_selections_all_drafts_are_looked_at(client: FlaskClient, selections: object) -> None:
    content = request("order-select", study("3"), drafts=[ASPIRIN, draft()])
    missing = content | {"context": without(content["context"], "selections")}
    assert cards(client, missing)
    assert cards(client, with_context(content, selections=selections))


@pytest.mark.requirement("ord-1", "HCX-07")
@pytest.mark.parametrize("prefix", ["", "https://ehr.example.org/fhir/"])
def test_a_selection_is_found_among_the_drafts(client: FlaskClient, prefix: str) -> None:
    content = request("order-select", study("3"), drafts=[ASPIRIN, draft("e.X-1")])
    selected = f"{prefix}ServiceRequest/e.X-1"
    assert len(cards(client, with_context(content, selections=[selected]))) == 1
    assert len(cards(client, with_context(content, selections=selected))) == 1
    assert cards(client, with_context(content, selections="MedicationRequest/draft-aspirin")) == []


@pytest.mark.requirement("HCX-08", "HCX-11")
@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_drafts_may_stand_beside_medications_in_a_bundle_without_a_type(client: FlaskClient, hook: str) -> None:
    content = request(hook, study("3"), drafts=[{"resourceType": "Medication", "id": "m-1"}, draft()])
    bundle = without(content["context"]["draftOrders"], "type")
    assert len(cards(client, with_context(content, draftOrders=bundle, selections=["ServiceRequest/draft-1"]))) == 1


@pytest.mark.requirement("HCX-08", "HCX-11")
@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
@pytest.mark.parametrize(
    "resource",
    [
        None,
        "text",
        {},
        {"resourceType": "ServiceRequest", "id": 7},
        draft() | {"code": None},
        draft(code={"coding": [{}]}),
        draft() | {"code": [], "bodySite": "left", "occurrencePeriod": "soon", "subject": 3},
        {"resourceType": "MedicationOrder", "id": "order-123", "patient": {"reference": "Patient/pat-1"}},
    ],
    ids=lambda resource: str(resource)[:60],
)
def test_a_draft_that_says_nothing_does_not_hide_an_open_biopsy(
    client: FlaskClient, hook: str, resource: object
) -> None:
    bundle = {"resourceType": "Bundle", "entry": [{"resource": resource}, "text", {}]}
    assert len(cards(client, with_context(request(hook), draftOrders=bundle))) == 1


@pytest.mark.requirement("HCX-11")
def test_orders_that_are_signed_again_are_looked_at(client: FlaskClient) -> None:
    assert cards(client, request("order-sign", study("3"), drafts=[draft(status="active")]))


@pytest.mark.requirement("HCX-11")
def test_order_sign_looks_at_all_drafts_whatever_is_selected(client: FlaskClient) -> None:
    content = request("order-sign", study("3"), drafts=[ASPIRIN, draft()])
    assert cards(client, with_context(content, selections=["MedicationRequest/draft-aspirin"]))


@pytest.mark.requirement("HCX-11")
@pytest.mark.parametrize("number", [1, 2])
def test_an_unsigned_order_without_an_id_is_looked_at(client: FlaskClient, number: int) -> None:
    content = request("order-sign", study("3"))
    bundle = {"resourceType": "Bundle", "entry": [{"resource": without(draft(), "id")}] * number}
    mismatch, *_ = cards(client, with_context(content, draftOrders=bundle))
    assert mismatch["detail"].count("**Being ordered:** ServiceRequest/? (entry ") == number
    # Nothing names it, so that it cannot be taken back.
    assert {action["type"] for each in mismatch["suggestions"] for action in each["actions"]} == {"create"}
