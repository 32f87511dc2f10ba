"""What the tests of the specification send: an invented patient's requests, and prefetch values in every state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.synthetic import charts
from cds_service.synthetic import resources as fhir
from tests.conftest import TODAY

Json = dict[str, Any]

PATIENT = "pat-1"
INSTANCE = "8f1c6ad1-1c52-4a57-9a8b-4c52f1c4f0d2"
SERVICES = {
    "patient-view": "breast-imaging-patient-view",
    "order-select": "breast-imaging-order-select",
    "order-sign": "breast-imaging-order-sign",
}
HOOKS = tuple(SERVICES)
SCREENING = fhir.concept(fhir.SCT, "24623002", "Screening mammography")
DIAGNOSTIC = fhir.concept(fhir.LOINC, "24605-8", "MG Breast Diagnostic")
ASPIRIN: Json = {
    "resourceType": "MedicationRequest",
    "id": "draft-aspirin",
    "status": "draft",
    "intent": "order",
    "medicationCodeableConcept": {"text": "Aspirin 81 mg"},
    "subject": fhir.reference("Patient", PATIENT),
}


def url(hook: str) -> str:
    return f"/cds-services/{SERVICES[hook]}"


def patient() -> Json:
    return fhir.patient(PATIENT, family="Example", given="Ada", born=TODAY.replace(year=1966))


def study(category: str, side: str = "left", *, days_ago: int = 18, ident: str = "r1") -> list[Json]:
    """A mammogram with its assessment."""
    day = TODAY - timedelta(days=days_ago)
    seen = fhir.assessment(f"{ident}-a", PATIENT, day, category, side)
    return [fhir.report(ident, PATIENT, day, code=charts.STUDY_CODES["diagnostic"], results=[seen["id"]]), seen]


def draft(ident: str = "draft-1", *, code: Json = SCREENING, side: str | None = "both", **elements: Any) -> Json:
    """An order that is not signed yet."""
    return fhir.service_request(ident, PATIENT, TODAY, code=code, side=side, status="draft") | elements


def request(
    hook: str = "patient-view",
    resources: Iterable[Json] | None = None,
    *,
    drafts: Iterable[Json] = (),
    selections: Iterable[str] | None = None,
) -> Json:
    """A request with everything prefetched: of a patient with an open 4B on the left, and with all drafts selected."""
    record = study("4B") if resources is None else resources
    orders = list(drafts)
    chosen = [f"{each['resourceType']}/{each['id']}" for each in orders] if selections is None else selections
    return charts.hook_request([patient(), *record], hook, hook_instance=INSTANCE, drafts=orders, selections=chosen)


def without(content: Json, *names: str) -> Json:
    return {key: value for key, value in content.items() if key not in names}


def prefetching(**values: object) -> Json:
    """A patient-view request with just these prefetch keys."""
    return request() | {"prefetch": values}


def searchset(*resources: Json, **elements: object) -> Json:
    """A search answer in which every resource is a match."""
    entries = [{"resource": each, "search": {"mode": "match"}} for each in resources]
    bundle: Json = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
    return bundle | ({"entry": entries} if entries else {}) | elements


def outcome(severity: str = "error", code: str = "exception") -> Json:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code}]}


def post(client: FlaskClient, content: object, hook: str = "patient-view") -> TestResponse:
    return client.post(url(hook), json=content)


def cards(client: FlaskClient, content: Json) -> list[Json]:
    """The cards of a request that has to be answered."""
    answer = post(client, content, content["hook"])
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.get_json()["cards"]
    return found


def advice(found: list[Json]) -> list[Json]:
    """The cards without their ids, which differ in every answer."""
    suggested = [[without(each, "uuid") for each in card.get("suggestions", ())] for card in found]
    return [without(card, "uuid") | {"suggestions": each} for card, each in zip(found, suggested, strict=True)]


def empties(value: object, path: str = "") -> Iterator[str]:
    """The members of an answer that hold null, or an empty string, array or object."""
    if isinstance(value, (dict, list)):
        for name, each in value.items() if isinstance(value, dict) else enumerate(value):
            if each is None or each in ("", [], {}):
                yield f"{path}/{name}"
            yield from empties(each, f"{path}/{name}")


def actions(found: list[Json]) -> list[Json]:
    """The actions of all suggestions of some cards."""
    return [action for card in found for suggestion in card.get("suggestions", ()) for action in suggestion["actions"]]
