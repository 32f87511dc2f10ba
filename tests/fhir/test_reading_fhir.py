"""FHIR as it really arrives: every odd shape costs that shape and nothing else, and nothing is ever made up."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from cds_service.knowledge import Knowledge
from cds_service.synthetic import resources as fhir
from tests.small_fhir import (
    BIOPSY,
    CATEGORY_5,
    CDE,
    ICD,
    LOINC,
    SCT,
    SUBJECT,
    AskWith,
    Json,
    body_structure,
    category,
    component,
    lateral,
    left_out,
    observation,
    orders,
    pathology,
    problem,
    qualified,
    read,
    report,
    results,
    topics,
)  # fmt: skip

# --------------------------------------------------------------------------------------
# Shapes


def test_a_report_as_it_should_be(ask_with: AskWith) -> None:
    answer = ask_with(report(result=results("o-left", "o-right")), category("4B"), category("1", "right"))
    assert read(answer) == {("left", "4B"), ("right", "1")}
    assert topics(answer) == ["Category4"]


def loosened(value: Any, member: str) -> Any:
    """A copy in which the only entry of a list stands in its place."""
    if isinstance(value, dict):
        return {
            key: loosened(inner[0], member)
            if key == member and isinstance(inner, list) and len(inner) == 1
            else loosened(inner, member)
            for key, inner in value.items()
        }
    return [loosened(each, member) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("member", ["coding", "category", "result", "entry"])
def test_an_object_where_a_list_belongs(ask_with: AskWith, member: str) -> None:
    resources = [report(result=results("o-left")), category("4B")]
    reports = {"resourceType": "Bundle", "entry": [{"resource": resources[0]}]}
    answer = ask_with(*(loosened(each, member) for each in resources), reports=loosened(reports, member))
    assert read(answer) == {("left", "4B")}


@pytest.mark.parametrize("member", ["coding", "conclusionCode", "component"])
def test_an_object_where_a_list_of_codes_belongs(ask_with: AskWith, member: str) -> None:
    assessed = component("RDE1586", "RDE1586_category5HighlySuggestiveOfMalignancy")
    left = observation(bodySite=fhir.site("left"), component=[assessed])
    answer = ask_with(loosened(report(conclusionCode=[CATEGORY_5]), member), loosened(left, member))
    assert read(answer) == {("left", "5")}


@pytest.mark.parametrize("member", ["valueCodeableConcept", "subject", "code"])
def test_a_list_where_an_object_belongs(ask_with: AskWith, member: str) -> None:
    found = category("4B")
    assert read(ask_with(found | {member: [found[member]]})) == {("left", "4B")}


def test_a_list_where_the_only_known_concept_belongs(ask_with: AskWith) -> None:
    found = category("4B")
    odd = found | {"code": {"text": "Result"}, "valueCodeableConcept": [found["valueCodeableConcept"]]}
    assert read(ask_with(odd)) == {("left", "4B")}


def places(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*at, key)
        yield from places(inner, (*at, key))


NEEDED = {
    "code", "system", "coding", "valueCodeableConcept", "bodySite", "result", "reference", "resourceType", "status",
    "effectiveDateTime", "id",
}  # fmt: skip
FULL = [
    report(result=results("o-left")),
    category("4B", note=[{"text": "seen"}], extension=[{"url": "x", "valueCode": "y"}]),
]


@pytest.mark.parametrize("which", [0, 1])
def test_a_null_costs_no_more_than_itself(ask_with: AskWith, which: int) -> None:
    for at in places(FULL[which]):
        if NEEDED & set(at):
            continue
        broken = copy.deepcopy(FULL)
        inner: Any = broken[which]
        for step in at[:-1]:
            inner = inner[step]
        inner[at[-1]] = None
        assert read(ask_with(*broken)) == {("left", "4B")}, at


@pytest.mark.parametrize("bad", [None, 7, "x", [], {}, {"resource": None}, {"resource": "x"}, {"resource": {}}])
def test_one_bad_entry_costs_that_entry(ask_with: AskWith, bad: object) -> None:
    bundle = {"resourceType": "Bundle", "entry": [bad, {"resource": category("4B")}, bad]}
    assert topics(ask_with(observations=bundle)) == ["Category4"]


def test_an_entry_that_is_not_a_resource_is_named(ask_with: AskWith) -> None:
    bundle = {"resourceType": "Bundle", "entry": [{"resource": "x"}, {"resource": category("4B")}]}
    (card,) = ask_with(observations=bundle).cards
    assert "observations (only the first part was received)" in card["detail"]


# --------------------------------------------------------------------------------------
# Status


@pytest.mark.parametrize("status", ["final", "amended", "corrected", "appended"])
def test_a_final_report_counts(ask_with: AskWith, status: str) -> None:
    assert topics(ask_with(report(status=status, conclusionCode=[CATEGORY_5]))) == ["Category5"]


@pytest.mark.parametrize("status", ["preliminary", "partial", "registered", "entered-in-error", "cancelled"])
def test_a_report_that_is_not_final_opens_nothing(ask_with: AskWith, status: str) -> None:
    assert ask_with(report(status=status, conclusionCode=[CATEGORY_5])).cards == []


@pytest.mark.parametrize("status", ["preliminary", "registered", "entered-in-error", "cancelled"])
def test_an_observation_that_is_not_final_opens_nothing(ask_with: AskWith, status: str) -> None:
    assert ask_with(category("5", status=status)).cards == []


ACCESSION = [{"system": "urn:oid:1.2.3", "value": "A100"}]


def version(ident: str, said: str, status: str = "final", **changes: Any) -> Json:
    """A version of one report; those with a later id were issued later."""
    issued = {"r1": "2026-05-20T10:00:00Z", "r2": "2026-05-23T10:00:00Z", "r3": "2026-05-24T10:00:00Z"}[ident]
    return report(ident, status=status, conclusion=said, identifier=ACCESSION, issued=issued) | changes


LEFT_4B = version("r1", "IMPRESSION: Left breast BI-RADS 4B.")


@pytest.mark.parametrize("status", ["amended", "corrected", "appended"])
@pytest.mark.parametrize(
    ("said", "stands"),
    [
        ("IMPRESSION: Right breast BI-RADS 4B. Left breast BI-RADS 1.", {("left", "1"), ("right", "4B")}),
        ("IMPRESSION: Left breast BI-RADS 2.", {("left", "2")}),
    ],
)
def test_a_correction_replaces_the_report_with_its_identifier(
    ask_with: AskWith, status: str, said: str, stands: set[tuple[str, str]]
) -> None:
    answer = ask_with(LEFT_4B, version("r2", said, status))
    assert read(answer) == stands
    assert len(answer.record.history.studies) == 1


def test_a_correction_replaces_what_was_coded_in_the_report(ask_with: AskWith) -> None:
    older = version("r1", "Mammogram.", result=results("o-left"))
    newer = version("r2", "Mammogram.", "corrected", result=results("o-right"))
    assert read(ask_with(older, newer, category("4B"), category("2", "right"))) == {("right", "2")}


def test_the_last_of_several_corrections_stands(ask_with: AskWith) -> None:
    third = version("r3", "IMPRESSION: Left breast BI-RADS 4C.", "amended")
    second = version("r2", "IMPRESSION: Left breast BI-RADS 2.", "corrected")
    assert read(ask_with(third, LEFT_4B, second)) == {("left", "4C")}


@pytest.mark.parametrize(
    "change",
    [
        {"identifier": [{"system": "urn:oid:1.2.3", "value": "A101"}]}, {"identifier": None},
        {"identifier": [{"system": "urn:oid:9.9.9", "value": "A100"}]}, {"identifier": [{"system": "urn:oid:1.2.3"}]},
        {"status": "final"}, {"status": "preliminary"}, {"issued": "2026-05-19T10:00:00Z"},
        {"effectiveDateTime": "2026-05-22"}, {"code": fhir.concept(LOINC, "24601-7", "US Breast")},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_later_correction_of_the_same_examination_replaces_nothing(ask_with: AskWith, change: Json) -> None:
    other = version("r2", "IMPRESSION: Left breast BI-RADS 2.", "corrected") | change
    assert ("left", "4B") in read(ask_with(LEFT_4B, other))


def test_an_addendum_in_words_is_read_with_its_report(ask_with: AskWith) -> None:
    said = "Laterality error. The calcifications are in the RIGHT breast, not the left."
    assert read(ask_with(LEFT_4B, version("r2", said, "appended"))) == {("right", "4B")}
    assert read(ask_with(LEFT_4B, version("r2", f"ADDENDUM: {said}", "appended"))) == {("right", "4B")}


@pytest.mark.parametrize("status", ["amended", "corrected", "appended"])
def test_a_correction_without_an_assessment_takes_none_away(ask_with: AskWith, status: str) -> None:
    for added in (
        version("r2", "The patient was informed by telephone.", status),
        version("r2", "", status),
        version("r2", "", status, result=results("gone")),
    ):
        assert read(ask_with(LEFT_4B, added)) == {("left", "4B")}


def test_an_addendum_about_one_breast_leaves_the_other_as_it_was(ask_with: AskWith) -> None:
    added = version("r2", "Right breast, after ultrasound: BI-RADS 2.", "appended")
    assert ("left", "4B") in read(ask_with(LEFT_4B, added))


@pytest.mark.parametrize(
    "left_open",
    [
        {"conclusion": "Left breast BI-RADS 2. Left breast BI-RADS 5."},
        {
            "conclusion": None,
            "presentedForm": [{"contentType": "application/pdf", "url": "https://example.org/r1.pdf"}],
        },
    ],
    ids=["contradicting itself", "not sent"],
)
def test_an_addendum_closes_no_report_that_a_person_has_to_read(ask_with: AskWith, left_open: Json) -> None:
    older = {key: value for key, value in (LEFT_4B | left_open).items() if value is not None}
    added = version("r2", "Right breast BI-RADS 2.", "appended")
    alone, together = (topics(ask_with(*reports)) for reports in ([older], [older, added]))
    assert len(alone) == 1
    assert alone[0] in together


@pytest.mark.parametrize("status", [None, "weird"])
def test_without_a_known_status_nothing_is_ordered(ask_with: AskWith, status: str | None) -> None:
    assert orders(ask_with(report(status=status, conclusionCode=[CATEGORY_5]))) == []
    assert orders(ask_with(category("5", status=status))) == []


@pytest.mark.parametrize("status", [None, "weird"])
def test_without_a_known_status_a_5_is_not_passed_over_in_silence(ask_with: AskWith, status: str | None) -> None:
    assert ask_with(report(status=status, conclusionCode=[CATEGORY_5])).cards


@pytest.mark.parametrize("order", [["o-left", "o-right"], ["o-right", "o-left"]])
def test_a_preliminary_observation_of_a_final_report_is_read_the_same_in_any_order(
    ask_with: AskWith, order: list[str]
) -> None:
    preliminary = category("5", status="preliminary")
    answer = ask_with(report(result=results(*order)), preliminary, category("1", "right"))
    assert read(answer) == {("right", "1")}


# --------------------------------------------------------------------------------------
# Dates


@pytest.mark.parametrize(
    "dates",
    [
        {"effectiveDateTime": "2026-05-20"},
        {"effectiveDateTime": "2026-05-20T10:20:00"},
        {"effectiveDateTime": "2026-05-20T10:20:00.123+02:00"},
        {"effectiveDateTime": "2026-05-20T10:20Z"},
        {"effectiveDateTime": " 2026-05-20 "},
        {"effectivePeriod": {"start": "2026-05-20", "end": "2026-05-21"}},
        {"effectivePeriod": {"end": "2026-05-20T11:00:00Z"}},
        {"effectiveInstant": "2026-05-20T10:20:00Z"},
        {"issued": "2026-05-20T16:05:00Z"},
        {"effectiveDateTime": "soon", "issued": "2026-05-20T16:05:00Z"},
    ],
)
def test_a_day_in_any_form(ask_with: AskWith, dates: Json) -> None:
    study = report(conclusionCode=[CATEGORY_5], effectiveDateTime=None, issued=None) | dates
    (card,) = ask_with(study).cards
    assert ", 2026-05-20: biopsy not yet ordered." in card["summary"]


@pytest.mark.parametrize("partial", ["2026-05", "2026"])
def test_a_month_or_a_year_is_shown_as_it_is(ask_with: AskWith, partial: str) -> None:
    (card,) = ask_with(report(conclusionCode=[CATEGORY_5], effectiveDateTime=partial)).cards
    assert f", {partial}: biopsy" in card["summary"]


def test_a_study_without_a_date_is_not_used_and_named(ask_with: AskWith) -> None:
    undated = report("undated", conclusionCode=[CATEGORY_5], effectiveDateTime=None, issued=None)
    answer = ask_with(undated, category("4B"))
    assert read(answer) == {("left", "4B")}
    assert "DiagnosticReport/undated has no date" in left_out(answer)


def test_a_5_without_a_date_is_not_passed_over_in_silence(ask_with: AskWith) -> None:
    assert ask_with(report(conclusionCode=[CATEGORY_5], effectiveDateTime=None, issued=None)).cards


@pytest.mark.parametrize("odd", [{"status": None}, {"status": "weird"}, {"effectiveDateTime": None}], ids=str)
def test_an_observation_in_doubt_is_not_passed_over_in_silence_either(ask_with: AskWith, odd: Json) -> None:
    answer = ask_with(category("5", **odd))
    assert topics(answer) == ["ReportInDoubt"]
    assert orders(answer) == []


@pytest.mark.parametrize("odd", [{"status": "weird"}, {"effectiveDateTime": None, "issued": None}], ids=str)
def test_a_report_in_doubt_that_calls_for_nothing_says_nothing(ask_with: AskWith, odd: Json) -> None:
    answer = ask_with(report("doubtful", conclusionCode=[fhir.concept(SCT, "397140005")], **odd))
    assert answer.cards == []


def test_the_card_of_a_report_in_doubt_says_no_side_that_was_not_stated(ask_with: AskWith) -> None:
    (card,) = ask_with(report(conclusionCode=[CATEGORY_5], status=None)).cards
    assert card["summary"].startswith("BI-RADS 5 (suspicious), side not stated, 2026-05-20: ")
    assert card["detail"].count("**Found:**") == 1
    assert "DiagnosticReport/r (status) could not be read" in card["detail"]


def test_a_report_in_doubt_that_cannot_be_read_is_not_passed_over_either(ask_with: AskWith) -> None:
    (card,) = ask_with(report(status=None)).cards
    assert card["source"]["topic"]["code"] == "ReportInDoubt"
    assert "**Found:** No single assessment, both breasts, in " in card["detail"]


def test_a_report_that_leaves_its_category_open_is_not_said_to_contradict_itself(ask_with: AskWith) -> None:
    (card,) = ask_with(report(conclusion="Left breast: BI-RADS 4 or 5?")).cards
    assert card["source"]["topic"]["code"] == "Conflict"
    assert "**Found:** a category that is left open, left breast, in " in card["detail"]


def test_an_observation_without_a_status_is_as_final_as_its_report(ask_with: AskWith) -> None:
    assert topics(ask_with(report(result=results("o-left")), category("5", status=None))) == ["Category5"]


LABORATORY = [fhir.concept("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB")]


@pytest.mark.parametrize("said", ["Left breast, category 5.", "BI-RADS 5 on the left."])
def test_a_report_that_is_filed_elsewhere_is_read_where_its_words_speak_of_the_breast(
    ask_with: AskWith, said: str
) -> None:
    odd = report("odd", code={"text": "Report"}, category=LABORATORY, conclusion=said)
    assert read(ask_with(odd)) == {("left", "5")}


def test_a_mammogram_that_is_filed_under_laboratory_is_read(ask_with: AskWith) -> None:
    mammogram = report(code={"text": "Mammogram"}, category=LABORATORY, conclusion="Left breast: BI-RADS 4B.")
    assert read(ask_with(mammogram)) == {("left", "4B")}


def test_a_lone_observation_is_read_where_only_a_note_names_the_category(ask_with: AskWith) -> None:
    told = observation(code={"text": "Comment"}, note=[{"text": "Left breast: BI-RADS 4B."}])
    assert read(ask_with(told)) == {("left", "4B")}


def test_a_5_of_the_future_is_not_passed_over_in_silence(ask_with: AskWith) -> None:
    answer = ask_with(report(conclusionCode=[CATEGORY_5], effectiveDateTime="2062-05-20"))
    assert topics(answer) == ["ReportInDoubt"]
    assert orders(answer) == []


@pytest.mark.parametrize("kind", ["pathology", "procedure"])
def test_what_is_dated_in_the_future_answers_nothing(ask_with: AskWith, kind: str) -> None:
    day = date(2062, 5, 27)
    future = {
        "pathology": fhir.report("path", SUBJECT, day, code=(LOINC, "22637-3", "Left breast biopsy"), section="SP")
        | {"conclusionCode": [fhir.concept(SCT, "30807003")]},
        "procedure": fhir.procedure("x", SUBJECT, day, code=BIOPSY, side="left"),
    }
    answer = ask_with(category("5"), future[kind])
    assert topics(answer) == ["Category5"]
    assert "is dated in the future" in left_out(answer)


def test_a_study_of_the_future_is_not_used_and_named(ask_with: AskWith) -> None:
    future = report("future", conclusionCode=[CATEGORY_5], effectiveDateTime="2026-07-01")
    answer = ask_with(future, category("4B"))
    assert read(answer) == {("left", "4B")}
    assert "DiagnosticReport/future is dated in the future" in left_out(answer)


# --------------------------------------------------------------------------------------
# References


@pytest.mark.parametrize("base", ["", "https://ehr.example.org/r4/", "http://10.0.0.1:8080/fhir/"])
@pytest.mark.parametrize("version", ["", "/_history/2"])
def test_an_observation_by_any_reference(ask_with: AskWith, base: str, version: str) -> None:
    pointing = report(result=[{"reference": f"{base}Observation/o-left{version}"}])
    assert read(ask_with(pointing, category("4B", effectiveDateTime="2026-05-19"))) == {("left", "4B")}


def test_an_observation_by_urn_uuid(ask_with: AskWith) -> None:
    urn = "urn:uuid:6dd5d6a3-2c57-4b39-8f12-9d5f5d5c2f01"
    entries = [{"fullUrl": urn, "resource": category("4B", id=None)}]
    answer = ask_with(report(result=[{"reference": urn}]), observations={"resourceType": "Bundle", "entry": entries})
    assert read(answer) == {("left", "4B")}


def test_a_contained_observation(ask_with: AskWith) -> None:
    answer = ask_with(report(result=[{"reference": "#o-left"}], contained=[category("4B", effectiveDateTime=None)]))
    assert read(answer) == {("left", "4B")}


def test_a_contained_observation_that_nothing_points_to(ask_with: AskWith) -> None:
    assert read(ask_with(report(contained=[category("4B")]))) == {("left", "4B")}


def test_members_of_members(ask_with: AskWith) -> None:
    answer = ask_with(
        report(result=results("panel")),
        observation("panel", hasMember=results("breast"), effectiveDateTime="2026-05-18"),
        observation("breast", hasMember=results("o-left"), effectiveDateTime="2026-05-18"),
        category("4B", effectiveDateTime="2026-05-18"),
    )
    assert read(answer) == {("left", "4B")}


def test_members_that_go_round_in_circles(ask_with: AskWith) -> None:
    one, other = observation("a", hasMember=results("b")), observation("b", hasMember=results("a"))
    assert read(ask_with(report(result=results("a")), one, other)) == set()


def test_observations_without_a_report(ask_with: AskWith) -> None:
    assert read(ask_with(category("4B"), category("1", "right"))) == {("left", "4B"), ("right", "1")}


def test_observations_of_the_day_of_the_report(ask_with: AskWith) -> None:
    answer = ask_with(report(), category("4B"))
    assert read(answer) == {("left", "4B")}
    assert [study.reference for study in answer.record.studies] == ["DiagnosticReport/r"]


def test_observations_of_another_day_are_a_study_of_their_own(ask_with: AskWith) -> None:
    answer = ask_with(report(conclusionCode=[CATEGORY_5]), category("1", effectiveDateTime="2026-05-18"))
    assert len(answer.record.studies) == 2


def test_a_result_that_did_not_arrive_is_named(ask_with: AskWith) -> None:
    answer = ask_with(report(result=results("elsewhere")))
    assert topics(answer) == ["ReportNotRead"]
    assert "DiagnosticReport/r.result" in left_out(answer)


@pytest.mark.parametrize("newer_first", [True, False])
def test_the_newer_version_of_a_resource_counts(ask_with: AskWith, newer_first: bool) -> None:
    old = category("5", meta={"lastUpdated": "2026-05-20T10:00:00Z"})
    new = category("2", meta={"lastUpdated": "2026-05-21T10:00:00Z"})
    assert read(ask_with(*((new, old) if newer_first else (old, new)))) == {("left", "2")}


def test_the_newer_version_counts_whatever_its_time_zone(ask_with: AskWith) -> None:
    old = category("5", meta={"lastUpdated": "2026-05-21T01:00:00+09:00"})
    new = category("2", meta={"lastUpdated": "2026-05-20T23:00:00Z"})
    assert read(ask_with(old, new)) == {("left", "2")}


def test_of_two_versions_with_one_address_the_newer_is_referred_to(ask_with: AskWith) -> None:
    url = "https://ehr.example.org/r4/Observation/o-left"
    old = category("5", meta={"lastUpdated": "2026-05-20T10:00:00Z"}, effectiveDateTime="2026-05-18")
    new = category("2", meta={"lastUpdated": "2026-05-21T10:00:00Z"}, effectiveDateTime="2026-05-18")
    for versions in ((old, new), (new, old)):
        entries = [{"fullUrl": url, "resource": each} for each in versions]
        answer = ask_with(
            report(result=[{"reference": url}]), observations={"resourceType": "Bundle", "entry": entries}
        )
        assert read(answer) == {("left", "2")}


# --------------------------------------------------------------------------------------
# Whose


@pytest.mark.parametrize("subject", ["Patient/other", "https://ehr.example.org/r4/Patient/other", "Group/case"])
def test_a_report_of_somebody_else_is_not_used_and_named(ask_with: AskWith, subject: str) -> None:
    other = report("theirs", conclusionCode=[CATEGORY_5], subject={"reference": subject})
    answer = ask_with(other, category("4B"))
    assert read(answer) == {("left", "4B")}
    assert "DiagnosticReport/theirs belongs to another patient" in left_out(answer)


def test_an_observation_of_somebody_else_is_not_used_although_the_report_points_to_it(ask_with: AskWith) -> None:
    answer = ask_with(report(result=results("o-left")), category("5", subject={"reference": "Patient/other"}))
    assert read(answer) == set()


@pytest.mark.parametrize("kind", ["Procedure", "ServiceRequest"])
def test_a_biopsy_of_somebody_else_answers_nothing(ask_with: AskWith, kind: str) -> None:
    build = fhir.procedure if kind == "Procedure" else fhir.service_request
    theirs = build("theirs", "other", date(2026, 5, 25), code=BIOPSY, side="left")
    answer = ask_with(category("4B"), theirs)
    assert topics(answer) == ["Category4"]
    assert f"{kind}/theirs belongs to another patient" in left_out(answer)


# --------------------------------------------------------------------------------------
# Sides


LEFT = qualified("7771000")
BY_REFERENCE = {"extension": [lateral(valueReference={"reference": "#site"})]}
SIDED: dict[str, Json] = {
    "body site": {"bodySite": fhir.site("left")},
    "body site in words": {"bodySite": {"text": "Left breast"}},
    "body site with a qualifier": {"bodySite": qualified("76752008", "7771000")},
    "extension": {"extension": [lateral(valueCodeableConcept=fhir.concept(CDE, "RDE1588_left"))]},
    "extension with a coding": {"extension": [lateral(valueCoding={"system": SCT, "code": "7771000"})]},
    "extension of the body site": {"bodySite": qualified("76752008", extension=[lateral(valueCodeableConcept=LEFT)])},
    "extension in an extension": {
        "extension": [
            {
                "url": "BreastBodyLocationExtension",
                "extension": [lateral(valueCodeableConcept=fhir.concept(CDE, "RDE1557_left"))],
            }
        ]
    },
    "BodyStructure": {"bodySite": BY_REFERENCE, "contained": [body_structure("80248007")]},
    "BodyStructure with a qualifier": {
        "bodySite": BY_REFERENCE,
        "contained": [body_structure("76752008", qualifier="7771000")],
    },
    "component that asks for the side": {"component": [component("RDE1557", "RDE1557_left")]},
}


@pytest.mark.parametrize("stated", SIDED.values(), ids=list(SIDED))
def test_a_side_by_any_element(ask_with: AskWith, stated: Json) -> None:
    answer = ask_with(observation(valueCodeableConcept=CATEGORY_5, **stated))
    assert read(answer) == {("left", "5")}


def test_a_body_structure_that_was_delivered_beside(ask_with: AskWith) -> None:
    site = {"extension": [lateral(valueReference={"reference": "BodyStructure/site"})]}
    sited = observation(valueCodeableConcept=CATEGORY_5, bodySite=site)
    entries = [{"resource": each} for each in (sited, body_structure("80248007"))]
    assert read(ask_with(observations={"resourceType": "Bundle", "entry": entries})) == {("left", "5")}


def test_an_assessment_without_a_side_gets_none(ask_with: AskWith) -> None:
    assert read(ask_with(report(conclusionCode=[CATEGORY_5]))) == {("unstated", "5")}


def test_the_code_of_a_study_of_one_breast_gives_the_side_as_a_last_resort(ask_with: AskWith) -> None:
    study = report(conclusionCode=[CATEGORY_5], code=fhir.concept(LOINC, "26347-5"))
    assert read(ask_with(study)) == {("left", "5")}


@pytest.mark.parametrize("words", ["Mama der.", "rt breast", "Mamma rechts"])
def test_a_short_word_beside_the_breast_is_a_side(ask_with: AskWith, words: str) -> None:
    assert read(ask_with(report(conclusionCode=[CATEGORY_5 | {"text": words}]))) == {("right", "5")}


@pytest.mark.parametrize("words", ["Mamma-Ca, Z. n. BET und RT", "Brustkrebs lt. Anamnese", "Breast cancer, breast RT"])
def test_radiotherapy_and_according_to_are_no_sides(ask_with: AskWith, words: str) -> None:
    cancer = {"coding": [{"system": ICD, "code": "C50.9"}], "text": words}
    for side in ("left", "right"):
        assert topics(ask_with(category("5", side), problem(cancer, bodySite=[]))) == ["Category5"]


NOT_A_SIDE = {
    "the German article der": "Bösartige Neubildung der Brustdrüse",
    "an entity": "suspicious group, &lt;5 mm",
    "French for two": "deux foyers",
}


@pytest.mark.parametrize("words", NOT_A_SIDE.values(), ids=list(NOT_A_SIDE))
def test_a_word_that_is_no_side_gives_none(ask_with: AskWith, words: str) -> None:
    answer = ask_with(report(conclusionCode=[CATEGORY_5 | {"text": words}]))
    assert read(answer) == {("unstated", "5")}


def test_a_german_problem_list_without_a_side_silences_nobody(ask_with: AskWith) -> None:
    cancer = {"coding": [{"system": ICD, "code": "C50.9"}], "text": "Bösartige Neubildung der Brustdrüse"}
    assert topics(ask_with(category("5", "right"), problem(cancer, bodySite=[]))) == ["Category5"]


def test_a_german_pathology_report_of_the_left_does_not_answer_the_right(ask_with: AskWith) -> None:
    assert topics(ask_with(category("5", "right"), pathology("Stanzbiopsie der linken Brust"))) == ["Category5"]


# --------------------------------------------------------------------------------------
# Titles in the words of a department


@pytest.mark.parametrize(
    ("title", "kind", "side"),
    [
        ("MAM SCREENING BILAT W TOMO", "screening-mammogram", "both"),
        ("MAM DIAG RT", "diagnostic-mammogram", "right"),
        ("XR MAMMO", "mammogram", "unstated"),
        ("MAM US BREAST LIMITED LEFT", "ultrasound", "left"),
        ("US BREAST LT", "ultrasound", "left"),
        ("MR BREAST W WO", "mri", "unstated"),
        ("MAM STEREO BX LT", "stereotactic-biopsy", "left"),
        ("sonomammography", "ultrasound", "unstated"),
        ("6-MAM screen, urine", None, "unstated"),
        ("6 MAM SCREEN", None, "unstated"),
        ("Ref Mr Jones, breast surgeon", None, "unstated"),
    ],
)
def test_a_shortened_title_is_understood_where_no_code_is(
    knowledge: Knowledge, title: str, kind: str | None, side: str
) -> None:
    terms = knowledge.terminology
    assert (terms.order_kind_in(title), terms.side_in(title, is_title=True)) == (kind, side)


def test_a_report_whose_title_is_shortened_is_one_of_breast_imaging(ask_with: AskWith) -> None:
    sent = report(
        code={"text": "MAM DIAGNOSTIC RIGHT", "coding": [{"system": "urn:oid:1.2.3", "code": "IMG5588"}]},
        conclusion="Suspicious calcifications. BI-RADS 4B.",
    )
    assert read(ask_with(sent)) == {("right", "4B")}


def test_an_observation_whose_title_names_birads_or_a_side_is_read_with_it(ask_with: AskWith) -> None:
    bare = observation("o-1", code={"text": "BI-RADS"}, valueString="4B", bodySite=[{"text": "left breast"}])
    assert read(ask_with(bare)) == {("left", "4B")}
    left = observation("o-2", code={"text": "Impression left breast"}, valueString="BI-RADS 4B")
    right = observation("o-3", code={"text": "Impression right breast"}, valueString="BI-RADS 1")
    assert read(ask_with(left, right)) == {("left", "4B"), ("right", "1")}
