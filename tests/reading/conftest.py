"""The reader with the languages of the knowledge folder, and the labelled reports."""

from __future__ import annotations

import pytest

from cds_service.knowledge import DEFAULT_FOLDER, load
from cds_service.reading.reader import ReportReader


@pytest.fixture(scope="session")
def reader() -> ReportReader:
    return ReportReader(load(DEFAULT_FOLDER).languages)
