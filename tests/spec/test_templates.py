"""The prefetch templates that discovery publishes, held against the grammar of CDS Hooks 2.0.1."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

import pytest
from flask.testing import FlaskClient

from cds_service.knowledge import Knowledge
from cds_service.prefetch import RESOURCE_TYPES
from tests.spec.hook_requests import Json

USERS = {"userPractitionerId", "userPractitionerRoleId", "userPatientId", "userRelatedPersonId"}
TOKEN = re.compile(r"\{\{(.*?)\}\}")
FIELDS = {"context.userId", "context.patientId"}
"""What all three hooks require and allow as a token."""
SUBSET = {"patient", "category", "_count", "_sort"}
"""The parameters in use: a reference, a token, and two that control the result."""


@pytest.fixture
def services(client: FlaskClient) -> list[Json]:
    found: list[Json] = client.get("/cds-services").get_json()["services"]
    return found


@pytest.fixture
def templates(services: list[Json]) -> list[str]:
    return [template for service in services for template in service["prefetch"].values()]


@pytest.mark.requirement("TOK-01", "TOK-02", "TOK-08")
def test_braces_hold_a_context_field_or_a_user_and_nothing_else(templates: list[str]) -> None:
    for template in templates:
        assert TOKEN.search(template)
        assert all(re.fullmatch(r"context\.\w+", token) or token in USERS for token in TOKEN.findall(template))
        assert not re.search(r"[{}]", TOKEN.sub("", template))


@pytest.mark.requirement("TOK-03", "TOK-04")
def test_tokens_name_plain_fields_that_the_hook_requires(templates: list[str]) -> None:
    assert {token for template in templates for token in TOKEN.findall(template)} <= FIELDS | USERS


@pytest.mark.requirement("TOK-05")
def test_the_bare_patient_id_follows_its_type(templates: list[str]) -> None:
    for template in templates:
        assert "Patient/{{context.patientId}}" in template


@pytest.mark.requirement("TOK-06", "TOK-10", "TOK-11")
def test_searches_stay_in_the_small_subset_and_repeat_no_parameter(templates: list[str]) -> None:
    for template in templates:
        resource, _, query = template.partition("?")
        names = [name for name, _ in parse_qsl(query, strict_parsing=True)] if query else []
        assert resource.partition("/")[0] in RESOURCE_TYPES.values()
        assert set(names) <= SUBSET
        assert len(set(names)) == len(names)
        assert not re.search(r"\s", template)


@pytest.mark.requirement("TOK-07", "TOK-08")
def test_no_template_depends_on_another_and_their_order_is_kept(services: list[Json], knowledge: Knowledge) -> None:
    for service in services:
        assert list(service["prefetch"]) == list(knowledge.offering.prefetch)
        assert not any("%" in template for template in service["prefetch"].values())


@pytest.mark.requirement("TOK-09")
def test_keys_are_plain_identifiers(services: list[Json]) -> None:
    for service in services:
        assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", key) for key in service["prefetch"])


@pytest.mark.requirement("DIS-07", "SVC-01")
def test_every_key_asks_for_what_is_read_from_it(services: list[Json]) -> None:
    for service in services:
        for key, template in service["prefetch"].items():
            assert re.match(r"[A-Za-z]+", template)[0] == RESOURCE_TYPES[key]  # type: ignore[index]
