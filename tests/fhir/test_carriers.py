"""Where the category sits (clinical reference, table A2), and what only looks like one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cds_service.knowledge import DEFAULT_FOLDER, read_yaml
from cds_service.synthetic import resources as fhir
from tests.small_fhir import (
    CATEGORY_5,
    CDE,
    DAY,
    DCM,
    LOINC,
    SCT,
    SUBJECT,
    AskWith,
    Json,
    category,
    component,
    observation,
    orders,
    problem,
    read,
    report,
    results,
    topics,
)  # fmt: skip

# --------------------------------------------------------------------------------------
# Every carrier of the category (clinical reference, table A2)

LEFT = fhir.site("left")
LEFT_STUDY = fhir.concept(LOINC, "26347-5")
ASSESSED_5 = component("RDE1586", "RDE1586_category5HighlySuggestiveOfMalignancy")
PRESENT = component("RDE1556", "RDE1556_present")
CARRIERS: dict[str, list[Json]] = {
    "conclusion code of the report": [report(code=LEFT_STUDY, conclusionCode=[CATEGORY_5])],
    "component of the findings of a breast": [
        observation(code=fhir.concept(CDE, "FindingsLeftBreast"), bodySite=LEFT, component=[ASSESSED_5])
    ],
    "component of a lesion": [
        observation(code=fhir.concept(CDE, "RDES241"), bodySite=LEFT, component=[PRESENT, ASSESSED_5])
    ],
    "value of an Observation of its own": [category("5")],
    "value under the false LOINC 72018-2": [category("5", code=fhir.concept(LOINC, "72018-2"))],
    "value under an Observation code that nobody knows": [category("5", code={"text": "BIRADS"})],
    "code of an Observation": [observation(code=CATEGORY_5, bodySite=LEFT)],
    "code of the report": [report(code={"coding": [*LEFT_STUDY["coding"], *CATEGORY_5["coding"]]})],
    "findings beside a report without results": [report(code=fhir.concept(LOINC, "10193-1")), category("5")],
}


@pytest.mark.parametrize("resources", CARRIERS.values(), ids=list(CARRIERS))
def test_the_category_is_found_wherever_it_sits(ask_with: AskWith, resources: list[Json]) -> None:
    answer = ask_with(*resources)
    assert read(answer) == {("left", "5")}
    assert topics(answer) == ["Category5"]


def test_the_category_as_the_code_of_a_condition(ask_with: AskWith) -> None:
    assert read(ask_with(problem(CATEGORY_5, onsetDateTime=DAY.isoformat()))) == {("left", "5")}


def test_a_category_on_the_problem_list_that_repeats_a_report_is_no_new_study(ask_with: AskWith) -> None:
    noted = problem(CATEGORY_5, onsetDateTime="2026-05-27")
    answer = ask_with(report(result=results("o-left")), category("5"), noted)
    assert [study.reference for study in answer.record.studies] == ["DiagnosticReport/r"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"verificationStatus": "refuted"}, []),
        ({"clinicalStatus": "resolved"}, []),
        ({"verificationStatus": "provisional"}, ["ReportInDoubt"]),
        ({"onsetDateTime": None, "recordedDate": None}, ["ReportInDoubt"]),
    ],
    ids=str,
)
def test_a_category_on_the_problem_list_is_held_to_the_rules_of_problems(
    ask_with: AskWith, change: Json, said: list[str]
) -> None:
    noted = problem(CATEGORY_5, **{"onsetDateTime": DAY.isoformat(), **change})
    assert topics(ask_with(noted)) == said


def category_codes() -> Iterator[tuple[str, str, str]]:
    for path in sorted((DEFAULT_FOLDER / "_terminology").glob("*.yaml")):
        raw = read_yaml(path)
        for code, entry in raw.get("codes", {}).items():
            if entry["means"] == "category":
                yield raw["system"], code, entry["value"]


@pytest.mark.parametrize(("system", "code", "value"), list(category_codes()))
def test_every_category_code_is_read_with_its_side(ask_with: AskWith, system: str, code: str, value: str) -> None:
    answer = ask_with(observation(valueCodeableConcept=fhir.concept(system, code), bodySite=fhir.site("right")))
    assert read(answer) == {("right", value)}


def misused_codes() -> Iterator[tuple[str, str]]:
    for path in sorted((DEFAULT_FOLDER / "_terminology").glob("*.yaml")):
        raw = read_yaml(path)
        for code in raw.get("misused", ()):
            yield raw["system"], code


@pytest.mark.parametrize(("system", "code"), list(misused_codes()))
def test_a_misused_code_is_never_a_category(ask_with: AskWith, system: str, code: str) -> None:
    concept = {"coding": [{"system": system, "code": code, "display": "BI-RADS 5"}]}
    answer = ask_with(report(conclusionCode=[concept]), observation(valueCodeableConcept=concept))
    assert [study.assessments for study in answer.record.studies if study.assessments] == []


NOT_CATEGORIES: dict[str, Json] = {
    "without a system": {"coding": [{"code": "397145000", "display": "Category 5"}]},
    "of a local system": fhir.concept("http://example.org/local", "397145000"),
    "of another system": fhir.concept(LOINC, "397145000"),
    "a density": fhir.concept(SCT, "129718006", "BI-RADS 5"),
    "with a display only": {"coding": [{"system": SCT, "display": "Category 5"}]},
    "with blanks for a code": {"coding": [{"system": SCT, "code": "  "}]},
}


@pytest.mark.parametrize("concept", NOT_CATEGORIES.values(), ids=list(NOT_CATEGORIES))
def test_what_is_no_category_is_none(ask_with: AskWith, concept: Json) -> None:
    answer = ask_with(report(conclusionCode=[concept]), category("5", valueCodeableConcept=concept))
    assert read(answer) == set()
    assert orders(answer) == []


def test_a_display_never_decides(ask_with: AskWith) -> None:
    concept = fhir.concept(SCT, "397140005", "Mammography assessment (Category 5)")
    assert read(ask_with(category("1", valueCodeableConcept=concept))) == {("left", "1")}


# --------------------------------------------------------------------------------------
# Findings, marker films


def calcifications(**changes: Any) -> Json:
    found = fhir.finding("f", SUBJECT, DAY, "left", morphology="fine_linear_branching", distribution="segmental")
    return found | {"component": [*found["component"], *changes.pop("components", ())]} | changes


def test_calcifications_without_an_assessment_are_derived(ask_with: AskWith) -> None:
    assert topics(ask_with(report(), calcifications())) == ["DerivedSuspicious"]


ABSENT = {"RDE1556": {"components": [component("RDE1556", "RDE1556_absent")]}, "boolean": {"valueBoolean": False}}


@pytest.mark.parametrize("absent", ABSENT.values(), ids=list(ABSENT))
def test_calcifications_that_are_absent_are_none(ask_with: AskWith, absent: Json) -> None:
    answer = ask_with(report(), category("1"), calcifications(**absent))
    assert [study.findings for study in answer.record.studies] == [()]
    assert answer.cards == []


@pytest.mark.parametrize("code", [("111120", DCM), ("470272007", SCT)])
@pytest.mark.parametrize("carrier", ["report", "observation"])
def test_a_marker_film_has_no_category_and_asks_for_none(
    ask_with: AskWith, code: tuple[str, str], carrier: str
) -> None:
    concept = fhir.concept(code[1], code[0])
    film = report(conclusionCode=[concept]) if carrier == "report" else report(result=results("o"))
    assert ask_with(film, observation(valueCodeableConcept=concept)).cards == []


def test_a_marker_film_does_not_replace_what_was_assessed_before(ask_with: AskWith) -> None:
    film = report("film", conclusionCode=[fhir.concept(DCM, "111120")], effectiveDateTime="2026-05-25")
    assert topics(ask_with(film, category("4B"))) == ["Category4"]
