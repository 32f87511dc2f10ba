"""What reading takes in and gives back: the documents of one report, and the assessments found in their words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..core.answers import Gap
from ..core.history import Assessment, Dispute, Recommendation
from ..core.vocabulary import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One piece of a report in words: where it stands, and its content as text or as encoded data."""

    reference: str
    """The FHIR reference of the resource."""
    place: str
    """The element of the resource, such as `conclusion` or `presentedForm`."""
    content: str
    media_type: str = "text/plain"
    is_base64: bool = False
    language: str = ""
    """A BCP 47 tag, where the resource states one."""
    side: Side = Side.UNSTATED
    """The breast that the resource is about, for words that name none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a reader made of the documents of one report."""

    assessments: tuple[Assessment, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    biopsies_recommended: tuple[Recommendation, ...] = ()
    mentions_calcifications: bool = False
    gaps: tuple[Gap, ...] = ()


class Reader(Protocol):
    """Reads the words of one report; the forms of one report are one report."""

    def __call__(self, documents: Sequence[Document], *, is_breast: bool) -> Written:
        """`is_breast` tells that the report is known to be one of breast imaging, so that its words need not say so."""
        ...


def no_reader(documents: Sequence[Document], *, is_breast: bool) -> Written:
    """A reader that reads nothing."""
    return Written()
