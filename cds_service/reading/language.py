"""The words of one language, compiled from its data file: what role each word plays where a category is stated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeVar

from ..core.vocabulary import Category, Side
from .text import fold, lexed

T = TypeVar("T")
K = TypeVar("K")

Raw = Mapping[str, Any]
Phrase = tuple[str, ...]
"""A word, or several in a row, as the lexer cuts them."""

_LISTS = (
    "breast", "category_words", "plural_category_words", "connectors", "subcategory_words", "same_category", "fillers",
    "abbreviations", "history.strong", "history.medium", "history.of_finding", "history.weak", "history.after",
    "history.fresh", "history.present", "history.resolved", "history.dated", "current", "conditional",
    "conditional_start", "conditional_near", "unconditional", "negation", "negation_fillers", "provisional", "density",
    "density_connectors", "pending", "unassigned", "changes", "should_read", "withdrawn", "side_errors.about",
    "side_errors.wrong", "side_errors.slips", "overall", "combined", "modality.mammography", "modality.ultrasound",
    "modality.mri", "lesion", "lesion_numbers", "operated", "normal", "months", "other_systems", "prior_films",
    "needs_words", "no_assessment", "additional_imaging", "biopsy", "advised", "side_labels", "clock", "respectively",
    "ranges", "ands", "units", "editions", "transition.from", "transition.to", "sides.left", "sides.right",
    "sides.both", "sides.other", "sides.same", "ignored",
)  # fmt: skip
"""The lists of a data file whose words are looked up wherever they stand."""

ROLE: Mapping[str, int] = {name: 1 << place for place, name in enumerate(_LISTS)}
"""The bit of each list. A word has the bits of all lists that it is in."""
BIRADS = 1 << len(_LISTS)
"""The word BI-RADS, however it is written."""
ACR = BIRADS << 1
"""ACR, where a number behind it is the category."""
CAPITAL = ACR << 1
"""A letter that names a side where it is a capital."""
SINGLE_SIDE = ROLE["sides.left"] | ROLE["sides.right"]
ANY_SIDE = SINGLE_SIDE | ROLE["sides.both"]
REFERRING_SIDE = ROLE["sides.other"] | ROLE["sides.same"]
CONNECTOR = ROLE["connectors"] | ROLE["category_words"]
MODALITY = ROLE["modality.mammography"] | ROLE["modality.ultrasound"] | ROLE["modality.mri"]

_BIRADS = (
    "birads", "birad", "bi-rads", "bi-rad", "bi rads", "bi rad", "bi_rads", "bi.rads", "bi:rads", "b-rads", "bi--rads",
    "bi - rads", "bi-rad's", "bi rad's", "bl-rads", "blrads", "b1-rads", "b1rads", "bi/rads", "buy rads", "by rads",
    "bye rads", "bi reds", "bi-reds", "brads", "b rads", "bi-rds", "bi rats", "buyrads", "byrads",
    "by-rads", "buy-rads", "bye-rads", "birad's", "birads'", "bi-radds",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """How reports are written in one language."""

    code: str
    vocabulary: frozenset[str]
    """Words that tell the language."""
    singles: Mapping[str, int]
    """Word -> roles."""
    phrases: Mapping[tuple[str, str], Sequence[tuple[Phrase, int]]]
    """First two words -> the phrases that begin so, the longest first, with their roles."""
    capitals: Mapping[str, Side]
    """Folded -> side, for letters that name a side where they are capitals."""
    letters: Mapping[str, Side]
    compounds: Mapping[str, int]
    """Ends of compound words with their roles, in languages that have such."""
    endings: tuple[str, ...]
    headings: Mapping[str, Sequence[tuple[Phrase, str]]]
    """First word -> the headings that begin so, the longest first, with the kind of section."""
    months: Mapping[str, int]
    numbers: Mapping[str, str]
    spelled_letters: Mapping[str, str]
    statements: Mapping[str, Sequence[tuple[Phrase, Category]]]
    """First word -> standard assessment statements, the longest first."""
    spoken: Mapping[str, Sequence[tuple[Phrase, str]]]
    """First word -> punctuation that was dictated as words."""
    calcifications: tuple[str, ...]


def compiled(raw: Raw, fallback: Raw | None = None) -> Language:
    """A language from its data file. `fallback` is English, whose headings, words for category and names of the
    examination reports in other languages borrow."""
    roles: dict[Phrase, int] = {}
    for name in _LISTS:
        for phrase in _phrases(_listed(raw, name)):
            roles[phrase] = roles.get(phrase, 0) | ROLE[name]
    for name in ("breast", "category_words", "connectors", "side_labels") if fallback else ():
        for phrase in _phrases(_listed(fallback or {}, name)):
            roles.setdefault(phrase, ROLE[name])
    for spelling in _phrases(_BIRADS):
        roles[spelling] = roles.get(spelling, 0) | BIRADS
    for letters in raw["sides"]["capitals"]:
        roles[(fold(letters),)] = roles.get((fold(letters),), 0) | CAPITAL
    if raw.get("acr_is_category"):
        roles[("acr",)] = roles.get(("acr",), 0) | ACR
    compounds = _endings(roles) if raw["language"] in ("de", "nl") else {}
    headings: dict[Phrase, str] = {}
    for source in filter(None, (fallback, raw)):
        headings |= {phrase: kind for kind, words in source["headings"].items() for phrase in _phrases(words)}
    return Language(
        code=raw["language"],
        vocabulary=_vocabulary(raw),
        singles={phrase[0]: bits for phrase, bits in roles.items() if len(phrase) == 1},
        phrases=_by(_FIRST_TWO, {phrase: bits for phrase, bits in roles.items() if len(phrase) > 1}),
        capitals={fold(letters): Side(side) for letters, side in raw["sides"]["capitals"].items()},
        letters={fold(letter): Side(side) for letter, side in raw["sides"]["letters"].items()},
        compounds=compounds,
        endings=tuple(compounds),
        headings=_by(_FIRST, headings),
        months=_months([fold(word) for word in raw["months"]]),
        numbers={fold(word): str(number) for word, number in raw["numbers"].items()}
        | {fold(word): "1" for word in raw["numbers_after_category_only"]},
        spelled_letters={fold(word): letter for word, letter in raw["spelled_letters"].items()},
        statements=_by(
            _FIRST, {phrase: Category(key) for key, words in raw["statements"].items() for phrase in _phrases(words)}
        ),
        spoken=_by(
            _FIRST,
            {phrase: mark.replace("\\n", "\n") for mark, words in raw["spoken"].items() for phrase in _phrases(words)},
        ),
        calcifications=tuple(map(fold, raw["calcifications"])),
    )


def _listed(raw: Raw, name: str) -> Iterable[str]:
    value: Any = raw
    for key in name.split("."):
        value = value[key]
    words: Iterable[str] = value
    return words


def _phrases(words: Iterable[str]) -> Iterable[Phrase]:
    return (tuple(lexed(fold(word))[0]) for word in words)


def _months(words: Sequence[str]) -> dict[str, int]:
    """Name of a month -> its number; the short ones behind the twelve are told by how they begin."""
    full = words[:12]
    numbers = {word: number for number, word in enumerate(full, 1)}
    return numbers | {
        word: number for word in words[12:] for number, name in enumerate(full, 1) if name.startswith(word)
    }


def _endings(roles: Mapping[Phrase, int]) -> dict[str, int]:
    """The long words for the breast, modalities and findings, with which compounds end."""
    kinds = ROLE["breast"] | MODALITY | ROLE["lesion"]
    found = {
        phrase[0]: bits for phrase, bits in roles.items() if len(phrase) == 1 and bits & kinds and len(phrase[0]) > 4
    }
    return dict(sorted(found.items(), key=lambda each: -len(each[0])))


def _by(key: Callable[[Phrase], K], table: Mapping[Phrase, T]) -> dict[K, list[tuple[Phrase, T]]]:
    """The phrases of a table by the words that they begin with, the longest first."""
    found: dict[K, list[tuple[Phrase, T]]] = {}
    for phrase in sorted(table, key=len, reverse=True):
        found.setdefault(key(phrase), []).append((phrase, table[phrase]))
    return found


_FIRST: Callable[[Phrase], str] = itemgetter(0)
_FIRST_TWO: Callable[[Phrase], tuple[str, str]] = itemgetter(0, 1)


def _vocabulary(raw: Raw) -> frozenset[str]:
    """Single words that tell a language from the others: its small words, sides, findings and headings."""
    listed = [word for name in _LISTS for word in _listed(raw, name)]
    listed += [word for words in raw["headings"].values() for word in words]
    long = {fold(word) for word in listed if word.isalpha() and len(word) > 3}
    sides = {fold(letters) for kind in ("letters", "capitals") for letters in raw["sides"][kind] if len(letters) > 1}
    return frozenset(map(fold, raw["detect"])) | (long - _INTERNATIONAL) | sides


_INTERNATIONAL = frozenset(
    {"birads", "bilateral", "bilat", "dens", "addendum", "mamma", "screening", "normal", "plan", "mammae", "echo"}
)


_DOUBT = 0.5
"""Languages as close as this cannot be told apart; a word that no other language has counts 1."""


class Languages:
    """All languages that are read, and which of them a text is in."""

    def __init__(self, languages: Iterable[Language]) -> None:
        self.by_code = {language.code: language for language in languages}
        self._speakers: dict[str, tuple[str, ...]] = {}
        """Word -> the languages that have it."""
        for language in self.by_code.values():
            for word in language.vocabulary:
                self._speakers[word] = (*self._speakers.get(word, ()), language.code)

    def likely(self, words: set[str], tag: str = "") -> list[Language]:
        """The languages that a text may be in by its different words, the likeliest first, with more than one where a
        few words cannot tell; English where nothing tells. `tag` is a BCP 47 tag that a resource states."""
        scores = dict.fromkeys(self.by_code, 0.0)
        scores["en"] += 0.1
        stated = tag.lower().partition("-")[0]
        if stated in scores:
            scores[stated] += 0.2
        for codes, count in Counter(map(self._speakers.__getitem__, words & self._speakers.keys())).items():
            for code in codes:
                scores[code] += count / len(codes)  # a word that several have tells less
        rounded = {code: round(score, 6) for code, score in scores.items()}  # sums depend on the order of a set
        least = max(rounded.values()) - _DOUBT
        close = sorted((code for code in rounded if rounded[code] >= least), key=rounded.__getitem__, reverse=True)
        return [self.by_code[code] for code in close]


def is_misspelt(word: str) -> bool:
    """Whether a word is BI-RADS with one or two letters wrong, doubled, missing or swapped."""
    if word[:1] != "b":
        return False
    if not 5 <= len(word) <= 8 or "r" not in word[1:5] or word in _NOT_BIRADS or len(_LETTERS & set(word)) < 4:
        return False
    return _distance(word, "birads") <= 2


_LETTERS = frozenset("birads")
_NOT_BIRADS = frozenset(
    {"breasts", "breast", "brands", "birds", "braids", "bards", "biradial", "bread", "broad", "brass"}
)


def is_near(word: str, other: str) -> bool:
    """Whether a long word is another one with two letters wrong at most."""
    return abs(len(word) - len(other)) <= 2 and _distance(word, other) <= 2


def _distance(one: str, other: str) -> int:
    """Damerau-Levenshtein distance (optimal string alignment) of two short words."""
    before: list[int] = []
    previous: list[int] = []
    current = list(range(len(other) + 1))
    for row, char in enumerate(one, 1):
        before, previous, current = previous, current, [row]
        for column, mark in enumerate(other, 1):
            cost = min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (char != mark))
            if row > 1 and column > 1 and char == other[column - 2] and one[row - 2] == mark:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
    return current[-1]
