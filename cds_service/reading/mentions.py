"""Every place of a report that states a BI-RADS category, and how it is to be taken: as the current assessment, as
history, as a condition, a negation, a legend, a density, or as a statement that was left open."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from ..core.vocabulary import Category, Side
from .language import ACR, ANY_SIDE, BIRADS, CONNECTOR, MODALITY, REFERRING_SIDE, ROLE
from .sections import ASIDE, Section, Sections
from .text import SHORT_LINE
from .tokens import Tokens
from .values import Value, value_at


class Status(StrEnum):
    """How a mention is to be taken."""

    CURRENT = "current"
    DATED = "dated"
    """Given for another day, or until a final one; current only where nothing else is."""
    HISTORY = "history"
    CONDITIONAL = "conditional"
    NEGATED = "negated"
    LEGEND = "legend"
    DENSITY = "density"
    OPEN = "open"
    """Pending, left blank, cut off, or a range that nobody resolved: a careful reader would refuse to choose."""


class Mention(NamedTuple):
    """One place that states a category, by token index; `category` is None where the place leaves it open."""

    first: int
    """Where the statement begins: the word BI-RADS, or whatever stands for it."""
    value: int
    """Where the category itself begins."""
    last: int
    """The token behind it."""
    category: Category | None
    status: Status
    section: Section
    statement: tuple[int, int]
    side: Side = Side.UNSTATED
    is_sure: bool = True
    """False for misspelt words, letters for digits, and words without a number."""
    is_overall: bool = False
    is_combined: bool = False
    steps: tuple[int, int] = (0, 0)
    """The digits of the category, or of both ends of a range."""
    is_tabulated: bool = False
    is_formal: bool = False
    """It begins its statement, like the field of a form, and does not stand in running text."""
    is_now: bool = False
    """Its statement says that it is the present one."""
    modality: int = 0
    lesion: str = ""
    """What tells one lesion from another, if the statement is about one."""
    is_of_finding: bool = False
    """It stands in running text behind a finding that is not numbered."""

    @property
    def is_preliminary(self) -> bool:
        """Whether it is what was said at first, before other images or another reader."""
        return self.section.is_preliminary and not self.is_combined

    @property
    def is_range(self) -> bool:
        """Whether it names both ends of a range."""
        return self.category is None and self.steps != (0, 0)


COLUMN = 2
"""Blanks that set what follows apart from the word before it, as in a column."""
MOST = 300
"""A text with more mentions than this is not the report of an examination; nothing behind them is looked at."""
WINDOW = 70
"""Tokens behind the word BI-RADS within which its category may stand, a legend in brackets included."""
REACH = 30
"""Tokens before a mention that are looked at for what kind of statement it is."""
_ANNOUNCING = BIRADS | ACR | ROLE["category_words"]
_OPENING = frozenset(":=-.,#*|'\"/[>{<)]_")
_BRITISH = frozenset("pmu")
"""British codes: of the examination, the mammogram, the ultrasound."""
_WITH_WORDS = frozenset("mur")
"""Letters of the codes that stand behind the words of their scale; R is the Italian one."""
_FIVE_POINTS = frozenset("12345")
_BLANKS = ("__", "?", "***", "...", "[]", "()", "<>", "[<")


@dataclass(frozen=True, slots=True)
class _Anchor:
    """What announces a category: its first token, the one behind it, and how sure it is."""

    first: int
    last: int
    is_birads: bool = False
    is_misspelt: bool = False
    is_bare: bool = False
    """No word for the category, only a heading or a word for a change."""


def mentions(tokens: Tokens, sections: Sections) -> list[Mention]:
    """Every mention of a report, in the order of the text."""
    return _Finder(tokens, sections).found()


class _Finder:
    """Goes through a report once, from one announcement of a category to the next."""

    def __init__(self, tokens: Tokens, sections: Sections) -> None:
        self.tokens = tokens
        self.sections = sections
        self.announcing = tokens.marked_as(_ANNOUNCING)
        birads = sum(1 for i in self.announcing if tokens.roles[i] & BIRADS)
        self.names_other_system = self._names_other_rads(birads) or (not birads and self._has_british_codes())

    def _names_other_rads(self, birads: int) -> bool:
        tokens = self.tokens
        return tokens.text.flat.count("rads") > birads and any(
            word.endswith("rads") and i not in tokens.inner and not tokens.roles[i] & BIRADS
            for i, word in enumerate(tokens.words)
        )

    def _has_british_codes(self) -> bool:
        """Whether a report speaks in the British codes of examination, mammogram and ultrasound: P4, M4, U4."""
        return len(set(_five_point_codes(self.tokens, _BRITISH, 0, len(self.tokens)))) > 1

    def found(self) -> list[Mention]:
        result: list[Mention] = []
        done = passed = 0
        for anchor in self._anchors():
            if anchor.first < done or (anchor.first < passed and not (anchor.is_bare or anchor.is_birads)):
                continue
            if len(result) > MOST:
                break
            values, stop, is_open = self._values(anchor)
            if not values and anchor.is_birads and not anchor.is_bare:
                values = self._value_before(anchor, done)
            if not values and result and anchor.is_birads and self._is_named_again(result[-1], anchor):
                result[-1] = result[-1]._replace(last=anchor.last)
                continue
            if not values:
                if not is_open or not (anchor.is_birads or self._is_assessment(anchor)):
                    if not anchor.is_bare:
                        passed = min(stop, self.tokens.line(anchor.first)[1])  # nothing but small words up to there
                    continue
                values = [Value(anchor.last, max(anchor.last, min(stop, len(self.tokens))), None, ends=(0, 0))]
            begin, done = done, max(stop, anchor.last)
            for place, value in enumerate(values):
                first = value.first if place else min(anchor.first, value.first)
                result.append(self._mention(anchor, value, first, begin))
                begin = max(begin, value.last)
        cut_off = self._cut_off_at_end()
        if cut_off is not None:
            result.append(
                self._mention(cut_off, Value(cut_off.last, cut_off.last, None, ends=(0, 0)), cut_off.first, done)
            )
        return _without_legends(self.tokens, self._with_sides(self._coordinated(result)))

    def _is_named_again(self, last: Mention, anchor: _Anchor) -> bool:
        """Whether the word BI-RADS only stands in brackets behind a category: `Category 1 (BI-RADS), both breasts`."""
        return self.tokens.words[last.last : anchor.first] == ["("] and self.tokens.words[anchor.last :][:1] == [")"]

    def _cut_off_at_end(self) -> _Anchor | None:
        """The word BI-RADS where the report ends in the middle of it."""
        words = self.tokens.words
        tail = [word for word in words[-3:] if word != "\n"]
        joined = "".join(tail)
        for spelling in ("bi-ra", "bi-rad", "bi-r", "bi-"):
            if joined.endswith(spelling) and not self.tokens.roles[-1] & BIRADS:
                size = len(tail) if joined == spelling else len([each for each in ("bi", "-", spelling[3:]) if each])
                return _Anchor(len(words) - size, len(words), is_birads=True)
        return None

    # ------------------------------------------------------------------------------
    # Announcements

    def _anchors(self) -> list[_Anchor]:
        found = [self._anchor(i) for i in self.announcing]
        bare = [*self._headings(), *self._changes()]
        return sorted(
            [each for each in (*found, *bare) if each is not None], key=lambda each: (each.first, each.is_bare)
        )

    def _anchor(self, i: int) -> _Anchor | None:
        tokens = self.tokens
        roles = tokens.roles[i]
        if roles & BIRADS:
            word = tokens.words[i]
            is_known = tokens.language.singles.get(word, 0) & BIRADS or tokens.behind(i) > i + 1
            return _Anchor(i, tokens.behind(i), is_birads=True, is_misspelt=not is_known)
        behind = tokens.behind(i)
        if self.names_other_system or self._is_of_other_system(i):
            return None
        if (
            tokens.words[behind : behind + 1] == ["r"]
            and not tokens.text.folded[tokens.ends[behind] : tokens.ends[behind] + 1].isspace()
        ):
            return None  # "category R2" is a code of another system
        return _Anchor(i, behind)

    def _is_of_other_system(self, i: int) -> bool:
        """Whether a category belongs to another reporting system that is named right before it."""
        tokens = self.tokens
        begin, _ = tokens.statement(i)
        return tokens.has(ROLE["other_systems"], max(begin, i - 6), i)

    def _headings(self) -> Iterator[_Anchor]:
        """Headings of an assessment without a word for category, whose body begins with the bare value."""
        for section in self.sections.all:
            is_heading = section.kind in ("assessment", "final") and section.body > section.start
            if not is_heading or self.names_other_system:
                continue
            if not self.tokens.has(BIRADS | ROLE["category_words"], section.start, section.body):
                yield _Anchor(section.start, section.body, is_bare=True)

    def _changes(self) -> Iterator[_Anchor]:
        """Words of an addendum that announce a new category: "reclassified, 4C"."""
        roles = ROLE["changes"] | ROLE["should_read"]
        for section in self.sections.all:
            if section.addendum:
                for i in range(section.body, section.end):
                    if self.tokens.roles[i] & roles and i not in self.tokens.inner:
                        yield _Anchor(i, self.tokens.behind(i), is_bare=True)

    def _is_assessment(self, anchor: _Anchor) -> bool:
        return not anchor.is_bare and self.sections.at(anchor.first).kind in ("assessment", "impression", "final")

    # ------------------------------------------------------------------------------
    # Values behind an announcement

    def _values(self, anchor: _Anchor) -> tuple[list[Value], int, bool]:
        """The categories behind an anchor, where reading stopped, and whether the statement was left open."""
        tokens = self.tokens
        words, roles = tokens.words, tokens.roles
        limit = min(len(tokens), anchor.last + WINDOW)
        i, newlines, choice = anchor.last, 0, 0
        side = self.sections.at(anchor.first).side if anchor.is_bare else Side.UNSTATED
        while i < limit:
            word = words[i]
            if word == "\n":
                newlines += 1
                is_label = newlines == 2 and words[i - 1] == "\n" and words[i - 2] == ":"
                is_blank = words[i - 1] == "\n" and not is_label
                if is_blank or newlines > 3 or (anchor.is_bare and i > anchor.last):
                    break
                i += 1
                continue
            if words[i : i + 2] == ["[", "<"] or word in "{@":
                return [], i, not anchor.is_bare  # a pick list in which nothing was picked
            if word in "([":
                close = self._end_of_scale(i, limit)
                if close is not None:
                    i = choice = close
                    continue
                order = self._order(i)
                if order is not None:
                    return self._in_order(i + 5, order)
            value = value_at(tokens, i, after_birads=anchor.is_birads)
            if value is not None and (behind := self._behind_scale(value)) is not None:
                i = behind
                continue
            if value is not None:
                if self._is_list_number(value, newlines, anchor):
                    i = value.last
                    continue
                if anchor.is_bare and not self._may_be_bare(value):
                    return [], i, False
                if anchor.is_misspelt:
                    value.is_sure = False
                value.side = side
                return self._list(value, anchor)
            named = self._side_at(i)
            if named is not None:
                ordered = self._in_order_of_pair(i, named[1]) if named[0] is Side.BOTH else None
                if ordered is not None:
                    return ordered
                side, i = named
                continue
            if roles[i] & ROLE["density"]:
                return [], i + 1, False
            if word in _OPENING or roles[i] & CONNECTOR or i in tokens.inner or roles[i] & MODALITY or word == "(":
                ends_line = word == "." and i > anchor.last and i + 1 < len(words) and words[i + 1] == "\n"
                if ends_line and i not in tokens.inner:
                    break
                if anchor.is_misspelt and not (word in _OPENING or roles[i] & ROLE["category_words"]):
                    break
                i += 1
                continue
            if anchor.is_bare and roles[i] & (ROLE["transition.to"] | ROLE["fillers"] | ROLE["ands"]):
                i += 1
                continue
            if roles[i] & ROLE["changes"] and tokens.has(ROLE["transition.from"], i + 1, i + 2):
                i += 1
                continue
            if roles[i] & ROLE["transition.from"] and value_at(tokens, i + 1) is not None:
                i += 1
                continue
            colon = self._end_of_label(i, limit) if not anchor.is_bare else None
            if colon is None:
                break
            i = colon + 1
        is_unpicked = choice and words[choice - 1] == "]" and all(word == "\n" for word in words[choice:i])
        return [], i, bool(is_unpicked) or self._is_left_open(anchor, i)

    def _end_of_label(self, i: int, limit: int) -> int | None:
        """The colon or equals sign behind other words of the same label: `BI-RADS for this examination: 2`."""
        tokens = self.tokens
        for j in range(i, min(limit, i + 9)):
            word = tokens.words[j]
            if word in ":=":
                behind = j + 1
                while behind < len(tokens) and tokens.words[behind] == "\n":
                    behind += 1
                return j if value_at(tokens, behind) is not None else None
            is_side = word == "," and tokens.has(ANY_SIDE | ROLE["breast"], j + 1, j + 2)
            if (word in ".;,\n" and not is_side) or word.isdigit() or tokens.roles[j] & (BIRADS | ROLE["density"]):
                return None
        return None

    def _end_of_scale(self, i: int, limit: int) -> int | None:
        """The token behind a bracket that explains the scale: `(0-6)`, `(0 incomplete / 1 negative / 2 benign)`."""
        words = self.tokens.words
        closing = ")" if words[i] == "(" else "]"
        close = next((j for j in range(i + 1, min(limit, i + 60)) if words[j] in (closing, "\n")), None)
        if close is None or words[close] == "\n":
            return None
        steps = [word for word in words[i + 1 : close] if len(word) == 1 and "0" <= word <= "6"]
        is_range = len(steps) == 2 and steps[0] in "01" and steps[1] in "56" and words[close - 2] in "-/"
        return close + 1 if is_range or len(set(steps)) >= 3 else None

    def _behind_scale(self, value: Value) -> int | None:
        """The token behind the two ends of the scale: `BI-RADS 0-6`."""
        tokens = self.tokens
        i = value.last
        if value.category not in (Category.INCOMPLETE, Category.NEGATIVE) or i + 1 >= len(tokens):
            return None
        is_range = tokens.words[i] in "-/" or bool(tokens.roles[i] & ROLE["ranges"])
        return i + 2 if is_range and tokens.words[i + 1] in ("5", "6", "v", "vi") else None

    def _order(self, i: int) -> tuple[Side, Side] | None:
        """The sides of `(R/L)`, which gives the order of the values behind it."""
        words, letters = self.tokens.words, self.tokens.language.letters
        if words[i + 2 : i + 3] not in (["/"], [","]) or words[i + 4 : i + 5] != [")"]:
            return None
        first, second = letters.get(words[i + 1]), letters.get(words[i + 3])
        return None if first is None or second is None or first is second else (first, second)

    def _in_order(self, i: int, order: tuple[Side, Side]) -> tuple[list[Value], int, bool]:
        values: list[Value] = []
        for side in order:
            while i < len(self.tokens) and self.tokens.words[i] in ":=-/,":
                i += 1
            value = value_at(self.tokens, i, is_listed=True)
            if value is None:
                return [], i, True
            value.side = side
            values.append(value)
            i = value.last
        return values, i, False

    def _in_order_of_pair(self, i: int, end: int) -> tuple[list[Value], int, bool] | None:
        """The values of `right/left: 4A/2`, where two sides with a slash between them stand before as many values."""
        spoken = [each for j in range(i, end) if (each := _single(self.tokens.roles[j])) is not Side.UNSTATED]
        if len(spoken) != 2 or "/" not in self.tokens.words[i:end] or self.tokens.words[end : end + 1] != [":"]:
            return None
        values, behind, is_open = self._in_order(end, (spoken[0], spoken[1]))
        return (values, behind, is_open) if values else None

    def _is_list_number(self, value: Value, newlines: int, anchor: _Anchor) -> bool:
        """Whether a number at the start of a line counts the items of a list: `1. Right breast: 2`."""
        words = self.tokens.words
        behind = value.last
        if behind + 1 >= len(words) or words[behind] not in (".", ")") or not words[behind + 1].isalpha():
            return False
        if value.category is None or len(value.category.value) > 1:
            return False
        line = self.tokens.line(anchor.first)[0]
        is_wrapped = self.tokens.ends[anchor.last - 1] - self.tokens.starts[line] >= SHORT_LINE
        if newlines == 1 and is_wrapped and words[value.first - 2] != ":" and not anchor.is_bare:
            return False  # a line that was wrapped right before the category
        is_bracketed = words[behind] == ")" and words[value.first - 1] == "("
        if not (newlines or anchor.is_bare) or (is_bracketed and words[value.first - 2] != "\n"):
            return False
        return not any(
            category is value.category
            for _, category in self.tokens.phrases_at(behind + 1, self.tokens.language.statements)
        )

    def _may_be_bare(self, value: Value) -> bool:
        """Whether a value without any word for category can be one: nothing that it counts stands behind it."""
        tokens = self.tokens
        if value.last >= len(tokens) or value.category is None or len(value.category.value) > 1:
            return True
        word = tokens.words[value.last]
        if word in ".,;:)-(\n/":
            return True
        return word in tokens.language.statements or bool(tokens.roles[value.last] & (ANY_SIDE | ROLE["fillers"]))

    def _side_at(self, i: int) -> tuple[Side, int] | None:
        """The side that a token names, by a word, a capital, or a letter right before a value."""
        tokens = self.tokens
        for start, end, side in tokens.sides_in(i, i + 1):
            if start == i:
                return side, end
        letter = tokens.language.letters.get(tokens.words[i])
        if letter is not None:
            behind = i + 1
            while behind < len(tokens) and tokens.words[behind] in ".:=-":
                behind += 1
            if value_at(tokens, behind) is not None:
                return letter, behind
        return None

    def _is_left_open(self, anchor: _Anchor, i: int) -> bool:
        """Whether the category is pending, was left blank, or is where the report ends."""
        tokens = self.tokens
        if anchor.is_bare:
            return False
        words = tokens.words
        end = min(tokens.line(anchor.last)[1] if anchor.last < len(tokens) else len(tokens), anchor.last + 14)
        pending = tokens.first(ROLE["pending"], anchor.last, end)
        unassigned = tokens.first(ROLE["unassigned"], anchor.last, end)
        if unassigned is not None and (pending is None or unassigned < pending):
            return False
        if pending is not None:
            return True
        marks = "".join(" " if word.isalpha() else word for word in words[anchor.last : i + 6])
        if any(blank in marks for blank in _BLANKS) or words[i : i + 1] == ["xx"]:
            return True
        if i < len(words) and words[i - 1 : i] == ["["] and "]" in words[i : i + 8]:
            return not any(word.isdigit() for word in words[i : i + 8])  # a field that nobody filled in
        if anchor.is_birads and self._is_empty_field(i):
            return True
        if all(words[j] in ".\n:-" for j in range(i, len(words))):
            return not anchor.is_misspelt  # the report ends where the category should stand
        return self._is_cut_off(anchor)

    def _is_empty_field(self, i: int) -> bool:
        """Whether nothing stands behind the colon of a field, and the next line is another heading."""
        words = self.tokens.words
        while i > 0 and words[i - 1] == "\n":
            i -= 1
        if i == 0 or words[i - 1] != ":":
            return False
        while i < len(words) and words[i] == "\n":
            i += 1
        section = self.sections.at(i) if i < len(words) else None
        return section is not None and section.start == i and section.body > i

    def _is_cut_off(self, anchor: _Anchor) -> bool:
        """Whether the report ends in the middle of the word behind BI-RADS."""
        words, roles = self.tokens.words, self.tokens.roles
        end = len(words) - 1
        small = CONNECTOR | ROLE["fillers"] | ROLE["breast"]
        if not 0 <= end - anchor.last <= 4 or not words[end].isalpha() or roles[end] & CONNECTOR:
            return False
        if not all(roles[i] & small or words[i] == "-" for i in range(anchor.last, end)):
            return False
        known = self.tokens.language.singles
        wanted = small | ANY_SIDE
        return any(word.startswith(words[end]) and bits & wanted for word, bits in known.items())

    # ------------------------------------------------------------------------------
    # Several values in one statement

    def _list(self, first: Value, anchor: _Anchor) -> tuple[list[Value], int, bool]:
        """A first value and those that follow it in one statement: a change, a range, or one for each breast."""
        tokens = self.tokens
        changed = self._changed(first, anchor)
        if changed is not None:
            return changed, changed[-1].last, False
        other = self._other_end(first) if first.category is not None else None
        if other is not None:
            if other.category is not first.category:
                first = _open(first, other)
            first.last = other.last
        values = [first]
        for _ in range(8):
            following = self._next(values[-1])
            if following is None:
                break
            values.append(following)
        self._respectively(values)
        last = values[-1].last
        if len(values) > 1 and all(value.side is Side.UNSTATED for value in values):
            differ = len({value.category for value in values}) > 1
            is_items = differ and tokens.has(ROLE["respectively"], *tokens.statement(first.first))
            if is_items:
                return values, last, False
            return ([_open(first, values[-1])] if differ else values[:1]), last, differ
        return values, last, False

    def _changed(self, first: Value, anchor: _Anchor) -> list[Value] | None:
        """Both categories of a change: "from 3 to 4A", "4A -> 3". The first is superseded."""
        tokens, words = self.tokens, self.tokens.words
        i = first.last
        is_arrow = words[i : i + 2] == ["-", ">"] or words[i : i + 2] == ["=", ">"]
        begin = max(0, anchor.first - 3)
        is_from = tokens.has(ROLE["transition.from"], begin, first.first)
        if is_arrow:
            i += 2
        elif is_from:
            skipped = i
            while skipped < min(len(words), i + 2) and words[skipped] in ",)":
                skipped += 1
            if skipped >= len(words) or not tokens.roles[skipped] & ROLE["transition.to"]:
                return None
            i = skipped + 1
        else:
            return None
        while i < len(words) and (tokens.roles[i] & (BIRADS | CONNECTOR) or i in tokens.inner):
            i += 1
        second = value_at(tokens, i)
        if second is None:
            return None  # "ACR 4A à droite", "BI-RADS 4B -> core biopsy"
        first.is_superseded = True
        return [first, second]

    def _other_end(self, first: Value) -> Value | None:
        """The other end of a range: `3-4A`, `4 or 5`, `4B/4C`."""
        tokens, words = self.tokens, self.tokens.words
        i = first.last
        if i >= len(words):
            return None
        is_slash = words[i] == "/"
        if words[i] in "-/" or tokens.roles[i] & ROLE["ranges"]:
            i = tokens.behind(i)
            i += i < len(words) and words[i] == "." and not is_slash and words[i - 1].isalpha()  # "3 bzw. 4a"
        else:
            return None
        while i < len(words) and (tokens.roles[i] & (BIRADS | ACR | ROLE["category_words"]) or i in tokens.inner):
            i += 1
        other = value_at(tokens, i)
        if other is None or other.category is None or first.category is None:
            return None
        is_dash = words[first.last] == "-" and not tokens.is_tight(first.last) and len(other.category.value) == 1
        if is_dash and other.last < len(words) and words[other.last].isalpha():
            return None  # "BI-RADS 4 - 2 lesions"
        if is_slash and other.category.value in ("5", "6"):
            is_next = first.category is Category.SUSPICIOUS and other.category is Category.HIGHLY_SUGGESTIVE
            return other if is_next else None
        return other

    def _next(self, last: Value) -> Value | None:
        """The next value of a list, where a side tells that it is one: `R 1, L 2`, `2 right and 3 left`."""
        tokens = self.tokens
        words, roles = tokens.words, tokens.roles
        side, post, is_joined, count = Side.UNSTATED, Side.UNSTATED, False, 0
        i, limit = last.last, min(len(tokens), last.last + 22)
        depth = 0
        is_comma = False
        while i < limit:
            word = words[i]
            if word == "\n" and (i + 1 >= limit or words[i + 1] == "\n" or i != last.last):
                return None
            if word == "." and tokens.is_stop(i):
                return None
            if word == "(":
                depth, i = depth + 1, i + 1
                continue
            if word == ")":
                depth, i = depth - 1, i + 1
                continue
            named = self._side_at(i) if word in tokens.language.letters else None
            if named is None and (word in ",;&+|/\n" or roles[i] & ROLE["ands"]):
                is_joined = is_joined or word in "&+" or bool(roles[i] & ROLE["ands"])
                is_comma = is_comma or word in ",;|\n"
                i += 1
                continue
            value = value_at(tokens, i)
            if value is not None and value.category is not None and depth <= 0:
                if (
                    side is not Side.UNSTATED
                    and words[i - 1] in tokens.language.letters
                    and self._names_side(value.last)
                ):
                    return None  # "L2 left 4:00" is the second lesion
                after = self._side_close(value.last)
                if side is Side.UNSTATED and after is None and post is not Side.UNSTATED and is_comma:
                    side = self._clause_side(value.last)
                if side is not Side.UNSTATED:
                    value.side = side
                elif after is None and not (is_joined and count == 0) and not self._is_enumerated(last):
                    return None
                if post is not Side.UNSTATED and last.side is Side.UNSTATED:
                    last.side = post
                return value
            named = self._side_at(i)
            if named is not None:
                found, behind = named
                if last.side is Side.UNSTATED and post is Side.UNSTATED and not is_joined and not is_comma:
                    post = found
                else:
                    side = found
                i = behind
                continue
            if roles[i] & (BIRADS | ACR):
                return None
            if roles[i] & (CONNECTOR | ROLE["fillers"] | ROLE["breast"]) or word in "-:=" or i in tokens.inner:
                count += word not in "-:="
                i += 1
                continue
            if last.side is Side.UNSTATED and post is Side.UNSTATED and depth == 0:
                comma = next((j for j in range(i, min(limit + 4, len(words))) if words[j] in ",;.\n"), None)
                ahead = {each for _, _, each in tokens.sides_in(i, comma or i)}
                if comma is None or words[comma] not in ",;" or len(ahead) != 1:
                    return None
                post, is_comma, i, limit = ahead.pop(), True, comma, min(len(tokens), comma + 22)
                continue
            if last.side is not Side.UNSTATED or post is not Side.UNSTATED or depth > 0:
                i += 1  # what a category is for may stand beside it: "3 for the stable group (R), 0 for the mass (L)"
                count += 1
                if word.isalpha() and count > 12:
                    return None
                continue
            return None
        return None

    def _names_side(self, i: int) -> bool:
        return any(start == i for start, _, _ in self.tokens.sides_in(i, i + 1))

    def _clause_side(self, i: int) -> Side:
        """The one side that is named before the next comma or full stop."""
        tokens = self.tokens
        end = next((j for j in range(i, min(i + 18, len(tokens))) if tokens.words[j] in ",;\n" or tokens.is_stop(j)), i)
        named = {side for _, _, side in tokens.sides_in(i, end)}
        return named.pop() if len(named) == 1 else Side.UNSTATED

    def _is_enumerated(self, last: Value) -> bool:
        """Whether a statement pairs its values with something else in their order."""
        return self.tokens.has(ROLE["respectively"], last.last, self.tokens.statement(last.last)[1])

    def _side_close(self, i: int) -> Side | None:
        """The side that is named right behind a place."""
        tokens = self.tokens
        for _ in range(4):
            is_small = i < len(tokens) and (tokens.roles[i] & (CONNECTOR | ROLE["fillers"]) or tokens.words[i] in "(-:")
            if is_small and not tokens.sides_in(i, i + 1):
                i += 1
        named = [side for start, _, side in tokens.sides_in(i, i + 1) if start == i]
        return named[0] if named else None

    def _respectively(self, values: list[Value]) -> None:
        """`BI-RADS 2 and 4B for the right and left breast, respectively`: the sides in the order of the values."""
        tokens = self.tokens
        if len(values) != 2:
            return
        begin, end = tokens.statement(values[0].first)
        if not tokens.has(ROLE["respectively"], begin, end):
            return
        for part in ((values[1].last, end), (begin, values[0].first)):
            named: list[Side] = [side for _, _, side in tokens.sides_in(*part) if side is not Side.BOTH]
            joint = [side for _, _, side in tokens.sides_in(*part) if side is Side.BOTH]
            if joint and not named:
                spoken = [i for i in range(*part) if tokens.roles[i] & ANY_SIDE and i not in tokens.inner]
                named = [_single(tokens.roles[i]) for i in spoken if _single(tokens.roles[i]) is not Side.UNSTATED]
            if len(named) == 2 and named[0] is not named[1]:
                values[0].side, values[1].side = named
                return

    def _value_before(self, anchor: _Anchor, done: int) -> list[Value]:
        """`4B (BI-RADS)`, `category 0 of BI-RADS`: the value stands before the word."""
        tokens, words = self.tokens, self.tokens.words
        for i in range(anchor.first - 1, max(done, anchor.first - 8) - 1, -1):
            if words[i] in ".;\n":
                return []
            value = value_at(tokens, i)
            if value is None or value.category is None or value.last > anchor.first:
                continue
            between = range(value.last, anchor.first)
            if not all(
                tokens.roles[j] & (CONNECTOR | ROLE["fillers"]) or words[j] in "([-,/" or j in tokens.inner
                for j in between
            ):
                return []
            if i >= 2 and tokens.roles[i - 1] & (ROLE["ranges"] | ROLE["ands"]):
                other = next(
                    (each for j in (i - 2, i - 3) if (each := value_at(tokens, j)) and each.last == i - 1), None
                )
                if other is not None and other.category is not value.category:
                    return [_open(other, value)]
            is_bracketed = any(words[j] in "([" for j in between)
            is_announced = tokens.has(ROLE["category_words"] | CONNECTOR, max(done, i - 3), i)
            return [value] if is_announced or is_bracketed else []
        return []

    # ------------------------------------------------------------------------------
    # One mention

    def _mention(self, anchor: _Anchor, value: Value, first: int, done: int) -> Mention:
        tokens = self.tokens
        begin, end = tokens.statement(first)
        end = max(end, tokens.statement(value.last - 1)[1] if value.last > value.first else end)
        section = self.sections.at(first)
        begin = max(begin, section.start)
        inside = {bits & MODALITY for bits in tokens.roles[first : value.first]} - {0}
        is_of_several = len(inside) > 1  # "Final BI-RADS (mammo + US): 3"
        near = max(begin, min(done, first), first - REACH)
        around = max(near, first - 8)
        status = self._status(anchor, value, first, section, begin, near, end)
        is_asked = status is Status.OPEN and value.category is not None  # "4A? 4B?"
        return Mention(
            first=first,
            value=value.first,
            last=value.last,
            category=None if is_asked else value.category,
            status=status,
            side=value.side,
            section=section,
            statement=(begin, end),
            is_sure=value.is_sure,
            is_overall=tokens.has(ROLE["overall"], around, value.first)
            or tokens.has(ROLE["overall"], begin, min(begin + 2, first)),
            is_combined=tokens.has(ROLE["combined"], max(begin, first - REACH), value.first)
            or tokens.has(ROLE["combined"], section.start, section.body)
            or is_of_several,
            steps=_steps(value),
            is_formal=self._is_formal(begin, first),
            is_now=tokens.has(ROLE["current"], near, value.first),
            modality=0 if is_of_several else inside.pop() if inside else self._modality(done, first, section),
            lesion=self._lesion(first, value),
            is_of_finding=tokens.has(ROLE["lesion"], max(tokens.line(first)[0], section.body), first),
        )

    def _is_formal(self, begin: int, first: int) -> bool:
        tokens = self.tokens
        passed = (
            ROLE["fillers"]
            | ROLE["breast"]
            | ROLE["overall"]
            | CONNECTOR
            | ROLE["current"]
            | ROLE["combined"]
            | MODALITY
        )
        return all(
            tokens.roles[i] & passed or not tokens.words[i].isalpha() or tokens.sides_in(i, i + 1) or i in tokens.inner
            for i in range(max(tokens.line(first)[0], begin), first)
        )

    def _modality(self, done: int, first: int, section: Section) -> int:
        """The modality that was named last before a place, in its line or the label above."""
        tokens = self.tokens
        begin = max(done if done <= first else 0, section.start, tokens.line(first)[0])
        above = tokens.words[max(0, begin - 2) : begin]
        if above == [":", "\n"] or (above[1:] == ["\n"] and self._is_wrapped(begin - 1, first)):
            begin = max(tokens.line(begin - 2)[0], begin - REACH)  # the label stands on the line above
        place = tokens.last(MODALITY, begin, first)
        if place is None:
            line = tokens.line(first)[0]
            if tokens.roles[line] & MODALITY and not tokens.has(MODALITY | ROLE["overall"], line + 1, first):
                place = line  # a row of a modality, with both breasts in it
        return 0 if place is None else tokens.roles[place] & MODALITY

    def _is_wrapped(self, end: int, first: int) -> bool:
        """Whether a long line ends right before the word BI-RADS, which begins the next one."""
        tokens = self.tokens
        return end + 1 == first and tokens.starts[end] - tokens.starts[tokens.line(end)[0]] >= SHORT_LINE

    def _lesion(self, first: int, value: Value) -> str:
        """What tells one lesion from another: its number, its place on the clock, or the number of the list item."""
        tokens, words = self.tokens, self.tokens.words
        line = tokens.line(first)[0]
        begin = max(line, first - 45)
        numbered = tokens.last(ROLE["lesion_numbers"], begin, first)
        while numbered is not None:
            j = numbered + 1
            while j < first and (words[j] in "#.(" or words[j] in ("nr", "no")):
                j += 1
            is_number = j < first and len(words[j]) == 1 and (words[j].isdigit() or words[j] in "abcde")
            is_measure = j + 1 < len(words) and tokens.roles[j + 1] & ROLE["units"]
            if is_number and not is_measure and not _is_clock(tokens, j):
                return f"lesion {words[j]}"
            numbered = tokens.last(ROLE["lesion_numbers"], begin, numbered)
        for i in range(first - 1, begin - 1, -1):
            if words[i].isdigit() and _is_clock(tokens, i):
                half = words[i + 1 : i + 3] == [":", "30"]
                return f"clock {words[i]}{':30' if half else ''}"
        for _ in range(6):
            item = self._item(line, first)
            if item or line < 2 or tokens.line(line - 1)[0] == line - 1:
                return item
            line = tokens.line(line - 1)[0]
        return ""

    def _item(self, line: int, end: int) -> str:
        """The number of the list item that a line begins with."""
        words = self.tokens.words
        item = line
        while item < end and words[item] in "-*(#":
            item += 1
        if item + 1 < end and words[item + 1] in ".):":
            is_number = words[item].isdigit() or (len(words[item]) == 1 and words[item] in "abcde")
            return f"item {words[item]}" if is_number else ""
        return ""

    # ------------------------------------------------------------------------------
    # How a mention is to be taken

    def _status(
        self, anchor: _Anchor, value: Value, first: int, section: Section, begin: int, near: int, end: int
    ) -> Status:
        if section.kind == "legend" or self._begins_scale(value) or self._is_explained(anchor, value):
            return Status.LEGEND
        if self._is_density(anchor, value, section, near, first, end):
            return Status.DENSITY
        if value.is_superseded:
            return Status.HISTORY
        if value.category is None and value.ends == (0, 0):
            return Status.OPEN
        if self._is_negated(value, near, first):
            return Status.NEGATED
        if self._is_conditional(section, value, begin, first, end):
            return Status.CONDITIONAL
        if self._is_history(section, value, near, first, end):
            return Status.HISTORY
        if value.category is None or self.tokens.words[value.last : value.last + 1] == ["?"]:
            return Status.OPEN
        if (
            self._is_dated(value, max(near, section.body), first, end)
            or self._weak_cue(near, first, ROLE["provisional"]) is not None
        ):
            return Status.DATED
        return Status.CURRENT

    def _is_explained(self, anchor: _Anchor, value: Value) -> bool:
        tokens = self.tokens
        if tokens.has(ROLE["plural_category_words"], anchor.first, value.first) and value.side is Side.UNSTATED:
            return True
        return (
            value.last < len(tokens)
            and tokens.words[value.last] == "="
            and tokens.words[value.last + 1 : value.last + 2] != [">"]
        )

    def _begins_scale(self, value: Value) -> bool:
        """Whether a 0 or a 1 is the first step of a scale that is explained: 0 ..., 1 ..., 2 ..., 3 ..."""
        words = self.tokens.words
        place = value.last
        if value.category is Category.LOW_SUSPICION:
            letters = (i for i in range(place, min(len(words) - 1, place + 24)) if words[i : i + 2] == ["4", "b"])
            second = next(letters, None)
            return second is not None and any(
                words[i : i + 2] == ["4", "c"] for i in range(second + 3, min(len(words) - 1, second + 24))
            )
        if value.category not in (Category.INCOMPLETE, Category.NEGATIVE):
            return False
        for step in range(int(value.category) + 1, int(value.category) + 4):
            digits = (
                i for i in range(place, min(len(words) - 1, place + 24)) if words[i].isdigit() and words[i + 1] != "%"
            )
            found = next(digits, None)
            if found is None or words[found] != str(step):
                return False
            if not any(word.isalpha() and len(word) > 2 for word in words[place:found]):
                return False
            place = found + 1
        return True

    def _is_density(self, anchor: _Anchor, value: Value, section: Section, near: int, first: int, end: int) -> bool:
        tokens, roles = self.tokens, self.tokens.roles
        density, between = ROLE["density"], ROLE["density_connectors"]
        i = first - 1
        while (
            i >= near
            and (roles[i] & between or i in tokens.inner or tokens.words[i] in ":(-=,.")
            and not roles[i] & density
        ):
            i -= 1
        if i >= near and roles[i] & density:
            return True
        i = value.last
        while (
            i < min(end, value.last + 4) and (roles[i] & between or tokens.words[i] == "(") and not roles[i] & density
        ):
            i += 1
        if i < end and roles[i] & density and i - value.last <= 3 and not tokens.has(ROLE["ands"], value.last, i):
            return True
        if anchor.is_birads:
            return False
        return section.kind == "density" or tokens.has(density, max(near, first - 14), first)

    def _is_negated(self, value: Value, near: int, first: int) -> bool:
        tokens, roles = self.tokens, self.tokens.roles
        passed = ROLE["negation_fillers"] | CONNECTOR | ROLE["fillers"]
        most = 2 if value.category in (Category.NEGATIVE, Category.BENIGN) else 10
        for i in range(first - 1, max(near, first - 1 - most) - 1, -1):
            if roles[i] & ROLE["negation"]:
                return not self._counts(i)
            if not (roles[i] & passed or i in tokens.inner or tokens.words[i] in "-'\"("):
                return False
        return False

    def _counts(self, i: int) -> bool:
        """Whether "no" is an abbreviation for number: `no. 4`."""
        return self.tokens.words[i] == "no" and self.tokens.words[i + 1 : i + 2] == ["."]

    def _is_conditional(self, section: Section, value: Value, begin: int, first: int, end: int) -> bool:
        tokens, roles, words = self.tokens, self.tokens.roles, self.tokens.words
        if self._weak_cue(begin, first, ROLE["unconditional"]) is not None:
            return False
        start = begin
        while start < first and not words[start].isalnum():
            start += 1
        if start < len(tokens) and roles[start] & ROLE["conditional_start"]:
            return True
        if tokens.has(ROLE["conditional"], begin, first):
            return True
        for i in range(first - 1, max(begin, first - 6) - 1, -1):
            if words[i] in ".,;:\n":
                break
            is_correction = bool(roles[i] & ROLE["should_read"]) or section.kind == "final" or section.addendum > 0
            if roles[i] & ROLE["conditional_near"] and i not in tokens.inner and not is_correction:
                return True
        behind = value.last
        for i in range(behind, min(end, behind + 3)):
            if roles[i] & ROLE["conditional"]:
                return True
            if not words[i].isalpha():
                break
        return False

    def _is_history(self, section: Section, value: Value, near: int, first: int, end: int) -> bool:
        tokens, roles, words = self.tokens, self.tokens.roles, self.tokens.words
        strong, weak = ROLE["history.strong"], ROLE["history.weak"]
        medium = ROLE["history.medium"] | ROLE["history.of_finding"]
        cue = tokens.last(strong, near, first)
        if cue is not None and tokens.has(ROLE["negation"], max(near, cue - 5), min(cue + 3, first)):
            cue = None  # "a new asymmetry not covered by the outside study", "previously not visible"
        now = tokens.last(ROLE["current"], near, first)
        is_known = value.category is Category.KNOWN_MALIGNANCY  # "known" is what a 6 says
        weak_cue = self._weak_cue(near, first, strong if is_known else strong | weak)
        if weak_cue is not None and tokens.has(ROLE["negation"], max(near, weak_cue - 3), weak_cue):
            weak_cue = None  # "a group not mentioned before: BI-RADS 4B"
        if weak_cue is None:
            for i in range(first - 1, max(near, first - 8) - 1, -1):
                if words[i] in ".,;\n":
                    break
                if roles[i] & medium and i not in tokens.inner:
                    if not tokens.has(ROLE["negation"], max(near, i - 1), min(i + 3, first)):  # "no previous study"
                        weak_cue = i
                    break
        there = tokens.last(ROLE["current"] | ROLE["history.fresh"], near, first)
        if weak_cue is not None and (cue is None or weak_cue > cue):
            is_there = tokens.has(ROLE["history.present"], weak_cue + 1, first)
            if not is_there and (there is None or there < weak_cue):
                return True
        elif cue is not None and (there is None or there < cue):
            return True
        following = value.last
        while following < end and words[following] in ",(-)":
            following += 1
        if following < end and roles[following] & ROLE["history.after"]:
            return True
        if section.kind in ASIDE and now is None:
            return True
        return self._is_resolved(value, end)

    def _weak_cue(self, near: int, first: int, roles_: int) -> int | None:
        """A word right before the announcement, small words apart, that makes it history."""
        tokens = self.tokens
        skipped = 0
        for i in range(first - 1, near - 1, -1):
            if i in tokens.inner:
                continue
            if tokens.roles[i] & roles_:
                return i
            if tokens.words[i] in ":(-\"'":
                continue
            if not tokens.roles[i] & CONNECTOR or skipped >= 3:
                return None
            skipped += 1
        return None

    def _is_resolved(self, value: Value, end: int) -> bool:
        """Whether the statement goes on to say that the finding of the category is gone or was taken back."""
        tokens = self.tokens
        for i in range(value.last, min(end, value.last + 14)):
            if tokens.roles[i] & (BIRADS | ROLE["category_words"]) or tokens.words[i] == ":":
                return False
            if tokens.roles[i] & ROLE["history.resolved"]:
                return True
            if tokens.roles[i] & ROLE["should_read"]:
                return any(value_at(tokens, j) is not None for j in range(i + 1, end))
        return False

    def _is_dated(self, value: Value, near: int, first: int, end: int) -> bool:
        """Whether a date behind or before a category makes it that of another day."""
        tokens, words = self.tokens, self.tokens.words
        i, announced = value.last, 0
        while i < end and announced <= 3:
            if tokens.roles[i] & ROLE["history.dated"]:
                announced += 1
            elif not (words[i] in "(,-." or i in tokens.inner):
                break
            i += 1
        if i < end and is_date(tokens, i) and (announced or words[i - 1] == "("):
            return True
        for i in range(first - 1, max(near, first - 6) - 1, -1):
            if is_date(tokens, i):
                return True
            if words[i] == "," and not (i == first - 1 and is_date(tokens, i - 1)):
                return False
        return False

    def _coordinated(self, found: list[Mention]) -> list[Mention]:
        """`no BI-RADS 4 or BI-RADS 5`: what joins two mentions gives the second the negation or condition of the
        first. `Called BI-RADS 5 on mammography and BI-RADS 4C on ultrasound`: likewise history, where the second is not
        the more suspicious one."""
        tokens = self.tokens
        result: list[Mention] = []
        for each in found:
            last = result[-1] if result else None
            if (
                last is not None
                and last.status in (Status.NEGATED, Status.CONDITIONAL)
                and each.status in (Status.CURRENT, Status.OPEN)
                and each.statement == last.statement
                and 0 < each.first - last.last <= 5
                and all(
                    tokens.roles[i] & (ROLE["ranges"] | ROLE["ands"] | ROLE["negation"] | ROLE["fillers"])
                    or tokens.words[i] in ",/"
                    for i in range(last.last, each.first)
                )
            ):
                each = each._replace(status=last.status)
            if last is not None and self._is_told_with(each, last):
                each = each._replace(status=Status.HISTORY)
            if last is not None and last.status is Status.LEGEND and each.statement == last.statement:
                each = each._replace(status=Status.LEGEND)
            result.append(each)
        return result

    def _is_told_with(self, each: Mention, last: Mention) -> bool:
        """Whether a mention is one of several that the same history names."""
        tokens = self.tokens
        if (
            last.status is not Status.HISTORY
            or each.status is not Status.CURRENT
            or each.statement != last.statement
            or not (each.category and last.category and each.category.severity <= last.category.severity)
        ):
            return False
        between = range(last.last, each.first)
        passed = ROLE["ands"] | MODALITY | ROLE["fillers"] | ROLE["breast"] | ANY_SIDE | ROLE["connectors"]
        return (
            0 < len(between) <= 6
            and (any(tokens.roles[i] & ROLE["ands"] for i in between) or bool(tokens.sides_in(last.last, each.first)))
            and all(tokens.roles[i] & passed or tokens.words[i] in ",/()" for i in between)
            and not tokens.has(ROLE["current"], last.last, each.statement[1])
        )

    # ------------------------------------------------------------------------------
    # Sides

    def _with_sides(self, found: list[Mention]) -> list[Mention]:
        """Each mention with the side that its own statement or its own line gives it."""
        tokens = self.tokens
        labels = Labels(tokens, self.sections)
        result: list[Mention] = []
        claimed = previous = 0
        for place, mention in enumerate(found):
            if mention.side is not Side.UNSTATED:
                named = tokens.sides_in(mention.last, mention.last + 6)
                if named and named[0][2] is mention.side and tokens.is_close(mention.last, named[0][0]):
                    claimed = named[0][1]
            else:
                following = found[place + 1].first if place + 1 < len(found) else len(tokens)
                begin = max(mention.statement[0], claimed, previous if previous <= mention.first else 0)
                stop = max(mention.last, min(mention.statement[1], following, mention.last + 14))
                side, used = self._side(mention, begin, stop, is_last=following >= mention.statement[1])
                claimed = max(claimed, used)
                if side is Side.UNSTATED and result and self._is_changed_to(mention, result[-1]):
                    side = result[-1].side
                if side is Side.UNSTATED:
                    side = self._referred(mention, begin, result)
                if side is Side.UNSTATED and not mention.is_overall:
                    side = labels.side_of(mention)
                if side is not Side.UNSTATED:
                    mention = mention._replace(side=side)
            claimed = max(claimed, mention.last)
            previous = mention.last
            result.append(mention)
        return self._carried_over(labels.in_blocks(result))

    def _side(self, mention: Mention, begin: int, stop: int, *, is_last: bool) -> tuple[Side, int]:
        """The side beside a mention, and where the words behind it that name this side end."""
        tokens = self.tokens
        inside = tokens.sides_in(mention.first, mention.value)
        if inside:
            return inside[-1][2], 0
        before = tokens.sides_in(begin, mention.first)
        is_label = bool(before) and tokens.words[before[-1][1]] == ":"  # "L: M4 (BI-RADS 4B)    R: ..."
        if before and (is_label or tokens.is_close(before[-1][1], mention.first)):
            return before[-1][2], 0
        after = tokens.sides_in(mention.last, stop)
        if after:
            start, end, side = after[0]
            has_comma = "," in tokens.words[mention.last : start]
            is_tight = not has_comma and tokens.is_close(mention.last, start)
            is_loose = has_comma and start - mention.last <= 10 and self._is_close_but_commas(mention.last, start)
            if is_tight or (is_loose and (is_last or not tokens.is_close(end, stop))):
                return side, end
        named = {side for _, _, side in before if side is not Side.BOTH}
        if len(named) == 1 and before[-1][2] in named:
            return before[-1][2], 0
        behind = {side for _, _, side in tokens.sides_in(mention.last, mention.statement[1])}
        is_finding = mention.category not in (Category.NEGATIVE, Category.BENIGN)
        if not before and len(behind) == 1 and is_finding and is_last:
            return behind.pop(), 0
        return Side.UNSTATED, 0

    def _is_changed_to(self, mention: Mention, last: Mention) -> bool:
        """Whether a mention is what the one before it was changed to: `right from 3 to 4A`."""
        between = self.tokens.roles[last.last : mention.value]
        return (
            last.status is Status.HISTORY
            and mention.statement == last.statement
            and 0 < len(between) <= 4
            and bool(between[0] & ROLE["transition.to"] or self.tokens.words[last.last] in "-=")
        )

    def _is_close_but_commas(self, begin: int, end: int) -> bool:
        tokens = self.tokens
        return all(
            tokens.words[i] in ",()" or i in tokens.inner or tokens.is_close(i, i + 1) for i in range(begin, end)
        )

    def _referred(self, mention: Mention, begin: int, before: Sequence[Mention]) -> Side:
        """The side that "the other breast" or "the same breast" stands for: told by the mention before it, else by
        the side that was named last."""
        tokens = self.tokens
        place = tokens.last(REFERRING_SIDE, begin, mention.first)
        if place is None:
            return Side.UNSTATED
        last = before[-1] if before and before[-1].section == mention.section else None
        known = last.side if last is not None else tokens.side_before(place)
        if last is not None and tokens.sides_in(last.last, place):
            known = tokens.side_before(place)
        if known not in (Side.LEFT, Side.RIGHT):
            return Side.UNSTATED
        return known.opposite if tokens.roles[place] & ROLE["sides.other"] else known

    def _carried_over(self, found: list[Mention]) -> list[Mention]:
        """`Right BI-RADS 1, left idem`: the breast that is said to have the same category as the one before it."""
        tokens = self.tokens
        result: list[Mention] = []
        for place, mention in enumerate(found):
            result.append(mention)
            following = found[place + 1].first if place + 1 < len(found) else len(tokens)
            if mention.status is not Status.CURRENT or mention.side not in (Side.LEFT, Side.RIGHT):
                continue
            same = tokens.first(ROLE["same_category"], mention.last, min(following, mention.last + 30))
            if same is None:
                continue
            named = {side for _, _, side in tokens.sides_in(mention.last, same)}
            if named == {mention.side.opposite}:
                behind = tokens.behind(same)
                result.append(
                    mention._replace(first=same, value=same, last=behind, side=mention.side.opposite, lesion="")
                )
        return result


def _open(first: Value, other: Value) -> Value:
    """A range that nobody resolved."""
    ends = [int(each.category.value[0]) for each in (first, other) if each.category is not None]
    return Value(first.first, other.last, None, first.side, ends=(min(ends, default=4), max(ends, default=4)))


def _steps(value: Value) -> tuple[int, int]:
    if value.category is not None:
        digit = int(value.category.value[0])
        return digit, digit
    return value.ends


def _single(roles: int) -> Side:
    if roles & ROLE["sides.left"]:
        return Side.LEFT
    return Side.RIGHT if roles & ROLE["sides.right"] else Side.UNSTATED


def _is_clock(tokens: Tokens, i: int) -> bool:
    """Whether a number is a place on the clock: 12:00, 2 o'clock, 10 Uhr, ore 4."""
    words = tokens.words
    if not words[i].isdigit() or len(words[i]) > 2 or not 1 <= int(words[i]) <= 12:
        return False
    if words[i + 1 : i + 3] in ([":", "00"], [":", "30"]):
        return True
    role = ROLE["clock"]
    return bool((i + 1 < len(words) and tokens.roles[i + 1] & role) or (i and tokens.roles[i - 1] & role))


def is_date(tokens: Tokens, i: int) -> bool:
    """Whether a token begins or ends a date: a year, a month's name, or numbers with dots, slashes or dashes."""
    word = tokens.words[i]
    if tokens.roles[i] & ROLE["months"]:
        return True
    if not word.isdigit():
        return False
    if len(word) == 4 and word[:2] in ("19", "20"):
        return True
    if len(word) < 3 and i + 1 < len(tokens) and tokens.roles[i + 1] & ROLE["months"]:
        return True
    parts = tokens.words[i : i + 5]
    if len(parts) > 2 and parts[1] in "./-" and parts[2].isdigit() and len(parts[2]) == 4:
        return True  # month and year
    if len(parts) == 5 and parts[1] in "./-" and parts[3] in "./-" and parts[2].isdigit() and parts[4].isdigit():
        return True
    parts = tokens.words[max(0, i - 4) : i + 1]
    return len(parts) == 5 and parts[1] in "./-" and parts[3] in "./-" and parts[0].isdigit() and parts[2].isdigit()


# --------------------------------------------------------------------------------------
# Labels


class Labels:
    """The sides that labels give to what stands behind or below them."""

    def __init__(self, tokens: Tokens, sections: Sections) -> None:
        self.tokens = tokens
        self.sections = sections
        self._known: dict[int, tuple[Side, bool]] = {}

    def side_of(self, mention: Mention) -> Side:
        """The side of the label at the start of the line, or of the heading."""
        line = self.tokens.line(mention.first)[0]
        side, _ = self._label(line, mention.first)
        if any(
            other is side.opposite and ":" in self.tokens.words[end : end + 2]
            for _, end, other in self.tokens.sides_in(line, mention.first)
        ):
            return Side.UNSTATED  # "Left breast: ... Right breast: ... BI-RADS 4B"
        if side is Side.UNSTATED and mention.section.side is not Side.UNSTATED:
            side = mention.section.side
        return side

    def in_blocks(self, found: list[Mention]) -> list[Mention]:
        """Mentions below a line that names nothing but a side. Where a heading stands between, only if both breasts
        have such a block with a mention: the last block of the findings does not own the impression below it."""
        placed = [(each, *self._block(each)) for each in found]
        owned: set[Side] = {
            side for each, side, _ in placed if each.side is Side.UNSTATED and side is not Side.UNSTATED
        }
        owned |= {each.side for each in found}
        result = []
        for each, side, is_headed in placed:
            is_open = each.side is Side.UNSTATED and not each.is_overall
            if is_open and side is not Side.UNSTATED and (not is_headed or side.opposite in owned):
                each = each._replace(side=side)
            result.append(each)
        return result

    def _block(self, mention: Mention) -> tuple[Side, bool]:
        """The side of the block that a mention is in, and whether a heading stands between the two."""
        tokens = self.tokens
        line = tokens.line(mention.first)[0]
        is_headed, is_blank, count = mention.section.start >= line and mention.section.body > line, False, 0
        i = line - 1
        while i > 0 and count < 12:
            begin, end = tokens.line(i - 1) if tokens.words[i] == "\n" else tokens.line(i)
            if begin == end:
                is_blank = True
            side, is_alone = self._label(begin, end)
            if side is not Side.UNSTATED and (is_alone or (not is_blank and not is_headed)):
                return side, is_headed or not is_alone
            if side is not Side.UNSTATED:
                return Side.UNSTATED, is_headed
            section = self.sections.at(begin)
            if begin < end and section.start == begin and section.body > begin:
                if is_headed and is_blank:
                    return Side.UNSTATED, True
                is_headed = True
                if section.kind in ("impression", "recommendation", "final", "addendum"):
                    return Side.UNSTATED, True
            i, count = begin - 1, count + 1
        return Side.UNSTATED, False

    def _label(self, begin: int, end: int) -> tuple[Side, bool]:
        """The side that a line begins with as a label, as in `Right breast: ...`, and whether nothing else follows."""
        key = begin * 100003 + end
        if key not in self._known:
            self._known[key] = self._read(begin, end)
        return self._known[key]

    def _read(self, begin: int, end: int) -> tuple[Side, bool]:
        tokens = self.tokens
        words, roles = tokens.words, tokens.roles
        i = begin
        while i < end and words[i] in "-*#>_=[|":
            i += 1
        if i + 1 < end and words[i].isdigit() and words[i + 1] in ".)":
            i += 2
        side, is_examination, first = Side.UNSTATED, False, i
        while i < end and i - first < 9:
            named = [each for each in tokens.sides_in(i, i + 1) if each[0] == i]
            if named:
                if side is not Side.UNSTATED:
                    return Side.UNSTATED, False
                side, i = named[0][2], named[0][1]
                continue
            if words[i] in tokens.language.letters and i + 1 < end and words[i + 1] in ":\t)" and side is Side.UNSTATED:
                side, i = tokens.language.letters[words[i]], i + 1
                continue
            if roles[i] & MODALITY:
                is_examination = True
            if not (
                roles[i] & (ROLE["fillers"] | ROLE["breast"] | ROLE["side_labels"] | MODALITY) or i in tokens.inner
            ):
                break
            i += 1
        if side is Side.UNSTATED or (side is Side.BOTH and is_examination):
            return Side.UNSTATED, False
        if i >= end:
            return (Side.UNSTATED, False) if is_examination else (side, True)
        if words[i] in ":)":
            return side, i + 1 >= end
        if words[i] == "-" and i + 1 < end and not tokens.is_tight(i):
            return side, False
        if tokens.starts[i] - tokens.ends[i - 1] >= COLUMN:
            return side, False
        return Side.UNSTATED, False


# --------------------------------------------------------------------------------------
# What is no statement at all


def _without_legends(tokens: Tokens, found: list[Mention]) -> list[Mention]:
    """Marks runs of categories that explain the scale: three or more in rising order, one step at a time, close
    together, none of them with a side."""
    result = list(found)
    run: list[int] = []
    for place, mention in enumerate(result):
        last = result[run[-1]] if run else None
        if (
            last is not None
            and mention.steps[1] >= last.steps[1]
            and mention.steps[0] - last.steps[1] in (0, 1)
            and (mention.category is not last.category or mention.is_range)
            and mention.side is Side.UNSTATED
            and mention.status in (Status.CURRENT, Status.OPEN)
            and mention.first - last.last < 24
            and not mention.is_tabulated
        ):
            run.append(place)
            continue
        _mark(result, run)
        run = [place] if mention.status in (Status.CURRENT, Status.OPEN, Status.LEGEND) else []
    _mark(result, run)
    return result


def _mark(found: list[Mention], run: list[int]) -> None:
    if len(run) >= 3 and len({found[place].lesion for place in run}) == 1:
        for place in run:
            found[place] = found[place]._replace(status=Status.LEGEND)


# --------------------------------------------------------------------------------------
# Assessments in words

_ASSESSING = frozenset({"assessment", "impression", "final", "addendum"})


def worded(tokens: Tokens, sections: Sections) -> list[Mention]:
    """Standard assessment statements in words: where a part of the report is the assessment or the impression, and
    behind a label that announces one."""
    labels, statements = Labels(tokens, sections), tokens.language.statements
    found: list[Mention] = []
    for i, word in enumerate(tokens.words):
        stated = next(tokens.phrases_at(i, statements), None) if word in statements else None
        if stated is not None and (not found or i >= found[-1].last):
            mention = _worded(tokens, sections.at(i), i, *stated)
            if mention is not None:
                side = mention.side if mention.side is not Side.UNSTATED else labels.side_of(mention)
                found.append(mention._replace(side=side))
    return labels.in_blocks(found)


def _worded(tokens: Tokens, section: Section, first: int, last: int, category: Category) -> Mention | None:
    """A standard statement as a mention. Looser sentences use the same words, so it has to begin its statement in an
    assessment, or to stand behind a label; in an impression, and where it is a single word, it has to be all there
    is."""
    words = tokens.words
    begin, end = tokens.statement(first)
    begin = max(begin, section.start)
    is_whole = last >= end or words[last] in ".,;:-(\n/"
    lead = _skip_small(tokens, max(begin, section.body if section.start >= begin else begin), first)
    is_announced = _is_announced(tokens, section, begin, first)
    if section.kind in (*ASIDE, "legend") or not (is_announced or (lead >= first and section.kind in _ASSESSING)):
        return None
    if not is_whole and (last - first == 1 or (section.kind == "impression" and not is_announced)):
        return None
    if _has_other_code(tokens, last, end) or tokens.has(ROLE["negation"], begin, first):
        return None
    named = {side for _, _, side in tokens.sides_in(begin, end)}
    return Mention(
        first=first,
        value=first,
        last=last,
        category=category,
        status=Status.CURRENT,
        side=named.pop() if len(named) == 1 else Side.UNSTATED,
        section=section,
        statement=(begin, end),
        is_sure=False,
        is_formal=True,
        is_combined=tokens.has(ROLE["combined"], begin, first),
    )


def _has_other_code(tokens: Tokens, begin: int, end: int) -> bool:
    """Whether a British or Italian code stands right behind some words, which then are those of its five-point scale:
    `reperto sospetto, R4`."""
    return any(_five_point_codes(tokens, _WITH_WORDS, begin, min(end, begin + 4)))


def _five_point_codes(tokens: Tokens, letters: Container[str], begin: int, end: int) -> Iterator[str]:
    """The letters of the codes of a five-point scale between two tokens."""
    words = tokens.words
    for i in range(begin, end):
        if words[i] in letters and tokens.is_glued(i) and words[i + 1] in _FIVE_POINTS:
            yield words[i]


def _skip_small(tokens: Tokens, i: int, end: int) -> int:
    """The first token that is no number of an item, no side and no small word."""
    words, roles = tokens.words, tokens.roles
    passed = ROLE["fillers"] | ROLE["breast"] | ANY_SIDE | ROLE["overall"] | ROLE["connectors"]
    while i < end and not words[i].isalpha():
        i += 1
    while i < end and (
        roles[i] & passed
        or not words[i].isalpha()
        or i in tokens.inner
        or tokens.sides_in(i, i + 1)
        or words[i] in tokens.language.letters
    ):
        i += 1
    return i


def _is_announced(tokens: Tokens, section: Section, begin: int, first: int) -> bool:
    """Whether a label that speaks of an assessment stands right before a place, sides apart."""
    words, text = tokens.words, tokens.text.folded
    i = first
    while i > begin and (tokens.sides_in(i - 1, i) or tokens.roles[i - 1] & ROLE["breast"] or i - 1 in tokens.inner):
        i -= 1
    if i <= begin:
        return False
    gap = text[tokens.ends[i - 1] : tokens.starts[i]]
    is_separated = words[i - 1] in ":=->|" or "\t" in gap or "   " in gap
    if not is_separated:
        return False
    line = max(begin, tokens.line(first)[0]) if begin >= tokens.line(first)[0] else tokens.line(first)[0]
    for j in range(line, i):
        if tokens.roles[j] & (BIRADS | ROLE["category_words"]):
            return True
        headings = tokens.phrases_at(j, tokens.language.headings)
        if any(kind in ("assessment", "impression", "final") for _, kind in headings):
            return True
    return False
