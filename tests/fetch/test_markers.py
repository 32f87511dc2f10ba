"""Tokens and patients never get into logs or error bodies, whatever the FHIR server does."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from cds_service.fhir_client import FhirAccess, FhirClient
from cds_service.pipeline import World
from cds_service.settings import Settings
from cds_service.web import create_app
from tests.fetch.conftest import asking
from tests.fetch.lying_server import Answer, Exchange, LyingServer, answered, failure, sent
from tests.fetch.test_outcomes import LIES
from tests.spec.hook_requests import url

MARKED_TOKEN, MARKED_PATIENT = "tok3n-marker", "pat1ent-marker"


def echoing(exchange: Exchange) -> None:
    """An OperationOutcome that quotes the request."""
    said = f"{exchange.target} {exchange.headers['authorization']}"
    answered(failure() | {"text": said, "issue": [{"severity": "error", "diagnostics": said}]}, 403)(exchange)


TATTLERS: dict[str, Answer] = {name: lie for name, (lie, _) in LIES.items()} | {
    "an echo": echoing,
    "an odd header": lambda exchange: sent(b"{}", X_Odd=f"{exchange.target}\r\nno colon here")(exchange),
}


@pytest.fixture
def client(settings: Settings, world: World, ehr: LyingServer) -> Iterator[FlaskClient]:
    with create_app(replace(settings, fhir_servers=(ehr.base,)), world).test_client() as client:
        yield client


@pytest.mark.requirement("SVC-07", "SVC-11", "STA-412")
@pytest.mark.parametrize("lie", TATTLERS.values(), ids=list(TATTLERS))
def test_neither_token_nor_patient_gets_into_logs_or_error_bodies(
    client: FlaskClient,
    ehr: LyingServer,
    lie: Answer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    ehr.lies |= {"DiagnosticReport": lie, "Observation": lie, "Patient": lie}
    asked = asking(ehr.base, MARKED_TOKEN)
    asked["context"]["patientId"] = MARKED_PATIENT
    answer = client.post(url("patient-view"), json=asked)
    assert answer.status_code == 412
    assert answer.get_json()["resourceType"] == "OperationOutcome"
    assert any(MARKED_PATIENT in each.target for each in ehr.exchanges)
    said = "".join([answer.text, json.dumps(dict(answer.headers)), caplog.text, *capfd.readouterr()])
    assert "marker" not in said


def test_what_is_printed_of_a_visit_holds_nothing(ehr: LyingServer) -> None:
    client = FhirClient()
    visit = client.visit(FhirAccess(servers=(ehr.base,), allow_http=True), ehr.base, {"access_token": MARKED_TOKEN})
    assert "marker" not in f"{visit!r} {client!r}"
