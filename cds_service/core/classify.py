"""From what a study says to one verdict per breast: a stated category, one derived from descriptors, or why neither.

Section 3 and 4 of the behaviour contract: codes before words, words never upgrade a code, and where two statements of
one breast cannot both be true nobody chooses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from .answers import Gap, Reason, Unknown
from .history import Assessment, Evidence, Finding, Study
from .protocol import CHANGE_PATTERNS, Cell, Derivation, Pattern
from .vocabulary import Basis, Category, Distribution, Group, Level, Morphology, Side


class State(StrEnum):
    """How far a study got with one breast."""

    STATED = "stated"
    DERIVED = "derived"
    CONFLICT = "conflict"
    UNDECIDED = "undecided"
    """There are findings without an assessment, and their descriptors do not decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one study says of one breast, or of the examination where no side is stated.

    `category` is None for a conflict and for undecided findings; `gap` says why.
    """

    state: State
    side: Side
    category: Category | None
    evidence: tuple[Evidence, ...]
    basis: Basis | None = None
    prior_films_needed: bool = False
    gap: Gap | None = None
    worst: Category | None = None
    """The most severe of the categories that a conflict is about."""

    @property
    def may_be_suspicious(self) -> bool:
        """Whether a 4 or 5 was stated, be it among others."""
        category = self.worst if self.state is State.CONFLICT else self.category
        return category is not None and category.group is Group.SUSPICIOUS


Verdicts = Mapping[Side, Verdict]
"""By `Side.LEFT`, `Side.RIGHT` and `Side.UNSTATED`; a side without a word of its own is absent."""


def verdicts(study: Study, derivation: Derivation, *, full_year_prior: Mapping[Side, bool]) -> Verdicts:
    """Every verdict of a study. `full_year_prior` says for which breast an earlier study is old enough for "stable" to
    mean stable for a full year."""
    stated = _stated(study)
    if study.findings:
        for side, verdict in _derived(study, derivation, full_year_prior).items():
            if side not in stated and Side.UNSTATED not in stated:
                stated[side] = verdict
    return stated


# --------------------------------------------------------------------------------------
# Stated categories


@dataclass(slots=True)
class _Statements:
    """The assessments of one basis, rolled up per side."""

    by_side: dict[Side, Verdict] = field(default_factory=dict)

    @property
    def sided(self) -> list[Verdict]:
        return [verdict for side, verdict in self.by_side.items() if side is not Side.UNSTATED]

    @property
    def overall(self) -> Verdict | None:
        return self.by_side.get(Side.UNSTATED)


def _stated(study: Study) -> dict[Side, Verdict]:
    coded = _rolled_up(a for a in study.assessments if a.basis is Basis.CODED)
    written = _rolled_up(a for a in study.assessments if a.basis is Basis.WRITTEN)
    _give_sides_from_words(coded, written)
    merged = _merged(coded, written)
    for dispute in study.disputes:
        _dispute(merged, dispute.side, dispute.evidence)
    result = _explained(merged)
    if len(result) == 1 and Side.UNSTATED in result and study.side in (Side.LEFT, Side.RIGHT):
        # Last resort of ruling 1: the examination itself is of one breast only.
        result = {study.side: replace(result[Side.UNSTATED], side=study.side)}
    return {
        side: replace(verdict, worst=_worst_stated(study, side)) if verdict.state is State.CONFLICT else verdict
        for side, verdict in result.items()
    }


def _worst_stated(study: Study, side: Side) -> Category | None:
    categories = (assessment.category for assessment in study.assessments if assessment.side.covers(side))
    return max(categories, key=_by_severity, default=None)


def _rolled_up(assessments: Iterable[Assessment]) -> _Statements:
    """Lesions of one breast roll up to the worst; two statements about the same breast have to agree."""
    found: dict[tuple[Side, bool], list[Assessment]] = {}
    for assessment in assessments:
        for side in assessment.side.breasts or (Side.UNSTATED,):
            found.setdefault((side, assessment.level is Level.LESION), []).append(assessment)
    rolled = _Statements()
    for side in (Side.LEFT, Side.RIGHT, Side.UNSTATED):
        whole = found.get((side, False), [])
        lesions = found.get((side, True), [])
        worst_lesion = max(lesions, key=_severity, default=None)
        if whole:
            verdict = _agreed(side, whole)
            if (
                worst_lesion is not None
                and verdict.category is not None
                and worst_lesion.category.severity > verdict.category.severity
                and not worst_lesion.category.agrees_with(verdict.category)
            ):
                verdict = _conflict(side, (*verdict.evidence, worst_lesion.evidence))
            rolled.by_side[side] = verdict
        elif worst_lesion is not None:
            rolled.by_side[side] = _agreed(side, [worst_lesion])
    return rolled


def _severity(assessment: Assessment) -> int:
    return assessment.category.severity


def _agreed(side: Side, assessments: list[Assessment]) -> Verdict:
    first, *others = assessments
    for other in others:
        if not first.category.agrees_with(other.category):
            return _conflict(side, (first.evidence, other.evidence))
        if len(other.category.value) > len(first.category.value):
            first = other
    return Verdict(
        state=State.STATED,
        side=side,
        category=first.category,
        basis=first.basis,
        evidence=(first.evidence,),
        prior_films_needed=any(assessment.prior_films_needed for assessment in assessments),
    )


def _conflict(side: Side, evidence: tuple[Evidence, ...]) -> Verdict:
    return Verdict(
        state=State.CONFLICT,
        side=side,
        category=None,
        evidence=evidence,
        gap=Gap(Reason.AMBIGUOUS, evidence[0].reference),
    )


def _worst(verdicts: Iterable[Verdict]) -> Category | None:
    categories = [verdict.category for verdict in verdicts if verdict.category is not None]
    return max(categories, key=lambda category: category.severity, default=None)


def _give_sides_from_words(coded: _Statements, written: _Statements) -> None:
    """Ruling 1: a code without a side takes the sides that the words of the same study state, where their worst
    equals the code. The code stays the authority on the category of the breast that it describes."""
    overall = coded.overall
    if overall is None or overall.category is None or coded.sided or not written.sided:
        return
    worst = _worst(written.sided)
    if worst is None or not worst.agrees_with(overall.category):
        return
    for verdict in written.sided:
        if verdict.category is worst:
            coded.by_side[verdict.side] = replace(
                overall, side=verdict.side, evidence=overall.evidence + verdict.evidence
            )
    del coded.by_side[Side.UNSTATED]
    written.by_side.pop(Side.UNSTATED, None)


def _merged(coded: _Statements, written: _Statements) -> dict[Side, Verdict]:
    """Code and words side by side: where both speak of the same thing, they have to agree."""
    merged: dict[Side, Verdict] = {}
    for side in (Side.LEFT, Side.RIGHT, Side.UNSTATED):
        code, words = coded.by_side.get(side), written.by_side.get(side)
        if code is None or words is None:
            if code is not None or words is not None:
                merged[side] = code or words  # type: ignore[assignment]
        elif code.category is None or words.category is None or not code.category.agrees_with(words.category):
            merged[side] = _conflict(side, code.evidence[:1] + words.evidence[:1])
        else:
            merged[side] = replace(
                code,
                evidence=code.evidence + tuple(e for e in words.evidence if e not in code.evidence),
                prior_films_needed=code.prior_films_needed or words.prior_films_needed,
            )
    for side in (Side.LEFT, Side.RIGHT):
        if _is_crossed(side, coded, written):
            evidence = tuple(
                replace(said.evidence[0], statement=f"{said.evidence[0].statement}, {said.side.words}")
                for said in (coded.by_side[side], written.by_side[side.opposite])
            )
            merged |= {each: _conflict(each, evidence) for each in Side.BOTH.breasts}
    return merged


def _is_crossed(side: Side, coded: _Statements, written: _Statements) -> bool:
    """Whether the code gives a category to `side` only, and the words give it to the other side only: one finding, and
    nobody knows of which breast. A benign category is often coded for one breast and written of the other."""
    code, words = coded.by_side.get(side), written.by_side.get(side.opposite)
    return (
        _agree(code, words)
        and not _agree(code, written.by_side.get(side))
        and not _agree(coded.by_side.get(side.opposite), words)
    )


def _agree(code: Verdict | None, words: Verdict | None) -> bool:
    return (
        code is not None
        and words is not None
        and code.category is not None
        and words.category is not None
        and code.category.group is not Group.BENIGN
        and code.category.agrees_with(words.category)
    )


def _dispute(merged: dict[Side, Verdict], side: Side, evidence: tuple[Evidence, ...]) -> None:
    """The words of a report cannot be settled for `side`: a code of its own still decides there, words do not."""
    for breast in side.breasts or (Side.UNSTATED,):
        known = merged.get(breast) or merged.get(Side.UNSTATED)
        if known is None or known.basis is Basis.WRITTEN:
            merged[breast] = _conflict(breast, evidence)


def _explained(merged: dict[Side, Verdict]) -> dict[Side, Verdict]:
    """Whether the overall category fits those of the breasts, of which it is meant to be the most severe."""
    overall = merged.get(Side.UNSTATED)
    sided: dict[Side, Verdict] = {side: verdict for side, verdict in merged.items() if side is not Side.UNSTATED}
    if overall is None or not sided:
        return merged
    worst = _worst(sided.values())
    if overall.category is None or worst is None:
        return merged
    if overall.category.agrees_with(worst):
        if overall.prior_films_needed:
            sided = {side: replace(v, prior_films_needed=True) for side, v in sided.items()}
        return sided
    if overall.category.severity > worst.severity and len(sided) == 1:
        # The more severe category can only be that of the other breast, but nothing says so: it stays without a side.
        return merged
    return {
        side: _conflict(side, overall.evidence[:1] + verdict.evidence[:1])
        if overall.category.severity > worst.severity or verdict.category is worst
        else verdict
        for side, verdict in sided.items()
    }


# --------------------------------------------------------------------------------------
# Derived categories


def _derived(study: Study, derivation: Derivation, full_year_prior: Mapping[Side, bool]) -> dict[Side, Verdict]:
    """The category that calcification descriptors imply per side, the most suspicious finding deciding."""
    by_side: dict[Side, list[tuple[Finding, Category | Unknown]]] = {}
    for finding in study.findings:
        sides = finding.side.breasts
        if not sides:
            sides = (study.side,) if study.side in (Side.LEFT, Side.RIGHT) else (Side.UNSTATED,)
        for side in sides:
            implied = implied_category(
                finding, derivation, full_year_prior=full_year_prior.get(side, False), of=study.findings
            )
            by_side.setdefault(side, []).append((finding, implied))
    return {side: _most_suspicious(side, implied) for side, implied in by_side.items()}


def _most_suspicious(side: Side, implied: list[tuple[Finding, Category | Unknown]]) -> Verdict:
    known = [(finding, category) for finding, category in implied if isinstance(category, Category)]
    unknown = [(finding, gap.why) for finding, gap in implied if isinstance(gap, Unknown)]
    finding, category = max(known, key=lambda pair: pair[1].severity, default=(None, None))
    if finding is None or category is None or (unknown and category.group is not Group.SUSPICIOUS):
        undecided, gap = unknown[0]
        return Verdict(state=State.UNDECIDED, side=side, category=None, evidence=(undecided.evidence,), gap=gap)
    return Verdict(state=State.DERIVED, side=side, category=category, basis=Basis.DERIVED, evidence=(finding.evidence,))


def implied_category(
    finding: Finding, derivation: Derivation, *, full_year_prior: bool, of: tuple[Finding, ...] = ()
) -> Category | Unknown:
    """The category that the descriptors of one finding imply (clinical table C4, the higher end of a range).

    Where morphology or distribution is missing, the finding is decided only if it is suspicious whatever the missing
    word would have been; benign and probably benign are never concluded from half a description.
    """
    missing = Unknown(
        Gap(Reason.UNKNOWN_WORD, finding.unmapped[0])
        if finding.unmapped
        else Gap(Reason.NO_ASSESSMENT, finding.evidence.reference)
    )
    if not finding.morphologies and not finding.distributions:
        return missing
    patterns = _patterns(finding, full_year_prior, of)
    implied = max(
        (
            _over_distributions(morphology, finding.distributions, derivation, patterns)
            for morphology in finding.morphologies or (None,)
        ),
        key=lambda category: category.severity,
    )
    is_complete = bool(finding.morphologies and finding.distributions and not finding.unmapped)
    return implied if is_complete or implied.group is Group.SUSPICIOUS else missing


def _over_distributions(
    morphology: Morphology | None,
    distributions: tuple[Distribution, ...],
    derivation: Derivation,
    patterns: frozenset[Pattern],
) -> Category:
    cells = derivation.cells
    if morphology is None:
        return max(
            (min((cells[m, d].least for m in Morphology), key=_by_severity) for d in distributions), key=_by_severity
        )
    if not distributions:
        return min((cells[morphology, d].least for d in Distribution), key=_by_severity)
    return max((_in_cell(cells[morphology, d], patterns) for d in distributions), key=_by_severity)


def _by_severity(category: Category) -> int:
    return category.severity


def _in_cell(cell: Cell, patterns: frozenset[Pattern]) -> Category:
    for pattern in Pattern:
        if pattern in patterns and pattern in cell.when:
            return cell.when[pattern]
    return cell.category


def _patterns(finding: Finding, full_year_prior: bool, of: tuple[Finding, ...]) -> frozenset[Pattern]:
    patterns = set()
    if finding.change is not None:
        patterns.add(CHANGE_PATTERNS[finding.change])
        if full_year_prior and Pattern.STABLE in patterns:
            patterns.add(Pattern.STABLE_FULL_YEAR)
    if finding.isolated:
        patterns.add(Pattern.ISOLATED)
    if finding.side is Side.BOTH or any(_mirrors(finding, other) for other in of):
        patterns.add(Pattern.BILATERAL)
    return frozenset(patterns)


def _mirrors(finding: Finding, other: Finding) -> bool:
    """Whether two findings of one study document the same pattern in both breasts."""
    return (
        {finding.side, other.side} == {Side.LEFT, Side.RIGHT}
        and finding.morphologies == other.morphologies
        and finding.distributions == other.distributions
    )


def suspicious_descriptors(
    study: Study, breast: Side, derivation: Derivation, *, full_year_prior: bool
) -> tuple[Finding, Category] | None:
    """The most suspicious coded finding of a breast where it implies 4A or more, whatever the study was reported as."""
    implied = (
        (
            finding,
            implied_category(finding, derivation, full_year_prior=full_year_prior, of=study.findings),
        )
        for finding in study.findings
        if finding.side.covers(breast)
    )
    suspicious = [
        (finding, category)
        for finding, category in implied
        if isinstance(category, Category) and category.group is Group.SUSPICIOUS
    ]
    return max(suspicious, key=lambda pair: pair[1].severity, default=None)
