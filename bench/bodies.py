"""The hook requests that are measured: as large, and as full of what nobody reads, as EHRs send them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import date, timedelta

import orjson

from cds_service.fhir_elements import Json
from cds_service.synthetic import charts
from cds_service.synthetic import resources as fhir

PATIENT = "bench-1"
REPORT = """BILATERAL DIAGNOSTIC MAMMOGRAM WITH TOMOSYNTHESIS

CLINICAL HISTORY: 57-year-old woman, recalled from screening for calcifications of the left breast. Her mother had
breast cancer at the age of 61. There is no palpable lump, no nipple discharge and no skin change. She has never had
surgery of the breasts and takes no hormones.

COMPARISON: Mammograms of March 2024, February 2022 and January 2020, all made at this centre.

TECHNIQUE: Digital craniocaudal and mediolateral oblique views of both breasts with tomosynthesis. Spot magnification
views of the left breast in the craniocaudal and true lateral projections. The images were reviewed with computer-aided
detection.

FINDINGS: The breasts are heterogeneously dense, which may obscure small masses.

Right breast: No suspicious mass, no architectural distortion and no suspicious calcification is seen. A few scattered
round calcifications in the upper outer quadrant are typically benign and have not changed since 2020. An intramammary
lymph node at ten o'clock, seven centimetres from the nipple, is stable. The skin and the nipple are normal. The axilla
shows no enlarged lymph node.

Left breast: In the upper outer quadrant at two o'clock, six centimetres from the nipple, there is a group of fine
pleomorphic calcifications that measures 14 by 9 by 8 millimetres. It was not present in March 2024. On the
magnification views the particles differ in size and shape, and none of them layers on the true lateral view. There is
no associated mass and no architectural distortion. A second, smaller group of round calcifications behind the nipple
is stable since 2022. Vascular calcifications are noted. The skin and the nipple are normal, and the axilla shows no
enlarged lymph node.

Ultrasound was not performed, because there is no mass to look for, and because the group is well seen for a
stereotactic approach. The findings and the recommendation were discussed with the patient directly after the
examination, and she was given written information. The referring clinician was informed by telephone on the same day.

IMPRESSION:
1. Left breast: new group of fine pleomorphic calcifications in the upper outer quadrant, suspicious. BI-RADS 4B.
Stereotactic biopsy with vacuum assistance is recommended.
2. Right breast: benign findings. BI-RADS 2.

Overall assessment: BI-RADS category 4B, suspicious abnormality. A letter in plain language will be sent to the patient.
"""
"""A whole report of about 350 words, its assessment at the end and nothing of it coded."""


def coded(today: date) -> bytes:
    """order-select with Patient, DiagnosticReport and three Observations: a 4B that nobody followed up, in codes."""
    day = today - timedelta(days=18)
    observations = [
        fhir.assessment("o-left", PATIENT, day, "4B", "left"),
        fhir.assessment("o-right", PATIENT, day, "2", "right"),
        fhir.finding("o-calc", PATIENT, day, "left", morphology="fine_linear", distribution="segmental"),
    ]
    report = fhir.report(
        "r-1", PATIENT, day, code=charts.STUDY_CODES["diagnostic"], results=[each["id"] for each in observations]
    )
    return _request([report, *observations], today)


def in_words(today: date) -> bytes:
    """The same with a report of 350 words in which nothing is coded."""
    report = fhir.report(
        "r-1", PATIENT, today - timedelta(days=18), code=charts.STUDY_CODES["diagnostic"], conclusion=REPORT
    )
    return _request([report], today)


def heavy(today: date) -> bytes:
    """A chart of 300 resources: what an EHR sends that does not filter by code, with the 4B of `coded` in it."""
    sent = orjson.loads(coded(today))["prefetch"]
    breast = [entry["resource"] for key in ("reports", "observations") for entry in sent[key]["entry"]]
    return _request([*breast, *_years_of_care(today)], today)


def _years_of_care(today: date) -> Iterator[Json]:
    """What has nothing to do with the breast, and is most of a chart."""
    for place in range(295):
        day = today - timedelta(days=20 + 9 * place)
        ident = f"c-{place}"
        match place % 5:
            case 0 | 1 | 2:
                yield _laboratory(ident, day)
            case 3:
                code = (fhir.LOINC, "58410-2", "CBC panel - Blood by Automated count")
                yield fhir.report(ident, PATIENT, day, code=code, section="LAB", conclusion="Within normal limits.")
            case _:
                code = fhir.concept(fhir.SCT, "38341003", "Hypertensive disorder")
                yield fhir.condition(ident, PATIENT, day, code=code)


def _laboratory(ident: str, day: date) -> Json:
    return {
        "resourceType": "Observation",
        "id": ident,
        "status": "final",
        "category": [
            fhir.concept("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory", "Laboratory")
        ],
        "code": fhir.concept(fhir.LOINC, "718-7", "Hemoglobin [Mass/volume] in Blood"),
        "subject": fhir.reference("Patient", PATIENT),
        "effectiveDateTime": fhir.at(day),
        "valueQuantity": _grams(13.4),
        "interpretation": [
            fhir.concept("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "N", "Normal")
        ],
        "performer": [fhir.reference("Organization", "laboratory-2") | {"display": "Central laboratory"}],
        "referenceRange": [{"low": _grams(12.0), "high": _grams(16.0), "text": "12.0 to 16.0 g/dL, women"}],
        "note": [{"text": "Compared with the result before this one, from which it differs by less than 5 %."}],
    }


def _grams(value: float) -> Json:
    return {"value": value, "unit": "g/dL", "system": "http://unitsofmeasure.org", "code": "g/dL"}


def _request(found: list[Json], today: date) -> bytes:
    patient = fhir.patient(PATIENT, family="Bench", given="Ada", born=date(today.year - 57, 3, 14))
    draft = charts.screening_draft(PATIENT, today)
    resources = [_as_sent(each) for each in (patient, *found)]
    request = charts.hook_request(
        resources,
        "order-select",
        hook_instance=str(uuid.UUID(int=1)),
        drafts=[draft],
        selections=[f"ServiceRequest/{draft['id']}"],
    )
    return orjson.dumps(request)


def _as_sent(resource: Json) -> Json:
    """A resource with the narrative, identifiers and versions that servers add. A report has no narrative: it would be
    read, and what reading costs is measured apart."""
    kind, ident = resource["resourceType"], resource["id"]
    said = f"{kind} {ident} of a person who does not exist, as the department's own system shows it to its users."
    narrative = {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{said}</p></div>'}
    return (
        resource
        | {
            "meta": {"versionId": "3", "lastUpdated": "2026-01-05T09:12:44.120Z", "source": "#kq3VnE4tGmWcB2Xa"},
            "identifier": [
                {"use": "official", "system": "urn:oid:1.2.840.114350.1.13.861.1.7.2.798268", "value": f"{ident}-7718"}
            ],
        }
        | ({} if kind == "DiagnosticReport" else {"text": narrative})
    )
