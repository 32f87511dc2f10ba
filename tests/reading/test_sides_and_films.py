"""Which breast a category belongs to, and what a 0 asks for, where the words around it could mislead."""

from __future__ import annotations

import pytest

from cds_service.reading.documents import Document
from cds_service.reading.reader import ReportReader
from cds_service.reading.text import Text

from .corpora import found


@pytest.mark.parametrize(
    "history",
    [
        "HISTORY: Left mastectomy 2015.",
        "HISTORY: Left lumpectomy 2015.",
        "COMPARISON: left breast ultrasound 2019.",
        "PAST SURGICAL HISTORY: Left breast implant removed.",
    ],
)
def test_a_side_of_the_history_is_not_that_of_the_assessment(reader: ReportReader, history: str) -> None:
    said = f"{history}\nFINDINGS: New 12 mm spiculated mass at 10 o'clock.\nIMPRESSION: BI-RADS 5."
    assert found(reader, said) == ("5", None, None, False)


def test_the_side_of_a_sister_is_not_that_of_the_patient(reader: ReportReader) -> None:
    said = "Family history: Sister with left breast cancer.\nFINDINGS: New spiculated mass.\nIMPRESSION: BI-RADS 5."
    assert found(reader, said) == ("5", None, None, False)


def test_the_heading_of_the_examination_names_the_breast(reader: ReportReader) -> None:
    said = "EXAM: Left diagnostic mammogram.\nIMPRESSION: Suspicious mass. BI-RADS 4C."
    assert found(reader, said) == ("4C", None, "4C", False)


@pytest.mark.parametrize(
    ("said", "only_films"),
    [
        ("BI-RADS 0. Need prior mammograms for comparison.", True),
        ("BI-RADS 0. Prior mammograms are needed. If these cannot be obtained, additional views will follow.", True),
        ("BI-RADS 0. Need prior mammograms for comparison and spot magnification views.", False),
        ("BI-RADS 0. No prior mammograms available for comparison. Recommend magnification views.", False),
        ("BI-RADS 0. Priors were obtained and compared; the asymmetry persists, spot views advised.", False),
    ],
)
def test_a_0_that_asks_for_new_images_does_not_wait_for_old_ones(
    reader: ReportReader, said: str, only_films: bool
) -> None:
    assert reader.reading(Text(f"MAMMOGRAM\nIMPRESSION: {said}")).prior_films_needed is only_films


def test_words_that_name_no_breast_are_read_where_the_report_says_that_it_is_one_of_breast_imaging(
    reader: ReportReader,
) -> None:
    said = "FINAL ASSESSMENT: Category 5 - Highly suggestive of malignancy. Biopsy recommended."
    document = Document(reference="DiagnosticReport/1", place="conclusion", content=said)
    assert not reader([document]).assessments
    assert [each.category.value for each in reader([document], is_breast=True).assessments] == ["5"]


@pytest.mark.parametrize("said", ["classé ACR 4A à droite", "ACR 4A à droite, ACR 1 à gauche"])
def test_a_side_behind_the_french_word_for_to_is_no_change_of_category(reader: ReportReader, said: str) -> None:
    assert found(reader, f"Mammographie des deux seins\nClassification de l'ACR : {said}.")[:2] == ("4A", "4A")


def test_a_pending_assessment_outranks_what_running_text_tells_of_one_breast(reader: ReportReader) -> None:
    said = (
        "MAMMOGRAM\nScar in the right breast, BI-RADS 2 in all her reports.\nBI-RADS CATEGORY: pending prior studies."
    )
    assert found(reader, said) == (None, None, None, True)


def test_a_suspicious_category_of_one_breast_stands_beside_a_pending_assessment(reader: ReportReader) -> None:
    said = "MAMMOGRAM\nRight: spiculated mass, BI-RADS 4C on the first views.\nBI-RADS CATEGORY: pending prior studies."
    assert found(reader, said) == ("4C", "4C", None, False)


@pytest.mark.parametrize(
    ("said", "overall"),
    [
        ("Left breast, irregular mass. BI-RADS 4B -> core biopsy.", "4B"),
        ("Left breast: unless the biopsy shows something else this stays BI-RADS 4C.", "4C"),
        ("Left breast: a group that was not mentioned before: BI-RADS 4B.", "4B"),
        ("Left breast: the mass must now be called BI-RADS 5.", "5"),
        ("Left breast changed from BI-RADS 3 to BI-RADS 4A.", "4A"),
    ],
)
def test_what_stands_beside_an_arrow_a_condition_or_a_past_is_read(
    reader: ReportReader, said: str, overall: str
) -> None:
    assert found(reader, f"MAMMOGRAM\n{said}") == (overall, None, overall, False)


@pytest.mark.parametrize(
    ("said", "side"),
    [
        (
            "FINDINGS:\nLeft breast: No suspicious mass.\nRight breast: spiculated mass.\nIMPRESSION:\nBI-RADS 5.",
            "right",
        ),
        ("Left breast: Negative. Right breast: 8 mm irregular mass. BI-RADS 5.", "right"),
        (
            "Left breast: benign calcifications. Right breast: irregular mass. Biopsy of the right breast. BI-RADS 5.",
            "right",
        ),
        ("Status post left mastectomy. Spiculated mass at 10:00. BI-RADS 5.", None),
        ("Left-sided pacemaker noted. Fine linear calcifications, segmental. BI-RADS 5.", None),
        ("Left breast is surgically absent. Spiculated mass. BI-RADS 5.", None),
        ("Z.n. Mastektomie links. Suspekter Herd bei 10 Uhr. Mammographie. BI-RADS 5.", None),
        ("Antecedente de mastectomía izquierda. Nódulo espiculado de mama. BI-RADS 5.", None),
        ("Left mammogram three years after lumpectomy. Spiculated mass. BI-RADS 5.", "left"),
    ],
)
def test_the_first_side_of_a_report_is_not_always_that_of_its_category(
    reader: ReportReader, said: str, side: str | None
) -> None:
    assert found(reader, said) == ("5", "5" if side == "right" else None, "5" if side == "left" else None, False)


@pytest.mark.parametrize(
    "said",
    [
        "Right breast: BI-RADS 4B. Left breast: No suspicious abnormality.",
        "Right breast: BI-RADS 4B. Left breast: Negative for suspicious abnormality.",
        "Right breast: BI-RADS 4B. Left breast: No known malignancy.",
    ],
)
def test_standard_words_that_are_denied_are_no_category(reader: ReportReader, said: str) -> None:
    assert found(reader, f"MAMMOGRAM\nIMPRESSION:\n{said}") == ("4B", "4B", None, False)
