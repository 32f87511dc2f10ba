"""What reading takes in and gives back: the documents of one report, and the assessments found in their words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core.answers import Gap
from ..core.history import Assessment, Dispute
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
    is_breast: bool = False
    """The resource says that it is about breast imaging, so that the words need not."""
    side: Side = Side.UNSTATED
    """The breast that the resource is about, for words that name none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a reader made of the documents of one report."""

    assessments: tuple[Assessment, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    mentions_calcifications: bool = False
    gaps: tuple[Gap, ...] = ()


Reader = Callable[[Sequence[Document]], Written]
"""Reads the words of one report; the forms of one report are one report."""


def no_reader(documents: Sequence[Document]) -> Written:
    """A reader that reads nothing."""
    return Written()
