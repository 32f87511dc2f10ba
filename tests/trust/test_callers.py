"""The front door: who is let in, what those outside are told, and with what a service starts."""

from __future__ import annotations

import http.client
import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.errors import ClientsError
from cds_service.knowledge import Knowledge
from cds_service.pipeline import World
from cds_service.settings import Settings
from cds_service.store import StoreDown
from cds_service.web import create_app
from tests.conftest import PUBLIC_URL, TODAY
from tests.spec.hook_requests import request, searchset, study, without
from tests.trust.ehr import ISSUER, KEYS, STRANGER, bearer, token

DISCOVERY = "/cds-services"
SERVICE = "/cds-services/breast-imaging-patient-view"
FEEDBACK = f"{SERVICE}/feedback"
ORIGIN = "https://ehr.example"
FILE: dict[str, Any] = {"name": "St. Elsewhere", "issuer": ISSUER, "keys": {"jwks": {"keys": list(KEYS)}}}
Starts = Callable[..., FlaskClient]


@pytest.fixture
def started(tmp_path: Path, knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch) -> Starts:
    """Starts a service outside development, with one client file. The knowledge folder is read once for all."""
    monkeypatch.setattr("cds_service.web.knowledge_folder.load", lambda folder: knowledge)

    def start(first_use: Any = None, file: dict[str, Any] | None = None, **changes: Any) -> FlaskClient:
        folder = tmp_path / "clients"
        folder.mkdir(exist_ok=True)
        (folder / "st-elsewhere.yaml").write_text(json.dumps(FILE | (file or {})))
        settings = Settings(
            **{"public_url": PUBLIC_URL, "database_url": f"sqlite:///{tmp_path / 'store.sqlite'}", "clients": folder}
            | changes
        )
        return create_app(settings, World(today=lambda: TODAY), first_use).test_client()

    return start


def signed(path: str = SERVICE, **options: Any) -> dict[str, str]:
    """The header of a call of a path, now: the front door looks at the real clock."""
    return bearer(f"{PUBLIC_URL}{path}", now=time.time(), **options)


def call(service: FlaskClient, headers: dict[str, str] | None = None, body: object = None) -> TestResponse:
    return service.post(SERVICE, json=request() if body is None else body, headers=headers or {})


@pytest.mark.requirement("GEN-12", "SEC-01", "STA-401")
def test_outside_development_a_token_is_needed(started: Starts) -> None:
    service = started()
    assert call(service).status_code == 401
    answer = call(service, signed())
    assert answer.status_code == 200
    assert len(answer.get_json()["cards"]) == 1


@pytest.mark.requirement("STA-401", "SEC-11")
def test_every_refusal_reads_the_same_and_gives_no_reason(started: Starts) -> None:
    service = started()
    refusals = [
        call(service),
        call(service, signed(key=STRANGER)),
        call(service, signed(aud="https://other.example")),
        call(service, signed(iss="https://other.example")),
        call(service, signed(exp=1)),
    ]
    assert {(each.status_code, each.headers["WWW-Authenticate"], each.data) for each in refusals} == {
        (401, "Bearer", refusals[0].data)
    }
    assert refusals[0].get_json()["issue"][0]["code"] == "login"


@pytest.mark.requirement("FB-11")
def test_feedback_needs_a_token_for_itself_or_for_its_service(started: Starts) -> None:
    service = started()
    body = {"feedback": [{"card": "c", "outcome": "overridden", "outcomeTimestamp": "2026-06-01T08:00:00Z"}]}
    assert service.post(FEEDBACK, json=body).status_code == 401
    assert service.post(FEEDBACK, json=body, headers=signed(FEEDBACK)).status_code == 200
    assert service.post(FEEDBACK, json=body, headers=signed(SERVICE)).status_code == 200
    assert call(service, signed(FEEDBACK)).status_code == 401


@pytest.mark.requirement("DIS-14")
def test_discovery_is_open_or_closed_by_setting(started: Starts) -> None:
    assert started().get(DISCOVERY).status_code == 200
    closed = started(open_discovery=False)
    assert closed.get(DISCOVERY).status_code == 401
    assert closed.head(DISCOVERY).status_code == 401
    answer = closed.get(DISCOVERY, headers=signed(DISCOVERY))
    assert answer.status_code == 200
    assert len(answer.get_json()["services"]) == 3


def test_the_audience_is_the_public_url_whatever_the_proxy_says(started: Starts) -> None:
    service = started()
    lies = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
    assert call(service, signed() | lies).status_code == 200
    assert call(service, signed(aud=f"https://evil.example{SERVICE}") | lies).status_code == 401


def test_a_public_url_may_have_a_path(started: Starts) -> None:
    service = started(public_url="https://hospital.example/cds")
    assert call(service, signed(aud=f"https://hospital.example/cds{SERVICE}")).status_code == 200
    assert call(service, signed(aud=f"https://hospital.example{SERVICE}")).status_code == 401


def test_a_slash_at_the_end_of_the_path_does_no_harm(started: Starts) -> None:
    service = started()
    assert service.post(f"{SERVICE}/", json=request(), headers=signed(f"{SERVICE}/")).status_code == 200
    assert service.post(f"{SERVICE}/", json=request(), headers=signed()).status_code == 200


@pytest.mark.requirement("SEC-09")
def test_a_token_opens_the_door_once(started: Starts) -> None:
    service, same = started(), signed()
    assert [call(service, same).status_code for _ in range(3)] == [200, 401, 401]


@pytest.mark.requirement("STA-503")
def test_without_the_store_of_seen_tokens_a_call_is_refused_with_503_and_not_let_in(started: Starts) -> None:
    def down(*_: object) -> bool:
        raise StoreDown

    answer = call(started(down), signed())
    assert answer.status_code == 503
    assert "cards" not in answer.get_json()


@pytest.mark.requirement("STA-403")
def test_a_service_that_is_switched_off_for_a_client_is_forbidden_and_not_shown(started: Starts) -> None:
    service = started(file={"switched_off": {"services": ["breast-imaging-patient-view"]}}, open_discovery=False)
    assert call(service, signed()).status_code == 403
    assert service.post(FEEDBACK, json={"feedback": []}, headers=signed(FEEDBACK)).status_code == 403
    shown = service.get(DISCOVERY, headers=signed(DISCOVERY)).get_json()["services"]
    assert [each["id"] for each in shown] == ["breast-imaging-order-select", "breast-imaging-order-sign"]


def test_the_caller_is_known_before_the_service_is_looked_up(started: Starts) -> None:
    service, path = started(), "/cds-services/another-service"
    assert service.post(path, json=request()).status_code == 401
    assert service.post(path, json=request(), headers=signed(path)).status_code == 404


def test_a_client_may_choose_its_protocol(started: Starts) -> None:
    service = started(file={"protocol": "acr-surveillance"})
    (card,) = call(service, signed(), request(resources=study("3", days_ago=200))).get_json()["cards"]
    assert card["source"]["url"].endswith("/protocols/acr-surveillance")


def test_the_cards_of_a_row_can_be_switched_off_and_others_stay(started: Starts) -> None:
    service = started(file={"switched_off": {"rows": ["Category4"]}})
    assert call(service, signed()).get_json()["cards"] == []
    topics = [
        card["source"]["topic"]["code"]
        for card in call(service, signed(), request(resources=study("5"))).get_json()["cards"]
    ]
    assert topics == ["Category5"]


def test_a_switched_off_row_does_not_hide_that_data_were_missing(started: Starts) -> None:
    service = started(file={"switched_off": {"rows": ["Category4"]}})
    partial = request()
    partial["prefetch"]["reports"]["link"] = [{"relation": "next", "url": "https://fhir.example/next"}]
    assert call(service, signed(), partial).status_code == 412


def test_prefetch_under_the_names_of_the_site_is_read(started: Starts) -> None:
    body = request()
    sent = body["prefetch"]
    body["prefetch"] = without(sent, "reports", "observations") | {
        "breast-reports": sent["reports"], "breast-obs": sent["observations"],
    }  # fmt: skip
    renamed = started(file={"prefetch_keys": {"reports": "breast-reports", "observations": "breast-obs"}})
    (card,) = call(renamed, signed(), body).get_json()["cards"]
    assert card["source"]["topic"]["code"] == "Category4"
    assert call(started(file={}), signed(), body).status_code == 412


def test_what_stands_under_our_own_name_goes_first(started: Starts) -> None:
    body = request()
    body["prefetch"]["breast-reports"] = searchset()
    service = started(file={"prefetch_keys": {"reports": "breast-reports"}})
    assert len(call(service, signed(), body).get_json()["cards"]) == 1


SITE = "urn:oid:1.2.3.4"
BIOPSY = {
    "stereotactic-biopsy": {"codes": [{"system": SITE, "code": "IMG-BX-L", "display": "BX STEREO L", "side": "left"}]}
}


def codings(card: dict[str, Any]) -> list[list[tuple[str, str]]]:
    return [
        [(each["system"], each["code"]) for each in action["resource"]["code"]["coding"]]
        for suggestion in card["suggestions"]
        for action in suggestion["actions"]
    ]


@pytest.mark.parametrize("replace", [False, True])
def test_orders_carry_the_codes_of_the_site(started: Starts, replace: bool) -> None:
    orders = {"stereotactic-biopsy": BIOPSY["stereotactic-biopsy"] | {"replace": replace}}
    ours = codings(call(started(), signed()).get_json()["cards"][0])
    theirs = codings(call(started(file={"orders": orders}), signed()).get_json()["cards"][0])
    changed = [(mine, own) for mine, own in zip(ours, theirs, strict=True) if mine != own]
    assert changed == [(mine, [(SITE, "IMG-BX-L"), *([] if replace else mine)]) for mine, _ in changed]
    assert len(changed) == 1


def test_a_side_without_a_code_of_the_site_keeps_ours(started: Starts) -> None:
    orders = {"stereotactic-biopsy": BIOPSY["stereotactic-biopsy"] | {"replace": True}}
    right = request(resources=study("4B", "right"))
    theirs = call(started(file={"orders": orders}), signed(), right).get_json()["cards"][0]
    assert codings(theirs) == codings(call(started(file={}), signed(), right).get_json()["cards"][0])


def test_an_order_with_the_code_of_the_site_counts_as_ordered(started: Starts) -> None:
    placed = {
        "resourceType": "ServiceRequest", "id": "o1", "status": "active", "intent": "order", "authoredOn": str(TODAY),
        "subject": {"reference": "Patient/pat-1"}, "code": {"coding": [{"system": SITE, "code": "IMG-BX-L"}]},
    }  # fmt: skip
    body = request(resources=[*study("4B"), placed])
    assert len(call(started(), signed(), body).get_json()["cards"]) == 1
    assert call(started(file={"orders": BIOPSY}), signed(), body).get_json()["cards"] == []
    on_the_right = request(resources=[*study("4B", "right"), placed])
    assert len(call(started(), signed(), on_the_right).get_json()["cards"]) == 1


# --------------------------------------------------------------------------------------
# Browsers


@pytest.mark.requirement("GEN-11", "STA-204")
@pytest.mark.parametrize("path", [DISCOVERY, SERVICE, FEEDBACK])
def test_a_preflight_needs_no_token_where_calls_do(started: Starts, path: str) -> None:
    service = started(allowed_origins=(ORIGIN,), open_discovery=False)
    answer = service.options(path, headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"})
    assert answer.status_code in (200, 204)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]


@pytest.mark.requirement("GEN-11")
def test_a_browser_can_read_why_it_was_refused(started: Starts) -> None:
    service = started(allowed_origins=(ORIGIN,), file={"switched_off": {"services": ["breast-imaging-patient-view"]}})
    for headers, status in (({}, 401), (signed(), 403)):
        answer = call(service, {"Origin": ORIGIN} | headers)
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, ORIGIN)
        assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Origin" not in call(service, {"Origin": "https://evil.example"}).headers


# --------------------------------------------------------------------------------------
# Start, development, logs


def test_outside_development_it_does_not_start_without_a_client(started: Starts, tmp_path: Path) -> None:
    (tmp_path / "nobody").mkdir()
    with pytest.raises(
        ClientsError, match=r"no client may call: write a file for each EHR into .*nobody.*CDS_DEVELOPMENT"
    ):
        started(clients=tmp_path / "nobody")


def test_development_asks_for_no_token_unless_it_is_told_to(started: Starts) -> None:
    assert call(started(development=True)).status_code == 200
    strict = started(development=True, authenticate=True)
    assert call(strict).status_code == 401
    assert call(strict, signed()).status_code == 200


def test_development_can_take_every_caller_for_one_client(started: Starts) -> None:
    off = {"switched_off": {"services": ["breast-imaging-patient-view"]}}
    assert call(started(file=off, development=True)).status_code == 200
    assert call(started(file=off, development=True, development_client="st-elsewhere")).status_code == 403
    with pytest.raises(ClientsError, match=r"CDS_DEVELOPMENT_CLIENT: there is no such client; there is st-elsewhere"):
        started(development=True, development_client="another")


@pytest.mark.requirement("SEC-10")
def test_neither_token_nor_header_reaches_the_log_or_the_answer(
    started: Starts, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    service = started()
    asked = [signed(), signed(key=STRANGER), signed(aud="https://other.example"), {"Authorization": "Basic c2VjcmV0"}]
    answers = [call(service, headers) for headers in asked]
    assert [each.status_code for each in answers] == [200, 401, 401, 401]
    assert "refused at step 7 (signature), client st-elsewhere" in caplog.text
    secrets = [part for headers in asked for part in headers["Authorization"].split(" ")[1].split(".") if part]
    everything = caplog.text + "".join(each.text for each in answers) + str((tmp_path / "store.sqlite").read_bytes())
    assert not [secret for secret in secrets if secret in everything]


def test_the_token_of_the_fhir_server_is_not_the_token_of_the_caller(started: Starts) -> None:
    body = request() | {
        "fhirServer": "https://fhir.st-elsewhere.example",
        "fhirAuthorization": {
            "access_token": token(f"{PUBLIC_URL}{SERVICE}", now=time.time()), "token_type": "Bearer",
            "expires_in": 300, "scope": "x", "subject": "y",
        },
    }  # fmt: skip
    assert call(started(), None, body).status_code == 401


@pytest.mark.slow
def test_a_served_process_says_whom_it_trusts_and_lets_only_them_in(tmp_path: Path) -> None:
    (tmp_path / "st-elsewhere.yaml").write_text(json.dumps(FILE))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{probe.getsockname()[1]}"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")} | {
        "CDS_CLIENTS": str(tmp_path),
        "CDS_DATABASE_URL": f"sqlite:///{tmp_path / 'store.sqlite'}",
    }
    command = [sys.executable, "-m", "cds_service", "serve", "--workers", "1", "--port", base.rpartition(":")[2]]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as served:
        try:
            deadline = time.monotonic() + 60
            while not answers(f"{base}{DISCOVERY}") and time.monotonic() < deadline and served.poll() is None:
                time.sleep(0.1)
            same = bearer(f"{base}{SERVICE}", now=time.time())
            met = [
                requests.post(f"{base}{SERVICE}", json=request(), headers=each, timeout=30) for each in ({}, same, same)
            ]
            assert [each.status_code for each in met] == [401, 200, 401]
            assert met[1].json()["cards"]
            assert with_two_headers(base) == 401
        finally:
            served.terminate()
            said = served.communicate(timeout=60)[0]
    assert "trusted clients: 1" in said
    assert "st-elsewhere: St. Elsewhere; issuer https://fhir.st-elsewhere.example" in said


def with_two_headers(base: str) -> int:
    """The status of a call with two good tokens, in two `Authorization` headers."""
    body = json.dumps(request()).encode()
    connection = http.client.HTTPConnection(base.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", SERVICE)
    connection.putheader("Content-Length", str(len(body)))
    for _ in range(2):
        connection.putheader("Authorization", bearer(f"{base}{SERVICE}", now=time.time())["Authorization"])
    connection.endheaders(body)
    status = connection.getresponse().status
    connection.close()
    return status


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=1).ok
    except requests.ConnectionError:
        return False
