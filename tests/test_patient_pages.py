"""The patient pages are in plain language, measured, and say the same in both languages."""

from __future__ import annotations

import pytest
from readability import (
    crawford_years,
    english_syllables,
    fernandez_huerta,
    flesch_kincaid_grade,
    sentences_of,
    spanish_syllables,
)

from cds_service.knowledge import DEFAULT_FOLDER

HIGHEST_GRADE = 8


def page(language: str) -> str:
    return (DEFAULT_FOLDER / "patient-pages" / f"calcifications.{language}.md").read_text(encoding="utf-8")


def test_the_english_page_is_read_with_ease_in_the_eighth_grade() -> None:
    assert flesch_kincaid_grade(page("en")) <= HIGHEST_GRADE


def test_the_spanish_page_is_read_with_ease_in_the_eighth_grade() -> None:
    assert crawford_years(page("es")) <= HIGHEST_GRADE
    assert fernandez_huerta(page("es")) >= 70


def test_the_measure_tells_plain_from_difficult() -> None:
    english = (
        "Amorphous or indistinct calcifications necessitate stereotactically guided histological investigation, "
        "notwithstanding the considerable probability of benign pathological interpretation."
    )
    spanish = (
        "Las calcificaciones amorfas o indistintas requieren una investigación histológica estereotácticamente guiada, "
        "independientemente de la considerable probabilidad de una interpretación anatomopatológica benigna."
    )
    assert flesch_kincaid_grade(english) > 16
    assert crawford_years(spanish) > HIGHEST_GRADE
    assert fernandez_huerta(spanish) < 40


@pytest.mark.parametrize(
    ("word", "syllables"),
    [("breast", 1), ("doctor", 2), ("mammogram", 3), ("biopsy", 3), ("radiologist", 5), ("spots", 1), ("calcium", 3),
     ("needle", 2), ("made", 1), ("called", 1), ("needed", 2), ("routine", 2), ("menopause", 3)],
)  # fmt: skip
def test_english_syllables_are_counted_as_they_are_spoken(word: str, syllables: int) -> None:
    assert english_syllables(word) == syllables


@pytest.mark.parametrize(
    ("word", "syllables"),
    [("mama", 2), ("biopsia", 2), ("radiólogo", 4), ("quirúrgica", 4), ("guía", 2), ("aguja", 3), ("cirugía", 4),
     ("usted", 2), ("muy", 1), ("imágenes", 4), ("quiere", 2), ("menopausia", 4), ("seis", 1), ("día", 2)],
)  # fmt: skip
def test_spanish_syllables_are_counted_as_they_are_spoken(word: str, syllables: int) -> None:
    assert spanish_syllables(word) == syllables


def test_headings_and_marks_do_not_count() -> None:
    assert sentences_of("# Calcium spots\n\nMost are **harmless**. You\ncannot feel them.") == [
        "Most are harmless",
        "You cannot feel them",
    ]


@pytest.mark.parametrize(
    ("english", "spanish"),
    [("six months", "seis meses"), ("full year", "un año"), ("98 out of 100", "98 de cada 100"), ("wire", "hilo"),
     ("Stereotactic needle biopsy", "Biopsia estereotáctica con aguja"), ("Surgical biopsy", "Biopsia quirúrgica"),
     ("change your diet", "cambiar su dieta"), ("Hormone pills after", "Las hormonas después")],
)  # fmt: skip
def test_both_pages_say_what_the_brochure_says(english: str, spanish: str) -> None:
    assert english in page("en")
    assert spanish in page("es")


def test_both_pages_have_the_same_parts_for_the_drawings_beside_them() -> None:
    assert [page(each).count("\n## ") for each in ("en", "es")] == [5, 5]
