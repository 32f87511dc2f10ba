"""Browser clients: CORS on every endpoint, on preflights and on errors, for the origins on the list only."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cds_service.pipeline import World
from cds_service.settings import Settings
from cds_service.web import create_app
from tests.conftest import TODAY
from tests.spec.hook_requests import request, url

ORIGIN = "https://sandbox.cds-hooks.org"
PATHS = ["/cds-services", url("order-select"), f"{url('order-select')}/feedback"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """A client of a service that allows one origin."""
    store: Path = tmp_path_factory.mktemp("browsers") / "store.sqlite"
    settings = Settings(
        database_url=f"sqlite:///{store}", allowed_origins=(ORIGIN,), max_body_bytes=50_000, development=True
    )
    return create_app(settings, World(today=lambda: TODAY)).test_client()


@pytest.mark.requirement("GEN-11", "STA-204", "DIS-15")
@pytest.mark.parametrize("path", PATHS)
def test_a_preflight_needs_no_token_and_allows_what_clients_send(browser: FlaskClient, path: str) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    answer = browser.options(path, headers={"Origin": ORIGIN} | asked)
    assert answer.status_code in (200, 204)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert {"GET", "POST"} <= set(answer.headers["Access-Control-Allow-Methods"].split(", "))
    assert {"authorization", "content-type"} <= set(answer.headers["Access-Control-Allow-Headers"].lower().split(", "))
    assert int(answer.headers["Access-Control-Max-Age"]) > 0


@pytest.mark.requirement("GEN-11")
@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/cds-services", None, 200),
        ("POST", url("patient-view"), request(), 200),
        ("POST", f"{url('patient-view')}/feedback", {"feedback": []}, 200),
        ("POST", url("patient-view"), {}, 400),
        ("POST", "/cds-services/nothing", request(), 404),
        ("GET", "/nothing", None, 404),
        ("DELETE", "/cds-services", None, 405),
        ("POST", url("patient-view"), request() | {"prefetch": {}}, 412),
        ("POST", url("patient-view"), {"odd": "x" * 50_000}, 413),
    ],
)
def test_answers_and_errors_can_be_read_by_an_allowed_origin(
    browser: FlaskClient, method: str, path: str, body: object, status: int
) -> None:
    answer = browser.open(path, method=method, json=body, headers={"Origin": ORIGIN})
    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.requirement("GEN-11")
@pytest.mark.parametrize("origin", ["https://evil.example", f"{ORIGIN}.evil.example", "null", ""])
@pytest.mark.parametrize("path", PATHS)
def test_another_origin_is_allowed_nothing(browser: FlaskClient, path: str, origin: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        answer = browser.open(path, method=method, headers={"Origin": origin})
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


@pytest.mark.requirement("GEN-11")
@pytest.mark.parametrize("path", PATHS)
def test_a_cache_never_gives_one_origin_the_answer_of_another(browser: FlaskClient, path: str) -> None:
    assert "Origin" in browser.get(path).headers["Vary"]


@pytest.mark.requirement("GEN-11")
def test_any_origin_may_try_the_service_out_in_development(client: FlaskClient) -> None:
    answer = client.get("/cds-services", headers={"Origin": "http://localhost:8081"})
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:8081"
