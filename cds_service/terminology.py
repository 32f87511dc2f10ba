"""From a coding to a word of our vocabulary, or why not. System and code decide; a display is never trusted."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise

from .core.vocabulary import Distribution, Morphology, OrderKind, Pathology, Side, joined


class Means(StrEnum):
    """What kind of thing a code stands for."""

    CATEGORY = "category"
    MARKER_FILM = "marker-film"
    MORPHOLOGY = "morphology"
    DISTRIBUTION = "distribution"
    CHANGE = "change"
    SIDE = "side"
    BREAST_SITE = "breast-site"
    QUALIFIER = "qualifier"
    ORDER = "order"
    PATHOLOGY = "pathology"
    CONDITION = "condition"
    CALCIFICATION = "calcification"
    OTHER_FINDING = "other-finding"
    POST_PROCEDURE = "post-procedure"
    QUESTION = "question"
    PRESENCE = "presence"
    RECOMMENDATION = "recommendation"
    DENSITY = "density"
    REPORT_CATEGORY = "report-category"
    BREAST_REPORT = "breast-report"
    SECTION = "section"


@dataclass(frozen=True, slots=True)
class Concept:
    """One code of a code system: what it means, in our words."""

    means: Means
    value: str
    side: Side
    code: str
    system: str
    display: str


@dataclass(frozen=True, slots=True)
class Misuse:
    """A code that is known to be used wrongly in real data."""

    truth: str
    action: str


@dataclass(frozen=True, slots=True)
class Family:
    """A code whose descendants mean the same, as C50.- of ICD-10-CM; the last digit may tell the side."""

    prefix: str
    concept: Concept
    side_by_last_digit: Mapping[str, Side]


@dataclass(frozen=True, slots=True)
class OrderWords:
    """Words by which a kind of order is recognised where no code tells: alternatives that must all be met, and
    words that must not occur."""

    kind: OrderKind
    all_of: tuple[tuple[str, ...], ...]
    none_of: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PathologyWords:
    """How a pathology report tells what it is about, and what was found."""

    headings: frozenset[str]
    asides: re.Pattern[str]
    sites: re.Pattern[str]
    """Finds the breast, or another organ, each as a group of that name."""
    benign: re.Pattern[str]
    malignant: re.Pattern[str]
    denied: re.Pattern[str]

    @classmethod
    def of(cls, words: Mapping[str, Sequence[str]], breast: Sequence[str]) -> PathologyWords:
        """The words of each role, and those for the breast, all folded."""
        malignant = _beginnings(words["malignant"])
        return cls(
            headings=frozenset(words["headings"]),
            asides=re.compile(_beginnings(words["asides"])),
            sites=re.compile(f"(?P<breast>{_beginnings(breast)})|(?P<organ>{_beginnings(words['organs'])})"),
            benign=re.compile(_beginnings(words["benign"])),
            malignant=re.compile(malignant),
            denied=re.compile(rf"{_beginnings(words['negations'])}\w*(?: \w+){{0,4}}? {malignant}"),
        )


def _beginnings(spellings: Iterable[str]) -> str:
    """A pattern for the beginnings of several words."""
    return rf"(?<!\w)(?:{'|'.join(map(re.escape, spellings))})"


@dataclass(frozen=True, slots=True)
class Words:
    """What is sometimes written instead of coded."""

    sides: Mapping[Side, re.Pattern[str]]
    short_sides: Mapping[Side, frozenset[str]]
    """Abbreviations that mean something else in running text."""
    short_names: Mapping[str, str]
    """What departments shorten in titles -> the whole words."""
    shortened: re.Pattern[str]
    breast: tuple[str, ...]
    pathology: PathologyWords
    morphology: Mapping[str, Morphology]
    distribution: Mapping[str, Distribution]
    marker_film_days: int
    """Days after a biopsy within which a film of the views after it is expected."""
    joints: re.Pattern[str]
    """Finds, in a title as it is written, where something is joined to what stands before."""
    not_tissue: tuple[tuple[tuple[str, ...], ...], ...]
    """What goes with a biopsy, an excision or a mastectomy and is none: each entry as the `all_of` of an order."""
    called_off: tuple[tuple[tuple[str, ...], ...], ...]
    """What did not take place, in the same form."""
    orders: tuple[OrderWords, ...]


class Terminology:
    """All code systems of the knowledge folder, and the words beside them."""

    def __init__(
        self,
        concepts: Iterable[Concept],
        aliases: Mapping[str, str],
        families: Mapping[str, Sequence[Family]],
        misused: Mapping[tuple[str, str], Misuse],
        titles: Mapping[str, str],
        words: Words,
    ) -> None:
        self._by_system: dict[str, dict[str, Concept]] = {system: {} for system in titles}
        for concept in concepts:
            self._by_system[concept.system][concept.code] = concept
        for system in titles:  # codes are met with and without their dots
            codes = self._by_system[system]
            if families.get(system):
                codes.update({code.replace(".", ""): concept for code, concept in list(codes.items())})
        self._canonical = {spelling: system for system in titles for spelling in _spellings(system)}
        for alias, system in aliases.items():
            self._canonical.update(dict.fromkeys(_spellings(alias), system))
        self._families = families
        self._misused = misused
        self.titles = titles
        self.words = words

    def extended(self, concepts: Iterable[Concept]) -> Terminology:
        """The same with the codes of one site added, whose systems may be new."""
        more = copy(self)
        more._by_system, more._canonical = dict(self._by_system), dict(self._canonical)
        for concept in concepts:
            system = self.canonical(concept.system) or concept.system
            more._by_system[system] = {**more._by_system.get(system, {}), concept.code: concept}
            more._canonical.update(dict.fromkeys(_spellings(system), system))
        return more

    def canonical(self, system: str) -> str | None:
        """The canonical URI of a code system in whatever spelling, or None for one that we do not know."""
        known = self._canonical.get(system)
        if known is not None:
            return known
        bare = system.strip().partition("|")[0].rstrip("/")
        if bare.startswith(("http://snomed.info/sct/", "https://snomed.info/sct/")):
            bare = "http://snomed.info/sct"  # an edition or a version of it
        return self._canonical.get(bare)

    def concept(self, system: str, code: str) -> Concept | None:
        """What a coding means; None where the system or the code is not known. A missing system never matches."""
        codes = self._by_system.get(system)
        if codes is None:
            canonical = self.canonical(system)
            if canonical is None:
                return None
            system, codes = canonical, self._by_system[canonical]
        found = codes.get(code)
        if found is None and system in self._families:
            return self._descendant(system, code)
        return found

    def _descendant(self, system: str, code: str) -> Concept | None:
        bare = code.replace(".", "")
        for family in self._families[system]:
            if bare.startswith(family.prefix):
                side = family.side_by_last_digit.get(bare[-1:], Side.UNSTATED) if len(bare) > 4 else Side.UNSTATED
                concept = family.concept
                return Concept(concept.means, concept.value, side, code, system, concept.display)
        return None

    def misuse(self, system: str, code: str) -> Misuse | None:
        """Why a coding is known to be wrong, if it is."""
        canonical = self.canonical(system)
        return None if canonical is None else self._misused.get((canonical, code))

    # ------------------------------------------------------------------------------
    # Words

    def side_in(self, text: str, *, is_title: bool = False) -> Side:
        """The side that a short text names; unstated where it names none, or both sides separately. Abbreviations
        count in the title of an order, a study or a body site, and elsewhere only right before the breast."""
        return _side_in(self.words, text, is_title=is_title)

    def names_breast(self, text: str) -> bool:
        """Whether a title is about the breast."""
        return _name_breast(self.words, _tokens(self.words, text))

    def sides_in(self, title: str) -> Side:
        """The side that a title names; both where it names each."""
        return joined(_sides_in(self.words, title, is_title=True))

    def names_breast_first(self, title: str) -> bool | None:
        """Whether a title names the breast before any other organ; None where it names neither."""
        found = self.words.pathology.sites.search(_whole(self.words, title))
        return None if found is None else found.lastgroup == "breast"

    def is_pathology_heading(self, plain: str) -> bool:
        """Whether folded words are a heading of a pathology report, and not a site."""
        return plain.rpartition(" ")[2] in self.words.pathology.headings and self.names_breast_first(plain) is None

    def without_asides(self, plain: str) -> str:
        """Folded words up to where they turn to the history, the clinical question or the like."""
        found = self.words.pathology.asides.search(plain)
        return plain if found is None else plain[: found.start()].rstrip()

    def diagnosis_in(self, plain: str) -> Pathology | None:
        """Benign or malignant, where folded words say only one of them and do not deny it."""
        words = self.words.pathology
        is_malignant = words.malignant.search(words.denied.sub("", plain)) is not None
        is_benign = words.benign.search(plain) is not None
        if is_benign is is_malignant:
            return None
        return Pathology.BENIGN if is_benign else Pathology.MALIGNANT

    def order_kind_in(self, text: str) -> OrderKind | None:
        """The kind of breast order that a title names, where it is safe to tell; None for anything else."""
        return _order_kind_in(self.words, text)

    def morphology_in(self, text: str) -> Morphology | None:
        return self.words.morphology.get(folded(text))

    def distribution_in(self, text: str) -> Distribution | None:
        return self.words.distribution.get(folded(text))


def _spellings(uri: str) -> tuple[str, ...]:
    """The ways in which one URI is met: with http or https, with or without a slash at its end."""
    bare = uri.rstrip("/")
    both = {bare, bare.replace("http://", "https://", 1), bare.replace("https://", "http://", 1)}
    return tuple(spelling + end for spelling in both for end in ("", "/"))


def folded(text: str) -> str:
    """Lower case without accents, punctuation, entities and doubled spaces, for comparing words."""
    return _folded_title(text) if len(text) <= _TITLE_LENGTH else _folded(text)


_TITLE_LENGTH = 80
"""Characters up to which a text is taken for a title: those of codes, which come again in every call."""


def _folded(text: str) -> str:
    bare = unicodedata.normalize("NFKD", html.unescape(text)).casefold()
    bare = "".join(char for char in bare if not unicodedata.combining(char))
    return " ".join(re.sub(r"[^\w-]+", " ", bare).replace("_", " ").split())


_folded_title = lru_cache(maxsize=2048)(_folded)


def _tokens(words: Words, text: str) -> list[str]:
    """The words of a title, the parts of those with a hyphen, and every two in a row."""
    whole = _whole(words, text).split()
    parts = [token for word in whole for token in (word, *word.split("-")) if token]
    return [*parts, *map(" ".join, pairwise(whole))]


def _whole(words: Words, text: str) -> str:
    """A title, folded, with whole words for what departments shorten."""
    return words.shortened.sub(lambda found: words.short_names[found[0]], folded(text[:500]))


def any_word(spellings: Iterable[str], within: str = "") -> re.Pattern[str]:
    """Finds one of several words, or of several words in a row, in a folded text: the first one that fits. It may be
    joined to another word by any mark but those in `within`."""
    return re.compile(rf"(?<![\w{within}])(?:{'|'.join(map(re.escape, spellings))})(?![\w{within}])")


def _side_in(words: Words, text: str, *, is_title: bool) -> Side:
    found = _sides_in(words, text, is_title=is_title)
    if Side.BOTH in found:
        return Side.BOTH
    return found.pop() if len(found) == 1 else Side.UNSTATED


def _sides_in(words: Words, text: str, *, is_title: bool) -> set[Side]:
    plain = folded(text[:500])
    found = {side for side, spellings in words.sides.items() if spellings.search(plain)}
    tokens = plain.split()
    for token, following in zip(tokens, (*tokens[1:], ""), strict=False):
        if is_title or following in words.breast:
            found |= {side for side, short in words.short_sides.items() if token in short}
    return found


def _order_kind_in(words: Words, text: str) -> OrderKind | None:
    tokens = _tokens(words, text)
    if not _name_breast(words, tokens):
        return None  # most titles of a chart
    kept = _tokens(words, _without_company(words, text))
    return _kind_of(words, kept if _name_breast(words, kept) else tokens)


def _name_breast(words: Words, tokens: Iterable[str]) -> bool:
    return any(token.startswith(words.breast) for token in tokens)


def _without_company(words: Words, title: str) -> str:
    """A title that names a biopsy first, without what is joined to that and is no tissue."""
    kept = ""
    for part in words.joints.split(title[:500]):
        tokens = _tokens(words, part)
        if _is_any(words.not_tissue, tokens) and not _is_any(words.called_off, tokens):
            kind = _kind_of(words, _tokens(words, kept))
            if kind is not None and kind.is_biopsy:
                continue
        kept += part
    return kept


def _kind_of(words: Words, tokens: Sequence[str]) -> OrderKind | None:
    for rule in words.orders:
        if not _occur(rule.all_of, tokens) or any(token.startswith(rule.none_of) for token in tokens if rule.none_of):
            continue
        takes_tissue = rule.kind.is_biopsy or rule.kind is OrderKind.MASTECTOMY
        if not (takes_tissue and _is_any((*words.not_tissue, *words.called_off), tokens)):
            return rule.kind
    return None


def _is_any(entries: Iterable[tuple[tuple[str, ...], ...]], tokens: Sequence[str]) -> bool:
    return any(_occur(groups, tokens) for groups in entries)


def _occur(all_of: Iterable[tuple[str, ...]], tokens: Sequence[str]) -> bool:
    return all(any(token.startswith(group) for token in tokens) for group in all_of)


# --------------------------------------------------------------------------------------
# Check digits


_D = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_P = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def is_valid_sctid(code: str) -> bool:
    """Whether a SNOMED CT identifier has a valid Verhoeff check digit (SNOMED CT technical specification)."""
    if not re.fullmatch(r"[0-9]{6,18}", code):
        return False
    check = 0
    for place, digit in enumerate(reversed(code)):
        check = int(_D[check][int(_P[place % 8][int(digit)])])
    return check == 0


def is_valid_loinc(code: str) -> bool:
    """Whether a LOINC code has a valid Mod 10 check digit (LOINC Users' Guide). Part numbers (LP...) follow another
    rule and are only checked for their form."""
    found = re.fullmatch(r"(LP)?([0-9]{1,7})-([0-9])", code)
    if not found or found[1]:
        return found is not None
    total = sum(sum(divmod(int(d) * (2 if place % 2 == 0 else 1), 10)) for place, d in enumerate(reversed(found[2])))
    return (10 - total % 10) % 10 == int(found[3])


CHECK_DIGITS = {"verhoeff": is_valid_sctid, "mod10": is_valid_loinc}
