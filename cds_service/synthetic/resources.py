"""FHIR R4 resources of invented patients, as a breast centre's EHR would hold them."""

from __future__ import annotations

from datetime import date

from ..fhir_elements import Json

SCT = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RADLEX_CDE = "http://hl7.org/fhir/us/breast-radiology/CodeSystem/RadLexCDE"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"

CATEGORY_CODES = {
    "0": "397138000", "1": "397140005", "2": "397141009", "3": "397143007", "4": "397144001",
    "4A": "6121000179106", "4B": "6131000179108", "4C": "6141000179100", "5": "397145000", "6": "6111000179101",
}  # fmt: skip
SITES = {"left": ("80248007", "Left breast structure"), "right": ("73056007", "Right breast structure")}
BOTH = ("63762007", "Both breasts")
MORPHOLOGY_CODES = {
    "skin": "129757003", "vascular": "129759000", "coarse": "129749001", "large_rod_like": "129752009",
    "rim": "129751002", "dystrophic": "129750001", "milk_of_calcium": "129753004", "suture": "129758008",
    "round": "129756007", "punctate": "129755006", "amorphous": "129760005", "coarse_heterogeneous": "129763007",
    "fine_linear": "129761009", "fine_linear_branching": "129762002",
}  # fmt: skip
DISTRIBUTION_CODES = {
    "diffuse": "129764001", "regional": "129767008", "grouped": "129766004", "linear": "129765000",
    "segmental": "129768003",
}  # fmt: skip
CHANGE_CODES = {"stable": "129723006", "increase": "129726003", "decrease": "129727007"}


def concept(system: str, code: str, display: str = "") -> Json:
    """A CodeableConcept with one coding."""
    coding = {"system": system, "code": code}
    return {"coding": [coding | ({"display": display} if display else {})]}


def site(side: str) -> Json:
    """The body site of a side."""
    return concept(SCT, *(BOTH if side == "both" else SITES[side]))


def reference(kind: str, ident: str) -> Json:
    return {"reference": f"{kind}/{ident}"}


def at(day: date, clock: str = "10:20:00") -> str:
    """A day with a time of day, as an instant in UTC."""
    return f"{day.isoformat()}T{clock}Z"


def patient(ident: str, *, family: str, given: str, born: date, gender: str = "female", deceased: bool = False) -> Json:
    resource: Json = {
        "resourceType": "Patient",
        "id": ident,
        "active": True,
        "name": [{"use": "official", "family": family, "given": [given]}],
        "gender": gender,
        "birthDate": born.isoformat(),
    }
    return resource | ({"deceasedBoolean": True} if deceased else {})


def report(
    ident: str,
    subject: str,
    day: date,
    *,
    code: tuple[str, str, str],
    results: list[str] | None = None,
    conclusion: str | None = None,
    conclusion_codes: list[Json] | None = None,
    status: str = "final",
    section: str = "RAD",
    presented_form: list[Json] | None = None,
) -> Json:
    """A DiagnosticReport; `code` is system, code and display, `section` the HL7 v2 diagnostic service section."""
    resource: Json = {
        "resourceType": "DiagnosticReport",
        "id": ident,
        "status": status,
        "category": [concept("http://terminology.hl7.org/CodeSystem/v2-0074", section)],
        "code": concept(*code),
        "subject": reference("Patient", subject),
        "effectiveDateTime": at(day),
        "issued": at(day, "16:05:00"),
    }
    optional: Json = {
        "result": [reference("Observation", each) for each in results or ()],
        "conclusion": conclusion,
        "conclusionCode": conclusion_codes,
        "presentedForm": presented_form,
    }
    return resource | {key: value for key, value in optional.items() if value}


def assessment(ident: str, subject: str, day: date, category: str, side: str, status: str = "final") -> Json:
    """An Observation with the BI-RADS category of one breast."""
    return _imaging_observation(ident, subject, day, status) | {
        "code": concept(SCT, "146611000146107", "Breast Imaging Reporting and Data System assessment category"),
        "valueCodeableConcept": concept(SCT, CATEGORY_CODES[category], f"Mammography assessment (Category {category})"),
        "bodySite": site(side),
    }


def finding(
    ident: str,
    subject: str,
    day: date,
    side: str,
    *,
    morphology: str | None = None,
    distribution: str | None = None,
    change: str | None = None,
) -> Json:
    """An Observation that describes calcifications."""
    components = []
    if morphology == "fine_pleomorphic":
        pleomorphic = concept(
            "http://dicom.nema.org/resources/ontology/DCM", "111344", "Fine pleomorphic calcification"
        )
        components.append(_component("RDE1565", "Calcification type", pleomorphic))
    elif morphology is not None:
        components.append(_component("RDE1565", "Calcification type", concept(SCT, MORPHOLOGY_CODES[morphology])))
    if distribution is not None:
        components.append(_component("RDE1568", "Distribution", concept(SCT, DISTRIBUTION_CODES[distribution])))
    if change is not None:
        components.append(
            {
                "code": {"text": "Change since the prior study"},
                "valueCodeableConcept": concept(SCT, CHANGE_CODES[change]),
            }
        )
    resource = _imaging_observation(ident, subject, day, "final") | {
        "code": concept(SCT, "309587003", "Calcification of breast"),
        "bodySite": site(side),
    }
    return resource | ({"component": components} if components else {})


def _component(code: str, display: str, value: Json) -> Json:
    return {"code": concept(RADLEX_CDE, code, display), "valueCodeableConcept": value}


def _imaging_observation(ident: str, subject: str, day: date, status: str) -> Json:
    return {
        "resourceType": "Observation",
        "id": ident,
        "status": status,
        "category": [concept("http://terminology.hl7.org/CodeSystem/observation-category", "imaging", "Imaging")],
        "subject": reference("Patient", subject),
        "effectiveDateTime": at(day),
    }


def service_request(
    ident: str,
    subject: str,
    day: date,
    *,
    code: Json,
    side: str | None = None,
    status: str = "active",
    window: tuple[date, date] | None = None,
) -> Json:
    """An order; a draft where `status` says so."""
    resource: Json = {
        "resourceType": "ServiceRequest",
        "id": ident,
        "status": status,
        "intent": "order",
        "category": [concept(SCT, "363679005", "Imaging")],
        "code": code,
        "subject": reference("Patient", subject),
        "authoredOn": at(day, "08:15:00"),
        "requester": reference("Practitioner", "dr-okafor"),
    }
    if side is not None:
        resource["bodySite"] = [site(side)]
    if window is not None:
        resource["occurrencePeriod"] = {"start": window[0].isoformat(), "end": window[1].isoformat()}
    return resource


def procedure(ident: str, subject: str, day: date, *, code: Json, side: str | None = None) -> Json:
    """A procedure that was completed."""
    resource: Json = {
        "resourceType": "Procedure",
        "id": ident,
        "status": "completed",
        "code": code,
        "subject": reference("Patient", subject),
        "performedDateTime": at(day, "11:00:00"),
    }
    return resource | ({"bodySite": [site(side)]} if side else {})


def condition(ident: str, subject: str, day: date, *, code: Json, side: str | None = None) -> Json:
    """An active, confirmed entry of the problem list."""
    resource: Json = {
        "resourceType": "Condition",
        "id": ident,
        "clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        "verificationStatus": concept("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed"),
        "code": code,
        "subject": reference("Patient", subject),
        "onsetDateTime": day.isoformat(),
    }
    return resource | ({"bodySite": [site(side)]} if side else {})


def medication_request(ident: str, subject: str, day: date, *, medication: Json, status: str = "draft") -> Json:
    """A prescription; a draft unless `status` says otherwise."""
    return {
        "resourceType": "MedicationRequest",
        "id": ident,
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": medication,
        "subject": reference("Patient", subject),
        "authoredOn": at(day, "08:15:00"),
    }
