"""Categories in tables, lists and check boxes, where the layout says what a sentence would say elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ..core.vocabulary import Category, Side
from .language import ACR, BIRADS, MODALITY, ROLE
from .mentions import Mention, Status, is_date
from .sections import Sections
from .tokens import Tokens
from .values import Value, value_at

_FRAMED = r"\[ ?([x*\x02])? ?\]|\( ?([x*\x02])? ?\)|([\x01\x02])"
_FRAMED_BOX = re.compile(_FRAMED)
_BOX = re.compile(_FRAMED + r"|^[ \t]*(x)(?= )")
_GAP = re.compile(r"\t|\|| {2,}")
_GAPS = ("\t", "|", "  ")
_BOX_MARKS = ("[", "(", "\x01", "\x02", "*", "<", "_")
"""What a line with a gap, and one with a box, holds at least: for most reports this tells that they have none."""
_NAMES = BIRADS | ROLE["category_words"]
_FLAG = re.compile(r"\b([0-6][abc]?):([ny])\b")
_LONGEST = 1000
"""A line longer than this is no row of a table or a form."""
_LONG = 90
"""A line longer than this is no item of a list."""
ROWS = 14
"""Lines below its heading within which a table is read."""


@dataclass(slots=True)
class Laid:
    """What the layout says: the mentions, and the lines whose other numbers are only there to choose from."""

    mentions: list[Mention] = field(default_factory=list)
    choices: list[tuple[int, int]] = field(default_factory=list)
    """Token ranges."""

    def covers(self, i: int) -> bool:
        return any(begin <= i < end for begin, end in self.choices)


@dataclass(frozen=True, slots=True)
class _Cell:
    column: int
    """Offset within the line."""
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    words: str
    first: int
    """Token range."""
    last: int


def laid_out(tokens: Tokens, sections: Sections) -> Laid:
    """The mentions of tables, lists and marked boxes."""
    return _Layout(tokens, sections).read()


class _Layout:
    """Goes through the lines of a report from the top."""

    def __init__(self, tokens: Tokens, sections: Sections) -> None:
        self.tokens = tokens
        self.sections = sections
        self.laid = Laid()
        self.gaps = [gap for gap in _GAPS if gap in tokens.text.folded]
        self.box_marks = [mark for mark in _BOX_MARKS if mark in tokens.text.folded]
        self.side_columns: list[tuple[int, Side]] = []
        self.scale: list[Value] = []
        """The categories above columns of boxes."""
        self.category_column: tuple[int, int] | None = None
        """Offset and number of the column."""
        self.is_comparison = False
        """Whether the other columns belong to another visit."""
        self.rows_left = 0
        self.list_left = 0

    def read(self) -> Laid:
        for line in self._lines():
            self.rows_left -= 1
            self.list_left -= 1
            if self._may_have_box(line.words):
                boxes = list(_BOX.finditer(line.words))
                if (len(boxes) > 1 or (boxes and self._value_near(line, boxes[0]))) and self._boxes(line, boxes):
                    continue
                if self._scale(line):
                    continue
            if ":n" in line.words and self._flags(line):
                continue
            if self._has_gap(line.words):
                cells = self._cells(line)
                if len(cells) > 1 and self._row(line, cells):
                    continue
            self._listed(line)
        return self.laid

    def _lines(self) -> Iterator[_Line]:
        """The lines that can be part of a table, a list or a form: short ones, and those with gaps or boxes."""
        start = 0
        for words in self.tokens.text.folded.split("\n"):
            end = start + len(words)
            if words and (
                end - start < _LONG or (end - start < _LONGEST and (self._has_gap(words) or self._may_have_box(words)))
            ):
                yield _Line(start, words, self.tokens.at(start), self.tokens.at(end))
            start = end + 1

    def _has_gap(self, words: str) -> bool:
        return bool(self.gaps) and any(gap in words for gap in self.gaps)

    def _may_have_box(self, words: str) -> bool:
        return (bool(self.box_marks) and any(mark in words for mark in self.box_marks)) or (
            "x " in words and words.lstrip(" \t").startswith("x ")
        )

    def _cells(self, line: _Line) -> list[_Cell]:
        cells = []
        place = 0
        for gap in (*_GAP.finditer(line.words), None):
            stop = gap.start() if gap else len(line.words)
            if line.words[place:stop].strip():
                first = self.tokens.at(line.start + place)
                cells.append(_Cell(place, first, self.tokens.at(line.start + stop)))
            place = gap.end() if gap else stop
        return cells

    # ------------------------------------------------------------------------------
    # Tables

    def _row(self, line: _Line, cells: Sequence[_Cell]) -> bool:
        sides = [(cell.column, side) for cell in cells if (side := self._side(cell)) is not None]
        values = [self._value(cell) for cell in cells]
        steps = [value.category.value for value in values if value and value.category]
        if 4 < len(cells) == len(steps) and steps == sorted(set(steps)):
            self.scale, self.rows_left = [value for value in values if value], ROWS
            return True
        if {side for _, side in sides} >= {Side.LEFT, Side.RIGHT} and not any(values):
            self.side_columns, self.category_column, self.rows_left = sides, None, ROWS
            return True
        labels = [(cell.column, number) for number, cell in enumerate(cells) if self._is_category_label(cell)]
        if labels and (labels[0][1] > 0 or len(cells) > 2) and not any(values):
            self.side_columns, self.category_column, self.rows_left = [], labels[-1], ROWS
            self.is_comparison = False
            return True
        if self._compares(cells) and not any(values):
            return True
        if self.rows_left <= 0:
            return False
        if len(cells) == len(self.side_columns) and self._are_named(cells, values):
            return self._by_side(line, cells)
        if self.side_columns and (self._is_category_label(cells[0]) or self._are_named(cells[1:], values[1:])):
            return self._by_side(line, cells[1:])
        if self.category_column is not None:
            return self._by_row(line, cells, values)
        return False

    def _by_side(self, line: _Line, cells: Sequence[_Cell]) -> bool:
        """A row of categories below columns of sides; an empty cell, or one such as N/A, gives none."""
        columns = self.side_columns
        values = {cell: self._value(cell) for cell in cells}
        cells = [cell for cell in cells if values[cell] or not self._is_category_label(cell)]  # a label in each column
        found = False
        for number, cell in enumerate(cells):
            side = columns[number][1] if len(cells) == len(columns) else _nearest(columns, cell.column)
            value = values[cell]
            if value is not None:
                self._add(line, value, side)
                found = True
        return found

    def _compares(self, cells: Sequence[_Cell]) -> bool:
        """A heading with a column for the previous visit and one for the present one, which is the one that counts."""
        tokens = self.tokens
        current = [
            (cell.column, number)
            for number, cell in enumerate(cells)
            if tokens.has(ROLE["current"], cell.first, cell.last)
        ]
        is_prior = any(tokens.has(ROLE["history.medium"], cell.first, cell.last) for cell in cells)
        if not is_prior or len(current) != 1:
            return False
        self.side_columns, self.category_column, self.rows_left, self.is_comparison = [], current[0], ROWS, True
        return True

    def _are_named(self, cells: Sequence[_Cell], values: Sequence[Value | None]) -> bool:
        """Whether each cell says itself that it is a category: `Mammography | BI-RADS 2 | BI-RADS 4`."""
        role = _NAMES | ACR
        return all(
            value and self.tokens.has(role, cell.first, cell.last) for cell, value in zip(cells, values, strict=True)
        )

    def _by_row(self, line: _Line, cells: Sequence[_Cell], values: Sequence[Value | None]) -> bool:
        column, number = self.category_column or (0, 0)
        place = number
        if number >= len(cells) or values[number] is None or ("\t" not in line.words and "|" not in line.words):
            place = min(range(len(cells)), key=lambda each: abs(cells[each].column - column))
        value = values[place]
        if value is None or place == 0:
            return False
        sides = [side for cell in cells[:place] if (side := self._side(cell)) is not None]
        if not sides:
            named = {side for _, _, side in self.tokens.sides_in(line.first, cells[place].first)}
            sides = [named.pop()] if len(named) == 1 else []
        if self.is_comparison:
            self.laid.choices.append((line.first, line.last))
        is_dated = any(is_date(self.tokens, cell.first) for cell in cells)
        self._add(
            line,
            value,
            sides[0] if len(sides) == 1 else Side.UNSTATED,
            lesion=f"row {line.first}",
            status=Status.DATED if is_dated else Status.CURRENT,
        )
        return True

    def _side(self, cell: _Cell) -> Side | None:
        """The side that a cell names, if it names nothing else."""
        tokens = self.tokens
        named = tokens.sides_in(cell.first, cell.last)
        is_letter = cell.last - cell.first == 1 or (
            cell.last - cell.first == 2 and bool(tokens.roles[cell.first] & ROLE["breast"])
        )
        if not named and is_letter:
            return tokens.language.letters.get(tokens.words[cell.last - 1])
        if len(named) != 1:
            return None
        start, end, side = named[0]
        others = [*range(cell.first, start), *range(end, cell.last)]
        passed = ROLE["breast"] | ROLE["fillers"] | ROLE["side_labels"]
        return side if all(tokens.roles[i] & passed or tokens.words[i] in ":.*_-" for i in others) else None

    def _is_category_label(self, cell: _Cell) -> bool:
        tokens = self.tokens
        if cell.last - cell.first > 8 or tokens.has(ROLE["density"], cell.first, cell.last):
            return False
        return tokens.has(_NAMES, cell.first, cell.last)

    def _value(self, cell: _Cell) -> Value | None:
        """The category that a cell begins with, behind BI-RADS or not."""
        tokens = self.tokens
        i = self._behind_names(cell.first, cell.last, ":-=*_.", _NAMES | ACR)
        value = value_at(tokens, i) if i < cell.last else None
        if value is None or value.category is None or value.last > cell.last:
            return None
        return (
            value
            if value.last == cell.last
            or tokens.words[value.last] in "(-:,.;=*_)"
            or i > cell.first
            or (tokens.words[value.last] in tokens.language.statements)
            else None
        )

    # ------------------------------------------------------------------------------
    # Lists below a heading that announces categories

    def _listed(self, line: _Line) -> None:
        tokens = self.tokens
        if self.list_left > 0 or ("/6" in line.words and "rads" in tokens.text.flat):
            found = self._list_item(line)
            if found is not None and (self.list_left > 0 or tokens.words[found[0].last - 2] == "/"):
                value, side = found
                self._add(line, value, side)
                self.list_left = 4
                return
            if self.list_left > 0 and self._sides_in_a_row(line):
                return
        if self._announces(line):
            self.list_left = 5
        elif self.list_left > 0 and tokens.has(ROLE["density"], line.first, line.last):
            self.list_left = 0

    def _sides_in_a_row(self, line: _Line) -> bool:
        """Both breasts in one line: `Right: 1. Left: 4A, oval mass`."""
        tokens = self.tokens
        found: list[tuple[Value, Side]] = []
        for _, i, side in tokens.sides_in(line.first, line.last):
            while i < line.last and (tokens.roles[i] & ROLE["breast"] or tokens.words[i] in ":=-"):
                i += 1
            value = value_at(tokens, i) if tokens.words[i - 1] in ":=-" else None
            if value is not None and value.category is not None:
                found.append((value, side))
        if {side for _, side in found} != {Side.LEFT, Side.RIGHT}:
            return False
        for value, side in found:
            self._add(line, value, side)
        return True

    def _announces(self, line: _Line) -> bool:
        """Whether a short line names the category of what follows and holds none itself."""
        tokens = self.tokens
        if line.last - line.first > 9 or tokens.has(ROLE["density"], line.first, line.last):
            return False
        section = self.sections.at(line.first)
        is_heading = section.kind == "assessment" and section.start >= line.first and section.body > section.start
        is_named = tokens.has(BIRADS, line.first, line.last) or tokens.words[line.last - 1] in _ENDS_ANNOUNCEMENT
        if is_named and tokens.has(ROLE["overall"], line.first, line.last):
            return True  # "Overall BI-RADS: 4", with the breasts below it
        begin = next((i for i in range(line.first, line.last) if tokens.words[i].isalpha()), line.first)
        return (is_heading or is_named) and not any(tokens.words[i].isdigit() for i in range(begin, line.last))

    def _list_item(self, line: _Line) -> tuple[Value, Side] | None:
        tokens = self.tokens
        words, roles = tokens.words, tokens.roles
        i = line.first
        while i < line.last and words[i] in "-*#>":
            i += 1
        while i + 1 < line.last and words[i].isdigit() and words[i + 1] in ".)":
            i += 2
        if i + 1 < line.last and words[i].isdigit() and words[i + 1].isalpha() and words[i - 1 : i] == ["."]:
            i += 1
        if i + 2 < line.last and words[i] == "(" and words[i + 1].isdigit() and words[i + 2] == ")":
            i += 3
        side: Side | None = None
        while i < line.last:
            named = [each for each in tokens.sides_in(i, i + 1) if each[0] == i]
            if named and side is None:
                side, i = named[0][2], named[0][1]
            elif side is None and words[i] in tokens.language.letters:
                side, i = tokens.language.letters[words[i]], i + 1
            elif roles[i] & (ROLE["breast"] | ROLE["fillers"] | ROLE["overall"]) or words[i] in ":-=.(":
                if roles[i] & ROLE["overall"]:
                    side = Side.UNSTATED
                i += 1
            else:
                break
        if side is None:
            return None
        value = value_at(tokens, i)
        return None if value is None or value.category is None else (value, side)

    # ------------------------------------------------------------------------------
    # Boxes

    def _boxes(self, line: _Line, boxes: Sequence[re.Match[str]]) -> bool:
        """A line of boxes to tick. True where it is one of categories; what is not ticked counts for nothing."""
        after = [self._value_after(line, box, boxes) for box in boxes]
        before = [self._value_before(line, box) for box in boxes]
        if len(boxes) > 1 and all(before) and after[-1] is None:
            after = before
        if sum(value is not None for value in after) >= max(1, len(boxes) - 1):
            self.laid.choices.append((line.first, line.last))
            for box, value in zip(boxes, after, strict=True):
                if _is_marked(box) and value is not None:
                    self._add(line, self._with_box_letter(line, box, value), self._row_side(line, boxes[0]))
            return True
        if self.scale and self.rows_left > 0 and len(boxes) == len(self.scale):
            for box, value in zip(boxes, self.scale, strict=True):
                if _is_marked(box):
                    i = self.tokens.at(line.start + box.start())
                    self._add(line, replace(value, first=i, last=i + 1), self._row_side(line, boxes[0]))
            return True
        label = value_at(self.tokens, self._behind_names(line.first, line.last, "-*:"))
        if (
            label is not None
            and label.category is not None
            and self.rows_left > 0
            and len(boxes) == len(self.side_columns)
        ):
            self.laid.choices.append((line.first, line.last))
            for box, (_, side) in zip(boxes, self.side_columns, strict=True):
                if _is_marked(box):
                    self._add(line, label, side)
            return True
        return False

    def _value_near(self, line: _Line, box: re.Match[str]) -> bool:
        return box[4] is None and self._value_after(line, box, [box]) is not None

    def _value_after(self, line: _Line, box: re.Match[str], boxes: Sequence[re.Match[str]]) -> Value | None:
        tokens = self.tokens
        i = tokens.at(line.start + box.end())
        following = [each.start() for each in boxes if each.start() > box.start()]
        limit = tokens.at(line.start + following[0]) if following else line.last
        i = self._behind_names(i, limit, "-*")
        value = value_at(tokens, i) if i < limit else None
        return value if value is not None and value.category is not None and value.last <= limit else None

    def _value_before(self, line: _Line, box: re.Match[str]) -> Value | None:
        """The category right before a box: `4A[ ]`."""
        i = self.tokens.at(line.start + box.start())
        for first in (i - 1, i - 2, i - 3):
            if first >= line.first:
                value = value_at(self.tokens, first)
                if value is not None and value.category is not None and value.last == i:
                    return value
        return None

    def _with_box_letter(self, line: _Line, box: re.Match[str], value: Value) -> Value:
        """A ticked 4 with a ticked letter behind it: `[x] 4  [ ] A [x] B [ ] C`."""
        if value.category is not Category.SUSPICIOUS:
            return value
        for other in _BOX.finditer(line.words, box.end()):
            letter = line.words[other.end() :].lstrip()[:1]
            behind = line.words[other.end() :].lstrip()[1:2]
            if _is_marked(other) and letter in ("a", "b", "c") and not behind.isalnum():
                return Value(value.first, value.last, Category(f"4{letter.upper()}"))
        return value

    def _behind_names(self, i: int, end: int, marks: str, names: int = _NAMES) -> int:
        """The first token that is neither a word for the category nor one of some marks."""
        tokens = self.tokens
        while i < end and (tokens.roles[i] & names or i in tokens.inner or tokens.words[i] in marks):
            i += 1
        return i

    def _row_side(self, line: _Line, box: re.Match[str]) -> Side:
        named = {side for _, _, side in self.tokens.sides_in(line.first, self.tokens.at(line.start + box.start()))}
        return named.pop() if len(named) == 1 else Side.UNSTATED

    def _flags(self, line: _Line) -> bool:
        """A code for each category with yes or no behind it: `0:N 1:Y 2:N`."""
        flags = list(_FLAG.finditer(line.words))
        if len(flags) < 3 or not self.tokens.has(_NAMES, line.first, line.last):
            return False
        self.laid.choices.append((line.first, line.last))
        for flag in flags:
            value = value_at(self.tokens, self.tokens.at(line.start + flag.start()))
            if flag[2] == "y" and value is not None:
                self._add(line, value, self._row_side(line, flag))
        return True

    def _scale(self, line: _Line) -> bool:
        """A printed scale on which one value is bracketed: `0  1  [2]  3  4  5  6`."""
        tokens, words = self.tokens, self.tokens.words
        steps = [i for i in range(line.first, line.last) if len(words[i]) == 1 and "0" <= words[i] <= "6"]
        if len(steps) < 5 or [words[i] for i in steps] != sorted({words[i] for i in steps}):
            return False
        if tokens.has(ROLE["density"], line.first, line.last) or not tokens.has(_NAMES, line.first, line.last):
            return False
        if any(word.isalpha() and len(word) > 3 for word in words[steps[0] : steps[-1]]):
            return False
        self.laid.choices.append((line.first, line.last))
        chosen = [i for i in steps if words[i - 1] in "[(*<_" and i + 1 < len(words) and words[i + 1] in "])*>_"]
        if len(chosen) == 1:
            value = value_at(tokens, chosen[0])
            if value is not None:
                self._add(line, value, Side.UNSTATED)
        return True

    # ------------------------------------------------------------------------------

    def _add(self, line: _Line, value: Value, side: Side, lesion: str = "", status: Status = Status.CURRENT) -> None:
        tokens = self.tokens
        told = tokens.first(ROLE["history.strong"] | ROLE["history.medium"], line.first, value.first)
        if told == line.first and not tokens.has(ROLE["current"], line.first, value.first):
            status = Status.HISTORY  # "Previous form had [X] 4B ticked"
        modality = tokens.first(MODALITY, line.first, line.last)
        self.laid.mentions.append(
            Mention(
                first=value.first,
                value=value.first,
                last=value.last,
                category=value.category,
                status=status,
                side=side,
                section=self.sections.at(value.first),
                statement=(line.first, line.last),
                is_tabulated=True,
                is_overall=tokens.has(ROLE["overall"], line.first, value.first),
                lesion=lesion,
                modality=0 if modality is None else tokens.roles[modality] & MODALITY,
            )
        )


_ENDS_ANNOUNCEMENT = frozenset({"assessment"})


def _is_marked(box: re.Match[str]) -> bool:
    return bool(box[1] or box[2] or box[3] == "\x02" or box.lastindex == 4)


def _nearest(columns: Sequence[tuple[int, Side]], column: int) -> Side:
    return min(columns, key=lambda each: abs(each[0] - column))[1]


def ticked_side(tokens: Tokens) -> Side | None:
    """The breast that is ticked in a form, where the other one stands beside it and is not."""
    folded = tokens.text.folded
    if "[" not in folded and "(" not in folded and "\x02" not in folded:
        return None
    ticked: set[Side] = set()
    empty: set[Side] = set()
    for box in _FRAMED_BOX.finditer(folded):
        i = tokens.at(box.end())
        if i >= len(tokens):
            continue
        named = [side for start, _, side in tokens.sides_in(i, i + 1) if start == i]
        side = named[0] if named else tokens.language.letters.get(tokens.words[i])
        if side is not None:
            (ticked if _is_marked(box) else empty).add(side)
    if len(ticked) != 1:
        return None
    only = ticked.pop()
    return only if only in (Side.LEFT, Side.RIGHT) and only.opposite in empty else None
