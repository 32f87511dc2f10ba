"""The labelled report texts, and how a text is read as the labels say it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cds_service.evaluation.reports import MEDIA_TYPES
from cds_service.reading.formats import plain_text
from cds_service.reading.reader import ReportReader
from cds_service.reading.text import Text

FOLDER = Path(__file__).parent.parent / "fixtures" / "reports"
Found = tuple[str | None, str | None, str | None, bool]
"""Overall, right, left, and whether a person has to settle it."""


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text().splitlines()]


def plain(row: dict[str, Any]) -> str:
    return plain_text(row["text"], MEDIA_TYPES[row["format"]])


def found(reader: ReportReader, text: str) -> Found:
    reading = reader.reading(Text(text))
    overall, right, left = (each and each.value for each in (reading.overall, reading.right, reading.left))
    return overall, right, left, reading.review
