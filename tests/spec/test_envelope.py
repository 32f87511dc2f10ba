"""The envelope of a request: what has to be in it, what may be odd about it, and how its problems are named."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from cds_service.settings import Settings
from cds_service.wire import schema
from tests.spec.hook_requests import HOOKS, Json, advice, cards, draft, post, request, url, without

TOKEN = "tok-4f1d-secret"
AUTHORISATION = {
    "access_token": TOKEN,
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "patient/Observation.rs",
    "subject": "breast-imaging-cds",
    "patient": "pat-1",
}
SERVER = "https://ehr.example.org/fhir"
ODD: list[Any] = [None, "", 3, [], {}, "text"]
MEMBERS = ("hook", "hookInstance", "context", "prefetch", "fhirServer", "fhirAuthorization", "extension")


def said(client: FlaskClient, content: object) -> list[str]:
    """What a refused request is told."""
    answer = post(client, content)
    assert answer.status_code == 400, answer.text
    return [issue["diagnostics"] for issue in answer.get_json()["issue"]]


# --------------------------------------------------------------------------------------
# What has to be there


@pytest.mark.requirement("REQ-01", "REQ-02", "REQ-05", "STA-400")
@pytest.mark.parametrize("name", ["hook", "hookInstance", "context"])
def test_a_missing_member_is_named(client: FlaskClient, name: str) -> None:
    assert said(client, without(request(), name)) == [f"{name}: is required."]


@pytest.mark.requirement("REQ-01", "REQ-02", "REQ-05", "REQ-06", "STA-400")
@pytest.mark.parametrize(
    ("name", "value"),
    [("hook", 3), ("hookInstance", {}), ("context", []), ("prefetch", "none"), ("fhirServer", 7)],
)
def test_a_member_of_the_wrong_type_is_named(client: FlaskClient, name: str, value: object) -> None:
    assert any(each.startswith(f"{name}: ") for each in said(client, request() | {name: value}))


@pytest.mark.requirement("STA-400", "GEN-08")
def test_all_problems_are_named_at_once(client: FlaskClient) -> None:
    found = said(client, {"hook": "order-sign", "context": {"userId": 4}, "prefetch": [], "fhirAuthorization": {}})
    assert [each.partition(":")[0] for each in found] == [
        "context.patientId",
        "context.userId",
        "fhirServer",
        "hook",
        "hookInstance",
        "prefetch",
    ]


@pytest.mark.requirement("STA-400")
def test_a_problem_names_the_field_and_never_its_value(client: FlaskClient) -> None:
    content = request() | {"hook": "Ada Example", "hookInstance": ["Ada Example"], "fhirServer": "Ada Example"}
    assert "Ada" not in post(client, content).text


@pytest.mark.requirement("REQ-01", "DIS-11", "STA-400")
@pytest.mark.parametrize("hook", HOOKS)
def test_a_service_answers_its_own_hook_only(client: FlaskClient, hook: str) -> None:
    other = HOOKS[HOOKS.index(hook) - 1]
    answer = post(client, request(other, drafts=[draft()]), hook)
    assert answer.status_code == 400
    assert hook in answer.text


@pytest.mark.requirement("REQ-02", "STA-400")
def test_an_empty_hook_instance_is_refused(client: FlaskClient) -> None:
    assert any(each.startswith("hookInstance: ") for each in said(client, request() | {"hookInstance": ""}))


@pytest.mark.requirement("REQ-03", "cds-r-1", "STA-400")
@pytest.mark.parametrize("server", [{}, {"fhirServer": None}], ids=["absent", "null"])
def test_an_access_token_without_a_server_is_refused(client: FlaskClient, server: Json) -> None:
    problems = said(client, request() | {"fhirAuthorization": AUTHORISATION} | server)
    assert [each.partition(":")[0] for each in problems] == ["fhirServer"]


@pytest.mark.requirement("REQ-01", "REQ-02", "REQ-03", "REQ-04", "REQ-05", "REQ-06", "REQ-07", "cds-r-1", "STA-400")
@pytest.mark.parametrize(
    "change",
    [
        *({name: value} for name in MEMBERS for value in ODD),
        {"fhirAuthorization": AUTHORISATION, "fhirServer": SERVER},
        {"fhirAuthorization": AUTHORISATION, "fhirServer": "ehr.example.org"},
        {"fhirAuthorization": AUTHORISATION},
    ],
    ids=lambda change: str(change)[:40],
)
def test_a_second_validator_agrees_on_what_is_an_envelope(client: FlaskClient, change: Json) -> None:
    content = request() | change
    is_hook = content["hook"] == "patient-view" and content["context"] != {}
    is_envelope = Draft202012Validator(schema("request")).is_valid(content)
    assert (post(client, content).status_code == 400) is not (is_envelope and is_hook)


# --------------------------------------------------------------------------------------
# What may be odd


@pytest.mark.requirement("REQ-02")
@pytest.mark.parametrize("instance", ["8F1C6AD1-1C52-4A57-9A8B-4C52F1C4F0D2", "test", "urn:uuid:1", "x" * 300])
def test_any_form_of_hook_instance_is_taken(client: FlaskClient, instance: str) -> None:
    assert cards(client, request() | {"hookInstance": instance})


@pytest.mark.requirement("REQ-02", "OUT-04", "OUT-20")
def test_a_repeated_hook_instance_gets_a_full_answer_with_fresh_ids(client: FlaskClient) -> None:
    first, second = cards(client, request()), cards(client, request())
    assert advice(first) == advice(second)
    assert not ids(first) & ids(second)


def ids(found: list[Json]) -> set[str]:
    return {each["uuid"] for card in found for each in (card, *card["suggestions"])}


@pytest.mark.requirement("GEN-07")
def test_unknown_members_change_nothing(client: FlaskClient) -> None:
    content = request()
    odd: Json = {"future": {"deep": [1, None]}}
    content = content | odd | {"context": content["context"] | odd, "prefetch": content["prefetch"] | odd}
    assert advice(cards(client, content)) == advice(cards(client, request()))


@pytest.mark.requirement("REQ-07", "GEN-06", "GEN-07")
@pytest.mark.parametrize(
    "extension",
    [{"com.example.trigger": {"code": 18}}, {}, [], None, "text"],
    ids=["object", "{}", "[]", "null", "text"],
)
def test_no_extension_fails_a_call(client: FlaskClient, extension: object) -> None:
    content = request()
    content = content | {"extension": extension, "context": content["context"] | {"extension": extension}}
    assert advice(cards(client, content)) == advice(cards(client, request()))


@pytest.mark.requirement("REQ-03", "REQ-04", "REQ-06")
@pytest.mark.parametrize("name", ["fhirServer", "fhirAuthorization", "extension"])
def test_null_stands_for_an_optional_member_that_is_absent(client: FlaskClient, name: str) -> None:
    assert cards(client, request() | {name: None})


@pytest.mark.requirement("REQ-04", "cds-r-2")
@pytest.mark.parametrize("missing", [("access_token",), ("patient",), ("expires_in", "scope", "subject")])
def test_an_incomplete_authorisation_does_not_fail_the_call(client: FlaskClient, missing: tuple[str, ...]) -> None:
    authorisation = without(AUTHORISATION, *missing)
    assert cards(client, request() | {"fhirServer": SERVER, "fhirAuthorization": authorisation})


@pytest.mark.requirement("SVC-07")
def test_the_access_token_is_neither_answered_nor_logged_nor_stored(
    client: FlaskClient, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    content = request() | {"fhirServer": SERVER, "fhirAuthorization": AUTHORISATION}
    answers = [post(client, each) for each in (content, without(content, "context"), without(content, "prefetch"))]
    assert [each.status_code for each in answers] == [200, 400, 412]
    assert not any(TOKEN in each.text or TOKEN in str(each.headers) for each in answers)
    assert TOKEN not in caplog.text
    assert TOKEN.encode() not in Path(settings.database_url.removeprefix("sqlite:///")).read_bytes()


# --------------------------------------------------------------------------------------
# The body


@pytest.mark.requirement("GEN-09", "STA-400")
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"text"', b"3", b"{'hook': 1}", b"hook=patient-view"])
def test_a_body_that_is_no_json_object_is_refused(client: FlaskClient, body: bytes) -> None:
    answer = client.post(url("patient-view"), data=body)
    assert answer.status_code == 400
    assert "not a JSON object" in answer.text


@pytest.mark.requirement("GEN-09", "STA-400")
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have_are_refused(client: FlaskClient, number: str) -> None:
    body = json.dumps(request() | {"odd": float(number)})
    assert number in body
    assert client.post(url("patient-view"), data=body).status_code == 400


@pytest.mark.requirement("GEN-09", "STA-400")
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_body_that_is_not_utf_8_is_refused(client: FlaskClient, encoding: str) -> None:
    body = json.dumps(request() | {"odd": "é"}, ensure_ascii=False).encode(encoding)
    assert client.post(url("patient-view"), data=body).status_code == 400


@pytest.mark.requirement("GEN-01", "GEN-10")
@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=ISO-8859-1",
        "application/fhir+json",
        "application/fhir+json; fhirVersion=4.0",
        "text/plain",
        "",
    ],
)
def test_json_is_read_under_any_json_media_type_or_none(client: FlaskClient, media_type: str) -> None:
    answer = client.post(url("patient-view"), data=json.dumps(request()), content_type=media_type)
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.get_json()["cards"]


@pytest.mark.requirement("STA-415")
@pytest.mark.parametrize("path", [url("patient-view"), f"{url('patient-view')}/feedback"])
@pytest.mark.parametrize(
    "media_type",
    ["text/html", "application/xml", "application/fhir+xml", "image/png", "multipart/form-data; boundary=x"],
)
def test_a_media_type_that_is_clearly_not_json_is_refused(client: FlaskClient, path: str, media_type: str) -> None:
    assert client.post(path, data=json.dumps(request()), content_type=media_type).status_code == 415


@pytest.mark.requirement("GEN-09", "STA-413")
@pytest.mark.parametrize("path", [url("patient-view"), f"{url('patient-view')}/feedback"])
def test_a_body_above_the_limit_is_refused(client: FlaskClient, settings: Settings, path: str) -> None:
    padded: Any = request() | {"odd": "x" * settings.max_body_bytes}
    assert client.post(path, json=padded).status_code == 413
