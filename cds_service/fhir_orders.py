"""From a step to FHIR R4: the ServiceRequests that a suggestion carries, complete and ready to be filed.

The orders are put together from templates of the knowledge folder. `check_templates` holds each of them against
fhir.resources (R4B) when the knowledge is checked, so that a call does not have to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from .core.classify import State
from .core.history import Study
from .core.plan import Step
from .core.situation import Situation
from .core.vocabulary import Category, Group, Side
from .fhir_elements import Json, is_named
from .knowledge import Catalogue, OrderTemplate


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """What all orders of one answer have in common: for whom, by whom, in which encounter, on which day."""

    patient_id: str
    requester: str | None
    """Practitioner or PractitionerRole that uses the EHR, as `Type/id`."""
    encounter_id: str | None
    today: date


def service_request(
    template: OrderTemplate,
    side: Side,
    requested: Requested,
    *,
    catalogue: Catalogue,
    window: tuple[date, date],
    is_urgent: bool,
    reasons: list[Json],
    report: str | None,
) -> Json:
    """A complete draft ServiceRequest (FHIR R4) for one breast, for both, or without a side where none is stated."""
    resource: Json = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "order",
        "category": [{"coding": [template.category]}],
        "priority": "urgent" if is_urgent else "routine",
        "code": {"coding": template.codings[side], "text": _code_text(template, side)},
    }
    if template.detail is not None:
        resource["orderDetail"] = [{"coding": [template.detail]}]
    resource["subject"] = {"reference": f"Patient/{requested.patient_id}"}
    if requested.encounter_id is not None:
        resource["encounter"] = {"reference": f"Encounter/{requested.encounter_id}"}
    resource["occurrencePeriod"] = period(window)
    resource["authoredOn"] = requested.today.isoformat()
    if requested.requester is not None:
        resource["requester"] = {"reference": requested.requester}
    if reasons:
        resource["reasonCode"] = reasons
    if report is not None and is_named(report):
        resource["reasonReference"] = [{"reference": report}]
    if side in catalogue.sites:
        resource["bodySite"] = [{"coding": [catalogue.sites[side]]}]
    return resource


def _code_text(template: OrderTemplate, side: Side) -> str:
    words = template.label[0].upper() + template.label[1:]
    return words if side is Side.UNSTATED else f"{words}, {side.words}"


def period(window: tuple[date, date]) -> Json:
    """A FHIR Period of whole days."""
    return {"start": window[0].isoformat(), "end": window[1].isoformat()}


def reasons(catalogue: Catalogue, situation: Situation, step: Step) -> list[Json]:
    """Why the order is made: the category where somebody stated it, and the ICD-10-CM code of the finding."""
    current = situation.current
    if current is None or current.verdict.category is None:
        return []
    category = current.verdict.category
    words = f"BI-RADS {category.value} ({category.group.words})"
    if current.verdict.state is State.STATED and category in catalogue.category_reasons:
        found: list[Json] = [{"coding": [catalogue.category_reasons[category]], "text": words}]
    else:
        found = [{"text": f"{words}, derived from descriptors, not a radiologist's assessment"}]
    diagnosis = _diagnosis(catalogue, current.study, situation.side, category, step)
    return found if diagnosis is None else [*found, {"coding": [catalogue.reasons[diagnosis]]}]


def _diagnosis(catalogue: Catalogue, study: Study, side: Side, category: Category, step: Step) -> str | None:
    if step.row.group is Group.BENIGN:
        return "screening"
    findings = [finding for finding in study.findings if finding.side.covers(side)]
    if any(set(finding.morphologies) & catalogue.microcalcifications for finding in findings):
        return "microcalcification"
    if findings or study.mentions_calcifications:
        return "calcification"
    if category is Category.INCOMPLETE:
        return "inconclusive"
    return None if category.group is Group.BENIGN else "other"


def with_side(resource: Json, side: Side, catalogue: Catalogue) -> Json:
    """The whole draft with the side stated, for an update action."""
    return {**resource, "bodySite": [{"coding": [catalogue.sites[side]]}]}


def with_window(resource: Json, window: tuple[date, date]) -> Json:
    """The whole draft with another time window, for an update action."""
    kept = {key: value for key, value in resource.items() if key not in ("occurrenceDateTime", "occurrenceTiming")}
    return {**kept, "occurrencePeriod": period(window)}


def check_templates(catalogue: Catalogue) -> Iterator[str]:
    """What fhir.resources (R4B) objects to in the orders of the catalogue, one line for each problem."""
    from fhir.resources.R4B.servicerequest import ServiceRequest

    sample = Requested(patient_id="p", requester="Practitioner/d", encounter_id="e", today=date(2026, 1, 1))
    for template in catalogue.templates.values():
        for side in Side:
            resource = service_request(
                template,
                side,
                sample,
                catalogue=catalogue,
                window=(date(2026, 1, 1), date(2026, 2, 1)),
                is_urgent=False,
                reasons=[{"coding": [each]} for each in catalogue.reasons.values()],
                report="DiagnosticReport/r",
            )
            try:
                ServiceRequest.model_validate(resource)
            except ValueError as problem:
                yield f"orders.yaml: orders[{template.id}]: {' '.join(str(problem).split())}"
