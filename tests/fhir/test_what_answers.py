"""What answers an assessment, and who is left alone: only what certainly happened, to that breast of that person."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from cds_service.synthetic import resources as fhir
from tests.small_fhir import (
    BIOPSY,
    CANCER,
    CATEGORY_5,
    ICD,
    LOINC,
    MALIGNANT,
    SCT,
    SUBJECT,
    AskWith,
    Json,
    category,
    left_out,
    observation,
    order,
    orders,
    pathology,
    problem,
    procedure,
    read,
    report,
    results,
    topics,
)  # fmt: skip

# --------------------------------------------------------------------------------------
# What answers an assessment


def test_pathology_of_the_breast_answers(ask_with: AskWith) -> None:
    assert ask_with(category("5"), pathology("Left breast, core biopsy")).cards == []


@pytest.mark.parametrize("title", ["Prostate, core biopsy", "Colon polyp", "Skin of left arm", "Surgical pathology"])
def test_pathology_of_another_organ_answers_nothing(ask_with: AskWith, title: str) -> None:
    assert topics(ask_with(category("5"), pathology(title))) == ["Category5"]


def test_a_mammogram_that_concludes_cancer_is_no_pathology(ask_with: AskWith) -> None:
    mammogram = report("later", conclusionCode=[MALIGNANT], effectiveDateTime="2026-05-27")
    answer = ask_with(category("5"), mammogram)
    assert sorted(topics(answer)) == ["Category5", "ReportNotRead"]


def test_pathology_of_the_other_breast_answers_nothing(ask_with: AskWith) -> None:
    assert topics(ask_with(category("5"), pathology("Right breast, core biopsy"))) == ["Category5"]


def laboratory(conclusion: str, *codes: Json, **changes: Any) -> Json:
    """A surgical pathology report whose title names no organ."""
    return pathology("Surgical pathology report", conclusion=conclusion, conclusionCode=list(codes)) | changes


BENIGN = fhir.concept(SCT, "30807003", "Benign")
HISTORY = [
    "Skin of back, excision: melanoma in situ. History of breast cancer.",
    "Endometrial biopsy: benign proliferative endometrium. Clinical: tamoxifen after breast cancer.",
    "Cervix, Pap smear: negative for intraepithelial lesion. Family history of breast cancer.",
    "Clinical history: left breast cancer. Diagnosis: melanoma in situ.",
    "CLINICAL HISTORY\nLeft breast mass\nDIAGNOSIS\nTubular adenoma of the colon",
    "Liver, core biopsy: metastatic adenocarcinoma consistent with breast primary.",
    "Lymph node, left axilla: metastatic carcinoma, known left breast cancer.",
    "Skin, left breast, shave: seborrhoeic keratosis.",
    "Left arm lipoma. Breast: not submitted.",
    "Breast cancer screening: tubular adenoma of the colon.",
    "Haut, Exzision: Basaliom. Z. n. Mammakarzinom links.",
    "Thyroid, left lobe: papillary carcinoma. The left breast mass is under work-up.",
]


@pytest.mark.parametrize("conclusion", HISTORY)
@pytest.mark.parametrize("codes", [[MALIGNANT], [BENIGN], []], ids=["malignant", "benign", "not coded"])
def test_a_history_of_the_breast_makes_no_pathology_of_it(
    ask_with: AskWith, conclusion: str, codes: list[Json]
) -> None:
    assert topics(ask_with(category("5"), laboratory(conclusion, *codes))) == ["Category5"]


OF_THE_LEFT = [
    "Left breast, core biopsy: invasive ductal carcinoma. History of melanoma of the back.",
    "FINAL DIAGNOSIS: Breast, left, 12 o'clock, core biopsy: invasive carcinoma.",
    "FINAL DIAGNOSIS:\nA. Left breast, stereotactic core biopsy:\n- Ductal carcinoma in situ.",
    "Clinical history: right breast cyst. Diagnosis: Left breast, biopsy: carcinoma.",
    "Invasive ductal carcinoma of the left breast.",
    "Stanzbiopsie Mamma links: invasives Karzinom.",
    "Breast, lt, core: DCIS",
    "Linkerborst, naaldbiopt: invasief carcinoom.",
    "Specimen: Left breast, core biopsy. Diagnosis: DCIS.",
    "FINAL SURGICAL PATHOLOGY DIAGNOSIS\nLeft breast core, invasive carcinoma",
    "A. Left breast, lumpectomy: invasive carcinoma. B. Sentinel lymph node: negative for carcinoma.",
]


@pytest.mark.parametrize("conclusion", OF_THE_LEFT)
def test_pathology_that_begins_with_the_breast_answers_for_its_side(ask_with: AskWith, conclusion: str) -> None:
    result = laboratory(conclusion, MALIGNANT)
    assert ask_with(category("5"), result).cards == []
    assert topics(ask_with(category("5", "right"), result)) == ["Category5"]


def test_a_side_in_the_history_of_pathology_is_not_its_side(ask_with: AskWith) -> None:
    said = "Right breast, core biopsy: fibroadenoma. Clinical history: left breast mass also under work-up."
    assert topics(ask_with(category("5"), laboratory(said))) == ["Category5"]
    assert ask_with(category("5", "right"), laboratory(said)).cards == []


def test_pathology_of_the_breast_that_was_asked_about_answers_for_no_other(ask_with: AskWith) -> None:
    said = "Clinical information: left breast calcifications.\nDiagnosis: usual ductal hyperplasia."
    result = pathology("Breast, core biopsy", conclusionCode=None, conclusion=said)
    assert ask_with(category("5"), result).cards == []
    assert topics(ask_with(category("5", "right"), result)) == ["Category5"]


def specimen(site: Json) -> Json:
    return {
        "contained": [{"resourceType": "Specimen", "id": "sp", "collection": {"bodySite": site}}],
        "specimen": [{"reference": "#sp"}],
    }


@pytest.mark.parametrize(
    "stated",
    [
        specimen(fhir.site("right")),
        specimen({"text": "Right breast"}),
        {"specimen": [{"display": "Right breast core"}]},
    ],
    ids=["coded", "in words", "by display"],
)
def test_the_specimen_tells_which_breast_it_was_taken_from(ask_with: AskWith, stated: Json) -> None:
    result = laboratory("Core biopsy: invasive carcinoma.", MALIGNANT, **stated)
    assert topics(ask_with(category("5"), result)) == ["Category5"]
    assert ask_with(category("5", "right"), result).cards == []


def test_a_specimen_of_another_organ_is_not_of_the_breast_whatever_the_words(ask_with: AskWith) -> None:
    result = laboratory("Breast cancer patient.", MALIGNANT, **specimen(fhir.concept(SCT, "39607008", "Lung")))
    assert topics(ask_with(category("5"), result)) == ["Category5"]


@pytest.mark.parametrize("site", [{"text": "Left"}, fhir.concept(SCT, "7771000"), fhir.concept(SCT, "1")], ids=str)
def test_a_specimen_that_names_no_organ_leaves_that_to_the_title(ask_with: AskWith, site: Json) -> None:
    assert ask_with(category("5"), pathology("Breast, core biopsy", **specimen(site))).cards == []


def test_pathology_whose_specimen_contradicts_its_words_answers_for_neither(ask_with: AskWith) -> None:
    result = laboratory("Left breast, core biopsy: carcinoma.", MALIGNANT, **specimen(fhir.site("right")))
    for side in ("left", "right"):
        answer = ask_with(category("5", side), result)
        assert topics(answer) == ["Category5"]
        assert "DiagnosticReport/path (side) contradicts itself" in left_out(answer)


TWO_SIDES = "A. Right breast, core biopsy: benign fibroadenoma. B. Left breast, core biopsy: invasive carcinoma."


def test_each_side_of_a_report_gets_its_own_result(ask_with: AskWith) -> None:
    answer = ask_with(category("5"), category("5", "right"), laboratory(TWO_SIDES, BENIGN, MALIGNANT))
    assert topics(answer) == ["DiscordantBenign"]
    assert "right breast" in answer.cards[0]["summary"]


@pytest.mark.parametrize("code", [BENIGN, MALIGNANT], ids=["benign", "malignant"])
def test_a_result_of_one_side_closes_no_other(ask_with: AskWith, code: Json) -> None:
    said = "A. Right breast, core biopsy: see synoptic report. B. Left breast, core biopsy: see synoptic report."
    answer = ask_with(category("4B"), category("4B", "right"), laboratory(said, code))
    assert topics(answer) == ["Category4"]
    assert "DiagnosticReport/path (result) does not state its side" in left_out(answer)


def test_a_result_of_another_organ_is_none_of_the_breast_beside_it(ask_with: AskWith) -> None:
    said = "A. Skin of back: melanoma. B. Left breast, core biopsy: benign fibroadenoma."
    assert topics(ask_with(category("5"), laboratory(said, MALIGNANT, BENIGN))) == ["DiscordantBenign"]
    assert topics(ask_with(category("5"), laboratory(said, MALIGNANT))) == ["Category5"]


def test_the_words_of_a_coded_result_tell_its_side(ask_with: AskWith) -> None:
    codes = BENIGN | {"text": "Benign, right breast"}, MALIGNANT | {"text": "Malignant, left breast"}
    answer = ask_with(category("5"), category("5", "right"), pathology("Breast biopsies", conclusionCode=[*codes]))
    assert topics(answer) == ["DiscordantBenign"]


def test_results_that_observations_state_for_each_side(ask_with: AskWith) -> None:
    found = [
        observation(side, bodySite=fhir.site(side), valueCodeableConcept=code, code={"text": "Diagnosis"})
        for side, code in (("left", MALIGNANT), ("right", BENIGN))
    ]
    result = pathology("Breast biopsy", conclusionCode=None, result=results("left", "right"))
    answer = ask_with(category("5"), category("5", "right"), result, *found)
    assert topics(answer) == ["DiscordantBenign"]


@pytest.mark.parametrize("status", ["preliminary", "registered", "entered-in-error", "cancelled"])
def test_pathology_that_is_not_final_answers_nothing(ask_with: AskWith, status: str) -> None:
    result = pathology("Left breast, core biopsy", status=status)
    assert topics(ask_with(category("5"), result)) == ["Category5"]


def test_a_biopsy_done_or_ordered_answers(ask_with: AskWith) -> None:
    assert ask_with(category("4B"), procedure()).cards == []
    assert ask_with(category("4B"), order()).cards == []


@pytest.mark.parametrize(
    "status", ["preparation", "in-progress", "not-done", "on-hold", "stopped", "entered-in-error", "unknown", None]
)
def test_a_procedure_that_was_not_completed_answers_nothing(ask_with: AskWith, status: str | None) -> None:
    assert topics(ask_with(category("4B"), procedure(status=status))) == ["Category4"]


@pytest.mark.parametrize(
    "change",
    [
        {"status": "revoked"}, {"status": "completed"}, {"status": "entered-in-error"}, {"status": "unknown"},
        {"status": None}, {"intent": "proposal"}, {"intent": "plan"}, {"intent": "option"}, {"intent": None},
        {"doNotPerform": True}, {"authoredOn": "2026-01-01"},
    ],
    ids=str,
)  # fmt: skip
def test_an_order_that_is_not_waiting_for_this_study_answers_nothing(ask_with: AskWith, change: Json) -> None:
    assert topics(ask_with(category("4B"), order(**change))) == ["Category4"]


WAITING: list[Json] = [{"status": "on-hold"}, {"status": "draft"}, {"intent": "filler-order"}, {"authoredOn": None}]


@pytest.mark.parametrize("change", WAITING, ids=str)
def test_an_order_that_waits_in_another_way_answers(ask_with: AskWith, change: Json) -> None:
    assert ask_with(category("4B"), order(**change)).cards == []


PAPERWORK = (
    "Review of outside breast biopsy slides", "Breast biopsy cancelled", "Removal of breast biopsy clip",
    "Follow-up visit after breast biopsy", "Consent form for breast biopsy", "Nurse education breast biopsy",
    "Breast biopsy site wound check", "Consent for stereotactic breast biopsy", "Post-biopsy check, breast",
    "Discussion: core needle biopsy of breast", "Breast biopsy not performed", "Hx of stereo bx breast",
    "Breast biopsy clip placement", "Prior authorization for breast biopsy", "Prior breast biopsy",
    "Aufklärung vor Mammabiopsie", "Wundkontrolle nach Mammabiopsie", "Stanzbiopsie der Brust abgesagt",
    "Consentimiento para biopsia de mama", "Biopsia de mama cancelada", "Consentement biopsie du sein",
    "Biopsie mammaire annulée", "Biopsia mammaria annullata", "Toestemming borstbiopsie", "Revisão de biópsia da mama",
)  # fmt: skip


@pytest.mark.parametrize("title", PAPERWORK)
def test_what_goes_with_a_biopsy_is_not_the_biopsy(ask_with: AskWith, title: str) -> None:
    for beside in (procedure(code={"text": title}), order(code={"text": title})):
        assert topics(ask_with(category("5"), beside)) == ["Category5"]


@pytest.mark.parametrize(
    "title",
    [
        "Stereotactic breast biopsy with clip", "Breast biopsy, posterior depth", "BREAST BX 1ST SITE",
        "Vakuumbiopsie der Brust", "Biopsia de mama", "Biopsie du sein", "Excisional biopsy of breast, lump removed",
        "Lumpectomy after wire placement, breast", "US GUIDED BREAST BX W/ CLIP PLACEMENT",
        "Core biopsy of breast mass found on prior mammogram",
    ],
)  # fmt: skip
def test_a_biopsy_by_its_title_alone_answers(ask_with: AskWith, title: str) -> None:
    for done in (procedure(code={"text": title}), order(code={"text": title})):
        assert ask_with(category("5"), done).cards == []


BEFORE_SOMETHING_ELSE = (
    "MG Stereotactic Breast Biopsy Left with Post Biopsy Mammogram", "Left breast biopsy w/ post-procedure views",
    "Vacuum assisted biopsy left breast and post-biopsy mammogram", "Left breast biopsy, post-biopsy clip check",
    "Left breast biopsy under ultrasound; informed consent obtained", "Left breast biopsy, follow up with surgeon",
    "Left breast biopsy, specimen review", "Breast biopsy left - consult if questions",
    "Breast, left, core biopsy - consent obtained", "Stereotactic biopsy with post-biopsy mammogram, left breast",
    "Stanzbiopsie Mamma links; Aufklärung erfolgt", "Lumpectomy left breast \u2013 wound check in a week",
    "Stereotactic breast biopsy with clip placement and post-procedure mammogram",
    "Stereotactic biopsy left breast, clip placement, post-biopsy mammogram", "Breast biopsy + clip placement",
    "Left breast lumpectomy with wire localization and specimen radiograph",
)  # fmt: skip


@pytest.mark.parametrize("title", BEFORE_SOMETHING_ELSE)
def test_a_biopsy_is_one_whatever_is_named_behind_it(ask_with: AskWith, title: str) -> None:
    for done in (procedure(code={"text": title}), order(code={"text": title})):
        assert ask_with(category("5"), done).cards == []


@pytest.mark.parametrize(
    "title",
    [
        "Breast biopsy - consent form", "Breast biopsy, results discussion", "Breast biopsy - nurse education",
        "Breast biopsy - cancelled", "Left breast biopsy, patient declined", "Left breast biopsy; refused by patient",
        "Left breast biopsy and clip, not performed", "Breast clinic - follow up visit - biopsy results",
        "Consent, breast biopsy", "Biopsy of axilla, review of breast MRI", "Screening mammogram, history of biopsy",
        "Post-biopsy mammogram and clip check, left breast", "Left breast, post-procedure mammogram",
        "Breast biopsy \u2013 attempted", "Stanzbiopsie Mamma links, verschoben",
    ],
)  # fmt: skip
def test_what_is_named_before_a_biopsy_or_calls_it_off_still_counts(ask_with: AskWith, title: str) -> None:
    for beside in (procedure(code={"text": title}), order(code={"text": title})):
        assert topics(ask_with(category("5"), beside)) == ["Category5"]


@pytest.mark.parametrize("title", ["Consent form for left mastectomy", "Left mastectomy cancelled"])
def test_what_goes_with_a_mastectomy_leaves_the_breast_where_it_is(ask_with: AskWith, title: str) -> None:
    done = fhir.procedure("x", SUBJECT, date(2019, 5, 25), code={"text": title})
    assert topics(ask_with(category("4B"), done)) == ["Category4"]


# --------------------------------------------------------------------------------------
# For which breast

CPT = "http://www.ama-assn.org/go/cpt"
TO_THE_RIGHT = {
    "text beside a CPT code": fhir.concept(CPT, "19081") | {"text": "STEREOTACTIC BREAST BIOPSY RIGHT"},
    "text beside a SNOMED CT code": BIOPSY | {"text": "Stereo biopsy rt breast"},
    "display of a local code": {"coding": [*BIOPSY["coding"], {"code": "IMG1", "display": "BREAST BX RT"}]},
}


def unsited(resource: Json) -> Json:
    return {key: value for key, value in resource.items() if key != "bodySite"}


@pytest.mark.parametrize("code", TO_THE_RIGHT.values(), ids=list(TO_THE_RIGHT))
def test_a_side_in_words_counts_beside_a_code_without_one(ask_with: AskWith, code: Json) -> None:
    for done in (unsited(order(code=code)), unsited(procedure(code=code))):
        assert topics(ask_with(category("5"), done)) == ["Category5"]
        assert ask_with(category("5", "right"), done).cards == []


@pytest.mark.parametrize(
    "code", [*TO_THE_RIGHT.values(), fhir.concept(LOINC, "26294-9")], ids=[*TO_THE_RIGHT, "LOINC of the right"]
)
def test_what_names_two_sides_answers_for_neither_and_is_named(ask_with: AskWith, code: Json) -> None:
    for odd in (order(code=code), procedure(code=code)):
        for side in ("left", "right"):
            answer = ask_with(category("5", side), odd)
            assert topics(answer) == ["Category5"]
            assert f"{odd['resourceType']}/{odd['id']} (side) contradicts itself" in left_out(answer)


@pytest.mark.parametrize("text", ["Stereotactic biopsy of the breast", "Biopsy, both breasts", "BX BREAST LT"])
def test_what_names_no_other_side_than_its_site_answers(ask_with: AskWith, text: str) -> None:
    assert ask_with(category("5"), order(code=BIOPSY | {"text": text})).cards == []


ULTRASOUND = (LOINC, "24601-7", "US Breast")
LATER = {"effectiveDateTime": "2026-05-27", "conclusion": "Simple cyst. BI-RADS 2."}


def test_an_ultrasound_whose_title_is_of_the_right_completes_no_0_of_the_left(ask_with: AskWith) -> None:
    titled = fhir.concept(*ULTRASOUND) | {"text": "ULTRASOUND RIGHT BREAST"}
    answer = ask_with(category("0"), report("us", code=titled, **LATER))
    assert topics(answer) == ["Category0"]
    assert read(answer) == {("left", "0"), ("right", "2")}


def test_a_study_that_names_two_sides_completes_nothing_and_is_in_doubt(ask_with: AskWith) -> None:
    titled = fhir.concept(LOINC, "26215-4") | {"text": "ULTRASOUND RIGHT BREAST"}
    for side in ("left", "right"):
        assert topics(ask_with(category("0", side), report("us", code=titled, **LATER))) == ["Category0"]
    suspicious = LATER | {"conclusion": "Mass. BI-RADS 5."}
    answer = ask_with(report("us", code=titled, **suspicious))
    assert topics(answer) == ["ReportInDoubt"]
    assert orders(answer) == []


def film(said: str, day: str = "2026-05-25") -> Json:
    """A mammogram without an assessment; by default of the day of the biopsy."""
    return report("film", code=fhir.concept(LOINC, "24605-8"), effectiveDateTime=day, conclusion=said)


@pytest.mark.parametrize(
    "said", ["Post-biopsy mammogram, clip in position.", "Post-procedure mammogram, left: clip in place."]
)
def test_the_film_after_a_biopsy_needs_no_assessment(ask_with: AskWith, said: str) -> None:
    done = procedure()
    assert ask_with(category("4A"), done, film(said)).cards == []


def test_a_film_is_no_marker_film_without_a_biopsy_before_it(ask_with: AskWith) -> None:
    said = "Post-biopsy mammogram, clip in position."
    assert "ReportNotRead" in topics(ask_with(category("4A"), film(said)))
    assert topics(ask_with(category("4A"), procedure(), film(said, "2026-06-01"))) == []
    long_ago = procedure(performedDateTime="2026-05-21")
    assert topics(ask_with(category("4A"), long_ago, film(said, "2026-06-01"))) == ["ReportNotRead"]
    assert topics(ask_with(category("4A"), procedure(), film("Mammogram. Clip."))) == ["ReportNotRead"]


# --------------------------------------------------------------------------------------
# Who is left alone


def state(code: str) -> Json:
    return {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition", "code": code}]}


def test_confirmed_active_cancer_is_left_to_its_treatment(ask_with: AskWith) -> None:
    assert ask_with(category("4B"), problem(CANCER)).cards == []
    assert ask_with(category("4B"), problem(fhir.concept(ICD, "C50.412"), bodySite=[])).cards == []


@pytest.mark.parametrize("status", ["unconfirmed", "provisional", "differential", "refuted", "entered-in-error"])
def test_cancer_that_is_not_confirmed_silences_nobody(ask_with: AskWith, status: str) -> None:
    assert topics(ask_with(category("4B"), problem(CANCER, verificationStatus=state(status)))) == ["Category4"]


@pytest.mark.parametrize("status", ["resolved", "remission", "inactive"])
def test_cancer_that_is_over_silences_nobody(ask_with: AskWith, status: str) -> None:
    assert topics(ask_with(category("4B"), problem(CANCER, clinicalStatus=state(status)))) == ["Category4"]


def test_cancer_with_an_abatement_date_silences_nobody(ask_with: AskWith) -> None:
    over = problem(CANCER, abatementDateTime="2022-03-01")
    del over["clinicalStatus"]
    assert topics(ask_with(category("4B"), over)) == ["Category4"]


@pytest.mark.parametrize("end", [{"abatementString": "after treatment"}, {"abatementBoolean": True}], ids=str)
def test_an_end_of_a_cancer_in_any_form_is_one(ask_with: AskWith, end: Json) -> None:
    assert topics(ask_with(category("4B"), problem(CANCER, **end))) == ["Category4"]


def test_cancer_of_the_other_breast_silences_nobody(ask_with: AskWith) -> None:
    assert topics(ask_with(category("4B", "right"), problem(CANCER))) == ["Category4"]


UNILATERAL = ("22964006", "72269009", "73359007", "8115005", "88764002")


@pytest.mark.parametrize(
    ("code", "side"),
    [
        (fhir.concept(SCT, "428571003"), None),
        (fhir.concept(SCT, "27865001"), None),
        ({"text": "Mastectomy of left breast"}, None),
        *((fhir.concept(SCT, code), "left") for code in UNILATERAL),
        ({"text": "Left mastectomy"}, None),
        ({"text": "Mastektomie links"}, None),
        (fhir.concept(SCT, "172043006", "Simple mastectomy"), "left"),
    ],
    ids=str,
)
def test_a_breast_that_was_removed_by_a_procedure_is_left_alone(
    ask_with: AskWith, code: Json, side: str | None
) -> None:
    done = fhir.procedure("x", SUBJECT, date(2026, 5, 25), code=code, side=side)
    assert ask_with(category("4B"), done).cards == []


@pytest.mark.parametrize("code", UNILATERAL)
def test_a_breast_that_was_removed_by_a_condition_is_left_alone(ask_with: AskWith, code: str) -> None:
    assert ask_with(category("4B"), problem(fhir.concept(SCT, code), onsetDateTime="2026-05-25")).cards == []


@pytest.mark.parametrize(
    "words", ["Partial mastectomy, left breast", "Nipple-sparing mastectomy left", "Consultation on left mastectomy"]
)
def test_a_breast_of_which_tissue_remains_is_not_gone(ask_with: AskWith, words: str) -> None:
    done = fhir.procedure("x", SUBJECT, date(2019, 5, 25), code={"text": words})
    assert topics(ask_with(category("4B"), done)) == ["Category4"]


SKIN_SPARING = (
    "Left skin-sparing mastectomy with reconstruction", "Mastectomy left, skin sparing",
    "Hautsparende Mastektomie links nach Chemotherapie", "LT MODIFIED RADICAL MASTECTOMY",
)  # fmt: skip
TISSUE_REMAINS = (
    "Nipple-sparing mastectomy left", "Left nipple sparing mastectomy", "Left skin- and nipple-sparing mastectomy",
    "Left skin-sparing, NAC-sparing mastectomy", "Subcutaneous mastectomy, left breast", "Subkutane Mastektomie links",
    "Mamillenerhaltende Mastektomie links", "Partial mastectomy, left breast",
)  # fmt: skip


@pytest.mark.parametrize("words", [*SKIN_SPARING, *TISSUE_REMAINS])
def test_a_mastectomy_of_any_kind_after_the_study_answers(ask_with: AskWith, words: str) -> None:
    done = fhir.procedure("x", SUBJECT, date(2026, 5, 25), code={"text": words})
    assert ask_with(category("5"), done).cards == []
    assert topics(ask_with(category("5", "right"), done)) == ["Category5"]


@pytest.mark.parametrize("words", SKIN_SPARING)
def test_a_breast_is_gone_after_a_skin_sparing_mastectomy(ask_with: AskWith, words: str) -> None:
    done = fhir.procedure("x", SUBJECT, date(2019, 5, 25), code={"text": words})
    assert topics(ask_with(category("5"), done)) == ["AssessedAfterRemoval"]


@pytest.mark.parametrize("words", TISSUE_REMAINS)
def test_a_breast_is_not_gone_after_a_mastectomy_that_leaves_tissue(ask_with: AskWith, words: str) -> None:
    done = fhir.procedure("x", SUBJECT, date(2019, 5, 25), code={"text": words})
    assert topics(ask_with(category("5"), done)) == ["Category5"]


@pytest.mark.parametrize("words", ["Mastectomy bra left", "Fitting of prosthesis, left mastectomy"])
def test_what_is_worn_after_a_mastectomy_answers_nothing(ask_with: AskWith, words: str) -> None:
    done = fhir.procedure("x", SUBJECT, date(2026, 5, 25), code={"text": words})
    assert topics(ask_with(category("5"), done)) == ["Category5"]


def test_a_mastectomy_of_the_other_breast_silences_nobody(ask_with: AskWith) -> None:
    done = fhir.procedure("x", SUBJECT, date(2026, 5, 25), code=fhir.concept(SCT, "429400009"))
    assert topics(ask_with(category("4B"), done)) == ["Category4"]


def test_a_mastectomy_that_was_not_done_silences_nobody(ask_with: AskWith) -> None:
    planned = fhir.procedure("x", SUBJECT, date(2026, 5, 25), code=fhir.concept(SCT, "428571003"))
    assert topics(ask_with(category("4B"), planned | {"status": "not-done"})) == ["Category4"]


@pytest.mark.parametrize("dead", [{"deceasedBoolean": True}, {"deceasedDateTime": "2026-05-01"}])
def test_the_dead_are_left_alone(ask_with: AskWith, dead: Json) -> None:
    person = {"resourceType": "Patient", "id": "case", "gender": "female"} | dead
    assert ask_with(category("5"), patient=person).cards == []


# --------------------------------------------------------------------------------------
# STU3


@pytest.mark.parametrize("status", ["resolved", "remission"])
def test_stu3_status_of_a_condition(ask_with: AskWith, status: str) -> None:
    assert topics(ask_with(category("4B"), problem(CANCER, clinicalStatus=status))) == ["Category4"]
    assert (
        ask_with(category("4B"), problem(CANCER, clinicalStatus="active", verificationStatus="confirmed")).cards == []
    )


def test_stu3_procedure_request_is_an_order(ask_with: AskWith) -> None:
    request = order(resourceType="ProcedureRequest")
    assert ask_with(category("4B"), orders={"resourceType": "Bundle", "entry": [{"resource": request}]}).cards == []


def test_stu3_coded_diagnosis_is_the_conclusion_code(ask_with: AskWith) -> None:
    assert read(ask_with(report(codedDiagnosis=[CATEGORY_5]))) == {("unstated", "5")}


def test_stu3_observations_that_are_related_to_a_panel(ask_with: AskWith) -> None:
    related = [{"type": "has-member", "target": {"reference": "Observation/o-left"}}]
    answer = ask_with(report(result=results("panel")), observation("panel", related=related), category("4B"))
    assert read(answer) == {("left", "4B")}


def test_stu3_procedure_that_was_not_done_answers_nothing(ask_with: AskWith) -> None:
    assert topics(ask_with(category("4B"), procedure(notDone=True))) == ["Category4"]


@pytest.mark.parametrize(
    ("title", "open_rows"),
    [
        ("MAM STEREO BX BREAST LT", []),
        ("US GUIDED BREAST BX LEFT", []),
        ("BREAST BX RT", ["Category5"]),
        ("Discuss breast biopsy, left", ["Category5"]),
        ("Hx of breast bx left", ["Category5"]),
        ("Brain stereotactic bx left", ["Category5"]),
    ],
)
def test_orders_with_nothing_but_a_local_title_answer_as_it_reads(
    ask_with: AskWith, title: str, open_rows: list[str]
) -> None:
    local = {"coding": [{"code": "EAP-1042", "display": title}]}
    ordered = {key: value for key, value in order(code=local).items() if key != "bodySite"}
    assert topics(ask_with(category("5"), ordered)) == open_rows
