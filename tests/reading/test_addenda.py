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
