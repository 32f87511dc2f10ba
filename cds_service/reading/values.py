"""A category at one place of a report: digits, number words and roman numerals, the letter of a 4, the scale behind."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..core.vocabulary import Category, Side
from .language import ROLE
from .tokens import Tokens

_ROMAN = re.compile(r"(vi|v|iv|iii|ii|i)([abc]?)")
_ROMANS = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6"}
_LETTERS = frozenset("abc")
_WITH_PREPOSITION_A = frozenset({"es", "fr", "pt", "it"})
"""Languages in which a lone "a" may be a preposition: "BI-RADS 4 a esquerda"."""


@dataclass(slots=True)
class Value:
    """A category and where it stands, by token index; None where it was written as an open range."""

    first: int
    last: int
    """The token behind it."""
    category: Category | None
    side: Side = Side.UNSTATED
    is_sure: bool = True
    ends: tuple[int, int] = (4, 4)
    """The digits at both ends of an open range."""
    is_superseded: bool = False
    """The first of "from 3 to 4A"."""


def value_at(tokens: Tokens, i: int, *, after_birads: bool = True, is_listed: bool = False) -> Value | None:
    """The category that begins at a token, if one does. `after_birads` also takes the letter O for the digit 0;
    `is_listed` says that a slash separates it from the next one."""
    words = tokens.words
    if i >= len(words):
        return None
    word = words[i]
    is_sure = True
    letter = ""
    if word.isdigit():
        number = word[1:] if len(word) == 2 and word[0] == "0" else word
        if len(number) != 1 or number > "6" or _is_within_number(tokens, i):
            return None
    elif roman := _ROMAN.fullmatch(word):
        number, letter = _ROMANS[roman[1]], roman[2] if roman[1] == "iv" else ""
        if (roman[1] == "i" and not _stands_alone(tokens, i)) or (roman[2] and not letter):
            return None
    elif word in tokens.language.numbers:
        number = tokens.language.numbers[word]
        if number == "1" and not after_birads:
            return None
    elif word == "o" and after_birads and _stands_alone(tokens, i):
        number, is_sure = "0", False
    else:
        return None
    last = i + 1
    if number == "4" and not letter:
        letter, last = _letter(tokens, last)
        if letter == "?":
            return Value(i, last, None)
    elif tokens.is_glued(i) and words[i + 1] in _LETTERS and not tokens.is_glued(i + 1):
        last = i + 2  # a letter that no other category has, as in "3a"
    if not letter and not (is_listed and words[last : last + 1] == ["/"]) and _is_measure(tokens, i, last):
        return None
    if tokens.is_glued(last - 1) and words[last].isalnum():
        return None
    value = Value(i, last, Category(number + letter.upper()), is_sure=is_sure)
    return value if is_listed else _with_scale(tokens, value)


def _is_within_number(tokens: Tokens, i: int) -> bool:
    """Whether a digit is part of a longer number, a date, a time or a decimal."""
    words = tokens.words
    if (
        i >= 2
        and words[i - 1] in ".,/:-"
        and words[i - 2].isdigit()
        and tokens.is_glued(i - 1)
        and tokens.is_glued(i - 2)
    ):
        return not (words[i - 1] in "/-" and len(words[i - 2]) == 1)
    return i >= 1 and words[i - 1].isalnum() and tokens.is_glued(i - 1) and not words[i - 1].isalpha()


def _stands_alone(tokens: Tokens, i: int) -> bool:
    return not (tokens.is_glued(i) and (tokens.words[i + 1].isalnum() or tokens.words[i + 1] in "'-"))


def _letter(tokens: Tokens, i: int) -> tuple[str, int]:
    """The letter of a 4 from the token behind it on, and the token behind the letter; "?" for an open range."""
    words = tokens.words
    found, behind = _single_letter(tokens, i)
    if not found:
        return "", i
    if (
        behind + 1 < len(words) and words[behind] in "/-" and words[behind + 1] in _LETTERS and tokens.is_glued(behind)
    ) and (not tokens.is_glued(behind + 1) or not words[behind + 2].isalnum()):
        return ("?", behind + 2) if words[behind + 1] != found else (found, behind + 2)
    return found, behind


def _single_letter(tokens: Tokens, i: int) -> tuple[str, int]:
    words = tokens.words
    bracketed = _letter_in_brackets(tokens, i)
    if bracketed is not None:
        return bracketed
    mark = i + 1 if i < len(words) and words[i] == "\n" else i
    if mark + 1 < len(words) and words[mark] in ",;" and tokens.roles[mark + 1] & ROLE["subcategory_words"]:
        mark += 1
    while mark < len(words) and mark < i + 3 and words[mark] in "-./(":
        if words[mark] == "." and not tokens.is_glued(mark):
            return "", i
        mark += 1
    if mark >= len(words):
        return "", i
    word = words[mark]
    if tokens.roles[mark] & ROLE["subcategory_words"]:
        named = tokens.behind(mark)
        while named < len(words) and words[named] in ":-(\n":
            named += 1
        return (words[named], named + 1) if named < len(words) and words[named] in _LETTERS else ("", i)
    if word in tokens.language.spelled_letters:
        return tokens.language.spelled_letters[word], mark + 1
    if word not in _LETTERS or (tokens.is_glued(mark) and (words[mark + 1].isalnum() or words[mark + 1] == "'")):
        return "", i
    behind = mark + 1
    if behind < len(words) and words[behind] == ")" and words[mark - 1] == "(":
        return word, behind + 1
    original = tokens.text.original[tokens.starts[mark]]
    is_apart = mark == i and not tokens.is_glued(i - 1)
    if not original.isascii() or (words[mark - 1] == "/" and behind < len(words) and words[behind] == "/"):
        return "", i
    if is_apart and tokens.is_glued(mark) and words[behind] == "/":
        return "", i  # "4 C/W prior"
    if is_apart and original == "a" and tokens.language.code in _WITH_PREPOSITION_A:
        goes_on = behind < len(words) and words[behind].isalpha()
        return ("", i) if goes_on else (word, behind)
    return word, behind


def _letter_in_brackets(tokens: Tokens, i: int) -> tuple[str, int] | None:
    """The letter behind words in the brackets that follow: `4 (low suspicion, A)`."""
    words = tokens.words
    if words[i : i + 1] != ["("]:
        return None
    close = next((j for j in range(i + 1, min(len(words), i + 8)) if words[j] in ")\n"), None)
    if close is None or words[close] != ")" or words[close - 1] not in _LETTERS or words[close - 2] not in ",-":
        return None
    return words[close - 1], close + 1


def _is_measure(tokens: Tokens, i: int, last: int) -> bool:
    """Whether a number is a measure, a date, a time, an ordinal or counts the editions of the atlas."""
    words, roles = tokens.words, tokens.roles
    if i > 1 and words[i - 1] in ("x", "*") and words[i - 2].isdigit() and not roles[i - 1] & ROLE["ranges"]:
        return True
    if last >= len(words):
        return False
    following = words[last]
    glued = tokens.is_glued(last - 1)
    second = words[last + 1] if last + 1 < len(words) else ""
    if glued and following in ".,:" and second.isdigit() and tokens.is_glued(last):
        return True
    is_range = bool(roles[last] & ROLE["ranges"])
    if following == "%" or (following in ("x", "*") and second.isdigit() and not is_range):
        return True
    if following == "/" and second.isdigit():
        third = last + 2
        is_date = third + 1 < len(words) and words[third] == "/" and words[third + 1].isdigit()
        return is_date or len(second) > 1 or second > "6"
    if glued and following in ("st", "nd", "rd", "th"):
        return True
    behind = last
    while behind < min(len(words), last + 3) and words[behind] in ".-^ºa" and words[behind] != "\n":
        behind += 1
    return behind < len(words) and bool(roles[behind] & (ROLE["units"] | ROLE["editions"]))


def _with_scale(tokens: Tokens, value: Value) -> Value:
    """A category with the end of the scale behind it, as in `III/VI` or `2/6`; a 4/5 is a range."""
    words, last = tokens.words, value.last
    if last + 1 >= len(words) or words[last] != "/" or words[last + 1] not in ("6", "vi", "5", "v"):
        return value
    if tokens.is_glued(last + 1) and words[last + 2] in ("/", "a", "b", "c"):
        return value
    if words[last + 1] in ("5", "v") and value.category is not None and value.category.value[0] == "4":
        return Value(value.first, last + 2, None, value.side)
    value.last = last + 2
    return value
