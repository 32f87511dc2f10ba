"""The words of a pathology report: which tissue it is about, by the site with which each diagnosis begins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .core.vocabulary import Pathology, Side, joined
from .terminology import Terminology, folded


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a report says of one specimen."""

    is_breast: bool
    """Whether it is of the breast; else of an organ that is named before the breast."""
    side: Side
    text: str
    """Its diagnosis, folded, without asides."""

    def result(self, terms: Terminology) -> Pathology | None:
        """Benign or malignant, where its words say only one of them without denying it."""
        return terms.diagnosis_in(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statement:
    head: str
    rest: str
    is_enumerated: bool
    """It begins with the letter or number of a specimen."""
    has_colon: bool


def parts(conclusion: str, terms: Terminology) -> list[Part]:
    """The specimens of a conclusion. The first statement tells what the report is about; a later one tells of another
    specimen only where it is set off, after an organ other than the breast by a letter or number, and otherwise goes on
    with the one before it."""
    found: list[Part] = []
    for place, statement in enumerate(_statements(conclusion, terms)):
        is_breast = terms.names_breast_first(statement.head)
        said = statement.rest or statement.head
        is_after_organ = bool(found) and not found[0].is_breast
        is_set_off = statement.is_enumerated or (statement.has_colon and not is_after_organ)
        if is_breast is not None and (place == 0 or is_set_off):
            found.append(Part(is_breast=is_breast, side=terms.sides_in(statement.head), text=said))
        elif found:
            last = found[-1]
            found[-1] = Part(is_breast=last.is_breast, side=last.side, text=f"{last.text} . {statement.head} {said}")
    return found


def side_of(conclusion: str, terms: Terminology) -> Side:
    """The side that a conclusion names outside of its asides, for a report that is known to be of the breast."""
    sides = {terms.sides_in(f"{each.head} {each.rest}") for each in _statements(conclusion, terms)}
    return joined(sides)


_ENUMERATED = re.compile(
    r"(?:^|(?<=[\n\r.;]))[ \t]{0,8}\(?(?:specimen |part )?(?:[A-H]|\d{1,2})[.):](?=\s)", re.IGNORECASE
)
_ENDS = re.compile(r"[\n\r;]+|\.(?=\s|$)")
_STATUS_AFTER = re.compile(r"\b(?:z|st)\.\s?n\.", re.IGNORECASE)
"""German for "status after", whose full stops end no sentence."""


def _statements(conclusion: str, terms: Terminology) -> Iterator[_Statement]:
    """The statements of a conclusion without its headings, and without what is said aside: the history, the clinical
    question, what it was compared with. A heading for an aside takes the statement below it along."""
    marked = _ENUMERATED.sub("\n\x00 ", _STATUS_AFTER.sub("status post", conclusion[:_LONGEST]))
    is_aside = False
    for piece in _ENDS.split(marked):
        segments = [folded(each) for each in piece.replace("\x00", "").split(":")]
        while segments and terms.is_pathology_heading(segments[0]):
            segments.pop(0)
        if not any(segments):
            continue
        if is_aside:
            is_aside = False
            continue
        head = terms.without_asides(segments[0])
        if not head:
            is_aside = len(" ".join(segments).split()) <= _HEADING_LENGTH
            continue
        rest = terms.without_asides(" ".join(segments[1:]))
        yield _Statement(head=head, rest=rest, is_enumerated=piece.startswith("\x00"), has_colon=len(segments) > 1)


_LONGEST = 20_000
_HEADING_LENGTH = 3
"""Words up to which a line that begins an aside is taken for its heading."""
