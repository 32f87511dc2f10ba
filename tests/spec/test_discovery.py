"""Discovery: what is offered, and how it is reached."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from cds_service.knowledge import Knowledge
from cds_service.web.api import discovery
from tests.spec.hook_requests import HOOKS, SERVICES, Json, empties, url

TEXTS = ("hook", "id", "description", "title")


@pytest.fixture
def services(client: FlaskClient) -> list[Json]:
    found: list[Json] = client.get("/cds-services").get_json()["services"]
    return found


@pytest.mark.requirement("DIS-01", "DIS-02", "DIS-03", "GEN-01", "STA-200")
def test_discovery_is_a_json_object_with_an_array_of_services(client: FlaskClient) -> None:
    answer = client.get("/cds-services")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert list(answer.get_json()) == ["services"]
    assert {each["id"] for each in answer.get_json()["services"]} == set(SERVICES.values())


@pytest.mark.requirement("DIS-04", "GEN-03")
def test_a_desk_without_services_offers_an_empty_array(knowledge: Knowledge) -> None:
    assert discovery(replace(knowledge.offering, services={})) == {"services": []}


@pytest.mark.requirement("DIS-05", "DIS-06")
def test_every_service_says_what_it_is(services: list[Json]) -> None:
    for service in services:
        assert all(isinstance(service[name], str) and service[name].strip() for name in TEXTS)
        assert "name" not in service


@pytest.mark.requirement("DIS-07")
def test_prefetch_maps_keys_to_templates(services: list[Json]) -> None:
    for service in services:
        assert service["prefetch"]
        assert all(isinstance(template, str) and template for template in service["prefetch"].values())


@pytest.mark.requirement("DIS-08", "GEN-03")
def test_usage_requirements_are_text_or_left_out(services: list[Json]) -> None:
    stated = [service["usageRequirements"] for service in services if "usageRequirements" in service]
    assert 0 < len(stated) < len(services)
    assert all(isinstance(each, str) and each for each in stated)


@pytest.mark.requirement("DIS-09", "DIS-10")
def test_the_versions_of_specification_and_hook_are_stated(services: list[Json]) -> None:
    for service in services:
        assert re.fullmatch(r"\d+\.\d+\.\d+", service["version"])
        assert service["hookVersion"] == "1.0"


@pytest.mark.requirement("DIS-11", "DIS-13")
def test_ids_are_unique_and_need_no_escaping(services: list[Json]) -> None:
    ids = [service["id"] for service in services]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9._~-]+", each) for each in ids)


@pytest.mark.requirement("DIS-12")
def test_every_service_is_reached_at_its_id(client: FlaskClient, services: list[Json]) -> None:
    for service in services:
        assert client.post(f"/cds-services/{service['id']}", json={}).status_code == 400


@pytest.mark.requirement("GEN-03", "GEN-05")
def test_discovery_holds_no_empty_member(client: FlaskClient) -> None:
    assert list(empties(client.get("/cds-services").get_json())) == []


@pytest.mark.requirement("DIS-15")
def test_head_answers_as_get_without_the_body(client: FlaskClient) -> None:
    answer, whole = client.head("/cds-services"), client.get("/cds-services")
    assert (answer.status_code, answer.data) == (200, b"")
    assert {"X-Request-Id", *answer.headers.keys()} == {"X-Request-Id", *whole.headers.keys()}
    assert [value for name, value in answer.headers if name != "X-Request-Id"] == [
        value for name, value in whole.headers if name != "X-Request-Id"
    ]


@pytest.mark.requirement("DIS-15", "STA-204")
@pytest.mark.parametrize("path", ["/cds-services", url("order-sign"), f"{url('order-sign')}/feedback"])
def test_options_works_everywhere(client: FlaskClient, path: str) -> None:
    assert client.options(path).status_code in (200, 204)


@pytest.mark.requirement("DIS-15")
def test_a_trailing_slash_is_answered_and_not_redirected(client: FlaskClient) -> None:
    assert client.get("/cds-services/").data == client.get("/cds-services").data
    for hook in HOOKS:
        assert client.post(f"{url(hook)}/", json={}).status_code == 400
        assert client.post(f"{url(hook)}/feedback/", json={"feedback": []}).status_code == 200


@pytest.mark.xfail(reason="bug: a double slash, as the reference client makes it, is redirected in HTML", strict=True)
@pytest.mark.requirement("DIS-15", "GEN-10")
@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_a_double_slash_is_not_redirected(client: FlaskClient, method: str) -> None:
    answer = client.open("/cds-services//breast-imaging-patient-view", method=method, json={})
    assert answer.status_code in (200, 400, 404)


@pytest.mark.requirement("GEN-13")
def test_a_page_for_people_describes_every_service(client: FlaskClient, services: list[Json]) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert all(service[name] in html.unescape(page.text) for service in services for name in ("id", "description"))
