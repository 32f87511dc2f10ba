"""What is on record about one patient: studies with assessments and findings, orders, procedures, results, conditions.

Plain values without judgement: what counts, and what follows from it, is decided in the other modules of the core.
"""

from __future__ import annotations

from dataclasses import dataclass

from .answers import Answer, Gap, Listed, Unknown
from .dates import PartialDate
from .vocabulary import (
    Basis,
    Category,
    Change,
    Distribution,
    Level,
    Morphology,
    OrderKind,
    Pathology,
    Side,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Where something was read, so that a person can find it again.

    `reference` is the FHIR reference of the resource, `place` the element in it, `statement` the code with its system
    or the sentence itself.
    """

    reference: str
    place: str
    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """A BI-RADS category as somebody stated it."""

    category: Category
    side: Side
    level: Level
    basis: Basis
    evidence: Evidence
    prior_films_needed: bool = False
    """A category 0 that waits for older films, not for new ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """Statements of one report that a careful reader would refuse to choose between."""

    side: Side
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """A recommendation of a report, in its own right beside the assessment."""

    side: Side
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A calcification finding as its descriptors were coded.

    Several morphologies or distributions of one finding are all kept. `unmapped` holds the words or codes among its
    descriptors that the terminology does not know.
    """

    side: Side
    morphologies: tuple[Morphology, ...]
    distributions: tuple[Distribution, ...]
    change: Change | None
    isolated: bool
    unmapped: tuple[str, ...]
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One breast imaging study with everything that was read of it."""

    reference: str
    """The DiagnosticReport, or the Observation where there is no report."""
    title: str
    date: PartialDate
    is_final: bool
    """False for preliminary, partial and registered reports: those open, replace and close nothing."""
    doubt: Gap | None = None
    """Why it may not be acted upon although nothing says that it is preliminary: it has no date, or no known status.
    It is not final then, but what it says is not passed over either."""
    kinds: frozenset[OrderKind]
    side: Side
    """The side of the examination by its own code, not of an assessment."""
    assessments: tuple[Assessment, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    findings: tuple[Finding, ...] = ()
    biopsies_recommended: tuple[Recommendation, ...] = ()
    has_other_findings: bool = False
    """A mass, an asymmetry or the like is coded beside or instead of calcifications."""
    mentions_calcifications: bool = False
    is_marker_film: bool = False
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request for breast imaging or a breast procedure that is still to be done."""

    reference: str
    kind: OrderKind
    title: str
    side: Side
    authored: PartialDate | None
    starts: PartialDate | None = None
    ends: PartialDate | None = None
    is_timed_otherwise: bool = False
    """It carries a timing that is neither a date nor a period, which is left alone."""

    @property
    def has_window(self) -> bool:
        return self.starts is not None or self.ends is not None or self.is_timed_otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """A breast examination or procedure that was completed."""

    reference: str
    kind: OrderKind
    side: Side
    date: PartialDate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PathologyResult:
    """The result of a tissue diagnosis; `result` is None where a final report holds none that can be read."""

    reference: str
    side: Side
    date: PartialDate | None
    result: Pathology | None
    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sided:
    """A condition of a breast: on which side, since when if known, and where it was read.

    `recorded` is when it was entered, where nothing says since when it holds: it was so by then, perhaps long before.
    """

    side: Side
    since: PartialDate | None
    reference: str
    recorded: PartialDate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What the problem list says that changes guidance. Where there is a `gap`, it may say more than this."""

    cancer: tuple[Sided, ...] = ()
    """Breast cancer that is active and confirmed."""
    mastectomy: tuple[Sided, ...] = ()
    context: frozenset[str] = frozenset()
    """Words of the terminology for other circumstances: `pregnant`, `lactating`, `anticoagulant`, `implant` ..."""
    gap: Gap | None = None

    def known(self, holds: bool) -> Answer[bool]:
        """A truth about the conditions: what is not among them is unknown where there may be more."""
        return True if holds else False if self.gap is None else Unknown(self.gap)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """The person, as far as guidance depends on it. `sex` is FHIR's administrative gender."""

    born: Answer[PartialDate]
    sex: Answer[str]
    is_deceased: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything that was read of one patient. A list that could not be had, or not whole, says so."""

    patient: Answer[Patient]
    studies: tuple[Study, ...]
    orders: Listed[Order]
    procedures: Listed[Procedure]
    pathology: tuple[PathologyResult, ...]
    conditions: Conditions
    appointments: Listed[Order]
    gaps: tuple[Gap, ...] = ()
    """What was not received, not read or not used, in the order in which it was met."""
