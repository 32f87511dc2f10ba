"""Public FHIR samples put to all three services: nothing fails, and no category is made up.

The samples stay outside the repository (licences and origins: the data folder's README); without them, or with
`CDS_TEST_DATA` pointing elsewhere, these tests are skipped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from cds_service.core.classify import State
from cds_service.pipeline import Answer, ServiceDesk
from cds_service.prefetch import RESOURCE_TYPES
from cds_service.synthetic import resources as fhir
from tests.case_charts import HOOK_INSTANCE, SERVICES, Asker, Json, aspirin, code_of
from tests.conftest import TODAY

Entry = tuple[str, Json]
"""A resource with its fullUrl, or an empty string."""


@pytest.fixture(scope="module")
def samples(shared_data: Path) -> Path:
    folder = shared_data / "fhir-samples"
    if not folder.is_dir():
        pytest.skip("the data folder holds no FHIR samples")
    return folder


@pytest.fixture(scope="module")
def ask(desk: ServiceDesk) -> Asker:
    return Asker(desk)


def loaded(path: Path) -> Json:
    content: Json = json.loads(path.read_text(encoding="utf-8"))
    return content


def measured_patients(folder: Path) -> Iterator[tuple[str, list[Entry]]]:
    """The patients of the quality measure, one folder each."""
    for patient in sorted(path for path in (folder / "cms125").iterdir() if path.is_dir()):
        yield patient.name, [("", loaded(path)) for path in sorted(patient.glob("*/*.json"))]


def synthetic_women(folder: Path) -> Iterator[tuple[str, list[Entry]]]:
    for path in sorted((folder / "synthea-women").glob("*.json")):
        yield path.stem, [(entry["fullUrl"], entry["resource"]) for entry in loaded(path)["entry"]]


def german_report(folder: Path) -> list[Entry]:
    """The report of the German core data set with its Observation and order, and a patient to go with them."""
    patient = {"resourceType": "Patient", "id": "PatExample", "gender": "female", "birthDate": "1965-04-02"}
    return [("", patient), *(("", loaded(path)) for path in sorted((folder / "mii-imaging").glob("*.json")))]


def bundle(entries: list[Entry]) -> Json:
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [
            {"fullUrl": url, "resource": resource} if url else {"resource": resource} for url, resource in entries
        ],
    }


def requests(entries: list[Entry], today: date) -> Iterator[Json]:
    """What an EHR with these resources sends at every hook: searched by key, and everything under every key."""
    patient = next(resource for _, resource in entries if resource["resourceType"] == "Patient")
    by_key = {
        key: bundle([entry for entry in entries if entry[1]["resourceType"] == kind])
        for key, kind in RESOURCE_TYPES.items()
    }
    everything = bundle(entries)
    for hook in SERVICES.values():
        for prefetch in (by_key, dict.fromkeys(RESOURCE_TYPES, everything)):
            context: Json = {"userId": "Practitioner/d", "patientId": patient["id"], "encounterId": "e"}
            if hook != "patient-view":
                context["draftOrders"] = bundle([("", draft) for draft in drafts(patient["id"], today)])
            if hook == "order-select":
                context["selections"] = ["ServiceRequest/draft-1"]
            yield {"hook": hook, "hookInstance": HOOK_INSTANCE, "context": context, "prefetch": prefetch}


def drafts(subject: str, today: date) -> list[Json]:
    kinds = ("screening-mammogram", "both"), ("stereotactic-biopsy", "left"), ("diagnostic-mammogram", None)
    return [
        *(
            fhir.service_request(
                f"draft-{n}", subject, today, code=code_of(kind, "unstated"), side=side, status="draft"
            )
            for n, (kind, side) in enumerate(kinds, 1)
        ),
        aspirin(today),
    ]


def stated(answer: Answer) -> list[str]:
    """Every category that somebody is said to have stated, or that was derived."""
    return [
        f"{study.reference}: {verdict.category}"
        for study, verdicts in zip(answer.record.studies, answer.record.verdicts, strict=True)
        for verdict in verdicts.values()
        if verdict.category is not None
    ]


def created(answer: Answer) -> list[Json]:
    return [
        action["resource"]
        for card in answer.cards
        for suggestion in card.get("suggestions", ())
        for action in suggestion["actions"]
        if action["type"] == "create"
    ]


DAYS = (TODAY, date(2021, 2, 1), date(2019, 12, 31))
"""Today, a fortnight after the studies of the quality measure, and before them."""


def test_the_patients_of_the_quality_measure_get_answers_and_no_category(samples: Path, ask: Asker) -> None:
    found = list(measured_patients(samples))
    assert len(found) == 20
    for name, entries in found:
        for today in DAYS:
            for asked in requests(entries, today):
                answer = ask(asked, today=today)
                assert stated(answer) == [], name
                assert created(answer) == [], name


def test_a_mammogram_of_the_quality_measure_without_a_category_is_to_be_read(samples: Path, ask: Asker) -> None:
    entries = dict(measured_patients(samples))["numer-EXM125-diagnosticReport"]
    asked = next(requests(entries, date(2021, 2, 1)))
    answer = ask({**asked, "hook": "patient-view"}, today=date(2021, 2, 1))
    assert [card["source"]["topic"]["code"] for card in answer.cards] == ["ReportNotRead"]


def test_synthetic_women_get_answers_and_no_category(samples: Path, ask: Asker) -> None:
    found = list(synthetic_women(samples))
    assert len(found) == 9
    for name, entries in found:
        for asked in requests(entries, TODAY):
            answer = ask(asked)
            assert stated(answer) == [], name
            assert created(answer) == [], name


def test_background_data_never_hides_a_new_finding(samples: Path, ask: Asker) -> None:
    """A 4B of the left breast is found among everything else that an EHR holds of a woman, or is left to its treatment
    where her cancer is known."""
    for name, entries in synthetic_women(samples):
        patient = next(resource for _, resource in entries if resource["resourceType"] == "Patient")
        finding = fhir.assessment("new", patient["id"], date(2026, 5, 20), "4B", "left")
        answer = ask(
            next(asked for asked in requests([*entries, ("", finding)], TODAY) if asked["hook"] == "patient-view")
        )
        decision = next(each for each in answer.decisions if each.situation.side.value == "left")
        assert decision.exclusion is not None or [card["indicator"] for card in answer.cards] == ["warning"], name


AFTER_THE_GERMAN_REPORT = date(2024, 8, 1)


def test_suspicious_calcifications_without_a_category_are_no_category_4(samples: Path, ask: Asker) -> None:
    for asked in requests(german_report(samples), AFTER_THE_GERMAN_REPORT):
        answer = ask(asked, today=AFTER_THE_GERMAN_REPORT)
        assert stated(answer) == []
        assert created(answer) == []
        verdicts = [verdict for said in answer.record.verdicts for verdict in said.values()]
        assert {verdict.state for verdict in verdicts} == {State.UNDECIDED}


def test_suspicious_calcifications_without_a_category_get_a_card_that_it_is_missing(samples: Path, ask: Asker) -> None:
    requested = (each for each in requests(german_report(samples), AFTER_THE_GERMAN_REPORT))
    asked = next(each for each in requested if each["hook"] == "patient-view")
    (card,) = ask(asked, today=AFTER_THE_GERMAN_REPORT).cards
    assert card["indicator"] == "info"
    assert "no BI-RADS assessment" in card["summary"]
    assert "suggestions" not in card
    assert "BI-RADS 4" not in card["summary"] + card["detail"]
