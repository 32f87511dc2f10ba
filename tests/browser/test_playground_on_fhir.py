"""The playground with a real FHIR server behind it: the patient is put there, and the service fetches from there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from cds_service.settings import Settings, SettingsError
from tests.browser.conftest import Opener
from tests.browser.service import serving
from tests.browser.test_playground import topics, wait_for_answer
from tests.sekmet import fhir_server
from tests.services import PATIENCE_SECONDS, free_port

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fhir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base address of a FHIR server that is open to everybody."""
    with fhir_server(tmp_path_factory.mktemp("fhir")) as root:
        yield f"{root}/fhir"


@pytest.fixture(scope="module")
def on_fhir(browser: Browser, fhir: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service whose playground uses that server."""
    settings = {"CDS_PLAYGROUND_FHIR_SERVER": fhir, "CDS_FHIR_BUDGET_SECONDS": str(PATIENCE_SECONDS)}
    with serving(tmp_path_factory.mktemp("on-fhir"), **settings) as address:
        yield address


def request(page: Page) -> dict[str, Any]:
    """The request that the page shows as it went over the wire."""
    content: dict[str, Any] = json.loads(page.locator("#request").inner_text())
    return content


def orders(fhir: str, patient: str) -> list[tuple[str, str]]:
    """Status and display of the patient's orders on the server."""
    found = requests.get(f"{fhir}/ServiceRequest?patient=Patient/{patient}", timeout=PATIENCE_SECONDS).json()
    resources = [entry["resource"] for entry in found.get("entry", ())]
    return [(each["status"], each["code"]["coding"][0]["display"]) for each in resources]


@pytest.mark.requirement("SVC-01")
def test_an_accepted_order_is_on_the_server_and_the_next_hook_sees_it(opened: Opener, on_fhir: str, fhir: str) -> None:
    page = opened("/playground/01-open-4b", at=on_fhir)
    wait_for_answer(page, "patient-view")
    assert topics(page) == ["Category4"]
    patient = request(page)["context"]["patientId"]
    assert requests.get(f"{fhir}/Patient/{patient}", timeout=PATIENCE_SECONDS).ok

    page.get_by_role("button", name="Select order").click()
    wait_for_answer(page, "order-select")
    asked = request(page)
    assert (asked["fhirServer"], "prefetch" in asked) == (fhir, False)
    assert orders(fhir, patient) == []
    page.get_by_role("button", name="Replace the screening mammogram: order stereotactic").click()
    expect(page.locator("#cards .settled")).to_contain_text("Accepted")
    expect(page.locator("#feedback-words")).to_contain_text("taken")
    assert [status for status, _ in orders(fhir, patient)] == ["draft"]

    page.get_by_role("button", name="Open the chart again").click()
    wait_for_answer(page, "patient-view")
    expect(page.get_by_text("There is nothing to do")).to_be_visible()
    assert topics(page) == []

    page.get_by_role("button", name="Sign orders").click()
    expect(page.locator("#status")).to_contain_text("Signed: Stereotactic core needle biopsy")
    assert [status for status, _ in orders(fhir, patient)] == ["active"]


def test_an_order_that_is_removed_leaves_the_server_and_the_card_is_back(
    opened: Opener, on_fhir: str, fhir: str
) -> None:
    page = opened("/playground/01-open-4b", at=on_fhir)
    patient = request(page)["context"]["patientId"]
    page.locator("#cards .suggestions button").first.click()
    expect(page.locator("#feedback-words")).to_contain_text("taken")
    assert len(orders(fhir, patient)) == 1
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("#drafts li")).to_have_count(0)
    expect(page.locator(".timeline .scroll .mark.draft")).to_have_count(0)
    assert orders(fhir, patient) == []
    page.get_by_role("button", name="Open the chart again").click()
    expect(page.locator("#cards .suggestions button").first).to_be_visible()


def test_visits_do_not_mix(opened: Opener, on_fhir: str) -> None:
    first, second = (opened("/playground/01-open-4b", at=on_fhir) for _ in range(2))
    first.locator("#cards .suggestions button").first.click()
    expect(first.locator("#feedback-words")).to_contain_text("taken")
    second.get_by_role("button", name="Select order").click()
    wait_for_answer(second, "order-select")
    assert topics(second) == ["Category4"]
    assert request(first)["context"]["patientId"] != request(second)["context"]["patientId"]


def test_what_was_not_made_in_the_visit_is_not_put_on_the_server(on_fhir: str) -> None:
    base, visit = f"{on_fhir}/playground/01-open-4b", "0123abcd"
    stranger = {"resourceType": "ServiceRequest", "id": f"draft-{visit}-1", "subject": {"reference": "Patient/1"}}
    for content, words in [
        ({"orders": [stranger]}, "for the patient of this visit"),
        ({"orders": [{"resourceType": "Patient", "id": "1"}]}, "made in this visit"),
        ({"gone": ["ServiceRequest/1"]}, "made in this visit"),
    ]:
        answer = requests.post(f"{base}/record?visit={visit}", json=content, timeout=PATIENCE_SECONDS)
        assert answer.status_code == 400
        assert words in answer.text
    assert requests.post(f"{base}/visit?visit=../1", json={}, timeout=PATIENCE_SECONDS).status_code == 400
    assert requests.post(f"{base}/visit?visit={visit}", data="{}", timeout=PATIENCE_SECONDS).status_code == 415


def test_a_server_that_cannot_be_reached_is_named_on_the_page(opened: Opener, browser: Browser, state: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/fhir"
    with serving(state, CDS_PLAYGROUND_FHIR_SERVER=nobody) as address:
        page = opened("/playground/01-open-4b", at=address, may_be_refused=True)
        expect(page.locator("#status")).to_have_text("The FHIR server of the playground cannot be reached.")
        expect(page.locator("#cards article, #cards .quiet")).to_have_count(0)
        page.get_by_role("button", name="Select order").click()
        expect(page.locator("#desk")).not_to_have_attribute("aria-busy", "true")
        expect(page.locator("#status")).to_have_text("The FHIR server of the playground cannot be reached.")
        expect(page.locator("#cards article, #cards .quiet")).to_have_count(0)


def test_a_server_that_fails_later_leaves_no_old_answer_on_the_page(
    opened: Opener, browser: Browser, state: Path
) -> None:
    (state / "fhir").mkdir()
    with ExitStack() as service:
        with fhir_server(state / "fhir") as root:
            settings = {"CDS_PLAYGROUND_FHIR_SERVER": f"{root}/fhir", "CDS_FHIR_BUDGET_SECONDS": str(PATIENCE_SECONDS)}
            address = service.enter_context(serving(state, **settings))
            page = opened("/playground/12-all-quiet", at=address, may_be_refused=True)
            expect(page.get_by_text("There is nothing to do")).to_be_visible()
        page.get_by_role("button", name="Open the chart again").click()
        expect(page.locator("#status")).to_contain_text("reports: the FHIR server cannot be reached.")
        expect(page.locator("#cards")).to_be_empty()


@pytest.mark.parametrize(
    ("server", "development", "is_taken"),
    [
        ("https://fhir.example.org/r4", "false", True),
        ("http://127.0.0.1:8090/fhir", "true", True),
        ("http://127.0.0.1:8090/fhir", "false", False),
        ("http://fhir.example.org/r4", "true", False),
        ("https://user@fhir.example.org/r4", "true", False),
        ("https://fhir.example.org/r4?tenant=1", "true", False),
    ],
)
def test_the_server_has_to_be_named_by_a_safe_base_address(server: str, development: str, is_taken: bool) -> None:
    environ = {"CDS_PLAYGROUND_FHIR_SERVER": server, "CDS_DEVELOPMENT": development}
    if is_taken:
        assert Settings.from_environ(environ).playground_fhir_server == server
    else:
        with pytest.raises(SettingsError, match="CDS_PLAYGROUND_FHIR_SERVER: has to be a base address with https"):
            Settings.from_environ(environ)
