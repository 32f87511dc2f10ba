"""A patient's record put together resource by resource, and what the service makes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, TypeAlias

from cds_service.pipeline import Answer
from cds_service.synthetic import resources as fhir

Json: TypeAlias = dict[str, Any]
AskWith: TypeAlias = Callable[..., Answer]
"""Opens the chart of a patient with the resources given; see the fixture `ask_with`."""

SUBJECT, DAY = "case", date(2026, 5, 20)
SCT, LOINC, CDE, DCM, ICD = fhir.SCT, fhir.LOINC, fhir.RADLEX_CDE, fhir.DCM, fhir.ICD
DIAGNOSTIC = (LOINC, "26346-7", "MG Breast - bilateral Diagnostic")
CATEGORY_5 = fhir.concept(SCT, "397145000")
BIOPSY = fhir.concept(SCT, "116334007")
CANCER = fhir.concept(SCT, "254837009", "Malignant neoplasm of breast")
MALIGNANT = fhir.concept(SCT, "21594007", "Malignant")


def report(ident: str = "r", **changes: Any) -> Json:
    """A final diagnostic mammogram without an assessment; None takes a member away."""
    found = fhir.report(ident, SUBJECT, DAY, code=DIAGNOSTIC)
    return {key: value for key, value in (found | changes).items() if value is not None}


def category(value: str, side: str = "left", **changes: Any) -> Json:
    """An Observation with the category of one breast."""
    found = fhir.assessment(f"o-{side}", SUBJECT, DAY, value, side) | changes
    return {key: value for key, value in found.items() if value is not None}


def observation(ident: str = "o", **members: Any) -> Json:
    """An Observation of the study's day, as bare as can be."""
    return {
        "resourceType": "Observation",
        "id": ident,
        "status": "final",
        "code": {"text": "Assessment"},
        "subject": {"reference": "Patient/case"},
        "effectiveDateTime": DAY.isoformat(),
    } | members


def results(*idents: str) -> list[Json]:
    return [{"reference": f"Observation/{ident}"} for ident in idents]


def component(question: str, answer: str, system: str = CDE) -> Json:
    return {"code": fhir.concept(CDE, question), "valueCodeableConcept": fhir.concept(system, answer)}


def read(answer: Answer) -> set[tuple[str, str]]:
    """The category that the studies state for each side, as `("left", "4B")`."""
    return {
        (side.value, verdict.category.value)
        for verdicts in answer.record.verdicts
        for side, verdict in verdicts.items()
        if verdict.category is not None
    }


def topics(answer: Answer) -> list[str]:
    """The rows that the cards speak of."""
    return [card["source"]["topic"]["code"] for card in answer.cards]


def orders(answer: Answer) -> list[Json]:
    return [
        action["resource"]
        for card in answer.cards
        for suggestion in card.get("suggestions", ())
        for action in suggestion["actions"]
    ]


def left_out(answer: Answer) -> str:
    """What the cards say that was not used."""
    return "\n".join(line for card in answer.cards for line in card["detail"].splitlines() if "Left out" in line)


def qualified(*codes: str, **members: Any) -> Json:
    """A body site of several SNOMED CT codes."""
    return {"coding": [{"system": SCT, "code": code} for code in codes]} | members


def lateral(**value: Any) -> Json:
    """A laterality extension."""
    return {"url": "http://hl7.org/fhir/us/breast-radiology/StructureDefinition/BreastLateralityExtension"} | value


def body_structure(*location: str, qualifier: str | None = None) -> Json:
    """A BodyStructure with the id `site`."""
    found: Json = {"resourceType": "BodyStructure", "id": "site", "location": qualified(*location)}
    return found | ({"locationQualifier": [qualified(qualifier)]} if qualifier else {})


def pathology(title: str, code: Json = MALIGNANT, **changes: Any) -> Json:
    """A pathology report, a week after the study."""
    found = fhir.report("path", SUBJECT, date(2026, 5, 27), code=(LOINC, "22637-3", title), section="SP")
    return found | {"conclusionCode": [code]} | changes


def procedure(**changes: Any) -> Json:
    """A biopsy of the left breast, done after the study."""
    return fhir.procedure("x", SUBJECT, date(2026, 5, 25), code=BIOPSY, side="left") | changes


def order(**changes: Any) -> Json:
    """A biopsy of the left breast, ordered after the study."""
    return fhir.service_request("sr", SUBJECT, date(2026, 5, 25), code=BIOPSY, side="left") | changes


def problem(code: Json, **changes: Any) -> Json:
    """An active, confirmed condition of the left breast."""
    return fhir.condition("k", SUBJECT, date(2020, 1, 1), code=code, side="left") | changes
