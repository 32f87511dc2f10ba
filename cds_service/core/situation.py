"""One breast today: which study counts, what followed it, and the facts that the rows of a protocol look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TypeVar

from .answers import Answer, Gap, Reason, Unknown
from .classify import State, Verdict, Verdicts, suspicious_descriptors, verdicts
from .dates import UNDATED, Interval, PartialDate, age_in_years
from .decide import Facts
from .history import Finding, History, PathologyResult, Patient, Procedure, Recommendation, Sided, Study
from .protocol import Protocol
from .vocabulary import Category, Change, Group, Modality, OrderKind, Pathology, Side

D = TypeVar("D", Study, PathologyResult, Procedure)

FACTS: Mapping[str, tuple[type, str]] = {
    "deceased": (bool, "the patient has died"),
    "sex": (str, "administrative gender: female, male, other or unknown"),
    "age_years": (int, "age today"),
    "breast_removed": (bool, "mastectomy of this breast"),
    "removed_before_study": (bool, "the assessment is dated after the mastectomy of the breast that it names"),
    "removal_undated": (bool, "nothing tells which came first, mastectomy or assessment, and no cancer of it is known"),
    "known_cancer": (bool, "active, confirmed cancer of this breast"),
    "cancer_side_unstated": (bool, "active breast cancer on record without a side"),
    "mastectomy_side_unstated": (bool, "a mastectomy on record without a side"),
    "pregnant": (bool, "pregnant"),
    "lactating": (bool, "lactating"),
    "anticoagulated": (bool, "on anticoagulants or platelet inhibitors"),
    "implants": (bool, "breast implants"),
    "assessment": (str, "how the assessment that counts is known: stated, derived, conflict, undecided or none"),
    "category": (str, "the BI-RADS category that counts"),
    "group": (str, "the group of that category"),
    "prior_films_needed": (bool, "a category 0 that waits for older films"),
    "pathology": (str, "result of the tissue diagnosis that followed the assessment, or none"),
    "unconfirmed_suspicion": (bool, "an earlier 4 or 5 of this breast was followed by a 1, 2 or 3 without tissue"),
    "next_visit": (str, "the surveillance visit that comes next, or none when all took place"),
    "unread": (bool, "the newest study has no assessment that can be read, and none that can be derived"),
    "in_doubt": (bool, "a report that may not be acted upon states a category that would call for something"),
    "suspicious_descriptors": (bool, "a reported 1, 2 or 3 with coded descriptors that imply 4A or more"),
    "biopsy_recommended": (bool, "a reported 1, 2 or 3 beside a recommendation of a biopsy that nobody took up"),
    "calcifications": (bool, "calcifications are the finding"),
    "seen_on_ultrasound": (bool, "ultrasound shows the suspicious lesion"),
    "modality": (str, "the one way in which that category was found on its day: mammography, ultrasound, mri"),
}
"""Every fact that a row may name, its type and its meaning."""

VALUES: Mapping[str, frozenset[str]] = {
    "sex": frozenset({"female", "male", "other", "unknown"}),
    "assessment": frozenset({*(state.value for state in State), "none"}),
    "category": frozenset(category.value for category in Category),
    "group": frozenset(group.value for group in Group),
    "pathology": frozenset({*(result.value for result in Pathology), "none"}),
    "modality": frozenset(modality.value for modality in Modality),
}
"""The words that a fact can be. `next_visit` can be `none` and the visits of the protocol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One study with its verdict on one breast."""

    study: Study
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known about one breast today; `side` is unstated for an assessment of the examination only."""

    side: Side
    concerns: Side
    """The breast that it can only be about, because the study that counts says something else of the other one;
    `side` otherwise."""
    current: Episode | None
    """The study that counts, and what it says."""
    index: PartialDate | None
    """The first category 3 of the unbroken run that `current` ends."""
    suspicion: Episode | None
    """An earlier 4 or 5 that no tissue answered."""
    pathology: PathologyResult | None
    """The result that answers `current` and decides what comes next."""
    unread: Study | None
    doubt: Episode | None
    """What a study says that may not be acted upon, where it would call for something."""
    descriptors: tuple[Finding, Category] | None
    """The finding, and what it implies, that stands against a reported 1, 2 or 3."""
    recommended: Recommendation | None
    """The recommendation of a biopsy that stands against it."""
    facts: Facts

    @property
    def suspected(self) -> Category | None:
        """The category of the earlier suspicion; of one that was contradicted, the most severe."""
        return None if self.suspicion is None else self.suspicion.verdict.category or self.suspicion.verdict.worst


class Record:
    """The usable studies of a history, newest first, each with its verdicts."""

    def __init__(self, history: History, protocol: Protocol, today: date) -> None:
        self.history = history
        self.protocol = protocol
        self.today = today
        self.gaps: list[Gap] = list(history.gaps)
        self.pathology = tuple(self._past(history.pathology))
        self.procedures = tuple(self._past(history.procedures))
        past = sorted(self._past(history.studies), key=lambda study: study.date.first, reverse=True)
        self.studies = [study for study in past if study.is_final]
        self.verdicts: list[Verdicts] = [self._verdicts(study) for study in self.studies]
        in_doubt = [each for each in history.studies if each.doubt or (each.is_final and each not in past)]
        self.in_doubt = [
            (study, self._verdicts(study) or _nothing_read(study)) for study in in_doubt if _is_examination(study)
        ]

    def _past(self, dated: Iterable[D]) -> Iterator[D]:
        """What is not dated in the future; the rest is named as a gap. There is a day of grace for zones east of the
        server."""
        last = Interval(days=1).after(self.today)
        for each in dated:
            if each.date is not None and each.date.first > last:
                self.gaps.append(Gap(Reason.FUTURE, each.reference))
            else:
                yield each

    def _verdicts(self, study: Study) -> Verdicts:
        return verdicts(study, self.protocol.derivation, full_year_prior=self._full_year_priors(study))

    def said_of(self, study: Study) -> Verdicts:
        """The verdicts of a usable study."""
        return next(said for each, said in zip(self.studies, self.verdicts, strict=True) if each is study)

    def _full_year_priors(self, study: Study) -> Mapping[Side, bool]:
        if not study.findings:
            return {}
        oldest_stable = Interval(days=self.protocol.derivation.full_year_days).before(study.date.first)
        return {
            side: any(
                other.date.last <= oldest_stable and other.side.covers(side) and _is_examination(other)
                for other in self.studies
            )
            for side in (Side.LEFT, Side.RIGHT, Side.UNSTATED)
        }

    def episodes(self, side: Side) -> list[Episode]:
        """Newest first, the studies that say something of `side`, or of the examination without a side."""
        found = []
        for study, said in zip(self.studies, self.verdicts, strict=True):
            verdict = said.get(side) or said.get(Side.UNSTATED)
            if verdict is not None:
                found.append(Episode(study=study, verdict=verdict))
        return found

    @cached_property
    def mastectomies(self) -> tuple[Sided, ...]:
        return self.history.conditions.mastectomy + tuple(
            Sided(side=done.side, since=done.date, reference=done.reference)
            for done in self.procedures
            if done.kind is OrderKind.MASTECTOMY
        )

    @cached_property
    def patient_facts(self) -> dict[str, object]:
        return _patient_facts(self.history, self.today)

    def tissue_after(self, study: Study, side: Side) -> bool:
        """Whether a biopsy or a pathology result of that breast follows a study; any does where it has no date."""
        taken: tuple[PathologyResult | Procedure, ...] = (
            *self.pathology,
            *(done for done in self.procedures if done.kind.is_biopsy),
        )
        return any(
            each.side.covers(side)
            and each.date is not None
            and (study.date == UNDATED or each.date.may_follow(study.date))
            for each in taken
        )


def situations(record: Record) -> list[Situation]:
    """The situation of each breast. Where its assessment names no side, it is the situation of the examination, seen
    with what is on record of that breast: two, where that is so of both breasts."""
    by_side = [_situation(record, side) for side in (Side.LEFT, Side.RIGHT)]
    unsided = [
        situation
        for situation in by_side
        if situation.current is not None and situation.current.verdict.side is Side.UNSTATED
    ]
    if not unsided:
        return by_side
    kept = [situation for situation in by_side if situation not in unsided]
    return [*kept, *(_situation(record, Side.UNSTATED, breast=situation.side) for situation in unsided)]


def _situation(record: Record, side: Side, *, breast: Side | None = None) -> Situation:
    episodes = record.episodes(breast or side)
    current, missing = _current(episodes)
    index = _index(record.protocol, breast or side, episodes, current)
    concerns = side
    if breast is not None and current is not None and breast.opposite in record.said_of(current.study):
        concerns = breast
    suspicion = _unconfirmed(record, concerns, episodes, current)
    pathology = _pathology(record, concerns, current)
    descriptors = None
    if current is not None and current.study.findings and _is_reassuring(current.verdict):
        descriptors = suspicious_descriptors(
            current.study,
            side,
            record.protocol.derivation,
            full_year_prior=record._full_year_priors(current.study).get(side, False),
        )
    unread = _unread(record, side, current) or missing
    doubt = _in_doubt(record, side, current)
    recommended = _recommended_biopsy(record, breast or side, current)
    facts = {
        **record.patient_facts,
        **_breast_facts(record, concerns, current),
        **_study_facts(record, side, episodes, current),
        "pathology": "none" if pathology is None or pathology.result is None else pathology.result.value,
        "unconfirmed_suspicion": suspicion is not None,
        "next_visit": _next_visit(record.protocol, index, current),
        "unread": unread is not None,
        "in_doubt": doubt is not None,
        "suspicious_descriptors": descriptors is not None,
        "biopsy_recommended": recommended is not None,
    }
    return Situation(
        side=side,
        concerns=concerns,
        current=current,
        index=index,
        suspicion=suspicion,
        pathology=pathology,
        unread=unread,
        doubt=doubt,
        descriptors=descriptors,
        recommended=recommended,
        facts=facts,
    )


# --------------------------------------------------------------------------------------
# Which study counts


def _current(episodes: list[Episode]) -> tuple[Episode | None, Study | None]:
    """The episode that counts, and a newer study whose assessment is missing.

    The newest stated assessment counts. What was only derived from a newer study takes its place where it is at least
    as suspicious; a milder derivation never covers what a radiologist stated.
    """
    stated = _newest([e for e in episodes if e.verdict.state in (State.STATED, State.CONFLICT)])
    newer = [
        e
        for e in episodes
        if e.verdict.state in (State.DERIVED, State.UNDECIDED)
        and (stated is None or e.study.date.first > stated.study.date.first)
    ]
    if not newer:
        return stated, None
    if stated is None:
        return _newest(newer), None
    derived = [e for e in newer if e.verdict.category is not None and _outweighs(e.verdict, stated.verdict)]
    return (derived[0], None) if derived else (stated, newer[0].study)


def _outweighs(derived: Verdict, stated: Verdict) -> bool:
    if derived.category is None:
        return False
    if stated.category is None:
        return derived.category.group is Group.SUSPICIOUS
    return derived.category.severity >= stated.category.severity


def _newest(episodes: list[Episode]) -> Episode | None:
    """The newest; among those of one day the latest where times tell, otherwise the most severe, and of those the one
    that states its side. A category 0 that another study of the same day completed is not the result of that day."""
    if not episodes:
        return None
    day = [e for e in episodes if e.study.date.first == episodes[0].study.date.first]
    latest = [e for e in day if not any(e.study.date.is_surely_before(other.study.date) for other in day)]
    completed = [e for e in latest if e.verdict.category is not Category.INCOMPLETE]
    return max(completed or latest, key=lambda e: (_weight(e), e.verdict.side is not Side.UNSTATED))


def _weight(episode: Episode) -> int:
    category = episode.verdict.category
    return len(Category) if category is None else category.severity  # a conflict hides which; it goes first


def _is_examination(study: Study) -> bool:
    """Whether a study is one that ends in an assessment: not a biopsy, a specimen or a marker film."""
    if study.is_marker_film:
        return False
    return not study.kinds or any(kind.is_imaging for kind in study.kinds)


def _unread(record: Record, side: Side, current: Episode | None) -> Study | None:
    """The newest study of the breast, where it is young enough to matter and nothing could be read or derived."""
    limits = record.protocol.limits
    for study, said in zip(record.studies, record.verdicts, strict=True):
        if not _is_examination(study) or not study.side.covers(side):
            continue
        if current is not None and study.date.first <= current.study.date.first:
            return None
        if said.get(side) or said.get(Side.UNSTATED):
            return None
        if said and study.side is not side:
            return None  # it assessed the other breast, and is not an examination of this one alone
        is_young = limits.unread_horizon.after(study.date.last) >= record.today
        return study if is_young else None
    return None


def _nothing_read(study: Study) -> Verdicts:
    gap = Gap(Reason.NO_ASSESSMENT, study.reference)
    return {study.side: Verdict(state=State.UNDECIDED, side=study.side, category=None, evidence=(), gap=gap)}


def _in_doubt(record: Record, side: Side, current: Episode | None) -> Episode | None:
    """The most severe of what may not be acted upon but calls for something: a 4 or 5 that no tissue answered, or
    anything but a benign category in a study that nothing newer replaces."""
    found = []
    for study, said in record.in_doubt:
        for verdict in said.values():
            episode = Episode(study=study, verdict=verdict)
            if verdict.side.covers(side) and _is_pressing(record, side, episode, current):
                found.append(episode)
    return max(found, key=_weight, default=None)


def _is_pressing(record: Record, side: Side, episode: Episode, current: Episode | None) -> bool:
    study, limits = episode.study, record.protocol.limits
    category = episode.verdict.category or episode.verdict.worst
    if category is not None and category.group is Group.SUSPICIOUS:
        is_recent = limits.suspicion_horizon.after(study.date.last) >= record.today
        return is_recent and not record.tissue_after(study, side)
    if category is not None and category.group in (Group.BENIGN, Group.KNOWN_MALIGNANCY):
        return False
    is_young = limits.unread_horizon.after(study.date.last) >= record.today
    return is_young and (current is None or study.date.first > current.study.date.first)


# --------------------------------------------------------------------------------------
# What came before and after it


def _is_reassuring(verdict: Verdict) -> bool:
    return (
        verdict.state is State.STATED
        and verdict.category is not None
        and verdict.category.group in (Group.BENIGN, Group.PROBABLY_BENIGN)
    )


def _index(protocol: Protocol, side: Side, episodes: list[Episode], current: Episode | None) -> PartialDate | None:
    """The first 3 of the unbroken run of 3s that ends with the current study.

    A gap that no surveillance has breaks the run, and so does a 3 whose own finding is new or has changed, which is no
    stable one. Calcifications on a mammogram are not what an ultrasound or an MRI was a 3 for.
    """
    if current is None or current.verdict.category is not Category.PROBABLY_BENIGN:
        return None
    index = current.study.date
    is_of_calcifications = (
        _modality(current.study) == Modality.MAMMOGRAPHY and _calcifications(current.study, side) is True
    )
    for episode in episodes:
        study = episode.study
        if study.date.first > current.study.date.first or episode.verdict.state in (State.DERIVED, State.UNDECIDED):
            continue
        if episode.verdict.category is not Category.PROBABLY_BENIGN:
            if study.date.first == current.study.date.first:
                continue
            break
        if is_of_calcifications and _modality(study) in (Modality.ULTRASOUND, Modality.MRI):
            continue
        if protocol.limits.surveillance_gap.after(study.date.last) < index.first:
            break
        index = study.date
        if any(f.side.covers(side) and f.change in (Change.INCREASE, Change.CHANGED) for f in study.findings):
            break
    return index


def _next_visit(protocol: Protocol, index: PartialDate | None, current: Episode | None) -> str:
    """A visit counts as the latest one whose earliest date it has reached, whether or not those between took place."""
    if index is None or current is None:
        return "none"
    return next(
        (visit.id for visit in protocol.visits if visit.accepted_from.after(index.first) > current.study.date.first),
        "none",
    )


def _unconfirmed(record: Record, side: Side, episodes: list[Episode], current: Episode | None) -> Episode | None:
    """Ruling 5: the newest earlier 4 or 5 that a 1, 2 or 3, or a 0, followed without tissue in between or since."""
    if current is None or not (_is_reassuring(current.verdict) or current.verdict.category is Category.INCOMPLETE):
        return None
    for episode in episodes:
        if (
            episode.study.date.first <= current.study.date.first
            and episode.study is not current.study
            and episode.verdict.state in (State.STATED, State.CONFLICT)
            and episode.verdict.may_be_suspicious
        ):
            is_recent = record.protocol.limits.suspicion_horizon.after(episode.study.date.last) >= record.today
            breast = side if episode.verdict.side is Side.UNSTATED else episode.verdict.side
            return episode if is_recent and not record.tissue_after(episode.study, breast) else None
    return None


def _recommended_biopsy(record: Record, side: Side, current: Episode | None) -> Recommendation | None:
    """The recommendation of a biopsy beside a 1, 2 or 3, unless it was taken up. One that does not single
    out the breast is explained by a 4 or 5 of the same study."""
    if current is None or not _is_reassuring(current.verdict) or not current.study.biopsies_recommended:
        return None
    study = current.study
    is_recent = record.protocol.limits.suspicion_horizon.after(study.date.last) >= record.today
    is_ordered = any(
        order.kind.is_biopsy
        and order.side.covers(side)
        and (order.authored is None or order.authored.last >= study.date.first)
        for order in record.history.orders
    )
    if not is_recent or is_ordered or record.tissue_after(study, side):
        return None
    is_explained = any(verdict.may_be_suspicious for verdict in record.said_of(study).values())
    return next(
        (
            each
            for each in study.biopsies_recommended
            if each.side is side or (each.side.covers(side) and not is_explained)
        ),
        None,
    )


_UNSETTLED = (Pathology.INSUFFICIENT, Pathology.INDETERMINATE)


def _pathology(record: Record, side: Side, current: Episode | None) -> PathologyResult | None:
    """The result that decides what follows the current assessment.

    A malignant one settles it. A sample that was insufficient is superseded by any later one. Otherwise the first
    result counts, a high-risk lesion before a benign one, so that later tissue can answer it.
    """
    if current is None:
        return None
    results = [
        result
        for result in record.pathology
        if result.result is not None
        and result.date is not None
        and result.side.covers(side)
        and result.date.may_follow(current.study.date)
    ]
    results.sort(key=lambda result: result.date.first if result.date else date.min)
    settled = [result for result in results if result.result not in _UNSETTLED]
    for wanted in (Pathology.MALIGNANT, Pathology.HIGH_RISK):
        for result in settled:
            if result.result is wanted:
                return result
    return settled[0] if settled else (results[-1] if results else None)


# --------------------------------------------------------------------------------------
# Facts


def _patient_facts(history: History, today: date) -> dict[str, object]:
    patient, conditions = history.patient, history.conditions
    facts: dict[str, object] = {}
    if isinstance(patient, Unknown):
        facts["deceased"] = facts["sex"] = facts["age_years"] = patient
    else:
        facts["deceased"] = patient.is_deceased
        facts["sex"] = patient.sex
        facts["age_years"] = _age(patient, today)
    for fact, words in (
        ("pregnant", ("pregnant",)),
        ("lactating", ("lactating",)),
        ("anticoagulated", ("anticoagulant", "antiplatelet")),
        ("implants", ("implant",)),
    ):
        facts[fact] = conditions.known(any(word in conditions.context for word in words))
    return facts


def _age(patient: Patient, today: date) -> Answer[int]:
    if isinstance(patient.born, Unknown):
        return patient.born
    age = age_in_years(patient.born, today)
    return Unknown(Gap(Reason.UNREADABLE, "birthDate")) if age is None else age


def _covers_surely(sided: Sided, side: Side) -> bool:
    """Whether a condition certainly concerns the breast; for an unstated side, only where it concerns both."""
    return sided.side is Side.BOTH or (sided.side is side and side is not Side.UNSTATED)


def _is_before(removal: Sided, study: Study) -> bool:
    known_by = removal.since or removal.recorded
    return known_by is not None and known_by.is_surely_before(study.date)


def _follows(removal: Sided, study: Study) -> bool:
    """Whether the breast was removed after it was assessed. When it was entered tells nothing of that."""
    return removal.since is not None and removal.since.may_follow(study.date)


def _breast_facts(record: Record, side: Side, current: Episode | None) -> dict[str, object]:
    conditions, procedures = record.history.conditions, record.history.procedures
    removals = record.mastectomies
    removed = [removal for removal in removals if _covers_surely(removal, side)]
    is_removed = conditions.known(bool(removed) or {r.side for r in removals} >= {Side.LEFT, Side.RIGHT})
    if is_removed is False and procedures.gap is not None:
        is_removed = Unknown(procedures.gap)
    has_cancer = any(_covers_surely(cancer, side) for cancer in conditions.cancer)
    return {
        "breast_removed": is_removed,
        "removed_before_study": current is not None and any(_is_before(r, current.study) for r in removed),
        "removal_undated": current is not None
        and bool(removed)
        and not has_cancer
        and not any(_is_before(r, current.study) or _follows(r, current.study) for r in removed)
        and record.protocol.limits.suspicion_horizon.after(current.study.date.last) >= record.today
        and not record.tissue_after(current.study, side),
        "known_cancer": conditions.known(has_cancer),
        "cancer_side_unstated": any(cancer.side is Side.UNSTATED for cancer in conditions.cancer),
        "mastectomy_side_unstated": any(removal.side is Side.UNSTATED for removal in removals),
    }


def _study_facts(record: Record, side: Side, episodes: list[Episode], current: Episode | None) -> dict[str, object]:
    if current is None:
        absent = dict.fromkeys(
            ("category", "group", "prior_films_needed", "calcifications", "seen_on_ultrasound", "modality")
        )
        return {"assessment": "none", **absent}
    study, verdict = current.study, current.verdict
    category: object = verdict.category
    group: object = None if verdict.category is None else verdict.category.group.value
    if verdict.gap is not None:
        category = group = Unknown(verdict.gap)
    return {
        "assessment": verdict.state.value,
        "category": category.value if isinstance(category, Category) else category,
        "group": group,
        "prior_films_needed": verdict.prior_films_needed,
        "calcifications": _calcifications(study, side),
        "seen_on_ultrasound": _seen_on_ultrasound(episodes, current),
        "modality": _modality_of_day(episodes, current),
    }


def _calcifications(study: Study, side: Side) -> Answer[bool]:
    if any(finding.side.covers(side) for finding in study.findings) or study.mentions_calcifications:
        return True
    return False if study.has_other_findings else Unknown(Gap(Reason.NO_ASSESSMENT, study.reference))


def _seen_on_ultrasound(episodes: list[Episode], current: Episode) -> bool:
    """Whether the suspicious category was given on ultrasound, by the study that counts or by one of the same day."""
    return any(
        _modality(episode.study) == Modality.ULTRASOUND
        and episode.study.date.first == current.study.date.first
        and episode.verdict.category is not None
        and episode.verdict.category.group is Group.SUSPICIOUS
        for episode in episodes
    )


def _modality_of_day(episodes: list[Episode], current: Episode) -> str | None:
    """The modality of the study that counts, unless another one of the same day says the same by another modality."""
    modalities = {
        _modality(episode.study)
        for episode in episodes
        if episode.study.date.first == current.study.date.first
        and episode.verdict.category is not None
        and current.verdict.category is not None
        and episode.verdict.category.group is current.verdict.category.group
    }
    return modalities.pop() if len(modalities) == 1 else None


def _modality(study: Study) -> str | None:
    modalities = {kind.modality for kind in study.kinds if kind.modality is not None}
    return modalities.pop().value if len(modalities) == 1 else None
