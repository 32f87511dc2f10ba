"""The closed words of the field: categories, groups, sides, descriptors, kinds of order.

Every enumeration here is closed on purpose: a word that is not here cannot be decided upon, it is a gap.
Where order matters, members stand from low to high.
"""

from __future__ import annotations

from enum import StrEnum


class Group(StrEnum):
    """The brochure's three groups of calcifications, and the two that real reports add to them."""

    BENIGN = "benign"
    PROBABLY_BENIGN = "probably-benign"
    KNOWN_MALIGNANCY = "known-malignancy"
    INCOMPLETE = "incomplete"
    SUSPICIOUS = "suspicious"

    words: str


for _group in Group:
    _group.words = _group.value.replace("-", " ")


class Category(StrEnum):
    """BI-RADS assessment categories, in the order of severity in which a report is rolled up: 1, 2, 3, 6, 0, 4A, 4,
    4B, 4C, 5 (radiopaedia text at pacs.de; the behaviour contract, section 3)."""

    NEGATIVE = "1"
    BENIGN = "2"
    PROBABLY_BENIGN = "3"
    KNOWN_MALIGNANCY = "6"
    INCOMPLETE = "0"
    LOW_SUSPICION = "4A"
    SUSPICIOUS = "4"
    MODERATE_SUSPICION = "4B"
    HIGH_SUSPICION = "4C"
    HIGHLY_SUGGESTIVE = "5"

    group: Group
    severity: int

    def agrees_with(self, other: Category) -> bool:
        """Whether two statements of one assessment can both be true: the same category, or a plain 4 beside a 4A, 4B
        or 4C, which is the same statement made less precisely."""
        if self is other:
            return True
        return Category.SUSPICIOUS in (self, other) and self[0] == other[0] == "4"


_GROUPS = {
    "1": Group.BENIGN,
    "2": Group.BENIGN,
    "3": Group.PROBABLY_BENIGN,
    "6": Group.KNOWN_MALIGNANCY,
    "0": Group.INCOMPLETE,
    "4": Group.SUSPICIOUS,
    "5": Group.SUSPICIOUS,
}
for _severity, _category in enumerate(Category):
    _category.severity, _category.group = _severity, _GROUPS[_category[0]]


class Side(StrEnum):
    """The breast that a statement is about. `UNSTATED` is never filled in by guessing."""

    LEFT = "left"
    RIGHT = "right"
    BOTH = "both"
    UNSTATED = "unstated"

    words: str
    breasts: tuple[Side, ...]
    opposite: Side

    def covers(self, breast: Side) -> bool:
        """Whether something on this side concerns `breast`; an unstated side may concern either."""
        return self is breast or self is Side.BOTH or self is Side.UNSTATED or breast is Side.UNSTATED


for _side, _words, _breasts, _opposite in (
    (Side.LEFT, "left breast", (Side.LEFT,), Side.RIGHT),
    (Side.RIGHT, "right breast", (Side.RIGHT,), Side.LEFT),
    (Side.BOTH, "both breasts", (Side.LEFT, Side.RIGHT), Side.BOTH),
    (Side.UNSTATED, "side not stated", (), Side.UNSTATED),
):
    _side.words, _side.breasts, _side.opposite = _words, _breasts, _opposite


def joined(sides: set[Side] | frozenset[Side]) -> Side:
    """The one side that says the same as several: left and right together are both; none is unstated."""
    if Side.BOTH in sides or {Side.LEFT, Side.RIGHT} <= sides:
        return Side.BOTH
    if Side.LEFT in sides:
        return Side.LEFT
    return Side.RIGHT if Side.RIGHT in sides else Side.UNSTATED


class Basis(StrEnum):
    """How a category came to be known, strongest first."""

    CODED = "coded"
    WRITTEN = "written"
    DERIVED = "derived"


class Level(StrEnum):
    """What an assessment is about: the whole examination, one breast, or one lesion of it."""

    EXAM = "exam"
    BREAST = "breast"
    LESION = "lesion"


class Morphology(StrEnum):
    """Calcification morphology, BI-RADS 5th edition; typically benign ones first, then suspicious ones."""

    SKIN = "skin"
    VASCULAR = "vascular"
    COARSE = "coarse"
    LARGE_ROD_LIKE = "large_rod_like"
    RIM = "rim"
    DYSTROPHIC = "dystrophic"
    MILK_OF_CALCIUM = "milk_of_calcium"
    SUTURE = "suture"
    ROUND = "round"
    PUNCTATE = "punctate"
    AMORPHOUS = "amorphous"
    COARSE_HETEROGENEOUS = "coarse_heterogeneous"
    FINE_PLEOMORPHIC = "fine_pleomorphic"
    FINE_LINEAR = "fine_linear"
    FINE_LINEAR_BRANCHING = "fine_linear_branching"


class Distribution(StrEnum):
    """Calcification distribution, BI-RADS 5th edition."""

    DIFFUSE = "diffuse"
    REGIONAL = "regional"
    GROUPED = "grouped"
    LINEAR = "linear"
    SEGMENTAL = "segmental"


class Change(StrEnum):
    """Change of a finding since the prior study (DICOM CID 6002)."""

    DECREASE = "decrease"
    STABLE = "stable"
    CHANGED = "changed"
    """Different, without saying how."""
    INCREASE = "increase"
    """New, more, larger or more prominent."""


class Pathology(StrEnum):
    """Result of a tissue diagnosis (DICOM CID 6063)."""

    BENIGN = "benign"
    INSUFFICIENT = "insufficient"
    INDETERMINATE = "indeterminate"
    HIGH_RISK = "high-risk"
    MALIGNANT = "malignant"


class Modality(StrEnum):
    """How a study looked at the breast."""

    MAMMOGRAPHY = "mammography"
    ULTRASOUND = "ultrasound"
    MRI = "mri"


class OrderKind(StrEnum):
    """Kinds of breast imaging and breast procedures, as ordered, planned, done or reported."""

    SCREENING_MAMMOGRAM = "screening-mammogram"
    DIAGNOSTIC_MAMMOGRAM = "diagnostic-mammogram"
    MAMMOGRAM = "mammogram"
    """Mammography that does not say whether it is for screening or for diagnosis."""
    TOMOSYNTHESIS = "tomosynthesis"
    MAGNIFICATION_VIEWS = "magnification-views"
    ADDITIONAL_VIEWS = "additional-views"
    CONTRAST_MAMMOGRAM = "contrast-mammogram"
    ULTRASOUND = "ultrasound"
    MRI = "mri"
    SCREENING_MRI = "screening-mri"
    STEREOTACTIC_BIOPSY = "stereotactic-biopsy"
    ULTRASOUND_BIOPSY = "ultrasound-biopsy"
    MRI_BIOPSY = "mri-biopsy"
    NEEDLE_BIOPSY = "needle-biopsy"
    FINE_NEEDLE_ASPIRATION = "fine-needle-aspiration"
    BIOPSY = "biopsy"
    """A biopsy of the breast that does not say which."""
    SURGICAL_BIOPSY = "surgical-biopsy"
    EXCISION = "excision"
    WIRE_LOCALISATION = "wire-localisation"
    SURGICAL_CONSULT = "surgical-consult"
    MASTECTOMY = "mastectomy"
    SPECIMEN_RADIOGRAPH = "specimen-radiograph"
    POST_PROCEDURE_VIEWS = "post-procedure-views"
    OTHER = "other"
    """A breast procedure that plays no part in the protocols, such as a ductogram."""

    modality: Modality | None
    is_biopsy: bool
    """Whether it yields tissue or cells for a diagnosis."""
    is_imaging: bool
    """Whether it is an examination that ends in an assessment."""


_MODALITY = {
    OrderKind.SCREENING_MAMMOGRAM: Modality.MAMMOGRAPHY,
    OrderKind.DIAGNOSTIC_MAMMOGRAM: Modality.MAMMOGRAPHY,
    OrderKind.MAMMOGRAM: Modality.MAMMOGRAPHY,
    OrderKind.TOMOSYNTHESIS: Modality.MAMMOGRAPHY,
    OrderKind.MAGNIFICATION_VIEWS: Modality.MAMMOGRAPHY,
    OrderKind.ADDITIONAL_VIEWS: Modality.MAMMOGRAPHY,
    OrderKind.CONTRAST_MAMMOGRAM: Modality.MAMMOGRAPHY,
    OrderKind.ULTRASOUND: Modality.ULTRASOUND,
    OrderKind.MRI: Modality.MRI,
    OrderKind.SCREENING_MRI: Modality.MRI,
}
_BIOPSIES = {
    OrderKind.STEREOTACTIC_BIOPSY,
    OrderKind.ULTRASOUND_BIOPSY,
    OrderKind.MRI_BIOPSY,
    OrderKind.NEEDLE_BIOPSY,
    OrderKind.FINE_NEEDLE_ASPIRATION,
    OrderKind.BIOPSY,
    OrderKind.SURGICAL_BIOPSY,
    OrderKind.EXCISION,
}
for _kind in OrderKind:
    _kind.modality = _MODALITY.get(_kind)
    _kind.is_biopsy = _kind in _BIOPSIES
    _kind.is_imaging = _kind.modality is not None


class Indicator(StrEnum):
    """Urgency of a card as CDS Hooks names it."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
