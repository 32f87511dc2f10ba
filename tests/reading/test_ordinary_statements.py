"""An ordinary sentence that states a category is never taken for history, a condition or a negation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cds_service.knowledge import read_yaml
from cds_service.reading.reader import ReportReader

from .corpora import FOLDER, found

PIECES: dict[str, dict[str, Any]] = read_yaml(FOLDER / "statements.yaml")


def sentences(pieces: dict[str, Any], category: str) -> Iterator[str]:
    """Every lead with every statement: behind a comma, in brackets, and as a sentence of its own."""
    for lead in (*pieces["leads"], *pieces["set_apart"]):
        for statement in pieces["statements"]:
            said = statement.format(c=category)
            yield f"{lead}, {said}"
            yield f"{lead}. {said[0].upper()}{said[1:]}"
            if said[0] == "(" and lead in pieces["leads"]:
                yield f"{lead} {said}"


@pytest.mark.parametrize("category", ["0", "3", "4", "5"])
@pytest.mark.parametrize("language", PIECES)
def test_a_category_in_an_ordinary_sentence_is_read(reader: ReportReader, language: str, category: str) -> None:
    pieces = PIECES[language]
    lost = [
        text
        for sentence in sentences(pieces, category)
        for text in (f"{pieces['title']}\n{sentence}", f"{pieces['title']}\n{pieces['left']}: {sentence}")
        if found(reader, text)[0] != category
    ]
    assert not lost


@pytest.mark.parametrize("language", PIECES)
def test_the_breast_that_is_named_before_it_has_the_category(reader: ReportReader, language: str) -> None:
    pieces = PIECES[language]
    texts = [f"{pieces['title']}\n{pieces['left']}: {sentence}" for sentence in sentences(pieces, "4")]
    assert not [text for text in texts if found(reader, text)[1:] != (None, "4", False)]
