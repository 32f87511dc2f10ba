"""The cases of the knowledge folder as FHIR: what an EHR would hold of the patient whom a case describes.

`cases.yaml` tells a situation in shorthand and runs it against the core. Here the same shorthand becomes resources, so
that one list of situations also exercises the reading of FHIR, the hooks and the rendering.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import orjson

from cds_service.knowledge import DEFAULT_FOLDER, read_yaml
from cds_service.pipeline import Answer, Options, ServiceDesk, World
from cds_service.synthetic import charts
from cds_service.synthetic import resources as fhir
from cds_service.wire import dumped
from tests.conftest import PUBLIC_URL, TODAY, counted_ids

Json = dict[str, Any]

PROTOCOLS = ("brochure-calcification", "acr-surveillance")
SERVICES: Mapping[str, str] = {
    "breast-imaging-order-select": "order-select",
    "breast-imaging-order-sign": "order-sign",
    "breast-imaging-patient-view": "patient-view",
}
"""The hook of each service."""
HOOK_INSTANCE = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
OPTIONAL_KEYS = ("patient", "orders", "procedures", "conditions")

_SUBJECT = "case"
_SIDE_OF_CANCER = {"left": "C50.912", "right": "C50.911", "unstated": "C50.919"}
_SIDE_OF_MASTECTOMY = {"left": "Z90.12", "right": "Z90.11", "both": "Z90.13", "unstated": "Z90.10"}
_CONTEXT = {"anticoagulant": "Z79.01", "lactating": "Z39.1", "pregnant": "Z33.1", "implant": "Z98.82"}
_PATHOLOGY = {**charts.PATHOLOGY_CODES, "indeterminate": "280416009"}


@dataclass(frozen=True, slots=True)
class CaseChart:
    """One case: the resources of its patient, and what the case says of them."""

    protocol: str
    name: str
    today: date
    resources: tuple[Json, ...]
    not_received: frozenset[str]
    expect: Mapping[str, Json]

    def __repr__(self) -> str:  # short, for the reports of hypothesis
        return f"<{self.protocol}: {self.name}>"


@cache
def case_charts() -> tuple[CaseChart, ...]:
    """All cases of both protocols. FHIR cannot tell that a finding is isolated, so no case may say so here."""
    return tuple(chart for protocol in PROTOCOLS for chart in _charts(protocol))


def chart(name: str) -> CaseChart:
    """The case of that name."""
    return next(each for each in case_charts() if each.name == name)


def request(
    case: CaseChart,
    hook: str,
    *,
    drafts: Iterable[Json] = (),
    selections: Iterable[str] = (),
    hidden: str | None = None,
) -> Json:
    """The request that an EHR sends for a case; `hidden` names one more prefetch key that is left out."""
    asked = charts.hook_request(case.resources, hook, hook_instance=HOOK_INSTANCE, drafts=drafts, selections=selections)
    for key in (*case.not_received, hidden):
        asked["prefetch"].pop(key, None)
    return asked


def order(kind: str, side: str | None, day: date, *, ident: str = "draft-1", **more: Any) -> Json:
    """A draft order of one kind."""
    return fhir.service_request(ident, _SUBJECT, day, code=code_of(kind, "unstated"), side=side, status="draft", **more)


def aspirin(day: date) -> Json:
    """A draft that has nothing to do with the breast."""
    return {
        "resourceType": "MedicationRequest",
        "id": "draft-aspirin",
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": fhir.concept("http://www.nlm.nih.gov/research/umls/rxnorm", "243670", "Aspirin"),
        "subject": fhir.reference("Patient", _SUBJECT),
        "authoredOn": day.isoformat(),
    }


@cache
def _order_codes() -> Mapping[tuple[str, str], tuple[str, str]]:
    """Kind and side of every order code of SNOMED CT and LOINC: the first code that means it."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for name in ("snomed-ct", "loinc"):
        raw = read_yaml(DEFAULT_FOLDER / "_terminology" / f"{name}.yaml")
        for code, entry in raw["codes"].items():
            if entry["means"] == "order":
                found.setdefault((entry["value"], entry.get("side", "unstated")), (raw["system"], code))
    return found


def code_of(kind: str, side: str) -> Json:
    """A CodeableConcept for a kind of order: the sided code where there is one."""
    codes = _order_codes()
    return fhir.concept(*(codes.get((kind, side)) or codes[kind, "unstated"]), kind)


# --------------------------------------------------------------------------------------
# Shorthand to resources


def _charts(protocol: str) -> Iterator[CaseChart]:
    raw = read_yaml(DEFAULT_FOLDER / protocol / "cases.yaml")
    for case in raw["cases"]:
        yield CaseChart(
            protocol=protocol,
            name=case["name"],
            today=date.fromisoformat(case.get("today", raw["today"])),
            resources=tuple(resources_of(case)),
            not_received=frozenset(case.get("not_received", ())),
            expect=case["expect"],
        )


def resources_of(case: Json) -> Iterator[Json]:
    """The resources of a patient in the shorthand of `cases.yaml`, the Patient first."""
    person = case.get("patient", {})
    yield fhir.patient(
        _SUBJECT,
        family="Hathaway",
        given="Eleanor",
        born=date.fromisoformat(person.get("born", "1966-01-01")),
        gender=person.get("sex", "female"),
        deceased=person.get("deceased", False),
    )
    for place, study in enumerate(case.get("studies", ())):
        yield from _study(f"r{place}", study)
    for place, entry in enumerate(case.get("pathology", ())):
        yield _pathology(f"pathology-{place}", entry)
    for place, entry in enumerate(case.get("orders", ())):
        yield fhir.service_request(f"o{place}", _SUBJECT, _day(entry), code=_code(entry), side=_side(entry))
    for place, entry in enumerate(case.get("procedures", ())):
        yield fhir.procedure(f"x{place}", _SUBJECT, _day(entry), code=_code(entry), side=_side(entry))
    for key, codes in (("cancer", _SIDE_OF_CANCER), ("mastectomy", _SIDE_OF_MASTECTOMY)):
        for place, entry in enumerate(case.get(key, ())):
            yield _condition(f"{key}-{place}", codes[entry["side"]], entry.get("since"))
    for word in case.get("context", ()):
        yield _condition(word, _CONTEXT[word], None)


def _study(ident: str, raw: Json) -> Iterator[Json]:
    day = _day(raw)
    status = "preliminary" if raw.get("preliminary") else "unknown" if raw.get("in_doubt") else "final"
    said = [(f"{ident}-{side}", str(raw[side]), side) for side in ("left", "right") if side in raw]
    words = raw.get("written", {})
    observations = [fhir.assessment(name, _SUBJECT, day, category, side, status) for name, category, side in said]
    observations += [_finding(f"{ident}-f{place}", day, each) for place, each in enumerate(raw.get("findings", ()))]
    if "biopsy_recommended" in raw:
        advised = fhir.assessment(f"{ident}-advised", _SUBJECT, day, "2", "both", status)
        advised["valueCodeableConcept"] = fhir.concept(fhir.DCM, "111148", "Biopsy should be strongly considered")
        side = _side({"side": raw["biopsy_recommended"]})
        observations.append(advised | {"bodySite": fhir.site(side) if side else None})
    conclusions = [fhir.concept(fhir.SCT, fhir.CATEGORY_CODES[str(raw["overall"])])] if "overall" in raw else []
    if raw.get("prior_films_needed"):
        conclusions.append(fhir.concept(fhir.DCM, "111138", "Old films for comparison"))
    concept = code_of(raw.get("kind", "diagnostic-mammogram"), raw.get("side", "both"))
    coding = concept["coding"][0]
    yield fhir.report(
        ident,
        _SUBJECT,
        day,
        code=(coding["system"], coding["code"], "MG Breast"),
        results=[each["id"] for each in observations],
        conclusion_codes=conclusions,
        conclusion="\n".join(f"{side.capitalize()} breast: BI-RADS {said}." for side, said in words.items()),
        status=status,
    )
    yield from observations


def _finding(ident: str, day: date, raw: Json) -> Json:
    if "isolated" in raw:
        raise ValueError("FHIR cannot tell that a finding is isolated")
    morphology = raw.get("morphology")
    known = morphology == "fine_pleomorphic" or morphology in fhir.MORPHOLOGY_CODES
    found = fhir.finding(
        ident,
        _SUBJECT,
        day,
        raw.get("side", "left"),
        morphology=morphology if known else None,
        distribution=raw.get("distribution"),
        change=raw.get("change"),
    )
    if "side" not in raw:
        del found["bodySite"]
    if morphology is not None and not known:
        asked = fhir.concept(fhir.RADLEX_CDE, "RDE1565", "Calcification type")
        found.setdefault("component", []).append({"code": asked, "valueCodeableConcept": {"text": morphology}})
    return found


def _pathology(ident: str, raw: Json) -> Json:
    side = raw.get("side", "")
    return fhir.report(
        ident,
        _SUBJECT,
        _day(raw),
        code=charts.STUDY_CODES["pathology"],
        conclusion=f"{side} breast, core needle biopsy".strip().capitalize(),
        conclusion_codes=[fhir.concept(fhir.SCT, _PATHOLOGY[raw["result"]], raw["result"])],
        section="SP",
    )


def _condition(ident: str, code: str, since: str | None) -> Json:
    found = fhir.condition(ident, _SUBJECT, date(2000, 1, 1), code=fhir.concept(fhir.ICD, code))
    del found["onsetDateTime"]
    return found | ({"onsetDateTime": since} if since else {})


def _day(raw: Json) -> date:
    return date.fromisoformat(raw["date"])


def _code(raw: Json) -> Json:
    return code_of(raw["kind"], "unstated")


def _side(raw: Json) -> str | None:
    side = raw.get("side", "unstated")
    return None if side == "unstated" else str(side)


# --------------------------------------------------------------------------------------
# Asking


class Asker:
    """Asks the services in memory. What they answer is dumped as well, so that it is known to be valid."""

    def __init__(self, desk: ServiceDesk) -> None:
        self._desk = desk

    def __repr__(self) -> str:  # short, for the reports of hypothesis
        return "<the services>"

    def __call__(self, asked: Json, *, protocol: str = PROTOCOLS[0], today: date = TODAY) -> Answer:
        service = next(service for service, hook in SERVICES.items() if hook == asked["hook"])
        options = Options(protocol=protocol, public_url=PUBLIC_URL)
        world = World(today=lambda: today, new_id=counted_ids())
        answer = self._desk.answer(service, self._desk.request(service, orjson.dumps(asked)), options, world)
        dumped(answer.cards)
        return answer


def without_ids(value: Any) -> Any:
    """Cards without their fresh ids."""
    if isinstance(value, dict):
        return {key: without_ids(inner) for key, inner in value.items() if key != "uuid"}
    return [without_ids(each) for each in value] if isinstance(value, list) else value
