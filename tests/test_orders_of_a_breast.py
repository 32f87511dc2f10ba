"""Orders for the breast that needs them less, and for one that is no longer there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from cds_service.pipeline import ServiceDesk
from cds_service.synthetic import charts
from cds_service.synthetic import resources as fhir
from tests.case_charts import HOOK_INSTANCE, Asker, Json, order, resources_of

TODAY = date(2026, 6, 1)
PATIENT = {"resourceType": "Patient", "id": "case", "gender": "female", "birthDate": "1966-01-01"}
Answered = Callable[..., list[Json]]
Said = Callable[..., list[tuple[str, str]]]


@pytest.fixture
def answered(desk: ServiceDesk) -> Answered:
    """The cards for drafts that were just selected, or are about to be signed."""
    ask = Asker(desk)

    def cards(
        case: Json, *drafts: Json, hook: str = "order-select", also: tuple[Json, ...] = (), born: str = "1966-01-01"
    ) -> list[Json]:
        asked = charts.hook_request(
            [PATIENT | {"birthDate": born}, *resources_of(case), *also],
            hook,
            hook_instance=HOOK_INSTANCE,
            drafts=drafts,
            selections=[f"ServiceRequest/{each['id']}" for each in drafts],
        )
        return ask(asked, today=TODAY).cards

    return cards


@pytest.fixture
def said(answered: Answered) -> Said:
    """Indicator and summary of those cards."""
    return lambda *asked, **more: [(card["indicator"], card["summary"]) for card in answered(*asked, **more)]


LEFT_4B = {"studies": [{"date": "2026-05-20", "left": "4B", "right": "1"}]}
LEFT_REMOVED = {"mastectomy": [{"side": "left", "since": "2019-07-01"}]}
RIGHT_1 = {"studies": [{"date": "2026-05-20", "right": "1"}]}
PLEASE_CHECK = "Mastectomy on record: the {} is for the left breast. Please check the side."


def test_a_diagnostic_mammogram_of_the_suspicious_breast_is_not_taken_for_screening_of_the_other(said: Said) -> None:
    found = said(LEFT_4B, order("diagnostic-mammogram", "left", TODAY))
    assert found == [
        ("warning", "BI-RADS 4B (suspicious), left breast, 2026-05-20: biopsy needed, not a diagnostic mammogram.")
    ]


@pytest.mark.parametrize(
    "right", [{"date": "2026-05-20", "right": "1"}, {"date": "2026-05-20", "right": "3"}], ids=["1", "3"]
)
def test_imaging_of_a_breast_whose_biopsy_is_ordered_is_not_meant_for_a_lesser_matter_of_the_other(
    said: Said, right: Json
) -> None:
    case = {
        "studies": [right | {"left": "4B"}],
        "orders": [{"kind": "stereotactic-biopsy", "side": "left", "date": "2026-05-22"}],
    }
    assert not any("is for the left breast" in summary for _, summary in said(case, order("mammogram", "left", TODAY)))


def test_a_biopsy_of_the_breast_beside_the_suspicious_one_is_the_wrong_breast(said: Said) -> None:
    found = said(LEFT_4B, order("stereotactic-biopsy", "right", TODAY))
    assert found == [
        (
            "warning",
            "BI-RADS 4B (suspicious), left breast, 2026-05-20: "
            "the stereotactic core needle biopsy is for the right breast.",
        )
    ]


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("stereotactic-biopsy", "stereotactic core needle biopsy"),
        ("screening-mammogram", "screening mammogram"),
        ("wire-localisation", "wire localisation"),
    ],
)
def test_an_order_for_a_breast_that_was_removed_asks_to_check_the_side(
    said: Said, kind: str, words: str, hook: str
) -> None:
    found = said(RIGHT_1 | LEFT_REMOVED, order(kind, "left", TODAY), hook=hook)
    assert found == [("info", PLEASE_CHECK.format(words))]


def test_a_biopsy_of_a_removed_breast_is_the_wrong_breast_where_the_other_one_needs_it(said: Said) -> None:
    case = {"studies": [{"date": "2026-05-20", "right": "4B"}]} | LEFT_REMOVED
    (found,) = said(case, order("stereotactic-biopsy", "left", TODAY))
    assert found[0] == "warning"
    assert found[1].startswith("BI-RADS 4B (suspicious), right breast")


@pytest.mark.parametrize("kind", ["ultrasound", "mri"])
def test_imaging_of_the_chest_wall_after_a_mastectomy_is_left_alone(said: Said, kind: str) -> None:
    assert said(RIGHT_1 | LEFT_REMOVED, order(kind, "left", TODAY)) == []


@pytest.mark.parametrize("side", ["right", "both", None])
def test_screening_that_does_not_single_out_the_removed_breast_is_left_alone(said: Said, side: str | None) -> None:
    case = {"studies": [{"date": "2025-05-20", "right": "1"}]} | LEFT_REMOVED
    assert said(case, order("screening-mammogram", side, TODAY)) == []


LEFT_5 = {"studies": [{"date": "2026-05-20", "left": "5"}]}
OPEN_5 = [("critical", "BI-RADS 5 (suspicious), left breast, 2026-05-20: biopsy not yet ordered.")]
ASKS_FOR_NOTHING: list[Json] = [
    {"doNotPerform": True}, {"status": "revoked"}, {"status": "cancelled"}, {"status": "entered-in-error"},
    {"status": "completed"}, {"intent": "option"}, {"intent": "directive"},
]  # fmt: skip
ASKS: list[Json] = [
    {"intent": "proposal"}, {"intent": "plan"}, {"intent": "original-order"}, {"intent": ""}, {"status": "active"},
    {"status": ""}, {"doNotPerform": False},
]  # fmt: skip


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
@pytest.mark.parametrize("change", ASKS_FOR_NOTHING, ids=str)
def test_a_draft_that_asks_for_nothing_meets_no_step(said: Said, change: Json, hook: str) -> None:
    assert said(LEFT_5, order("stereotactic-biopsy", "left", TODAY) | change, hook=hook) == OPEN_5


@pytest.mark.parametrize("change", ASKS, ids=str)
def test_a_draft_that_is_about_to_be_signed_meets_the_step_whatever_it_was_meant_as(said: Said, change: Json) -> None:
    assert said(LEFT_5, order("stereotactic-biopsy", "left", TODAY) | change, hook="order-sign") == []


def test_a_draft_with_the_side_in_its_title_is_held_against_that_side(said: Said) -> None:
    (found,) = said(LEFT_5, titled("stereotactic-biopsy", None, "Stereotactic biopsy RIGHT breast"), hook="order-sign")
    assert found[1].endswith("the stereotactic core needle biopsy is for the right breast.")


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_a_draft_that_names_two_sides_is_for_neither(said: Said, hook: str) -> None:
    draft = titled("stereotactic-biopsy", "left", "Stereotactic biopsy RIGHT breast")
    assert said(LEFT_5, draft, hook=hook) == OPEN_5


def titled(kind: str, side: str | None, title: str) -> Json:
    """A draft order whose code has no side, under a title."""
    draft = order(kind, side, TODAY)
    return draft | {"code": draft["code"] | {"text": title}}


CODED_RIGHT_WRITTEN_LEFT = {"studies": [{"date": "2026-05-20", "right": "5", "written": {"left": "5"}}]}


def test_nothing_is_ordered_for_either_breast_where_the_code_names_one_and_the_words_the_other(
    answered: Answered,
) -> None:
    (card,) = answered(CODED_RIGHT_WRITTEN_LEFT, hook="patient-view")
    assert (card["indicator"], card["source"]["topic"]["code"]) == ("info", "Conflict")
    assert "suggestions" not in card
    assert ", right breast (Observation/" in card["detail"]
    assert "BI-RADS 5”, left breast (DiagnosticReport/" in card["detail"]


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_biopsy_of_either_breast_is_signed_with_the_contradiction_in_view(said: Said, side: str) -> None:
    ((indicator, summary),) = said(
        CODED_RIGHT_WRITTEN_LEFT, order("stereotactic-biopsy", side, TODAY), hook="order-sign"
    )
    assert indicator == "info"
    assert summary.startswith(f"Breast imaging 2026-05-20, {side} breast: the report contradicts itself")


@pytest.mark.parametrize(
    ("dated", "row"),
    [
        ({}, "AssessedAndRemoved"),
        ({"recordedDate": "2026-05-28"}, "AssessedAndRemoved"),
        ({"recordedDate": "2026-05-19"}, "AssessedAfterRemoval"),
        ({"onsetDateTime": "2026-05-19", "recordedDate": "2026-05-28"}, "AssessedAfterRemoval"),
        ({"onsetDateTime": "2026-05-27", "recordedDate": "2026-05-28"}, None),
    ],
    ids=["undated", "recorded since", "recorded before", "removed before", "removed since"],
)
def test_when_a_mastectomy_was_recorded_does_not_tell_that_it_answered_a_5(
    answered: Answered, dated: Json, row: str | None
) -> None:
    absence = fhir.condition("absence", "case", TODAY, code=fhir.concept(fhir.ICD, "Z90.12"))
    del absence["onsetDateTime"]
    found = answered({"studies": [{"date": "2026-05-20", "left": "5"}]}, hook="patient-view", also=(absence | dated,))
    assert [card["source"]["topic"]["code"] for card in found] == ([] if row is None else [row])
    assert not any("suggestions" in card for card in found)


ON_ULTRASOUND = {"date": "2026-05-20", "kind": "ultrasound", "side": "left"}
ON_MRI = ON_ULTRASOUND | {"kind": "mri"}
ON_MAMMOGRAPHY = ON_ULTRASOUND | {"kind": "diagnostic-mammogram"}
A_YEAR_BEFORE = {"date": "2025-11-01", "left": "3"}
FIFTY, YOUNG = "1976-01-01", "2004-05-05"
MAMMOGRAM, ULTRASOUND, MRI = "diagnostic mammogram", "breast ultrasound", "breast MRI"
MAGNIFICATION = "diagnostic mammogram with magnification views"


@pytest.mark.parametrize(
    ("studies", "born", "offered"),
    [
        ([ON_ULTRASOUND | {"left": "3"}], FIFTY, [ULTRASOUND, MAMMOGRAM]),
        ([ON_MRI | {"left": "3"}], FIFTY, [MRI, MAMMOGRAM]),
        ([ON_MAMMOGRAPHY | {"left": "3"}], FIFTY, [MAMMOGRAM]),
        ([ON_ULTRASOUND | {"left": "3"}, ON_MAMMOGRAPHY | {"left": "3"}], FIFTY, [MAMMOGRAM]),
        ([ON_ULTRASOUND | {"left": "3"}, ON_MAMMOGRAPHY | {"left": "2"}], FIFTY, [ULTRASOUND, MAMMOGRAM]),
        ([ON_ULTRASOUND | {"left": "3"}, ON_ULTRASOUND | A_YEAR_BEFORE], FIFTY, [MAMMOGRAM, ULTRASOUND]),
        ([ON_ULTRASOUND | {"left": "3"}, ON_ULTRASOUND | A_YEAR_BEFORE], YOUNG, [ULTRASOUND, MAMMOGRAM]),
        ([ON_ULTRASOUND | {"left": "0"}], FIFTY, [MAGNIFICATION, ULTRASOUND]),
        ([ON_ULTRASOUND | {"left": "0"}], YOUNG, [ULTRASOUND, MAGNIFICATION]),
        ([ON_MAMMOGRAPHY | {"left": "0"}], YOUNG, [MAGNIFICATION, ULTRASOUND]),
    ],
)
def test_what_ultrasound_or_mri_alone_found_is_followed_by_the_same(
    answered: Answered, studies: list[Json], born: str, offered: list[str]
) -> None:
    (card,) = answered({"studies": studies}, hook="patient-view", born=born)
    found = [each["label"] for each in card["suggestions"]]
    assert [label.removeprefix("Order ").split(",")[0] for label in found] == offered
    assert [each.get("isRecommended", False) for each in card["suggestions"]] == [True] + [False] * (len(offered) - 1)


def test_a_pregnant_woman_is_offered_no_mri_for_what_mri_found(answered: Answered) -> None:
    (card,) = answered({"studies": [ON_MRI | {"left": "3"}], "context": ["pregnant"]}, hook="patient-view", born=FIFTY)
    assert [each["label"] for each in card["suggestions"]] == ["Order diagnostic mammogram, left breast"]
    assert card["suggestions"][0]["isRecommended"]


@pytest.mark.parametrize("side", ["left", "unstated"])
def test_a_2_beside_a_coded_recommendation_of_a_biopsy_is_asked_about_without_an_order(
    answered: Answered, side: str
) -> None:
    case = {"studies": [{"date": "2026-05-20", "side": "left", "left": "2", "biopsy_recommended": side}]}
    (card,) = answered(case, hook="patient-view")
    assert (card["indicator"], card["source"]["topic"]["code"]) == ("info", "BiopsyRecommended")
    assert "suggestions" not in card
    assert "**Recommended:** 111148 (DICOM Controlled Terminology" in card["detail"]


def test_a_biopsy_that_a_report_recommends_beside_a_2_is_selected_with_the_question_in_view(answered: Answered) -> None:
    case = {"studies": [{"date": "2026-05-20", "side": "left", "left": "2", "biopsy_recommended": "left"}]}
    found = answered(case, order("stereotactic-biopsy", "left", TODAY))
    assert {card["source"]["topic"]["code"] for card in found} == {"Benign", "BiopsyRecommended"}
    assert not any("suggestions" in card for card in found)


@pytest.mark.parametrize(
    ("said_in_words", "topics"),
    [
        ("IMPRESSION: BI-RADS 2. RECOMMENDATION: Stereotactic biopsy of the left breast.", ["BiopsyRecommended"]),
        ("IMPRESSION: Suspicious calcifications, left. BI-RADS 2. Biopsy is recommended.", ["BiopsyRecommended"]),
        (
            "IMPRESSION: BI-RADS 3, left. RECOMMENDATION: Ultrasound guided core biopsy.",
            ["Category3FirstVisit", "BiopsyRecommended"],
        ),
        ("IMPRESSION: BI-RADS 2. No biopsy is needed.", []),
        ("HISTORY: Biopsy was recommended in 2020.\nIMPRESSION: BI-RADS 2.", []),
        ("IMPRESSION: BI-RADS 2. If the mass grows, biopsy is recommended.", []),
        ("IMPRESSION: Right: BI-RADS 2. Left: BI-RADS 4B. Biopsy is recommended.", ["Category4"]),
    ],
)
def test_a_biopsy_that_the_words_recommend_beside_a_mild_category_is_asked_about(
    desk: ServiceDesk, said_in_words: str, topics: list[str]
) -> None:
    report = fhir.report(
        "r-1",
        "case",
        date(2026, 5, 20),
        code=charts.STUDY_CODES["diagnostic"],
        conclusion=f"MAMMOGRAM\n{said_in_words}",
    )
    asked = charts.hook_request([PATIENT, report], "patient-view", hook_instance=HOOK_INSTANCE)
    found = Asker(desk)(asked, today=TODAY).cards
    assert [card["source"]["topic"]["code"] for card in found] == topics
    assert all("suggestions" not in card for card in found if topics == ["BiopsyRecommended"])
