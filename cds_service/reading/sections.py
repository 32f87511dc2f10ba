"""The parts of a report: what a place in it belongs to, and which addenda came after which."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from ..core.vocabulary import Side
from .language import ANY_SIDE, BIRADS, ROLE
from .tokens import Tokens, where

ASIDE = frozenset({"history", "examination"})
"""Kinds of sections that state nothing of their own: what was before, and what was done today."""
_MARKS = frozenset("*_#=->[]|.(){}")
"""Marks that may stand before a heading."""
_BULLETS = frozenset("*_#=->[]|")
_LABELLED = 90
"""Characters within which the colon of an addendum's heading stands, behind a name, a date or a purpose."""
_DICTATED = frozenset({"impression", "recommendation"})
"""Kinds of sections whose heading is found in running text, where a dictation has no lines."""
_DATED = frozenset({"addendum", "final", "preliminary", "original", "findings"})
"""Kinds of sections whose heading may hold a date or a number."""
_READERS = frozenset({"final", "preliminary"})
"""Kinds of sections whose heading may say twice what it is."""
_DASHED = frozenset({"impression", "assessment", "addendum", "recommendation", "final", "preliminary", "history"})
"""Kinds of sections whose heading may end with a dash. "Left - ..." is a statement, "Impression - ..." a heading."""


class Section(NamedTuple):
    """One part of a report, by token index: where its heading and its body start, where it ends, and its kind.

    `addendum` is 0 in the body of the report and counts the addenda from 1, a later one higher. `side` is the breast
    that the heading names. `is_preliminary` tells what was written before another reader or other images.
    """

    kind: str
    start: int
    body: int
    end: int
    addendum: int
    side: Side = Side.UNSTATED
    is_preliminary: bool = False


class Sections:
    """All parts of a report, found by their headings."""

    def __init__(self, tokens: Tokens) -> None:
        self.all = _with_ends(tokens, _headings(tokens))
        self._starts = [section.start for section in self.all]
        self._by_addendum: dict[int, list[Section]] = {}
        for section in self.all:
            self._by_addendum.setdefault(section.addendum, []).append(section)

    @property
    def addenda(self) -> list[int]:
        """The ranks of the addenda, from the earliest."""
        return sorted(self._by_addendum.keys() - {0})

    def of_addendum(self, rank: int) -> list[Section]:
        """The parts of one addendum."""
        return self._by_addendum[rank]

    def at(self, i: int) -> Section:
        """The part that a token belongs to."""
        return self.all[max(0, bisect_right(self._starts, i) - 1)]


@dataclass(frozen=True, slots=True)
class _Heading:
    kind: str
    start: int
    body: int
    label: tuple[int, int]
    """What stands between the words of the heading and its end: a side, a date, a name."""
    is_document: bool = False


def _headings(tokens: Tokens) -> list[_Heading]:
    documents = [(tokens.at(offset), kind) for offset, kind in tokens.text.parts]
    found: dict[int, _Heading] = {}
    words, known = tokens.words, tokens.language.headings
    colons = list(where(words, {":"}))
    labelled = {tokens.line(colon) for colon in colons}
    for line, end in pairwise(tokens.lines):
        first = line + 1
        if first < end and not words[first].isalpha():
            first = _skip_marks(tokens, first, end)
        if first < end and (words[first] in known or (line + 1, end) in labelled):
            heading = _heading(tokens, first, end, is_line=True) or _reader(tokens, first, end)
            if heading is not None:
                found[heading.start] = heading
    for colon in colons:
        heading = _within_line(tokens, colon) if _is_colon(tokens, colon) else None
        if heading is not None:
            found.setdefault(heading.start, heading)
    if tokens.is_dictated:
        for i in where(words, known):
            for behind, kind in tokens.phrases_at(i, known):
                if kind in _DICTATED:
                    found.setdefault(i, _Heading(kind, i, behind, (i, i)))
                    break
    starts = [_Heading(kind, start, start, (start, start), is_document=True) for start, kind in documents]
    return sorted([*starts, *found.values()], key=lambda each: (each.start, not each.is_document))


def _skip_marks(tokens: Tokens, i: int, end: int) -> int:
    """The first token of a line behind bullets and the number of an item."""
    words = tokens.words
    while i < end and words[i] in _BULLETS:
        i += 1
    if i + 1 < end and words[i].isdigit() and len(words[i]) <= 2 and words[i + 1] in (".", ")"):
        i += 2
    return i


def _heading(tokens: Tokens, first: int, end: int, *, is_line: bool) -> _Heading | None:
    words = tokens.words
    for behind, kind in tokens.phrases_at(first, tokens.language.headings):
        if tokens.behind(first) > behind and tokens.roles[first] & ROLE["overall"]:
            continue  # "Exam level: ..."
        if behind < end and words[behind - 1].isalpha() and words[behind] == "-" and tokens.is_tight(behind):
            continue  # "impression-guided"
        body = _end_of_heading(tokens, behind, end, kind, is_line=is_line)
        if body is not None:
            return _Heading(kind, first, body, (behind, body))
    return None


def _reader(tokens: Tokens, first: int, end: int) -> _Heading | None:
    """A label that names who read, or which reading it is, behind other words: `Night teleradiology prelim (ED):`."""
    colon = next((i for i in range(first, min(end, first + 24)) if _is_colon(tokens, i)), None)
    for i in range(first, colon or first):
        for behind, kind in tokens.phrases_at(i, tokens.language.headings):
            if kind in (("preliminary", "final") if i > first else ("preliminary",)):
                return _Heading(kind, first, (colon or first) + 1, (behind, colon or first))
    return None


def _is_colon(tokens: Tokens, i: int) -> bool:
    """Whether a token is a colon that is not within a time."""
    words = tokens.words
    return words[i] == ":" and not (words[i - 1].isdigit() and i + 1 < len(words) and words[i + 1].isdigit())


def _end_of_heading(tokens: Tokens, behind: int, end: int, kind: str, *, is_line: bool) -> int | None:
    """Where the body begins: behind a colon, at the line end, or behind a dash; None where this is no heading."""
    words = tokens.words
    i = behind
    has_label = False
    while i < end:
        word = words[i]
        if word == ":" and _is_colon(tokens, i):
            return i + 1
        if word == "(":
            close = next((j for j in range(i + 1, min(end, i + 24)) if words[j] == ")"), None)
            if close is None:
                break
            i, has_label = close + 1, True
            continue
        if word == "-" and not has_label and kind in _DASHED and not tokens.is_tight(i):
            return i + 1
        is_small = tokens.roles[i] & (ANY_SIDE | ROLE["breast"] | ROLE["fillers"])
        if is_small or i in tokens.inner or tokens.sides_in(i, i + 1):  # "Assessment R: 4A"
            i, has_label = i + 1, True
            continue
        if word in ",*_#=.)/]-:" or (word.isdigit() and kind in _DATED):
            i += 1
            continue
        another = next(tokens.phrases_at(i, tokens.language.headings), None) if kind in _READERS else None
        if another is not None:
            i = another[0]  # "ATTENDING FINAL REPORT"
            continue
        break
    if i >= end and is_line and kind in ("addendum", "original"):
        return end
    if i >= end:
        return i if is_line else None
    if not is_line:
        return None
    close = next((j for j in range(behind, end) if words[j] == "]"), None)
    if close is not None and words[tokens.line(behind)[0]] == "[":
        return close + 1
    if kind == "final":
        colon = next((j for j in range(behind, min(end, behind + 8)) if words[j] == ":"), None)
        return None if colon is None else colon + 1
    return _end_of_addendum(tokens, behind, end) if kind in ("addendum", "original") else None


def _end_of_addendum(tokens: Tokens, behind: int, end: int) -> int | None:
    """An addendum is often signed or dated in its heading: up to the colon, or the line where that holds few words."""
    words = tokens.words
    limit = tokens.starts[behind] + _LABELLED
    colon = next((i for i in range(behind, end) if words[i] == ":" and tokens.starts[i] < limit), None)
    while colon is not None and colon + 1 < end and words[colon + 1].isdigit() and words[colon - 1].isdigit():
        colon = next((i for i in range(colon + 1, end) if words[i] == ":" and tokens.starts[i] < limit), None)  # a time
    if colon is not None:
        return colon + 1
    if sum(len(words[i]) > 2 and words[i].isalpha() for i in range(behind, end)) < 4:
        return end
    written = tokens.text.original[tokens.starts[behind - 1] : tokens.ends[behind - 1]]
    if not written.isupper() and _date(tokens, behind, behind + 6) is None:
        return None  # a sentence that speaks of an addendum
    stop = tokens.statement(behind)[1]
    return stop + 1 if stop < end and stop - behind <= 12 else behind


def _within_line(tokens: Tokens, colon: int) -> _Heading | None:
    """A heading in the middle of a line: between the end of a statement and a colon."""
    words = tokens.words
    begin = max(tokens.statement(colon)[0], tokens.line(colon)[0])
    begin = next((i + 1 for i in range(colon - 1, max(begin, colon - 6) - 1, -1) if words[i] in "|*>)"), begin)
    if begin == tokens.line(colon)[0] or colon - begin > 6 or begin >= colon:
        return None
    heading = _heading(tokens, begin, tokens.line(colon)[1], is_line=False)
    return heading if heading is not None and heading.body == colon + 1 and not _has_label(tokens, heading) else None


def _has_label(tokens: Tokens, heading: _Heading) -> bool:
    return any(tokens.words[i].isalnum() for i in range(*heading.label))


def _with_ends(tokens: Tokens, headings: Sequence[_Heading]) -> list[Section]:
    sections: list[Section] = []
    order = _addendum_order(tokens, headings)
    addendum = 0
    is_preliminary = False
    for place, heading in enumerate(headings):
        end = headings[place + 1].start if place + 1 < len(headings) else len(tokens)
        if heading.kind == "addendum":
            addendum = order[place]
        elif heading.kind == "original" or heading.is_document or _is_dated_report(tokens, heading):
            addendum = 0
        if heading.kind == "preliminary":  # alone on its line it rules up to the final report, over what has headings
            is_preliminary = tokens.line(heading.start)[1] <= heading.body
        elif heading.kind in ("final", "addendum", "original") or heading.is_document:
            is_preliminary = False
        kind = "" if heading.kind == "original" else heading.kind
        named = {side for _, _, side in tokens.sides_in(*heading.label)}
        side = named.pop() if len(named) == 1 else Side.UNSTATED
        if side is Side.BOTH and kind not in ("assessment", "impression", "final"):
            side = Side.UNSTATED  # the name of an examination
        section = Section(
            kind, heading.start, heading.body, end, addendum, side, is_preliminary or kind == "preliminary"
        )
        last = sections[-1] if sections else None
        if last is not None and side is Side.UNSTATED and last.end == heading.start and _is_empty(tokens, last):
            section = section._replace(side=last.side)  # a field below the heading of its breast
        if kind not in (*ASIDE, "legend"):
            sections.append(section)
            continue
        limit = _end_of_history(tokens, heading, end) if kind in ASIDE else _end_of_paragraph(tokens, heading, end)
        sections.append(section._replace(end=limit))
        if limit < end:
            sections.append(Section("", limit, limit, end, addendum, is_preliminary=is_preliminary))
    return sections


def _is_dated_report(tokens: Tokens, heading: _Heading) -> bool:
    """Whether a heading begins a report of its own below its addendum: `Report 30-06-2025:`."""
    return heading.kind == "findings" and _date(tokens, *heading.label) is not None


def _is_empty(tokens: Tokens, section: Section) -> bool:
    return section.body > section.start and all(tokens.words[i] == "\n" for i in range(section.body, section.end))


def _end_of_paragraph(tokens: Tokens, heading: _Heading, end: int) -> int:
    """The blank line behind a legend, where something stands below it that is no further line of the scale."""
    words, begin = tokens.words, heading.body
    while True:
        begin = next((i for i in range(begin, end) if words[i] != "\n"), end)
        blank = next((i for i in range(begin, end - 1) if words[i] == words[i + 1] == "\n"), end)
        below = next((i for i in range(blank, end) if words[i] != "\n"), end)
        if below >= end:
            return end
        if not (tokens.roles[below] & (BIRADS | ROLE["category_words"]) or words[below].isdigit()):
            return blank
        begin = below


def _end_of_history(tokens: Tokens, heading: _Heading, end: int) -> int:
    """A heading such as "Indication:" rules over its paragraph; where everything stands in one line and no other
    heading follows, over its first sentence."""
    line = tokens.line(heading.body)[1] if heading.body < len(tokens) else end
    if line >= end:
        if end < len(tokens):
            return end
        return next((i + 1 for i in range(heading.body, end) if tokens.words[i] == "." and tokens.is_stop(i)), end)
    if line > heading.body:
        return line
    blank = next((i for i in range(line + 1, end - 1) if tokens.words[i] == tokens.words[i + 1] == "\n"), None)
    return end if blank is None else blank  # the heading stands alone on its line: the paragraph below it


def _addendum_order(tokens: Tokens, headings: Sequence[_Heading]) -> dict[int, int]:
    """The rank of each addendum: by number or by date where all have one, else as they stand."""
    addenda = [(place, heading) for place, heading in enumerate(headings) if heading.kind == "addendum"]
    dates = [_date(tokens, *heading.label) for _, heading in addenda]
    numbers = [_number(tokens, *heading.label) for _, heading in addenda]
    keys: list[int] = list(range(len(addenda)))
    if addenda and all(number is not None for number in numbers):
        keys = [number for number in numbers if number is not None]
    elif addenda and all(dates):
        keys = _comparable([date for date in dates if date])
    ranked = sorted(range(len(addenda)), key=lambda each: (keys[each], each))
    return {addenda[each][0]: rank + 1 for rank, each in enumerate(ranked)}


def _number(tokens: Tokens, begin: int, end: int) -> int | None:
    """The number right behind the word for an addendum: `Addendum #2`."""
    words = tokens.words
    if begin < end and words[begin] in "#-(":
        begin += 1
    if (
        begin < end
        and len(words[begin]) == 1
        and words[begin] in "abcde"
        and (begin + 1 >= end or not words[begin + 1].isalpha())
    ):
        return ord(words[begin])
    if begin >= end or not words[begin].isdigit() or len(words[begin]) > 2:
        return None
    is_date = begin + 2 < len(words) and words[begin + 1] in "./-" and words[begin + 2].isdigit()
    return None if is_date and tokens.is_glued(begin) else int(words[begin])


def _date(tokens: Tokens, begin: int, end: int) -> tuple[int, int, int] | None:
    """The first date as three numbers, the year first or last."""
    words, months = tokens.words, tokens.language.months
    for i in range(begin, min(end, len(words) - 1)):
        if words[i] in months:
            numbers = [int(word) for word in words[max(begin, i - 2) : i + 5] if word.isdigit()]
            year = next((number for number in numbers if number > 1900), 0)
            return (year, months[words[i]], next((number for number in numbers if number < 32), 1)) if year else None
    for i in range(begin, min(end, len(words) - 4)):
        parts = words[i : i + 5]
        if (
            parts[0].isdigit()
            and parts[1] in "./-"
            and parts[2].isdigit()
            and parts[3] == parts[1]
            and parts[4].isdigit()
        ):
            return int(parts[0]), int(parts[2]), int(parts[4])
    return None


def _comparable(dates: Sequence[tuple[int, int, int]]) -> list[int]:
    """Dates of one report as numbers in their order; day and month first are told by what does not fit otherwise."""
    if all(first > 31 for first, _, _ in dates):
        return [year * 10000 + month * 100 + day for year, month, day in dates]
    day_first = any(first > 12 for first, _, _ in dates)
    return [
        year * 10000 + (second * 100 + first if day_first else first * 100 + second) for first, second, year in dates
    ]
