"""Knowing and not knowing: an answer is a value, or `Unknown` with a reason that can be said aloud."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")


class Reason(StrEnum):
    """Why something could not be known. The values are safe to count and to log: they never hold patient data."""

    NOT_SENT = "not-sent"
    """The client did not send the data, and it could not be fetched."""
    FAILED = "failed"
    """The client or the FHIR server tried to deliver the data and could not."""
    PARTIAL = "partial"
    """Only the first part of a longer list arrived."""
    UNREADABLE = "unreadable"
    """A resource or an element arrived in a shape that is not FHIR."""
    OTHER_PATIENT = "other-patient"
    """A resource belongs to somebody else than the patient of the request."""
    UNDATED = "undated"
    """A study or procedure has no date, so it cannot be put in order with the others."""
    FUTURE = "future"
    """A study is dated after today."""
    NO_ASSESSMENT = "no-assessment"
    """A breast imaging report holds no category that can be read, and no findings to derive one from."""
    UNKNOWN_WORD = "unknown-word"
    """A descriptor is written in a word or code that the terminology does not map."""
    MISUSED_CODE = "misused-code"
    """A coding that is known to be wrong in real data, such as one that fails its check digit."""
    FORMAT = "format"
    """An attached report is in a format that cannot be turned into text."""
    AMBIGUOUS = "ambiguous"
    """The report says things that a careful reader would refuse to choose between."""
    SIDE_UNSTATED = "side-unstated"
    """A condition or procedure of one breast does not say which."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that was not known: `reason` is safe to count; `about` names the data (a prefetch key, a reference,
    a word) and may hold patient data, so it goes on the card only."""

    reason: Reason
    about: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """In the place of a value: it is not known, and `why`."""

    why: Gap


Answer: TypeAlias = T | Unknown


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """A list as far as it is known. What it holds is certain; where there is a `gap`, what it does not hold is not."""

    items: tuple[T, ...] = ()
    gap: Gap | None = None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)
