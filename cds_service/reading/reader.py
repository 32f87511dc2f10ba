"""The documents of one report as one text, and its reading as assessments with their evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..core.answers import Gap, Reason
from ..core.history import Assessment, Dispute, Evidence, Recommendation
from ..core.vocabulary import Basis, Level, Side
from .assess import Reading, assess
from .documents import Document, Written
from .formats import Unreadable, decoded, plain_text, text_of
from .language import Languages
from .text import Text

_WHOLE = ("presentedForm", "text")
"""Places that hold the whole report. They come first, because a report begins with its title."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A document that became text, and where it begins in the whole."""

    document: Document
    text: str
    start: int = 0


@dataclass(frozen=True, slots=True)
class ReportReader:
    """Reads the words of one report in any language of the knowledge folder."""

    languages: Languages

    def __call__(self, documents: Sequence[Document], *, is_breast: bool = False) -> Written:
        """The assessments of the documents of one report. What cannot be read, or not be settled, is said."""
        parts, gaps = _texts(documents)
        readings: list[tuple[Reading, list[_Part]]] = []
        for side in (Side.UNSTATED, Side.LEFT, Side.RIGHT, Side.BOTH):
            mine = _apart([part for part in parts if part.document.side is side])
            if mine:
                text = Text("".join(part.text for part in mine), [_kind(part) for part in mine])
                readings.append((self.reading(text, mine[0].document.language, is_breast=is_breast), mine))
        return Written(
            assessments=tuple(each for found in readings for each in _assessments(*found)),
            disputes=tuple(each for found in readings for each in _disputes(*found)),
            biopsies_recommended=tuple(each for found in readings for each in _recommendations(*found)),
            mentions_calcifications=any(reading.mentions_calcifications for reading, _ in readings),
            gaps=tuple(gaps),
        )

    def reading(self, text: Text, language_tag: str = "", *, is_breast: bool = False) -> Reading:
        """The reading of one text, in the language that its words tell; where they leave a doubt, in the first one in
        which it says something."""
        likely = self.languages.likely(text.words, language_tag)
        readings = (assess(text, language, is_breast=is_breast) for language in likely)
        first = next(readings)
        return next((each for each in (first, *readings) if each.deciding or each.disputed), first)


def _texts(documents: Sequence[Document]) -> tuple[list[_Part], list[Gap]]:
    parts, gaps = [], []
    for document in documents:
        try:
            words = _words(document)
        except Unreadable as problem:
            gaps.append(Gap(Reason.FORMAT, f"{document.reference}.{document.place}, which {problem}"))
            continue
        if words.strip():
            parts.append(_Part(document, words))
    return parts, gaps


def _words(document: Document) -> str:
    if document.is_base64:
        return text_of(decoded(document.content), document.media_type)
    return plain_text(document.content, document.media_type)


def _apart(parts: list[_Part]) -> list[_Part]:
    """The parts of one text in their order, without those whose words stand in another one."""
    known: list[str] = []
    kept: list[_Part] = []
    start = 0
    for part in sorted(parts, key=lambda each: each.document.place not in _WHOLE):
        bare = " ".join(part.text.split())
        if any(bare in other for other in known):
            continue
        known.append(bare)
        words = part.text.rstrip("\n") + "\n\n"
        kept.append(_Part(part.document, words, start))
        start += len(words)
    return kept


def _kind(part: _Part) -> tuple[int, str]:
    """Where a part begins and what its words are as long as no heading says so: apart from whole reports and notes,
    an impression."""
    return part.start, "" if part.document.place in (*_WHOLE, "note") else "impression"


def _evidence(statement: tuple[int, int], reading: Reading, parts: Sequence[_Part]) -> Evidence:
    """A sentence by its tokens, and the document that it stands in."""
    start, end = reading.tokens.span(*statement)
    document = [part.document for part in parts if part.start <= start][-1]
    quote = reading.tokens.text.quoted(start, end)
    return Evidence(reference=document.reference, place=document.place, statement=f"“{quote}”")


def _assessments(reading: Reading, parts: Sequence[_Part]) -> Iterator[Assessment]:
    given = parts[0].document.side
    for side, mention in reading.deciding.items():
        own = side if side is not Side.UNSTATED else given
        if mention.category is not None:
            yield Assessment(
                category=mention.category,
                side=own,
                level=Level.EXAM if own is Side.UNSTATED else Level.BREAST,
                basis=Basis.WRITTEN,
                evidence=_evidence(mention.statement, reading, parts),
                prior_films_needed=reading.prior_films_needed,
            )


def _disputes(reading: Reading, parts: Sequence[_Part]) -> Iterator[Dispute]:
    given, text = parts[0].document.side, reading.tokens.text
    for side, mentions in reading.disputed.items():
        evidence = tuple(_evidence(mention.statement, reading, parts) for mention in mentions)
        if not evidence:
            document = parts[-1].document
            last = text.quoted(max(0, len(text.original) - 120), len(text.original))
            evidence = (Evidence(reference=document.reference, place=document.place, statement=f"“… {last}”"),)
        yield Dispute(side=side if side is not Side.UNSTATED else given, evidence=evidence)


def _recommendations(reading: Reading, parts: Sequence[_Part]) -> Iterator[Recommendation]:
    given = parts[0].document.side
    for side, statement in reading.biopsies_advised:
        yield Recommendation(
            side=side if side is not Side.UNSTATED else given, evidence=_evidence(statement, reading, parts)
        )
