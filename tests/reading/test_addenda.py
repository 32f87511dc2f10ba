"""An addendum that raises a category is never passed over."""

from __future__ import annotations

import pytest

from cds_service.reading.reader import ReportReader

from .corpora import found

BODY = "IMPRESSION: BI-RADS 2, left breast.\n"


@pytest.mark.parametrize(
    "addendum",
    [
        "ADDENDUM 2026-11-03: The left breast is BI-RADS 4C.",
        "ADDENDUM 11/03/2026: The left breast is BI-RADS 4C.",
        "ADDENDUM: After review of outside films the left breast is BI-RADS 4C. Biopsy recommended.",
        "Addendum dictated 3 Nov 2026: In comparison with prior studies the left breast is now BI-RADS 4C.",
    ],
)
def test_a_category_that_an_addendum_raises_counts(reader: ReportReader, addendum: str) -> None:
    assert found(reader, BODY + addendum) == ("4C", None, "4C", False)


def test_where_an_addendum_only_seems_to_quote_a_higher_category_a_person_is_asked(reader: ReportReader) -> None:
    said = BODY + "ADDENDUM: Elsewhere the left breast was called BI-RADS 4C."
    assert found(reader, said) == (None, None, None, True)


def test_an_addendum_that_quotes_what_the_report_said_changes_nothing(reader: ReportReader) -> None:
    said = "IMPRESSION: BI-RADS 4C, left breast.\nADDENDUM: Pathology of the previous BI-RADS 4C lesion is pending."
    assert found(reader, said) == ("4C", None, "4C", False)


def test_suspicion_in_running_text_beside_a_benign_assessment_is_asked_about(reader: ReportReader) -> None:
    said = "Left breast: irregular mass, BI-RADS 4C.\nIMPRESSION: Left breast BI-RADS 2."
    assert found(reader, said) == (None, None, None, True)


LEFT_4B = "IMPRESSION: Left breast BI-RADS 4B.\n\nADDENDUM: "


@pytest.mark.parametrize(
    "addendum",
    [
        "The above should read right breast.",
        "Laterality error. The finding is in the RIGHT breast.",
        "Laterality error. The calcifications are in the RIGHT breast, not the left.",
        "The report should state right breast instead of left breast.",
        "There is a dictation error: the calcifications are in the right breast, not the left.",
        "Correction: right breast, not left breast.",
        "Please note the correct side is right.",
        "Laterality in the impression is incorrect. Calcifications are located in the right breast.",
        "Wrong side was dictated. It is the right breast that requires biopsy.",
        '"Left" should read "right" throughout the report.',
        "For left read right.",
        "Please read RIGHT in place of LEFT throughout this report.",
        "The side was incorrectly stated as left.",
        "All references to the left breast should be to the right breast.",
    ],
)
def test_an_addendum_that_corrects_the_side_moves_the_category(reader: ReportReader, addendum: str) -> None:
    assert found(reader, LEFT_4B + addendum) == ("4B", "4B", None, False)


@pytest.mark.parametrize(
    "addendum",
    ["Laterality error.", "The word left in the impression was an error and is replaced by right."],
)
def test_where_the_side_that_is_meant_cannot_be_told_a_person_is_asked(reader: ReportReader, addendum: str) -> None:
    assert found(reader, LEFT_4B + addendum) == (None, None, None, True)


@pytest.mark.parametrize(
    "addendum",
    [
        "Right breast ultrasound was also performed and is normal.",
        "Biopsy of the left breast was scheduled. No error.",
        "Correction of a measurement: the group measures 9 mm, not 19 mm.",
        "Correction: the right breast cyst measures 8 mm, not 18 mm.",
        "The right breast biopsy of 2019 was mentioned in error; there was no prior biopsy.",
        "The comparison listed a right breast ultrasound in error.",
    ],
)
def test_an_addendum_that_corrects_something_else_leaves_the_side(reader: ReportReader, addendum: str) -> None:
    assert found(reader, LEFT_4B + addendum) == ("4B", None, "4B", False)


def test_a_side_error_in_a_report_of_both_breasts_is_left_to_a_person(reader: ReportReader) -> None:
    both = "IMPRESSION: Left breast BI-RADS 4B. Right breast BI-RADS 2.\n\n"
    assert found(reader, f"{both}ADDENDUM: Laterality error. It is the right breast.") == (None, None, None, True)
