"""Every failure: its status, and an OperationOutcome that gives nothing away."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from fhir.resources.R4B.operationoutcome import OperationOutcome
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.pipeline import World
from cds_service.settings import Settings
from cds_service.web import create_app
from tests.spec.hook_requests import Json, post, prefetching, request, url

FEEDBACK = f"{url('patient-view')}/feedback"
ENTRY: Json = {"card": "c", "outcome": "overridden", "outcomeTimestamp": "2026-06-01T08:00:00Z"}


def no_today() -> date:
    raise RuntimeError("Ada Example, born 1966")


@pytest.fixture
def broken(tmp_path: Path) -> Flask:
    """A service whose clock and whose store fail."""
    store = tmp_path / "store.sqlite"
    settings = Settings(database_url=f"sqlite:///{store}", max_body_bytes=20_000, development=True)
    app = create_app(settings, World(today=no_today))
    with sqlite3.connect(store) as connection:
        connection.execute("drop table feedback")
    return app


FAILURES: dict[int, Callable[[FlaskClient], TestResponse]] = {
    400: lambda client: client.post(url("patient-view"), data=b"{"),
    404: lambda client: client.post("/cds-services/another-service", json=request()),
    405: lambda client: client.delete("/cds-services"),
    412: lambda client: post(client, prefetching()),
    413: lambda client: client.post(FEEDBACK, data=b" " * 20_001),
    415: lambda client: client.post(FEEDBACK, data=b"<feedback/>", content_type="text/xml"),
    500: lambda client: post(client, request()),
    503: lambda client: client.post(FEEDBACK, json={"feedback": [ENTRY]}),
}


@pytest.mark.requirement(
    "SVC-11", "GEN-01", "GEN-08", "GEN-10", "STA-400", "STA-404", "STA-405", "STA-412", "STA-413", "STA-415", "STA-500",
    "STA-503",
)  # fmt: skip
@pytest.mark.parametrize("status", FAILURES)
def test_every_failure_is_an_operation_outcome(broken: Flask, status: int) -> None:
    answer = FAILURES[status](broken.test_client())
    assert (answer.status_code, answer.content_type) == (status, "application/json")
    OperationOutcome.model_validate(answer.get_json())
    assert all(each["severity"] == "error" and each["details"]["text"] for each in answer.get_json()["issue"])


@pytest.mark.requirement("STA-500")
def test_a_failure_of_ours_tells_nothing_of_the_patient_or_the_code(
    broken: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    answer = post(broken.test_client(), request())
    for secret in ("Ada", "Traceback", "RuntimeError", ".py"):
        assert secret not in answer.text
    assert "Ada" not in caplog.text
    assert "RuntimeError" in caplog.text


@pytest.mark.requirement("STA-404", "DIS-12")
@pytest.mark.parametrize("path", ["/cds-services/nothing", "/cds-services/nothing/feedback", "/cds-services/é"])
def test_a_service_that_is_not_there_is_404(client: FlaskClient, path: str) -> None:
    assert client.post(path, json=request()).status_code == 404


@pytest.mark.requirement("GEN-10", "STA-404")
@pytest.mark.parametrize("path", ["/nothing", "/cds-services/a/b/c", "/protocols/nothing", "/.well-known/nothing"])
def test_no_address_is_answered_with_an_error_in_html(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.content_type) == (404, "application/json")


@pytest.mark.requirement("DIS-15", "STA-405")
@pytest.mark.parametrize(
    ("path", "methods", "allowed"),
    [
        ("/cds-services", ["POST", "PUT", "PATCH", "DELETE"], {"GET", "HEAD", "OPTIONS"}),
        (url("order-sign"), ["GET", "HEAD", "PUT", "PATCH", "DELETE"], {"POST", "OPTIONS"}),
        (FEEDBACK, ["GET", "HEAD", "PUT", "PATCH", "DELETE"], {"POST", "OPTIONS"}),
    ],
)
def test_another_method_is_405_and_the_right_ones_are_named(
    client: FlaskClient, path: str, methods: list[str], allowed: set[str]
) -> None:
    for method in methods:
        answer = client.open(path, method=method)
        assert (answer.status_code, answer.content_type) == (405, "application/json")
        assert set(answer.headers["Allow"].split(", ")) == allowed
