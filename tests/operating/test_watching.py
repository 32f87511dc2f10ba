"""What the service tells those who run it, and what it never tells: anything of a patient."""

from __future__ import annotations

import base64
import json
import logging
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient

from cds_service.errors import TooMany
from cds_service.knowledge import Knowledge
from cds_service.logs import JsonLines
from cds_service.pipeline import World
from cds_service.settings import VARIABLES, Settings
from cds_service.store import Store
from cds_service.web import create_app, health
from cds_service.web.limits import MOST_CALLERS, Rates
from tests.conftest import TODAY
from tests.services import running, until
from tests.spec.hook_requests import Json, draft, request, url

MARKER = "Zqxmarker"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
CALL = url("patient-view")
ENTRY = {"card": "c-1", "outcome": "overridden", "outcomeTimestamp": "2026-06-01T08:00:00Z"}


# --------------------------------------------------------------------------------------
# Patient data stays out


def marked(value: Any) -> Any:
    """A request in which every text that is not a code, a date or a type says who the patient is."""
    if isinstance(value, dict):
        kept = ("resourceType", "system", "code", "hook", "status", "intent", "type", "mode", "reference", "id")
        return {key: each if key in kept and isinstance(each, str) else marked(each) for key, each in value.items()}
    if isinstance(value, list):
        return [marked(each) for each in value]
    if isinstance(value, str) and not value[:4].isdigit() and "/" not in value:
        return f"{MARKER} {value}"
    return value


def telling_requests() -> Iterator[bytes]:
    """Requests of every fate whose fields are full of the patient."""
    asked = request("order-sign", drafts=[draft()])
    asked["context"]["patientId"] = "pat-1"
    whole = marked(asked) | {
        "hookInstance": MARKER,
        "fhirServer": f"https://{MARKER}.example.org/r4",
        "fhirAuthorization": {"access_token": MARKER, "token_type": "Bearer", "scope": MARKER, "subject": MARKER},
        "extension": {MARKER: MARKER},
    }
    whole["context"]["patientId"] = "pat-1"
    yield json.dumps(whole).encode()
    attached = base64.b64encode(f"{MARKER}: BI-RADS 9 in {MARKER}".encode()).decode()
    odd = {
        "resourceType": "DiagnosticReport",
        "id": MARKER,
        "status": "final",
        "subject": {"reference": f"Patient/{MARKER}"},
        "code": {"text": f"mammogram {MARKER}", "coding": [{"system": "http://loinc.org", "code": "26347-5"}]},
        "effectiveDateTime": MARKER,
        "presentedForm": [{"contentType": "application/pdf", "data": attached, "title": MARKER}],
    }
    word = {
        "resourceType": "Observation",
        "id": MARKER,
        "status": "final",
        "code": {"text": "calcification", "coding": [{"system": MARKER, "code": MARKER}]},
        "component": [
            {"code": {"text": "morphology"}, "valueString": MARKER, "valueCodeableConcept": {"text": MARKER}}
        ],
    }
    bundle = {"resourceType": "Bundle", "entry": [{"resource": odd}, {"resource": word}]}
    context = {"userId": f"Practitioner/{MARKER}", "patientId": MARKER, "draftOrders": bundle}
    envelope = {"hook": "order-sign", "hookInstance": MARKER, "context": context}
    yield json.dumps(envelope | {"prefetch": {"reports": bundle, "observations": bundle, MARKER: bundle}}).encode()
    yield json.dumps(envelope | {"prefetch": {MARKER: MARKER}}).encode()
    yield json.dumps(envelope | {"hook": MARKER}).encode()
    yield json.dumps({MARKER: MARKER}).encode()
    yield f'{{"name": "{MARKER}'.encode()


@pytest.mark.slow
@pytest.mark.requirement("SEC-10")
@pytest.mark.parametrize("kind", ["the database is up", "the database is down"])
def test_no_output_ever_holds_what_a_request_said(tmp_path: Path, kind: str) -> None:
    database = f"sqlite:///{tmp_path / 'store.sqlite'}" if kind.endswith("up") else NOWHERE
    headers = {"Authorization": f"Bearer {MARKER}", "X-Request-Id": MARKER, "User-Agent": MARKER, "Cookie": MARKER}
    headers |= {"Origin": f"https://{MARKER}.example.org", "Referer": f"https://{MARKER}", "traceparent": MARKER}
    feedback = {"feedback": [ENTRY | {"overrideReason": {"userComment": MARKER}}, {"card": MARKER, "outcome": MARKER}]}
    told: list[str] = []
    with running(tmp_path, database, workers=1) as service:
        here = f"{service.url}{url('order-sign')}"
        statuses = []
        for body in telling_requests():
            answer = requests.post(f"{here}?patient={MARKER}", data=body, headers=headers, timeout=60)
            statuses.append(answer.status_code)
            if answer.status_code != 200:
                told.append(answer.text)
        assert set(statuses) == {200, 400, 412}
        for path in (f"/{MARKER}", f"/cds-services/{MARKER}", f"/explain/{MARKER}/1/{MARKER}"):
            told += [
                requests.request(each, f"{service.url}{path}", headers=headers, timeout=60).text
                for each in ("GET", "POST")
            ]
        told.append(requests.post(f"{here}/feedback", json=feedback, headers=headers, timeout=60).text)
        until(lambda: service.metric("cds_store_records_total") == statuses.count(200), "the records to be kept")
        told += [service.get(path).text for path in ("/metrics", "/health/ready", "/health/live")]
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) >= 2
    assert not any(MARKER.lower() in text.lower() for text in told)
    assert not any(MARKER.lower().encode() in content.lower() for content in kept)
    assert not any(MARKER.lower() in path.name.lower() for path in tmp_path.rglob("*"))


def test_words_of_other_libraries_stay_out_of_the_log() -> None:
    line = logging.LogRecord("urllib3.pool", logging.WARNING, "pool.py", 1, "Retrying %s", ("/Patient/Ada",), None)
    assert "Ada" not in JsonLines().format(line)


def test_an_exception_is_logged_by_its_type_and_place_only() -> None:
    try:
        raise RuntimeError("Ada Example")
    except RuntimeError as error:
        info = (type(error), error, error.__traceback__)
    line = logging.LogRecord("cds_service", logging.ERROR, "x.py", 1, "it failed", (), info)
    written = json.loads(JsonLines().format(line))
    assert "Ada" not in str(written)
    assert written["exception"].startswith("RuntimeError at ")


# --------------------------------------------------------------------------------------
# One line for each call


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> list[Json]:
    """The log lines of calls."""
    caplog.set_level(logging.INFO, logger="cds_service.calls")
    caplog.handler.setFormatter(JsonLines())

    class Lines(list[Json]):
        def __iter__(self) -> Iterator[Json]:
            return (json.loads(line) for line in caplog.text.splitlines())

    return Lines()


def test_a_call_leaves_one_line_that_says_what_was_decided(client: FlaskClient, lines: list[Json]) -> None:
    answer = client.post(CALL, json=request())
    (line,) = lines
    assert (line["service"], line["status"], line["client"]) == ("breast-imaging-patient-view", 200, "anyone")
    assert line["rows"] == [card["source"]["topic"]["code"] for card in answer.get_json()["cards"]]
    assert line["protocol"].startswith("brochure-calcification ")
    assert line["request_id"] == answer.headers["X-Request-Id"]
    assert line["duration_ms"] > 0


def test_a_call_that_fails_says_which_failure_it_was(client: FlaskClient, lines: list[Json]) -> None:
    client.post(CALL, data=b"{")
    (line,) = lines
    assert (line["status"], line["error"]) == (400, "BIC-400-1")


@pytest.mark.parametrize("given", ["2f1c6ad1-1c52-4a57-9a8b-4c52f1c4f0d2", "4bf92f3577b34da6a3ce929d0e0e4736"])
def test_a_request_id_of_the_caller_is_used(client: FlaskClient, lines: list[Json], given: str) -> None:
    answer = client.get("/cds-services", headers={"X-Request-Id": given})
    assert [answer.headers["X-Request-Id"], *(line["request_id"] for line in lines)] == [given, given]


@pytest.mark.parametrize("given", ["", "Ada Example", "123456789", "2f1c6ad1-1c52-4a57-9a8b-4c52f1c4f0d2x"])
def test_anything_else_is_replaced_by_an_id_of_ours(client: FlaskClient, given: str) -> None:
    answer = client.get("/cds-services", headers={"X-Request-Id": given})
    assert str(uuid.UUID(answer.headers["X-Request-Id"])) != given


# --------------------------------------------------------------------------------------
# Health


def app_with(settings: Settings, **changed: Any) -> Flask:
    values = {name: getattr(settings, name) for name in VARIABLES} | changed
    return create_app(Settings(**values), World(today=lambda: TODAY))


def test_a_service_that_is_well_says_so(client: FlaskClient) -> None:
    assert client.get("/health/live").get_json() == {"status": "ok"}
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.get_json()["status"], answer.get_json()["store"]) == (200, "ok", "up")
    assert answer.get_json()["protocols"]["brochure-calcification"]


def test_without_its_database_a_service_is_degraded_but_stays_in_service(settings: Settings, tmp_path: Path) -> None:
    client = app_with(settings, database_url=NOWHERE, spool=tmp_path / "spool").test_client()
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.get_json()["status"], answer.get_json()["store"]) == (200, "degraded", "down")
    assert client.get("/health/live").status_code == 200
    assert len(client.post(CALL, json=request()).get_json()["cards"]) == 1


def test_a_service_that_cannot_answer_without_its_database_is_not_ready(knowledge: Knowledge, tmp_path: Path) -> None:
    app = Flask("strict")
    store = Store(NOWHERE, spool=tmp_path / "spool")
    app.register_blueprint(health.blueprint(knowledge, store, needs_store=True))
    answer = app.test_client().get("/health/ready")
    assert (answer.status_code, answer.get_json()["status"]) == (503, "not ready")


# --------------------------------------------------------------------------------------
# Limits


@pytest.mark.requirement("STA-503")
def test_a_caller_that_calls_too_often_is_told_when_to_come_back(settings: Settings) -> None:
    client = app_with(settings, calls_per_second=1).test_client()
    answers = [client.post(CALL, json=request()) for _ in range(4)]
    assert [answer.status_code for answer in answers[:2]] == [200, 200]
    assert answers[3].status_code == TooMany.status
    assert answers[3].headers["Retry-After"] == "1"
    assert client.get("/health/ready").status_code == 200
    assert client.get("/cds-services").status_code == 200


def test_each_caller_has_a_rate_of_its_own_and_gets_it_back_in_time() -> None:
    rates = Rates(2, 4)
    assert [rates.admits("north", 100.0) for _ in range(5)] == [True] * 4 + [False]
    assert rates.admits("south", 100.0)
    assert [rates.admits("north", 100.5) for _ in range(2)] == [True, False]
    assert [rates.admits("north", 1000.0) for _ in range(5)] == [True] * 4 + [False]


def test_callers_that_are_not_heard_of_any_more_are_forgotten() -> None:
    rates = Rates(1, 2)
    for number in range(MOST_CALLERS + 10):
        rates.admits(str(number), 1.0)
    assert len(rates._buckets) == MOST_CALLERS


def test_a_place_is_free_again_after_a_call_that_failed(settings: Settings) -> None:
    client = app_with(settings, max_concurrent_calls=1).test_client()
    assert [client.post(CALL, data=b"{").status_code for _ in range(3)] == [400, 400, 400]
    assert client.post(CALL, json=request()).status_code == 200


# --------------------------------------------------------------------------------------
# Figures


def test_the_figures_tell_rows_reasons_and_outcomes(client: FlaskClient) -> None:
    def figures() -> dict[str, float]:
        lines = client.get("/metrics").text.splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    before = figures()
    (card,) = client.post(CALL, json=request()).get_json()["cards"]
    row = card["source"]["topic"]["code"]
    client.post(CALL, json=request() | {"prefetch": {}})
    client.post(f"{CALL}/feedback", json={"feedback": [ENTRY, {"card": "c"}]})
    after = figures()
    new = {name for name, value in after.items() if value > before.get(name, 0)}
    assert {
        f'cds_cards_total{{protocol="brochure-calcification",row="{row}"}}',
        'cds_calls_total{service="breast-imaging-patient-view",status="200"}',
        'cds_calls_total{service="breast-imaging-patient-view",status="412"}',
        'cds_feedback_total{outcome="overridden"}',
        'cds_feedback_total{outcome="refused"}',
    } <= new
    assert after["cds_store_up"] == 1


def test_a_service_that_is_not_ours_is_no_label(client: FlaskClient) -> None:
    client.post("/cds-services/made-up-by-the-caller", json=request())
    assert "made-up-by-the-caller" not in client.get("/metrics").text


# --------------------------------------------------------------------------------------
# Settings


def test_the_manual_lists_every_setting() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    listed = {line.split("`")[1] for line in manual.splitlines() if line.startswith("| `CDS_")}
    assert listed == set(VARIABLES.values())
