"""What is said of one finding after additional views takes nothing from the suspicion of another."""

from __future__ import annotations

import pytest

from cds_service.reading.reader import ReportReader

from .corpora import found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "MAMMOGRAM\nMass left breast BI-RADS 4B. Cyst after additional imaging BI-RADS 2.",
            (None, None, "4B", True),
        ),
        (
            "MAMMOGRAM\nLesion 1 left: BI-RADS 4. Lesion 2 left, after additional views: BI-RADS 2.",
            ("4", None, "4", False),
        ),
    ],
)
def test_additional_views_of_one_finding(
    reader: ReportReader, text: str, expected: tuple[str | None, str | None, str | None, bool]
) -> None:
    assert found(reader, text) == expected
