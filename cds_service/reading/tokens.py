"""A report as tokens with their roles, cut into statements and lines."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import compress, count, pairwise, repeat
from operator import add, or_, sub
from typing import TypeVar

from ..core.vocabulary import Side
from .language import (
    ANY_SIDE,
    BIRADS,
    CAPITAL,
    REFERRING_SIDE,
    ROLE,
    Language,
    Phrase,
    is_misspelt,
    is_near,
)
from .text import DICTATED, Text, lexed

T = TypeVar("T")

_LEFT, _RIGHT = ROLE["sides.left"], ROLE["sides.right"]
_BOTH = ROLE["sides.both"]
_OTHER, _IGNORED, _ANDS, _BREAST = ROLE["sides.other"], ROLE["ignored"], ROLE["ands"], ROLE["breast"]
_ABBREVIATION = ROLE["abbreviations"]
_NAMES_SIDE = ANY_SIDE | CAPITAL
_BIRADS_WORDS = frozenset(
    {"birads", "bilateral", "bilaterally", "breast", "breasts", "benign", "biopsy", "by", "be", "b"}
)
_COMPOUND = 10
"""A word longer than this may be a compound, as in Dutch and German: "Vergrößerungsmammographie"."""
LONGEST = 200
"""Tokens that the longest statement has."""
_SHORT = 5
"""Longest abbreviation that is told by the small letter behind its full stop alone."""


class Tokens:
    """The tokens of one report in one language.

    Everything is by token index; `starts` and `ends` lead back to the offsets of the text.
    """

    __slots__ = (
        "ends",
        "inner",
        "is_dictated",
        "language",
        "lines",
        "marked",
        "present",
        "roles",
        "sides",
        "starts",
        "stops",
        "text",
        "until",
        "words",
    )

    def __init__(self, text: Text, language: Language) -> None:
        self.text = text
        self.language = language
        self.until: dict[int, int] = {}
        """First token of a phrase -> the token behind it."""
        self.inner: set[int] = set()
        """Tokens of a phrase behind its first one."""
        self.marked: list[int] = []
        """The tokens that have a role, those within a phrase left out."""
        self.present = 0
        """All roles that some token has."""
        self.sides: list[tuple[int, int, Side]] = []
        """Every naming of a side: first token, the token behind it, the side."""
        punctuated = _punctuated(text, language)
        self.is_dictated = punctuated is not None
        """Whether the punctuation was dictated as words, so that headings stand in the running text."""
        self._lex(*(text.lexed if punctuated is None else lexed(punctuated)))
        self._find_phrases()
        self._find_sides()
        within = {i for first, end, _ in self.sides for i in range(first + 1, end + self._goes_on(end))}
        breaks = [i for i in where(self.words, _BREAKS) if i not in within]
        self.lines = [-1, *(i for i in breaks if self.words[i] == "\n"), len(self.words)]
        """The line ends, with one before the first line."""
        ends = (i for i in breaks if self.words[i] != "." or self._is_end(i))
        self.stops = self._bounded([-1, *ends, len(self.words)])
        """The ends of statements, with one before the first."""

    # ------------------------------------------------------------------------------
    # Building

    def _lex(self, words: list[str], starts: list[int]) -> None:
        size = len(words)
        while size and words[size - 1] == "\n":
            size -= 1
        self.words, self.starts = words[:size], starts[:size]
        self.ends = list(map(add, self.starts, map(len, self.words)))
        self.roles = list(map(self.language.singles.get, self.words, repeat(0)))
        if self.language.compounds:
            for i, word in enumerate(self.words):
                if not self.roles[i] and len(word) > _COMPOUND and word.endswith(self.language.endings):
                    self.roles[i] = next(bits for end, bits in self.language.compounds.items() if word.endswith(end))

    def _find_phrases(self) -> None:
        words, phrases = self.words, self.language.phrases
        behind = 0
        for i in where(pairwise(words), phrases):
            if i < behind:
                continue
            for phrase, roles in phrases[words[i], words[i + 1]]:
                if len(phrase) == 2 or tuple(words[i : i + len(phrase)]) == phrase:
                    behind = i + len(phrase)
                    if roles & _IGNORED:
                        for j in range(i, behind):
                            self.roles[j] = 0
                        break
                    self.until[i] = behind
                    self.inner.update(range(i + 1, behind))
                    if roles & BIRADS or roles & (ANY_SIDE | REFERRING_SIDE):
                        self.roles[i] = roles
                    else:
                        self.roles[i] |= roles
                    break
        candidates = {
            word
            for word in self.text.words
            if word[0] == "b" and (word == "bi" or (word not in _BIRADS_WORDS and is_misspelt(word)))
        }
        if "irads" in self.text.words:
            candidates.add("b")
        for i in where(words, candidates) if candidates else ():
            if not self.roles[i] & BIRADS:
                self._find_misspelt(i, words[i])
        inner = self.inner
        self.marked = [i for i in compress(range(len(words)), self.roles) if i not in inner]
        self.present = reduce(or_, self.roles, 0)

    def _find_misspelt(self, i: int, word: str) -> None:
        """The word BI-RADS with letters wrong, missing or swapped, in one piece or two."""
        if word in ("bi", "b"):
            second = i + 2 if self.words[i + 1 : i + 2] == ["-"] else i + 1
            rest = self.words[second] if second < len(self.words) else ""
            if rest[:1] == ("r" if word == "bi" else "i") and (word + rest == "birads" or is_misspelt(word + rest)):
                self.roles[i], self.until[i] = BIRADS, second + 1
                self.inner.update(range(i + 1, second + 1))
        elif not self.roles[i] and is_misspelt(word):
            self.roles[i] = BIRADS
            following = self.words[i + 1] if i + 1 < len(self.words) else ""
            if following[:1] in ("c", "k") and not self.roles[i + 1] and is_near(following, "category"):
                self.roles[i + 1] = ROLE["category_words"]

    def _find_sides(self) -> None:
        """Sides by words, and by letters where they are capitals."""
        original, capitals = self.text.original, self.language.capitals
        found: list[tuple[int, int, Side]] = []
        for i in self.marked_as(_NAMES_SIDE):
            if self.roles[i] & ANY_SIDE:
                found.append((i, self.until.get(i, i + 1), _side_of(self.roles[i])))
            elif self._is_capital(i, original):
                found.append((i, i + 1, capitals[self.words[i]]))
        self.sides = self._paired(found)

    def _is_capital(self, i: int, original: str) -> bool:
        """Whether a letter stands for a side: a capital on its own, not part of an abbreviation or a name."""
        start, end = self.starts[i], self.ends[i]
        if not original[start:end].isupper():
            return False
        before, behind = original[start - 1 : start], original[end : end + 2]
        if before == "(" and start > 1 and original[start - 2].isalnum():
            return False  # "BI-RADS(R)", as systems without the sign write it
        if before in ("/", ".", "-", "'") and start > 1 and original[start - 2].isalnum():
            return False
        return not (
            behind[:1].isalnum() or behind[:1] in ("/", "-", "'") or (behind[:1] == "." and behind[1:].isalnum())
        )

    def _paired(self, found: list[tuple[int, int, Side]]) -> list[tuple[int, int, Side]]:
        """`right and left breast` names both."""
        merged: list[tuple[int, int, Side]] = []
        for each in found:
            last = merged[-1] if merged else None
            if last is not None and {last[2], each[2]} == {Side.LEFT, Side.RIGHT} and each[0] - last[1] <= 4:
                between = [i for i in range(last[1], each[0]) if not self.roles[i] & _BREAST]
                if between and all(self.roles[i] & _ANDS or self.words[i] in "/&+\n" for i in between):
                    merged[-1] = (last[0], each[1], Side.BOTH)
                    continue
            merged.append(each)
        return merged

    def _is_end(self, i: int) -> bool:
        """Whether a full stop ends a statement: not that of an abbreviation or within a number."""
        if i == 0:
            return True
        if i in self.inner and i + 1 < len(self.words) and self.roles[i + 1] & BIRADS and self.roles[i - 1] & _BOTH:
            return True  # "calcs bilat. BI-RADS 2"
        if i in self.inner or self.is_glued(i):
            return False
        if i + 1 == len(self.words) or self.words[i + 1] == "\n":
            return True
        if self.roles[i - 1] & _ABBREVIATION:
            return False
        following = self.text.original[self.starts[i + 1]]
        return not (following.islower() and len(self.words[i - 1]) <= _SHORT and self.words[i - 1].isalpha())

    def _goes_on(self, i: int) -> bool:
        """Whether a line ends between a side and the word for the breast."""
        return self.words[i : i + 1] == ["\n"] and i + 1 < len(self.words) and bool(self.roles[i + 1] & _BREAST)

    def _bounded(self, stops: list[int]) -> list[int]:
        """Statements that no sentence is as long as are divided, at a comma if there is one, so that whatever looks
        through the statement of a mention takes a bounded time."""
        if max(map(sub, stops[1:], stops)) <= LONGEST:
            return stops
        result = stops[:1]
        for stop in stops[1:]:
            while stop - result[-1] > LONGEST:
                limit = result[-1] + LONGEST
                comma = next((i for i in range(limit, limit - LONGEST // 2, -1) if self.words[i] == ","), limit)
                result.append(comma)
            result.append(stop)
        return result

    # ------------------------------------------------------------------------------
    # Asking

    def __len__(self) -> int:
        return len(self.words)

    def at(self, offset: int) -> int:
        """The first token that begins at an offset or behind it."""
        return bisect_left(self.starts, offset)

    def statement(self, i: int) -> tuple[int, int]:
        """The statement that a token is in: its first token and the one behind it."""
        place = bisect_right(self.stops, i)
        if self.stops[place - 1] == i and place > 1:
            place -= 1
        return self.stops[place - 1] + 1, self.stops[place] if place < len(self.stops) else len(self.words)

    def is_glued(self, i: int) -> bool:
        """Whether another token stands right behind one, without a blank."""
        return i + 1 < len(self.words) and self.starts[i + 1] == self.ends[i]

    def is_tight(self, i: int) -> bool:
        """Whether a mark has no blank on either side, like the dash of a compound."""
        return self.is_glued(i - 1) and self.is_glued(i)

    def is_stop(self, i: int) -> bool:
        """Whether a token ends a statement."""
        place = bisect_left(self.stops, i)
        return place < len(self.stops) and self.stops[place] == i

    def line(self, i: int) -> tuple[int, int]:
        """The line that a token is in."""
        place = bisect_left(self.lines, i)
        return self.lines[place - 1] + 1, self.lines[place]

    def marked_as(self, role: int) -> list[int]:
        """The tokens with a role, those within a phrase left out."""
        roles = self.roles
        return [i for i in self.marked if roles[i] & role]

    def has(self, role: int, begin: int, end: int) -> bool:
        """Whether one of the tokens has a role."""
        if not self.present & role:  # most questions are about words that a report has nowhere
            return False
        return end > 0 and bool(reduce(or_, self.roles[begin if begin > 0 else 0 : end], 0) & role)

    def last(self, role: int, begin: int, end: int) -> int | None:
        """The last token with a role."""
        if not self.has(role, begin, end):
            return None
        return next(i for i in range(end - 1, begin - 1, -1) if self.roles[i] & role)

    def first(self, role: int, begin: int, end: int) -> int | None:
        """The first token with a role."""
        if not self.has(role, begin, end):
            return None
        return next(i for i in range(max(0, begin), end) if self.roles[i] & role)

    def phrases_at(self, i: int, table: Mapping[str, Sequence[tuple[Phrase, T]]]) -> Iterator[tuple[int, T]]:
        """The phrases of a table, which has them by their first words, that begin at a token: the token behind each,
        and what it stands for."""
        for phrase, value in table.get(self.words[i], ()):
            behind = i + len(phrase)
            if tuple(self.words[i:behind]) == phrase:
                yield behind, value

    def behind(self, i: int) -> int:
        """The token behind the phrase that begins with a token."""
        return self.until.get(i, i + 1)

    def sides_in(self, begin: int, end: int) -> list[tuple[int, int, Side]]:
        """The namings of a side between two tokens."""
        first = bisect_left(self.sides, (begin,))
        return self.sides[first : bisect_left(self.sides, (end,), first)]

    def side_before(self, i: int) -> Side:
        """The single side that was named last before a token."""
        place = bisect_left(self.sides, (i,)) - 1
        for start, _, side in reversed(self.sides[max(0, place - 8) : place + 1]):
            if side in (Side.LEFT, Side.RIGHT) and start < i:
                return side
        return Side.UNSTATED

    def span(self, begin: int, end: int) -> tuple[int, int]:
        """The offsets of some tokens."""
        if begin >= end or begin >= len(self.words):
            place = self.starts[begin] if begin < len(self.words) else len(self.text.folded)
            return place, place
        return self.starts[begin], self.ends[end - 1]

    def said(self, begin: int, end: int) -> str:
        """Tokens as folded words with single blanks."""
        return " ".join(self.words[begin:end])

    def is_close(self, begin: int, end: int, most: int = 5) -> bool:
        """Whether only small words and marks stand between two places, no full stop, comma or line end."""
        if end - begin > most + 3:
            return False
        count = 0
        for i in range(begin, end):
            word = self.words[i]
            if not word[0].isalnum():
                if word in ".;,\n" and i not in self.inner:
                    return False
                continue
            if not self.roles[i] & _CLOSE and i not in self.inner:
                return False
            count += 1
        return count <= most


def where(words: Iterable[T], wanted: Container[T]) -> Iterator[int]:
    """The places of some words among others."""
    return compress(count(), map(wanted.__contains__, words))


_CLOSE = ROLE["fillers"] | ROLE["connectors"] | ROLE["category_words"] | ROLE["breast"] | BIRADS | ROLE["history.dated"]
_BREAKS = frozenset(".;!?\n")


def _side_of(roles: int) -> Side:
    if roles & _LEFT:
        return Side.LEFT
    return Side.RIGHT if roles & _RIGHT else Side.BOTH


_WORD = re.compile(r"[a-z]+")


def _punctuated(text: Text, language: Language) -> str | None:
    """The text with the punctuation that was dictated as words; None where there is not enough of it to tell a
    dictation."""
    flat = text.flat
    spoken = text.words & language.spoken.keys()
    if not spoken or sum(map(flat.count, spoken)) < 2:
        return None
    words = [(match.group(), match.start(), match.end()) for match in _WORD.finditer(flat)]
    found = []
    for place, (word, start, _) in enumerate(words):
        for phrase, mark in language.spoken.get(word, ()):
            if tuple(each for each, _, _ in words[place : place + len(phrase)]) == phrase:
                found.append((start, words[place + len(phrase) - 1][2], mark))
                break
    stops = flat.count(".")
    if len(found) < (DICTATED if stops else 2) or len(found) < stops:
        return None
    parts: list[str] = []
    done = 0
    for start, end, mark in found:
        if start >= done:
            parts += [flat[done:start], mark.ljust(end - start)]
            done = end
    return "".join((*parts, flat[done:]))


def statements(tokens: Tokens, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The statements between two tokens."""
    place = begin
    for stop in tokens.stops[bisect_left(tokens.stops, begin) : bisect_left(tokens.stops, end)]:
        if stop > place:
            yield place, stop
        place = stop + 1
    if place < end:
        yield place, end
