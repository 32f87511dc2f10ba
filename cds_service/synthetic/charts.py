"""The invented patients of the demo and the playground: charts in shorthand, their dates relative to today."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from ..core.dates import Interval
from ..fhir_elements import Json
from ..knowledge import read_yaml
from ..prefetch import RESOURCE_TYPES
from . import resources as fhir

PATIENTS = Path(__file__).parent / "patients"
USER = "Practitioner/dr-okafor"
ENCOUNTER = "enc-20871"

STUDY_CODES = {
    "screening": (fhir.LOINC, "26175-0", "MG Breast - bilateral Screening"),
    "diagnostic": (fhir.LOINC, "26346-7", "MG Breast - bilateral Diagnostic"),
    "diagnostic-left": (fhir.LOINC, "26347-5", "MG Breast - left Diagnostic"),
    "diagnostic-right": (fhir.LOINC, "26348-3", "MG Breast - right Diagnostic"),
    "ultrasound-left": (fhir.LOINC, "26215-4", "US Breast - left"),
    "ultrasound-right": (fhir.LOINC, "26216-2", "US Breast - right"),
    "pathology": (fhir.LOINC, "22637-3", "Pathology report final diagnosis Narrative"),
}
"""Study kinds of the shorthand: system, code, display."""

PATHOLOGY_CODES = {"benign": "30807003", "malignant": "21594007", "high-risk": "258270003", "insufficient": "281268007"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One invented patient: who, what the situation is, and all resources of the EHR."""

    id: str
    title: str
    story: str
    pick: Mapping[str, str]
    """The order, and its side, that is worth choosing first for this patient."""
    resources: tuple[Json, ...]

    @property
    def patient(self) -> Json:
        return self.resources[0]

    @property
    def name(self) -> str:
        name = self.patient["name"][0]
        return f"{name['given'][0]} {name['family']}"


@cache
def _shorthand(name: str) -> Any:
    return read_yaml(PATIENTS / f"{name}.yaml")


def names() -> list[str]:
    """The ids of all patients, in the order of their files."""
    return sorted(path.stem for path in PATIENTS.glob("*.yaml"))


def chart(name: str, today: date, visit: str = "") -> Chart:
    """The chart of one patient as it stands on `today`. A visit, in letters and digits, gives all resources ids of its
    own, so that a FHIR server can hold many."""
    raw = _shorthand(name)
    subject = "-".join(["sim", name.partition("-")[2] or name, *([visit] if visit else [])])
    who = raw["patient"]
    found: list[Json] = [
        fhir.patient(
            subject,
            family=who["family"],
            given=who["given"],
            born=ago(today, who["age"]),
            gender=who.get("gender", "female"),
            deceased=who.get("deceased", False),
        )
    ]
    for place, study in enumerate(raw.get("studies", ()), 1):
        found += _study(subject, place, study, ago(today, study["ago"]))
    for place, entry in enumerate(raw.get("orders", ()), 1):
        found.append(
            fhir.service_request(
                f"{subject}-o{place}", subject, ago(today, entry["ago"]), code=_code(entry), side=entry.get("side")
            )
        )
    for place, entry in enumerate(raw.get("procedures", ()), 1):
        found.append(
            fhir.procedure(
                f"{subject}-x{place}", subject, ago(today, entry["ago"]), code=_code(entry), side=entry.get("side")
            )
        )
    for place, entry in enumerate(raw.get("conditions", ()), 1):
        found.append(
            fhir.condition(
                f"{subject}-k{place}", subject, ago(today, entry["ago"]), code=_code(entry), side=entry.get("side")
            )
        )
    return Chart(id=name, title=raw["title"], story=raw["story"], pick=raw["pick"], resources=tuple(found))


def of_report(words: str, today: date) -> tuple[Json, ...]:
    """The chart of somebody of whom nothing is known but one report of today, in words."""
    patient = fhir.patient("pasted", family="Pasted", given="Report", born=ago(today, "55y"))
    report = fhir.report(
        "pasted-1", "pasted", today, code=STUDY_CODES["diagnostic"], presented_form=[_attachment(words)]
    )
    return patient, report


def ago(today: date, length: str) -> date:
    """The day that lies `length` before today: `18d`, `5m`, `62y`, or several of them together."""
    parts = dict.fromkeys("dmy", 0)
    for number, unit in re.findall(r"(\d+)([dmy])", length):
        parts[unit] += int(number)
    return Interval(months=parts["m"] + 12 * parts["y"], days=parts["d"]).before(today)


def _code(entry: Json) -> Json:
    return fhir.concept(entry["system"], str(entry["code"]), entry.get("display", ""))


def _study(subject: str, place: int, raw: Json, day: date) -> Iterable[Json]:
    ident = f"{subject}-r{place}"
    if raw["kind"] == "pathology":
        code = fhir.concept(fhir.SCT, PATHOLOGY_CODES[raw["result"]], raw["result"].capitalize())
        yield fhir.report(
            ident,
            subject,
            day,
            code=STUDY_CODES["pathology"],
            conclusion=raw["conclusion"],
            conclusion_codes=[code],
            section="SP",
        )
        return
    observations = [
        fhir.assessment(f"{ident}-{side}", subject, day, str(raw[side]), side)
        for side in ("left", "right")
        if side in raw
    ]
    observations += [
        fhir.finding(
            f"{ident}-f{number}",
            subject,
            day,
            each["side"],
            morphology=each.get("morphology"),
            distribution=each.get("distribution"),
            change=each.get("change"),
        )
        for number, each in enumerate(raw.get("findings", ()), 1)
    ]
    overall = str(raw["overall"]) if "overall" in raw else None
    yield fhir.report(
        ident,
        subject,
        day,
        code=STUDY_CODES[raw["kind"]],
        results=[each["id"] for each in observations],
        conclusion=raw.get("text"),
        presented_form=[_attachment(raw["attached"])] if "attached" in raw else None,
        conclusion_codes=[fhir.concept(fhir.SCT, fhir.CATEGORY_CODES[overall])] if overall else None,
        status=raw.get("status", "final"),
    )
    yield from observations


def _attachment(words: str) -> Json:
    return {"contentType": "text/plain; charset=utf-8", "data": base64.b64encode(words.encode()).decode()}


def hook_request(
    resources: Iterable[Json],
    hook: str,
    *,
    hook_instance: str,
    drafts: Iterable[Json] = (),
    selections: Iterable[str] = (),
) -> Json:
    """The request that an EHR with these resources sends, everything prefetched; the Patient comes first."""
    found = list(resources)
    patient = found[0]
    context: Json = {"userId": USER, "patientId": patient["id"], "encounterId": ENCOUNTER}
    if hook in ("order-select", "order-sign"):
        entries = [{"resource": draft} for draft in drafts]
        context["draftOrders"] = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    if hook == "order-select":
        context["selections"] = list(selections)
    prefetch: Json = {"patient": patient}
    for key, kind in RESOURCE_TYPES.items():
        if key not in ("patient", "appointments"):
            matches = [resource for resource in found if resource["resourceType"] == kind]
            prefetch[key] = {
                "resourceType": "Bundle",
                "type": "searchset",
                "total": len(matches),
                "entry": [{"resource": resource, "search": {"mode": "match"}} for resource in matches],
            }
            if not matches:
                del prefetch[key]["entry"]
    return {"hook": hook, "hookInstance": hook_instance, "context": context, "prefetch": prefetch}


def screening_draft(subject: str, today: date) -> Json:
    """A screening mammogram of both breasts, as a clinician selects it."""
    code = fhir.concept(fhir.SCT, "24623002", "Screening mammography")
    return fhir.service_request(
        "draft-1",
        subject,
        today,
        code=code,
        side="both",
        status="draft",
        window=(today, Interval(months=1).after(today)),
    )
