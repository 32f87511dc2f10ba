"""Reading takes a time in proportion to the length, whatever is repeated in the text."""

from __future__ import annotations

import sys

import pytest

from cds_service.reading.reader import ReportReader
from cds_service.reading.text import Text

HOSTILE = [
    "BI-RADS 4 ", "BI-RADS ", "category ", "[x] 4A [ ] 4B\n", "BI-RADS 3 BI-RADS 4A ", "Addendum 2\n", "Right:\n",
    "no BI-RADS 4 or ", "BI-RADS pending ", "b irads ", "____", "right left ", "( ", "BI-RADS | Right | Left\n",
    "page 1 of 2\n\n", "BI-\n", "impression: ", "respectively BI-RADS 3, 4 ", "the other breast BI-RADS 2 ",
    "4/", "....  ",
]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
def test_ten_times_the_text_is_ten_times_the_work(reader: ReportReader, unit: str) -> None:
    short, long = (work(reader, unit, size) for size in (6_000, 60_000))
    assert long < 12 * short


def work(reader: ReportReader, unit: str, size: int) -> int:
    """The calls of functions, Python's own included, that reading a text takes: a measure that no load moves."""
    text = "Left breast. BI-RADS 2.\n" + unit * (size // len(unit))
    count = 0

    def counted(*_: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(counted)
    try:
        reader.reading(Text(text))
    finally:
        sys.setprofile(None)
    return count


def test_a_text_with_hundreds_of_categories_is_left_to_a_person(reader: ReportReader) -> None:
    assert reader.reading(Text("Left breast: BI-RADS 5.\n" * 400)).review
