"""Whatever JSON arrives, the answer is JSON and never the service's own failure."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from hypothesis import example, given
from hypothesis import strategies as st

from tests.case_charts import SERVICES, CaseChart, Json, case_charts, chart, order, request
from tests.conftest import TODAY

from .conftest import examples

Path = tuple[str | int, ...]

MEMBERS = (
    "resourceType", "id", "status", "code", "coding", "system", "value", "valueCodeableConcept", "component", "result",
    "entry", "resource", "link", "total", "subject", "reference", "extension", "contained", "hasMember", "bodySite",
    "effectiveDateTime", "effectivePeriod", "start", "end", "issued", "conclusionCode", "presentedForm", "data", "text",
    "div", "identifier", "meta", "lastUpdated", "occurrencePeriod", "authoredOn", "selections", "draftOrders",
)  # fmt: skip
WORDS = (
    "", " ", "final", "Bundle", "Patient", "Observation", "DiagnosticReport", "OperationOutcome", "http://loinc.org",
    "http://snomed.info/sct", "397145000", "Patient/case", "Observation/r0-left", "#r0", "urn:uuid:0", "0001-01-01",
    "9999-12-31", "2026-02-30", "2026", "2026-05", "2026-05-20T10:00:00", "2026-05-20T24:00:61+99:00", "²", "\x00",
)  # fmt: skip

words = st.sampled_from(WORDS) | st.text(max_size=12)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words
)
json_values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(MEMBERS) | st.text(max_size=6), inner, max_size=5)
    ),
    max_leaves=15,
)


def put(client: FlaskClient, service: str, body: bytes) -> int:
    """Posts a body and looks at the form of the answer."""
    answer = client.post(f"/cds-services/{service}", data=body, content_type="application/json")
    assert answer.status_code < 500, answer.data
    assert answer.mimetype == "application/json"
    content = json.loads(answer.data)
    assert isinstance(content, dict)
    if answer.status_code == 200:
        assert isinstance(content["cards"], list)
    else:
        assert content["resourceType"] == "OperationOutcome"
    return answer.status_code


@examples(40)
@given(service=st.sampled_from(list(SERVICES)), body=st.binary(max_size=40))
def test_any_bytes_get_an_answer(http: FlaskClient, service: str, body: bytes) -> None:
    put(http, service, body)


@examples(80)
@given(service=st.sampled_from(list(SERVICES)), content=json_values)
def test_any_json_gets_an_answer(http: FlaskClient, service: str, content: Any) -> None:
    put(http, service, orjson.dumps(content))


@examples(150)
@given(
    service=st.sampled_from(list(SERVICES)),
    prefetch=st.dictionaries(
        st.sampled_from(["patient", "reports", "observations", "orders", "procedures", "conditions", "appointments"]),
        json_values,
    ),
    drafts=json_values,
)
def test_any_prefetch_and_any_drafts_in_a_valid_envelope_get_an_answer(
    http: FlaskClient, service: str, prefetch: Any, drafts: Any
) -> None:
    context = {"userId": "Practitioner/d", "patientId": "case", "draftOrders": drafts}
    content = {"hook": SERVICES[service], "hookInstance": "x", "context": context, "prefetch": prefetch}
    put(http, service, orjson.dumps(content))


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """Every place in a JSON value, outermost first."""
    yield at
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from paths(inner, (*at, key))


def grafted(value: Any, at: Path, graft: Any) -> Any:
    """A copy with something else at one place."""
    if not at:
        return graft
    changed = copy.copy(value)
    changed[at[0]] = grafted(value[at[0]], at[1:], graft)
    return changed


DRAFTS = (
    order("screening-mammogram", "both", TODAY, window=(TODAY, TODAY)),
    order("stereotactic-biopsy", "left", TODAY, ident="draft-2"),
    order("diagnostic-mammogram", None, TODAY, ident="draft-3"),
)


def real_request(case: CaseChart, service: str, drafts: Sequence[Json] = DRAFTS) -> Json:
    """What an EHR sends for a case while three orders are being made, one of them selected."""
    return request(case, SERVICES[service], drafts=drafts, selections=["ServiceRequest/draft-2"])


@st.composite
def mutated_requests(draw: st.DrawFn, part: str) -> tuple[str, Any]:
    """A real request, changed at one to four places of its prefetch or of its context."""
    service = draw(st.sampled_from(list(SERVICES)))
    asked = real_request(draw(st.sampled_from(case_charts())), service)
    for _ in range(draw(st.integers(1, 4))):
        places = [place for place in paths(asked[part]) if place]
        at = draw(st.sampled_from(places)) if places else ()
        asked = grafted(asked, (part, *at), draw(json_values | words))
    return service, asked


@examples(200)
@given(mutated=mutated_requests("prefetch"))
def test_prefetch_with_anything_grafted_into_it_gets_an_answer(http: FlaskClient, mutated: tuple[str, Any]) -> None:
    service, content = mutated
    put(http, service, orjson.dumps(content))


FIRST_VISIT = chart("a first 3, six months ahead")


def update_of(**odd: object) -> tuple[str, Json]:
    """A follow-up order without its side, so that an update gives it back, with one odd member."""
    draft = order("diagnostic-mammogram", None, TODAY) | odd
    return "breast-imaging-order-select", request(FIRST_VISIT, "order-select", drafts=[draft])


@examples(100)
@given(mutated=mutated_requests("context"))
@example(mutated=update_of(note=[]))
def test_a_context_with_anything_grafted_into_it_gets_an_answer(http: FlaskClient, mutated: tuple[str, Any]) -> None:
    service, content = mutated
    put(http, service, orjson.dumps(content))


@pytest.mark.parametrize("empty", [None, "", [], {}, {"text": ""}])
def test_a_draft_with_an_empty_member_can_be_updated(http: FlaskClient, empty: object) -> None:
    service, content = update_of(note=empty)
    assert put(http, service, orjson.dumps(content)) == 200


def test_a_draft_with_an_id_that_is_not_fhir_can_be_replaced(http: FlaskClient) -> None:
    draft = order("screening-mammogram", "both", TODAY, ident="draft 1")
    content = request(FIRST_VISIT, "order-select", drafts=[draft])
    assert put(http, "breast-imaging-order-select", orjson.dumps(content)) == 200


# --------------------------------------------------------------------------------------
# Dates at the ends of the calendar: real systems write them for "unknown" and "for ever"

EXTREMES = ("0001-01-01", "0001", "9999-12-31", "9999-12-31T23:59:59Z", "9999", "0000-00-00", "1900-01-01")
DATED = {
    "birthDate", "effectiveDateTime", "issued", "authoredOn", "performedDateTime", "onsetDateTime", "start", "end",
}  # fmt: skip


extremes = pytest.mark.parametrize("extreme", EXTREMES)


def put_with(client: FlaskClient, asked: Json, extreme: str) -> None:
    """Posts a request once for each date in its prefetch, that date at the end of the calendar."""
    service = next(service for service, hook in SERVICES.items() if hook == asked["hook"])
    for at in paths(asked["prefetch"]):
        if at and at[-1] in DATED:
            put(client, service, orjson.dumps(asked | {"prefetch": grafted(asked["prefetch"], at, extreme)}))


@extremes
def test_any_date_may_stand_at_the_end_of_the_calendar(http: FlaskClient, extreme: str) -> None:
    busy = chart("the discordance was answered by an excision")  # a study, procedures and a pathology report
    put_with(http, request(busy, "patient-view"), extreme)


@extremes
def test_a_study_with_findings_may_stand_at_the_end_of_the_calendar(http: FlaskClient, extreme: str) -> None:
    put_with(http, request(chart("suspicious calcifications without an assessment"), "patient-view"), extreme)


@extremes
def test_an_order_on_record_may_be_meant_for_ever(http: FlaskClient, extreme: str) -> None:
    draft = order("diagnostic-mammogram", "left", TODAY, window=(TODAY, TODAY))
    asked = request(FIRST_VISIT, "order-sign", drafts=[draft])
    on_record = draft | {"id": "o-1", "status": "active"}
    asked["prefetch"]["orders"] = {"resourceType": "Bundle", "entry": [{"resource": on_record}]}
    put_with(http, asked, extreme)
