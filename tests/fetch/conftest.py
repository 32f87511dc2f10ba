"""A service whose calls come without prefetch, and the FHIR server that it has to ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from cds_service.fhir_client import FhirAccess, FhirClient, Limits
from cds_service.knowledge import Knowledge
from cds_service.pipeline import Answer, Options, ServiceDesk, World
from tests.conftest import PUBLIC_URL
from tests.fetch.lying_server import Json, LyingServer
from tests.spec.hook_requests import INSTANCE, PATIENT, SERVICES, patient, study

TOKEN = "token-of-this-call"
PATIENCE = 30.0
"""Seconds: a budget that a test machine under load does not use up."""
Fetch = Callable[..., Answer]
"""Answers a call whose data has to be fetched; see the fixture `fetch`."""


def asking(server: str, token: str | None = TOKEN, prefetch: Json | None = None, hook: str = "patient-view") -> Json:
    """A request that names a FHIR server, by default without any prefetch."""
    authorization = {"access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": "x", "subject": "cds"}
    content: Json = {
        "hook": hook,
        "hookInstance": INSTANCE,
        "fhirServer": server,
        "fhirAuthorization": authorization if token is not None else None,
        "context": {"userId": "Practitioner/dr-okafor", "patientId": PATIENT},
        "prefetch": prefetch or {},
    }
    return content if token is not None else {name: each for name, each in content.items() if "Auth" not in name}


@pytest.fixture
def ehr() -> Iterator[LyingServer]:
    """The FHIR server of an EHR: a patient with an open 4B on the left."""
    with LyingServer([patient(), *study("4B")]) as server:
        yield server


@pytest.fixture
def fetch(knowledge: Knowledge, world: World, ehr: LyingServer) -> Iterator[Fetch]:
    clients: list[FhirClient] = []

    def answer(
        request: Json | None = None,
        *,
        budget: float = PATIENCE,
        limits: Limits | None = None,
        ca_file: Path | None = None,
        **access: Any,
    ) -> Answer:
        asked = asking(ehr.base) if request is None else request
        clients.append(FhirClient(budget_seconds=budget, limits=limits, ca_file=ca_file))
        desk = ServiceDesk(knowledge, clients[-1])
        allowed = replace(FhirAccess(servers=(ehr.base,), allow_http=True), **access)
        options = Options(protocol="brochure-calcification", public_url=PUBLIC_URL, fhir=allowed)
        service = SERVICES[asked["hook"]]
        return desk.answer(service, desk.request(service, orjson.dumps(asked)), options, world)

    yield answer
    for client in clients:
        client.session.close()


def outcomes(answer: Answer) -> dict[str, str]:
    """How the fetch of each key ended."""
    return {each.key: each.outcome.value for each in answer.fetches}


def not_checked(answer: Answer) -> str:
    """The line of the one card that says what was not checked."""
    (card,) = answer.cards
    return next((line for line in card["detail"].splitlines() if line.startswith("**Not checked:**")), "")
