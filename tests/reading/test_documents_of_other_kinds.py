"""A title makes a document one that states no assessment; the same words beside a category do not."""

from __future__ import annotations

import pytest

from cds_service.reading.reader import ReportReader

from .corpora import found


@pytest.mark.parametrize(
    ("report", "side"),
    [
        ("BI-RADS 4C left breast. Guided biopsy recommended.", "left"),
        ("Bone scan advised? No. Left breast mass BI-RADS 4C", "left"),
        ("Operation: none. Right breast BI-RADS 4C.", "right"),
        ("MDT outcome pending. Right breast BI-RADS 4C.", "right"),
    ],
)
def test_a_line_that_states_a_category_is_no_title(reader: ReportReader, report: str, side: str) -> None:
    assert found(reader, report) == ("4C", *(("4C", None) if side == "right" else (None, "4C")), False)


@pytest.mark.parametrize("title", ["GUIDED CORE BIOPSY, LEFT BREAST", "PATHOLOGY REPORT", "TUMOR BOARD - MINUTES"])
def test_a_category_that_another_document_quotes_is_none(reader: ReportReader, title: str) -> None:
    assert found(reader, f"{title}\nThe mass of the left breast, BI-RADS 4C.") == (None, None, None, False)
