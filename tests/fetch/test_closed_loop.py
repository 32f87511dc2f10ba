"""A real FHIR R4 server as the EHR, in a process of its own, which grants tokens and holds the synthetic patients."""

from __future__ import annotations

import itertools
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient

from cds_service.pipeline import World
from cds_service.settings import Settings
from cds_service.synthetic import charts
from cds_service.synthetic import resources as fhir
from cds_service.web import create_app
from tests.conftest import PUBLIC_URL, TODAY
from tests.sekmet import fhir_server
from tests.services import PATIENCE_SECONDS
from tests.spec.hook_requests import INSTANCE, Json, advice, url, without

pytestmark = pytest.mark.slow

SECRET = "secret-of-the-tests"
_idents = (f"case-{number}" for number in itertools.count(1))


@dataclass(frozen=True, slots=True)
class Ehr:
    """The FHIR server, as an EHR with all rights uses it."""

    root: str

    @property
    def base(self) -> str:
        return f"{self.root}/fhir"

    def token(self, scope: str = "system/*.rs") -> str:
        granted = requests.post(
            f"{self.root}/auth/token",
            data={"grant_type": "client_credentials", "scope": scope},
            auth=("cds", SECRET),
            timeout=PATIENCE_SECONDS,
        )
        return str(granted.json()["access_token"])

    def put(self, resources: Iterable[Json]) -> None:
        """Stores resources under their ids, all or none."""
        entries = [
            {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
            for each in resources
        ]
        self._sent("", {"resourceType": "Bundle", "type": "transaction", "entry": entries}, 200)

    def create(self, resource: Json) -> Json:
        """Stores a resource under an id that the server chooses."""
        return self._sent(resource["resourceType"], without(resource, "id"), 201)

    def _sent(self, path: str, body: Json, expected: int) -> Json:
        answer = requests.post(
            f"{self.base}/{path}".rstrip("/"),
            json=body,
            headers={
                "Authorization": f"Bearer {self.token('system/*.cruds')}",
                "Content-Type": "application/fhir+json",
            },
            timeout=PATIENCE_SECONDS,
        )
        assert answer.status_code == expected, answer.text
        content: Json = answer.json()
        return content


@pytest.fixture(scope="module")
def ehr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ehr]:
    client = {"client_id": "cds", "client_secret": SECRET, "scopes": "system/*.cruds"}
    with fhir_server(tmp_path_factory.mktemp("ehr"), types=["smart"], smart_clients=[client]) as root:
        server = Ehr(root)
        for name in charts.names():
            server.put(charts.chart(name, TODAY).resources)
        yield server


@pytest.fixture(scope="module")
def app(ehr: Ehr, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    store = tmp_path_factory.mktemp("store") / "store.sqlite"
    settings = Settings(
        public_url=PUBLIC_URL,
        database_url=f"sqlite:///{store}",
        development=True,
        fhir_servers=(ehr.base,),
        fhir_budget_seconds=PATIENCE_SECONDS,
    )
    return create_app(settings, World(today=lambda: TODAY))


Ask = Callable[..., Any]


@pytest.fixture
def ask(client: FlaskClient, ehr: Ehr) -> Ask:
    """Fires a hook of a patient with nothing prefetched; gives the answer."""

    def asked(patient: str, scope: str = "system/*.rs", hook: str = "patient-view", **members: Any) -> Any:
        context = {"userId": charts.USER, "patientId": patient, "encounterId": charts.ENCOUNTER} | members
        token = {"access_token": ehr.token(scope), "token_type": "Bearer", "expires_in": 300, "scope": scope}
        content = {
            "hook": hook,
            "hookInstance": INSTANCE,
            "fhirServer": ehr.base,
            "fhirAuthorization": token | {"subject": "cds"},
            "context": context,
        }
        return client.post(url(hook), json=content)

    return asked


def cards(answer: Any) -> list[Json]:
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.get_json()["cards"]
    return found


def woman(ident: str) -> Json:
    return fhir.patient(ident, family="Loop", given="Lena", born=charts.ago(TODAY, "58y"))


def mammogram(ident: str, category: str, **elements: Any) -> list[Json]:
    """A mammogram of the week before last, with the category of the left breast."""
    day = charts.ago(TODAY, "10d")
    seen = fhir.assessment(f"{ident}-a", ident, day, category, "left")
    code = charts.STUDY_CODES["diagnostic"]
    return [fhir.report(f"{ident}-r", ident, day, code=code, results=[seen["id"]]) | elements, seen]


def pathology(ident: str, result: str) -> Json:
    concept = fhir.concept(fhir.SCT, charts.PATHOLOGY_CODES[result], result.capitalize())
    return fhir.report(
        f"{ident}-p",
        ident,
        charts.ago(TODAY, "1d"),
        code=charts.STUDY_CODES["pathology"],
        conclusion="Left breast, core needle biopsy.",
        conclusion_codes=[concept],
        section="SP",
    )


# --------------------------------------------------------------------------------------


@pytest.mark.requirement("SVC-01", "SVC-06")
def test_the_loop_closes(ehr: Ehr, ask: Ask) -> None:
    ident = next(_idents)
    ehr.put([woman(ident)])
    assert cards(ask(ident)) == []

    ehr.put(mammogram(ident, "4C"))
    (card,) = cards(ask(ident))
    assert card["summary"] == "BI-RADS 4C (suspicious), left breast, 2026-05-22: biopsy not yet ordered."
    assert "Not checked" not in card["detail"]

    (action,) = card["suggestions"][0]["actions"]
    order = ehr.create(action["resource"])
    assert order["subject"] == {"reference": f"Patient/{ident}"}
    assert cards(ask(ident)) == []

    ehr.put([order | {"status": "completed"}, pathology(ident, "benign")])
    (card,) = cards(ask(ident))
    assert card["indicator"] == "warning"
    assert "benign" in card["summary"].lower()


def test_a_malignant_result_ends_the_loop(ehr: Ehr, ask: Ask) -> None:
    ident = next(_idents)
    ehr.put([woman(ident), *mammogram(ident, "5"), pathology(ident, "malignant")])
    assert cards(ask(ident)) == []


@pytest.mark.parametrize("which", range(2), ids=["core needle", "surgical"])
def test_every_suggested_order_is_accepted_and_silences_the_card(ehr: Ehr, ask: Ask, which: int) -> None:
    ident = next(_idents)
    ehr.put([woman(ident), *mammogram(ident, "5")])
    (card,) = cards(ask(ident))
    for action in card["suggestions"][which]["actions"]:
        ehr.create(action["resource"])
    assert cards(ask(ident)) == []


@pytest.mark.requirement("SVC-01")
@pytest.mark.parametrize("name", charts.names())
@pytest.mark.parametrize("hook", ["patient-view", "order-select"])
def test_what_is_fetched_gives_the_same_cards_as_what_is_sent(
    client: FlaskClient, ask: Ask, name: str, hook: str
) -> None:
    chart = charts.chart(name, TODAY)
    draft = charts.screening_draft(chart.patient["id"], TODAY)
    sent = charts.hook_request(
        chart.resources, hook, hook_instance=INSTANCE, drafts=[draft], selections=[f"ServiceRequest/{draft['id']}"]
    )
    orders = {name: sent["context"][name] for name in ("draftOrders", "selections") if name in sent["context"]}
    fetched = ask(chart.patient["id"], hook=hook, **orders)
    assert advice(cards(fetched)) == advice(cards(client.post(url(hook), json=sent)))


# --------------------------------------------------------------------------------------
# Tokens


@pytest.mark.requirement("SVC-04", "STA-412")
@pytest.mark.parametrize("scope", ["system/Patient.rs", "system/Procedure.rs system/Condition.rs"])
def test_a_token_for_too_little_is_412(ask: Ask, scope: str) -> None:
    answer = ask("sim-open-4b", scope)
    assert answer.status_code == 412
    assert [each["diagnostics"] for each in answer.get_json()["issue"]] == [
        "reports: the access token does not allow it (403).",
        "observations: the access token does not allow it (403).",
    ]


@pytest.mark.parametrize("grammar", ["rs", "read"], ids=["SMART 2", "SMART 1"])
def test_what_a_token_does_not_cover_is_named_on_the_card(ask: Ask, grammar: str) -> None:
    scope = " ".join(f"system/{kind}.{grammar}" for kind in ("Patient", "DiagnosticReport", "Observation"))
    (card,) = cards(ask("sim-open-4b", scope))
    lines = card["detail"].splitlines()
    gaps = [f"{key} (could not be fetched)" for key in ("orders", "procedures", "conditions")]
    assert f"**Not checked:** {'; '.join(gaps)}." in lines
    assert "not yet ordered" not in card["summary"]


def test_a_token_that_the_server_does_not_know_is_412(client: FlaskClient, ehr: Ehr) -> None:
    content = {
        "hook": "patient-view",
        "hookInstance": INSTANCE,
        "fhirServer": ehr.base,
        "fhirAuthorization": {"access_token": "stale"},
        "context": {"userId": charts.USER, "patientId": "sim-open-4b"},
    }
    answer = client.post(url("patient-view"), json=content)
    assert answer.status_code == 412
    assert "does not accept the access token (401)" in answer.text


def test_a_patient_whom_the_server_does_not_know_is_named(ehr: Ehr, ask: Ask) -> None:
    ident = next(_idents)
    ehr.put(mammogram(ident, "4B"))
    (card,) = cards(ask(ident))
    assert "**Not checked:** patient (could not be fetched)." in card["detail"].splitlines()


# --------------------------------------------------------------------------------------
# Pages and attachments


@pytest.mark.requirement("SVC-15")
def test_an_order_on_the_second_page_is_found(ehr: Ehr, ask: Ask) -> None:
    ident = next(_idents)
    ehr.put([woman(ident), *mammogram(ident, "4B")])
    aspirin = fhir.concept("http://www.nlm.nih.gov/research/umls/rxnorm", "243670", "Aspirin 81 MG")
    others = [fhir.service_request(f"{ident}-{n}", ident, TODAY, code=aspirin) for n in range(203)]
    ehr.put(others)
    assert len(cards(ask(ident))) == 1
    biopsy = fhir.concept(fhir.SCT, "116334007")
    ehr.put([fhir.service_request(f"{ident}-biopsy", ident, TODAY, code=biopsy, side="left")])
    assert cards(ask(ident)) == []


def test_a_report_in_a_binary_of_the_server_is_read(ehr: Ehr, ask: Ask) -> None:
    ident = next(_idents)
    words = b64encode(b"IMPRESSION: Left breast: BI-RADS 5, highly suggestive of malignancy.").decode()
    binary = {"resourceType": "Binary", "id": f"{ident}-b", "contentType": "text/plain", "data": words}
    form = {"contentType": "text/plain", "url": f"Binary/{ident}-b"}
    report = fhir.report(
        f"{ident}-r",
        ident,
        charts.ago(TODAY, "10d"),
        code=charts.STUDY_CODES["diagnostic"],
        presented_form=[form],
    )
    ehr.put([woman(ident), binary, report])
    (card,) = cards(ask(ident))
    assert card["summary"].startswith("BI-RADS 5")
    (unread,) = cards(ask(ident, "system/Patient.rs system/DiagnosticReport.rs system/Observation.rs"))
    assert unread["source"]["topic"]["code"] == "ReportNotRead"
