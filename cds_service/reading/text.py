"""A report as text: folded for matching without changing a single offset, with its lines told from its line wraps."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property

_SPECIAL = {
    **dict.fromkeys(
        "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u00ad\ufe63\uff0d\u00b7\u2022\u2023\u25aa\u25cf\u25cb\u25ef\u25e6\u2192\u2794\u21d2",
        "-",
    ),
    **dict.fromkeys("\u2019\u2018\u00b4\u0060\u02bc", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"'),
    **dict.fromkeys(
        "\u00ae\u2122\u00a9\u00b0\u00bd\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009", " "
    ),
    **dict.fromkeys("\u200a\u200b\u200c\u200d\u202f\u205f\u2060\u3000\ufeff", " "),
    **dict.fromkeys("\r\x0b\x0c\x85\u2028\u2029", "\n"),
    **dict.fromkeys("\u2612\u2611\u2713\u2714\u2717\u2718\u25a0", "\x02"),
    **dict.fromkeys("\u2610\u25a1\u274f\u2751", "\x01"),
    "ß": "s",
    "æ": "a",
    "œ": "o",
    "ø": "o",
    "ł": "l",
    "đ": "d",
    "ı": "i",
    "×": "x",
    "º": "o",
    "ª": "a",
}
"""Dashes, quotes, blanks, line ends and check boxes; \x02 is a marked box and \x01 an empty one."""


def _folded(char: str) -> str | None:
    """The ASCII character that stands for another one, in lower case; None where none does."""
    if char in _SPECIAL:
        return _SPECIAL[char]
    base = unicodedata.normalize("NFKD", char)
    base = "".join(each for each in base if not unicodedata.combining(each)).casefold()
    return base if len(base) == 1 and base.isascii() else None


_FOLDED_BLOCKS = (range(0x250), range(0x1E00, 0x1F00), range(0x2000, 0x2070), range(0xFF00, 0xFF5F))
_FOLD = {
    code: folded
    for code in (*itertools.chain(*_FOLDED_BLOCKS), *map(ord, _SPECIAL))
    if (folded := _folded(chr(code))) is not None and folded != chr(code)
}  # fmt: skip


def fold(text: str) -> str:
    """Lower case ASCII of the same length: accents gone, dashes and blanks plain, anything unknown a question mark."""
    return text.replace("\r\n", " \n").translate(_FOLD).encode("ascii", "replace").decode("ascii")


_PIECE = re.compile(r"(?:[a-z]++|[0-9]++|[^ \t])[ \t]*+")


def lexed(folded: str) -> tuple[list[str], list[int]]:
    """The words, numbers, line ends and single marks of a folded text, and the offset of each."""
    pieces = _PIECE.findall(folded)  # each with the blanks behind it, so that their lengths lead to the offsets
    first = len(folded) - len(folded.lstrip(" \t"))
    starts = itertools.accumulate(map(len, pieces[:-1]), initial=first)
    return list(map(str.rstrip, pieces, itertools.repeat(" \t"))), list(starts)


_NEW_ITEM = re.compile(
    r"[ \t]*(?:[-*+#>=_]|\(?\d{1,2}[.)]\s|\d{1,2}(?:[a-z]{1,3}|\.)\s[a-z][a-z ().,-]{0,40}:"
    r"|\[|\(\s?\)|\(x\)|[a-z][\w /&().,#'-]{0,40}:|[a-z]{1,2}[ ]{0,2}-\s"
    r"|(?:addend|nachtrag|aanvull|adend|aditam|rectific|corrig|errat)[a-z]{0,6}\b|$)"
)
_ENDS_STATEMENT = frozenset(".:;!?|*=_#")
_LEADER = re.compile(r"(?<![:=] )(?<![:=])\.{4,}(?=[ \t]*[^\s.])|(?<=\s)\.{2,3}(?=\s)")
_PAGE_NUMBER = (
    r"(?:page|seite|pagina|pag\.?|p\.|blatt)[ \t]{1,3}\d{1,3}(?:[ \t]{0,3}(?:/|of|von|de|di|van|sur)[ \t]{0,3}\d{1,3})?"
)
_PAGE_WORDS = ("page ", "seite ", "pagina ", "pag", "p.", "blatt ")
_PAGE = re.compile(
    rf"(?:\n|[ \t]{{4}})[ \t-]*{_PAGE_NUMBER}[ \t-]*\n"
    rf"(?:[^\n]{{0,90}}\n){{0,2}}?(?:[^\n]{{0,90}}?{_PAGE_NUMBER}[ \t-]*\n)\s*"
    rf"|\n[ \t-]*{_PAGE_NUMBER}[ \t-]*\n\s*"
)
_DIVIDED = re.compile(r"-[ \t]*\n")
_HYPHENATED = re.compile(r"([a-z]{2,})-[ \t]*\n[ \t]*([a-z]+)")
SHORT_LINE = 42
"""A line shorter than this was ended on purpose, unless the next one goes on in lower case."""
WIDEST = 132
"""Characters of the widest line that a printer or a terminal wraps."""
DICTATED = 3
"""As many punctuation marks as words tell a dictation that nobody has punctuated."""


class Text:
    """A report that is being read. `original` is what a person sees; `folded` has the same length and offsets."""

    def __init__(self, original: str, parts: Sequence[tuple[int, str]] = ((0, ""),)) -> None:
        """`parts` gives the offset of each document of the report, and the kind of section that it begins with."""
        self.original = original
        self.parts = tuple(parts)
        self.folded = fold(original)

    @cached_property
    def lexed(self) -> tuple[list[str], list[int]]:
        """The words, numbers, line ends and marks of the flat text, and the offset of each."""
        return lexed(self.flat)

    @cached_property
    def words(self) -> set[str]:
        """The different words of the text."""
        return set(self.lexed[0])

    @cached_property
    def flat(self) -> str:
        """The folded text with blanks in the place of every line break that is only a wrap and of page numbers, and a
        colon in the place of leading dots."""
        text = self.folded
        if ".." in text:
            text = _LEADER.sub(lambda match: ":" + " " * (len(match.group()) - 1), text)
        if "\n" not in text:
            return text
        if any(word in text for word in _PAGE_WORDS):
            text = _PAGE.sub(lambda match: " " * len(match.group()), text)
        if _DIVIDED.search(text):
            text = _HYPHENATED.sub(self._joined, text)
        lines = text.split("\n")
        has_columns = "\t" in text or "   " in text
        parts = []
        place = 0
        is_wrapped = max(map(len, lines)) <= WIDEST
        for line, following, is_full in zip(lines, lines[1:], _full(lines), strict=False):
            place += len(line) + 1
            is_column = has_columns and _has_column(line, following)
            is_wrap = not is_column and self._is_wrap(line, following, place, is_wrapped=is_wrapped, is_full=is_full)
            parts += [line, " " if is_wrap else "\n"]
        return "".join((*parts, lines[-1]))

    def _joined(self, match: re.Match[str]) -> str:
        """A word that was divided at the end of a line, whole again, and blanks for what it got shorter by."""
        if self.original[match.start(2)].isupper() and match[1] != "bi" and not self.original[match.start(1)].isupper():
            return match.group()
        return (match[1] + match[2]).ljust(len(match.group()))

    def _is_wrap(self, line: str, following: str, start: int, *, is_wrapped: bool, is_full: bool) -> bool:
        bare = line.strip()
        if not bare or _NEW_ITEM.match(following):
            return False
        first = start + len(following) - len(following.lstrip())
        if self.original[first : first + 1].islower() or (is_full and len(following) >= SHORT_LINE):
            return bare[-1] != ":"
        return is_wrapped and len(line) >= SHORT_LINE and bare[-1] not in _ENDS_STATEMENT

    def quoted(self, start: int, end: int) -> str:
        """What stands between two offsets, as a person reads it."""
        return " ".join(self.original[start:end].split())


def _has_column(line: str, following: str) -> bool:
    """Whether one of two lines is in columns, which a wrapped text is not."""
    return "\t" in line or "\t" in following or "   " in line.strip() or "   " in following.strip()


def _full(lines: Sequence[str]) -> Iterable[bool]:
    """Of each line but the last, whether it is full: the first word of the next one would not have fitted. None is
    where the text was not wrapped at one width."""
    lengths = [len(line.rstrip()) for line in lines]
    width = max(lengths)
    if SHORT_LINE <= width <= WIDEST:
        firsts = [len(line.split(maxsplit=1)[0]) if length else 0 for line, length in zip(lines, lengths, strict=True)]
        full = [first > 0 and length + 1 + first > width for length, first in zip(lengths, firsts[1:], strict=False)]
        if sum(full) > 1:
            return full
    return itertools.repeat(False)
