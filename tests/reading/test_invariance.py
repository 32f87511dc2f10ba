"""What a report looks like does not change what it says: white space, line wraps, legends; and right and left swapped
in the text are swapped in the reading."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from cds_service.reading.reader import ReportReader

from .corpora import Found, found, plain, rows

ROWS = [*rows("dev.jsonl"), *rows("written.jsonl")]
LEGEND = """

BI-RADS categories
0: Incomplete, 1: Negative, 2: Benign, 3: Probably benign, 4: Suspicious, 5: Highly suggestive of malignancy,
6: Known biopsy-proven malignancy
"""


def is_prose(text: str) -> bool:
    """Whether nothing in a text is laid out in columns, lists or boxes, which wrapping would break."""
    return not re.search(r"\t|\||  |[\x01\x02\[\]_<>]|^\s*[-*•(\d]|:\s*$|\.{2,}", text, re.MULTILINE)


def wrapped(width: int) -> Callable[[str], str]:
    def wrap(text: str) -> str:
        return "\n".join(
            textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False) for line in text.split("\n")
        )

    return wrap


CHANGES: dict[str, Callable[[str], str]] = {
    "line ends of another system": lambda text: text.replace("\n", "\r\n"),
    "blanks at the line ends": lambda text: text.replace("\n", "   \n") + "  ",
    "blank lines around it": lambda text: f"\n\n\n{text}\n\n",
    "a no-break space for each blank": lambda text: text.replace(" ", "\u00a0"),
    "two blanks behind full stops": lambda text: re.sub(r"\. (?=[A-ZÄÖÜ])", ".  ", text),
    "a byte order mark": lambda text: "\ufeff" + text,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_white_space_changes_nothing(reader: ReportReader, change: Callable[[str], str]) -> None:
    assert changed(reader, ROWS, change) == {}


@pytest.mark.parametrize("width", [60, 80])
def test_line_wraps_change_nothing(reader: ReportReader, width: int) -> None:
    prose = [row for row in ROWS if is_prose(plain(row))]
    assert len(prose) > 100
    assert changed(reader, prose, wrapped(width)) == {}


def test_a_legend_changes_nothing(reader: ReportReader) -> None:
    english = [row for row in ROWS if row["lang"] == "en" and not ends_within_a_statement(row)]
    assert len(english) > 150
    assert changed(reader, english, lambda text: text.rstrip() + LEGEND) == {}


def ends_within_a_statement(row: dict[str, Any]) -> bool:
    """What is cut off is told by the end of the text, which a legend behind it hides."""
    return bool(row["expect"]["review"])


def changed(
    reader: ReportReader, among: list[dict[str, Any]], change: Callable[[str], str]
) -> dict[str, tuple[Found, Found]]:
    """The reports that are read otherwise once they are changed, with both readings."""
    pairs = {row["id"]: (found(reader, plain(row)), found(reader, change(plain(row)))) for row in among}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


SWAPS = {
    "en": {"right": "left", "rt": "lt", "r": "l", "righ": "lef"},
    "de": {
        "rechts": "links", "rechte": "linke", "rechten": "linken", "rechter": "linker", "rechtes": "linkes",
        "re": "li", "r": "l", "rechtsseitig": "linksseitig", "rechtsseitige": "linksseitige",
    },
    "es": {"derecha": "izquierda", "derecho": "izquierdo", "md": "mi", "der": "izq", "d": "i"},
    "fr": {"droit": "gauche", "droite": "gauche", "sd": "sg", "d": "g"},
    "pt": {"direita": "esquerda", "direito": "esquerdo", "md": "me", "d": "e", "dir": "esq"},
    "it": {"destra": "sinistra", "destro": "sinistro", "dx": "sn", "d": "s"},
    "nl": {
        "rechts": "links", "rechter": "linker", "rechterborst": "linkerborst", "rechtermamma": "linkermamma",
        "re": "li",
    },
}  # fmt: skip


def swapped(language: str) -> Callable[[str], str]:
    words = SWAPS[language] | {other: word for word, other in SWAPS[language].items()}
    pattern = re.compile(rf"(?<![a-z])({'|'.join(sorted(words, key=len, reverse=True))})(?![a-z])", re.IGNORECASE)

    def cased(match: re.Match[str]) -> str:
        word = words[match[0].lower()]
        return word.upper() if match[0].isupper() else word.capitalize() if match[0][0].isupper() else word

    return lambda text: pattern.sub(cased, text)


@pytest.mark.parametrize("language", SWAPS)
def test_sides_swapped_in_the_text_are_swapped_in_the_reading(reader: ReportReader, language: str) -> None:
    among = [row for row in ROWS if row["lang"] == language and row["expect"]["right"] != row["expect"]["left"]]
    assert len(among) >= 8
    misses = {}
    for row in among:
        overall, right, left, review = found(reader, plain(row))
        again = found(reader, swapped(language)(plain(row)))
        if again != (overall, left, right, review):
            misses[row["id"]] = again
    assert misses == {}
