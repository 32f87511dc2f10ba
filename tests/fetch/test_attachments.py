"""Reports that only point to their words: what is fetched of them, and what is not."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from cds_service.fhir_client import Limits
from cds_service.synthetic import charts
from cds_service.synthetic import resources as fhir
from tests.conftest import TODAY
from tests.fetch.conftest import Fetch, asking, outcomes
from tests.fetch.lying_server import Answer, Json, LyingServer, answered, failure, hanging, searchset, sent, status
from tests.spec.hook_requests import PATIENT, patient

WORDS = b"IMPRESSION: Left breast: BI-RADS 4B, suspicious."


def pointing(url: str = "Binary/b1", *, ident: str = "r1", days_ago: int = 18, **elements: Any) -> Json:
    """A final mammogram report whose words are elsewhere."""
    day = charts.ago(TODAY, f"{days_ago}d")
    form = {"contentType": "text/plain", "url": url}
    code = charts.STUDY_CODES["diagnostic"]
    return fhir.report(ident, PATIENT, day, code=code, presented_form=[form]) | elements


def binary(data: bytes = WORDS, kind: str = "text/plain") -> Json:
    return {"resourceType": "Binary", "id": "b1", "contentType": kind, "data": b64encode(data).decode()}


def attachments(answer: Any) -> list[str]:
    return [each.outcome.value for each in answer.fetches if each.key == "attachment"]


def asked_for(ehr: LyingServer) -> list[str]:
    return [each for each in ehr.asked if "Binary" in each]


@pytest.mark.parametrize(
    "document",
    [
        answered(binary()),
        sent(WORDS, kind="text/plain; charset=utf-8"),
        sent(WORDS, kind="application/octet-stream"),
        sent(b"<html><body><p>Left breast: BI-RADS 4B</p></body></html>", kind="text/html"),
        answered(binary(b"{\\rtf1 Left breast: BI-RADS 4B\\par}", "application/rtf")),
    ],
    ids=["a Binary", "plain text", "of no type", "HTML", "RTF in a Binary"],
)
@pytest.mark.parametrize("place", ["Binary/b1", "{base}/Binary/b1"], ids=["relative", "absolute"])
def test_the_words_of_a_report_are_fetched_from_where_it_points_to(
    fetch: Fetch, ehr: LyingServer, document: Answer, place: str
) -> None:
    ehr.resources = [patient(), pointing(place.format(base=ehr.base))]
    ehr.lies["Binary"] = document
    answer = fetch()
    (card,) = answer.cards
    assert card["summary"] == "BI-RADS 4B (suspicious), left breast, 2026-05-14: biopsy not yet ordered."
    assert "Left out" not in card["detail"]
    assert attachments(answer) == ["fetched"]


@pytest.mark.parametrize(
    ("lie", "outcome"),
    [
        (status(401), "401"),
        (status(404), "404"),
        (answered(failure()), "operation-outcome"),
        (answered(patient()), "wrong-resource"),
        (answered({"resourceType": "Binary"}), "empty"),
        (sent(b"", kind="text/plain"), "empty"),
        (sent(b"x" * 5_000_000, kind="text/plain"), "too-large"),
        (sent(b"{", kind="application/fhir+json"), "not-json"),
    ],
    ids=["401", "404", "an OperationOutcome", "another resource", "no data", "nothing", "too large", "not JSON"],
)
def test_an_attachment_that_cannot_be_fetched_is_never_silence(
    fetch: Fetch, ehr: LyingServer, lie: Answer, outcome: str
) -> None:
    ehr.resources = [patient(), pointing()]
    ehr.lies["Binary"] = lie
    answer = fetch()
    (card,) = answer.cards
    assert card["source"]["topic"]["code"] == "ReportNotRead"
    assert "DiagnosticReport/r1.presentedForm not received" in card["detail"]
    assert attachments(answer) == [outcome]


def test_an_attachment_that_comes_too_late_is_never_silence(fetch: Fetch, ehr: LyingServer) -> None:
    ehr.resources = [patient(), pointing()]
    ehr.lies["Binary"] = hanging
    answer = fetch(budget=2.0)
    assert [card["source"]["topic"]["code"] for card in answer.cards] == ["ReportNotRead"]
    assert attachments(answer) == ["timed-out"]


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/b",
        "//evil.example/b",
        "/admin/b",
        "../b",
        "http://u@127.0.0.1/fhir/b",
        "file:///etc/passwd",
    ],
)
def test_an_attachment_elsewhere_is_not_fetched(fetch: Fetch, ehr: LyingServer, target: str) -> None:
    ehr.resources = [patient(), pointing(target)]
    answer = fetch()
    assert attachments(answer) == ["outside"]
    assert len(ehr.exchanges) == 6


@pytest.mark.parametrize(
    "report",
    [
        pointing(conclusion="Left breast: BI-RADS 4B."),
        pointing(conclusionCode=[fhir.concept(fhir.SCT, fhir.CATEGORY_CODES["4B"])]),
        pointing(status="preliminary"),
        pointing(code=fhir.concept(fhir.LOINC, "24627-2", "CT Chest")),
    ],
    ids=["words inline", "a category coded", "preliminary", "another organ"],
)
def test_an_attachment_that_nobody_needs_is_not_fetched(fetch: Fetch, ehr: LyingServer, report: Json) -> None:
    ehr.resources = [patient(), report]
    assert attachments(fetch()) == []
    assert asked_for(ehr) == []


def test_a_report_that_was_sent_is_completed_too(fetch: Fetch, ehr: LyingServer) -> None:
    ehr.resources = [patient()]
    ehr.lies["Binary"] = answered(binary())
    prefetch = {"reports": searchset(pointing()), "observations": searchset()}
    assert "4B" in fetch(asking(ehr.base, prefetch=prefetch)).cards[0]["summary"]


def test_two_reports_that_point_to_one_document_fetch_it_once(fetch: Fetch, ehr: LyingServer) -> None:
    ehr.resources = [patient(), pointing(), pointing(f"{ehr.base}/Binary/b1", ident="r2", days_ago=400)]
    ehr.lies["Binary"] = answered(binary())
    answer = fetch()
    assert asked_for(ehr) == ["Binary/b1"]
    assert len(answer.record.studies) == 2
    assert all(study.assessments for study in answer.record.studies)


def test_of_many_attachments_those_of_the_newest_reports_are_fetched(fetch: Fetch, ehr: LyingServer) -> None:
    ehr.resources = [patient(), *[pointing(f"Binary/b{n}", ident=f"r{n}", days_ago=30 * n) for n in range(1, 5)]]
    ehr.lies["Binary"] = answered(binary())
    answer = fetch(limits=Limits(attachments=2))
    assert sorted(asked_for(ehr)) == ["Binary/b1", "Binary/b2"]
    assert sorted(attachments(answer)) == ["fetched", "fetched", "too-many", "too-many"]
    assert outcomes(answer)["reports"] == "fetched"
