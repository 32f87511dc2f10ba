"""From FHIR resources to a history. With `fhir_elements` and `fhir_orders` the only rooms that know FHIR shapes.

Reads what can be read: an element that is odd costs that element, a resource that is odd costs that resource, and both
are named as gaps. The value of a coding decides, never the code of the Observation around it, never a display.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from typing import TypeAlias

from .core.answers import Answer, Gap, Listed, Reason, T, Unknown
from .core.dates import UNDATED, PartialDate
from .core.history import (
    Assessment,
    Conditions,
    Evidence,
    Finding,
    History,
    Order,
    PathologyResult,
    Patient,
    Procedure,
    Recommendation,
    Sided,
    Study,
)
from .core.vocabulary import (
    Basis,
    Category,
    Change,
    Distribution,
    Level,
    Morphology,
    OrderKind,
    Pathology,
    Side,
    joined,
)
from .errors import OtherPatient
from .fhir_elements import (
    Json,
    any_date,
    child,
    codings,
    extensions,
    name,
    objects,
    partial_date,
    reference,
    text,
    type_and_id,
    words,
)
from .pathology_text import Part, parts, side_of
from .prefetch import Deliveries
from .reading.documents import Document, Reader, Written, no_reader
from .terminology import Concept, Means, Terminology, folded

FINAL = frozenset({"final", "amended", "corrected", "appended"})
PRELIMINARY = frozenset({"preliminary", "partial", "registered"})
CORRECTIONS = frozenset({"amended", "corrected", "appended"})
VOID = frozenset({"entered-in-error", "cancelled"})
WAITING_ORDERS = frozenset({"active", "on-hold", "draft"})
ORDER_INTENTS = frozenset({"order", "original-order", "filler-order", "instance-order"})
DRAFT_STATUSES = WAITING_ORDERS | {""}
DRAFT_INTENTS = ORDER_INTENTS | {"", "proposal", "plan", "reflex-order"}
"""What is about to be signed becomes an order by that, whatever it was meant as; an option or a directive does not."""
_EXAMINED = ("effectiveDateTime", "effectivePeriod", "effectiveInstant")
"""The elements that tell when an examination was made."""
WAITING_APPOINTMENTS = frozenset({"proposed", "pending", "booked", "arrived", "checked-in", "waitlist"})
ACTIVE_CONDITIONS = frozenset({"", "active", "recurrence", "relapse"})
DOUBTFUL_CONDITIONS = frozenset({"unconfirmed", "provisional", "differential"})
REFUTED_CONDITIONS = frozenset({"refuted", "entered-in-error"})

_UNSPECIFIC = (
    OrderKind.OTHER,
    OrderKind.MAMMOGRAM,
    OrderKind.TOMOSYNTHESIS,
    OrderKind.BIOPSY,
    OrderKind.NEEDLE_BIOPSY,
)
"""Kinds that give way to a more specific coding of the same order, the least specific first."""


def history(deliveries: Deliveries, patient_id: str, terminology: Terminology, read: Reader = no_reader) -> History:
    """The history of one patient from what was delivered.

    `patient_id` is the patient of the context; resources of anybody else are not used. Raises `OtherPatient` where the
    Patient that was delivered is another person.
    """
    return _Mapper(deliveries, bare_id(patient_id), terminology, read).history()


def bare_id(patient_id: str) -> str:
    """A logical id, also where a client sent a whole reference."""
    found = type_and_id(patient_id)
    return found[1] if found else patient_id


@dataclass(slots=True)
class _Reading:
    """What the Observations of one study amount to, while they are being read."""

    assessments: list[Assessment] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    biopsies_recommended: list[Recommendation] = field(default_factory=list)
    has_other_findings: bool = False
    mentions_calcifications: bool = False
    is_marker_film: bool = False
    prior_films_needed: bool = False
    documents: list[Document] = field(default_factory=list)
    kinds: set[OrderKind] = field(default_factory=set)
    sides: set[Side] = field(default_factory=set)
    is_breast: bool = False
    dates: list[PartialDate] = field(default_factory=list)
    is_final: bool = True
    doubt: Gap | None = None
    reference: str = ""
    title: str = ""


class _Mapper:
    def __init__(self, deliveries: Deliveries, patient_id: str, terminology: Terminology, read: Reader) -> None:
        self.deliveries = deliveries
        self.patient_id = patient_id
        self.patient = f"Patient/{patient_id}"
        self.terms = terminology
        self.read = read
        self.gaps: list[Gap] = []
        self.by_name: dict[tuple[str, str], Json] = {}
        self.by_url: dict[str, Json] = {}
        self.by_type: dict[str, list[Json]] = {}
        self.results: list[PathologyResult] = []
        self.exams: list[Procedure] = []
        self.biopsies: list[Procedure] = []
        for delivery in deliveries.values():
            for url, resource in delivery.resources:
                self._index(url, resource)
        for resources in self.by_type.values():  # the order of arrival never decides anything
            resources.sort(key=lambda each: text(each.get("id")) or _spelt(each))

    def _index(self, url: str, resource: Json) -> None:
        kind, ident = text(resource.get("resourceType")), text(resource.get("id"))
        if ident:
            known = self.by_name.get((kind, ident))
            if known is not None:
                if _version(resource) <= _version(known):
                    if url:
                        self.by_url.setdefault(url, known)
                    return
                self.by_type[kind].remove(known)
            self.by_name[kind, ident] = resource
        if url:
            self.by_url[url] = resource
        self.by_type.setdefault(kind, []).append(resource)

    # ------------------------------------------------------------------------------
    # The whole

    def history(self) -> History:
        patient = self._patient()
        problems = [
            problem
            for problem in self._mine("Condition", "subject", "patient")
            if _status_code(problem.get("verificationStatus")) not in REFUTED_CONDITIONS
        ]
        procedures = self._listed("procedures", self._procedures())
        self.biopsies = [done for done in procedures if done.kind.is_biopsy]
        studies = self._studies(problems)
        return History(
            patient=patient,
            studies=tuple(studies),
            orders=self._listed("orders", self._orders()),
            procedures=replace(procedures, items=(*procedures.items, *self.exams)),
            pathology=tuple(self.results),
            conditions=self._conditions(problems),
            appointments=self._listed("appointments", self._appointments()),
            gaps=tuple(dict.fromkeys(self.gaps)),
        )

    def _listed(self, key: str, items: Iterable[T]) -> Listed[T]:
        return Listed(tuple(items), self._gap(key))

    def _gap(self, key: str) -> Gap | None:
        """Why there may be more than what was found of a key."""
        reason = self.deliveries[key].gap
        return None if reason is None else Gap(reason, key)

    def _mine(self, kind: str, *subjects: str) -> Iterator[Json]:
        """The resources of a type that belong to the patient; those of somebody else are named as gaps."""
        for resource in self.by_type.get(kind, ()):
            target = next((reference(child(resource.get(each))) for each in subjects if resource.get(each)), "")
            if self._is_other(target, resource):
                self.gaps.append(Gap(Reason.OTHER_PATIENT, name(resource)))
            else:
                yield resource

    def _is_other(self, target: str, within: Json) -> bool:
        if not target or target == self.patient:
            return False
        found = type_and_id(target)
        if found is None:
            resolved = self._resolved(target, within)
            found = None if resolved is None else (text(resolved.get("resourceType")), text(resolved.get("id")))
            if target.startswith("#") or found is None or not found[1]:
                return False
        return found != ("Patient", self.patient_id)

    def _resolved(self, target: str, within: Json) -> Json | None:
        """The resource that a reference leads to, among the contained and the delivered ones."""
        if target.startswith("#"):
            return next((c for c in objects(within.get("contained")) if text(c.get("id")) == target[1:]), None)
        if target in self.by_url:
            return self.by_url[target]
        found = type_and_id(target)
        return self.by_name.get(found) if found else None

    # ------------------------------------------------------------------------------
    # Concepts

    def concepts(self, concept: object) -> Iterator[Concept]:
        """What the codings of a CodeableConcept mean; misused ones are named as gaps."""
        for system, code in codings(concept):
            found = self.terms.concept(system, code)
            if found is not None:
                yield found
            elif self.terms.misuse(system, code) is not None:
                self.gaps.append(Gap(Reason.MISUSED_CODE, f"{code} ({system})"))

    def _order_kind(self, concept: Json) -> OrderKind | None:
        """The kind of breast order that a code names, by codes and else by words."""
        kinds = [OrderKind(each.value) for each in self.concepts(concept) if each.means is Means.ORDER]
        if kinds:
            return max(kinds, key=lambda each: _UNSPECIFIC.index(each) if each in _UNSPECIFIC else len(_UNSPECIFIC))
        return next(filter(None, map(self.terms.order_kind_in, words(concept))), None)

    def _ordered(self, concept: Json, resource: Json, *, has_site: bool = True) -> tuple[OrderKind, Side] | None:
        """What a code of a resource is for, and for which breast; None where it is for something else, or for neither
        breast. Resources without a body site have `has_site` false."""
        kind = self._order_kind(concept)
        if kind is None:
            return None
        side = self._order_side(concept, resource, self._site(resource) if has_site else Side.UNSTATED)
        return None if side is None else (kind, side)

    def _order_side(self, concept: Json, resource: Json, sited: Side = Side.UNSTATED) -> Side | None:
        """The breast that a code is for, by codes, words and site together; None, and a gap, where they contradict one
        another, so that it is for neither."""
        coded = joined({each.side for each in self.concepts(concept) if each.means is Means.ORDER})
        side = _agreed((sited, coded, *(self.terms.side_in(each, is_title=True) for each in words(concept))))
        if side is None:
            self.gaps.append(_contradicting(resource))
        return side

    def _site(self, resource: Json, element: str = "bodySite") -> Side:
        """The side that body sites, laterality extensions or a BodyStructure state."""
        sides = set()
        for site in objects(resource.get(element)):
            coded = self._sides_of(site)
            for extension in extensions(site):
                coded |= self._sides_of_extension(extension, resource)
            if not coded:
                coded = {self.terms.side_in(each, is_title=True) for each in words(site)}
            sides |= coded
        if not sides - {Side.UNSTATED}:
            for extension in extensions(resource):
                sides |= self._sides_of_extension(extension, resource)
        return joined(sides)

    def _sides_of(self, concept: object) -> set[Side]:
        return {each.side for each in self.concepts(concept) if each.means is Means.SIDE}

    def _sides_of_extension(self, extension: Json, within: Json) -> set[Side]:
        found = self._sides_of(child(extension.get("valueCodeableConcept")))
        coding = child(extension.get("valueCoding"))
        if coding:
            found |= self._sides_of({"coding": [coding]})
        structure = self._resolved(reference(child(extension.get("valueReference"))), within)
        if structure is not None and text(structure.get("resourceType")) == "BodyStructure":
            for element in ("location", "locationQualifier"):
                for concept in objects(structure.get(element)):
                    found |= self._sides_of(concept)
        return found

    def _evidence(self, resource: Json, place: str, concept: Concept) -> Evidence:
        statement = f"{concept.code} ({self.terms.titles[concept.system]})"
        if concept.display:
            statement += f", {concept.display}"
        return Evidence(reference=name(resource), place=place, statement=statement)

    # ------------------------------------------------------------------------------
    # Patient and conditions

    def _patient(self) -> Answer[Patient]:
        delivery = self.deliveries["patient"]
        people = [r for _, r in delivery.resources if text(r.get("resourceType")) == "Patient"]
        if people and not any(text(person.get("id")) in ("", self.patient_id) for person in people):
            raise OtherPatient
        person = next((each for each in people if text(each.get("id")) in ("", self.patient_id)), None)
        if person is None:
            return Unknown(Gap(delivery.gap or Reason.NOT_SENT, "patient"))
        born = partial_date(person.get("birthDate"))
        sex = text(person.get("gender")).lower()
        return Patient(
            born=born or Unknown(Gap(Reason.UNREADABLE, "birthDate")),
            sex=sex or Unknown(Gap(Reason.UNREADABLE, "gender")),
            is_deceased=person.get("deceasedBoolean") is True or bool(text(person.get("deceasedDateTime"))),
        )

    def _conditions(self, problems: Iterable[Json]) -> Conditions:
        cancer: list[Sided] = []
        mastectomy: list[Sided] = []
        context: set[str] = set()
        for resource in problems:
            is_doubtful = _status_code(resource.get("verificationStatus")) in DOUBTFUL_CONDITIONS
            for concept in self.concepts(child(resource.get("code"))):
                is_mastectomy = concept.value == "mastectomy" and concept.means in (Means.CONDITION, Means.ORDER)
                if concept.means is not Means.CONDITION and not is_mastectomy:
                    continue
                side = concept.side if concept.side is not Side.UNSTATED else self._side_of_condition(resource)
                sided = Sided(
                    side=side,
                    since=any_date(resource, "onsetDateTime", "onsetPeriod"),
                    reference=name(resource),
                    recorded=any_date(resource, "recordedDate"),
                )
                if is_mastectomy:
                    if not is_doubtful:
                        mastectomy.append(sided)
                elif concept.value == "cancer-current":
                    if _is_active(resource) and not is_doubtful:
                        cancer.append(sided)
                elif _is_active(resource):
                    context.add(concept.value)
                break
        return Conditions(
            cancer=tuple(cancer),
            mastectomy=tuple(mastectomy),
            context=frozenset(context),
            gap=self._gap("conditions"),
        )

    def _side_of_condition(self, resource: Json) -> Side:
        sited = self._site(resource)
        if sited is not Side.UNSTATED:
            return sited
        return joined({self.terms.side_in(each) for each in words(child(resource.get("code")))})

    # ------------------------------------------------------------------------------
    # Orders, procedures, appointments

    def _orders(self) -> Iterator[Order]:
        for resource in (*self._mine("ServiceRequest", "subject"), *self._mine("ProcedureRequest", "subject")):
            order = self.order(resource) if _is_wanted(resource, WAITING_ORDERS, ORDER_INTENTS) else None
            if order is not None:
                yield order

    def order(self, resource: Json) -> Order | None:
        """A request as a breast order, or None where it is for something else or does not tell for which breast."""
        code = child(resource.get("code"))
        ordered = self._ordered(code, resource)
        if ordered is None:
            return None
        kind, side = ordered
        if kind is OrderKind.MAMMOGRAM and self._is_for_screening(resource):
            kind = OrderKind.SCREENING_MAMMOGRAM
        occurrence = resource.get("occurrencePeriod")
        day = partial_date(resource.get("occurrenceDateTime"))
        return Order(
            reference=name(resource),
            kind=kind,
            title=next(iter(words(code)), ""),
            side=side,
            authored=any_date(resource, "authoredOn"),
            starts=partial_date(occurrence.get("start")) if isinstance(occurrence, dict) else day,
            ends=partial_date(occurrence.get("end")) if isinstance(occurrence, dict) else day,
            is_timed_otherwise=isinstance(resource.get("occurrenceTiming"), dict),
        )

    def _is_for_screening(self, resource: Json) -> bool:
        return any(
            concept.means is Means.CONDITION and concept.value == "screening"
            for reason in objects(resource.get("reasonCode"))
            for concept in self.concepts(reason)
        )

    def _procedures(self) -> Iterator[Procedure]:
        for resource in self._mine("Procedure", "subject"):
            if text(resource.get("status")) != "completed" or resource.get("notDone") is True:  # notDone: STU3
                continue
            ordered = self._ordered(child(resource.get("code")), resource)
            if ordered is None:
                continue
            yield Procedure(
                reference=name(resource),
                kind=ordered[0],
                side=ordered[1],
                date=any_date(resource, "performedDateTime", "performedPeriod", "performedString"),
            )

    def _appointments(self) -> Iterator[Order]:
        for resource in self.by_type.get("Appointment", ()):
            patients = [
                target
                for participant in objects(resource.get("participant"))
                if (target := type_and_id(reference(child(participant.get("actor"))))) and target[0] == "Patient"
            ]
            if patients and ("Patient", self.patient_id) not in patients:
                self.gaps.append(Gap(Reason.OTHER_PATIENT, name(resource)))
                continue
            if text(resource.get("status")) not in WAITING_APPOINTMENTS:
                continue
            for concept in (*objects(resource.get("serviceType")), *objects(resource.get("reasonCode"))):
                ordered = self._ordered(concept, resource, has_site=False)
                if ordered is not None:
                    kind, side = ordered
                    starts = any_date(resource, "start", "requestedPeriod")
                    yield Order(reference=name(resource), kind=kind, title="", side=side, authored=None, starts=starts)
                    break

    # ------------------------------------------------------------------------------
    # Studies

    def _studies(self, problems: Iterable[Json]) -> list[Study]:
        observations = list(self._mine("Observation", "subject"))
        observations = [o for o in observations if text(o.get("status")) not in VOID]
        linked: set[int] = set()
        studies = self._reported(linked)
        for study in studies:
            self.gaps.extend(study.gaps)
        unlinked = [self._observed([o]) for o in observations if id(o) not in linked and self._may_be_breast(o)]
        found = self._with_unlinked(studies, [reading for reading in unlinked if reading.is_breast])
        return self._with_unlinked(found, [each for each in self._listed_problems(problems) if _is_news(each, found)])

    def _reported(self, linked: set[int]) -> list[Study]:
        """The studies that the reports are of; several versions of one report are one."""
        reports: list[list[_Version]] = []
        known: dict[object, list[_Version]] = {}
        for report in sorted(self._mine("DiagnosticReport", "subject"), key=_issued):
            study = None if text(report.get("status")) in VOID else self._study(report, linked=linked)
            if study is None:
                continue
            keys = list(_examinations_of(report, study))
            versions = next((known[key] for key in keys if key in known), None)
            if versions is None:
                reports.append(versions := [])
            known.update(dict.fromkeys(keys, versions))
            versions[:] = self._standing_versions(versions, (report, study))
        return [study for versions in reports for _, study in versions]

    def _standing_versions(self, older: list[_Version], newer: _Version) -> list[_Version]:
        """What stands of the versions of a report when another one comes. A correction replaces the others where it
        states an assessment. Where it does not, or is added and leaves out what they state, it is read together with
        the last."""
        report, study = newer
        status = text(report.get("status"))
        if older and status in CORRECTIONS and study.is_final and not study.disputes:
            stated = {each.side for each in study.assessments}
            replaced = {each.side for _, version in older for each in version.assessments}
            replaced |= {each.side for _, version in older for each in version.disputes}
            if stated and (status != "appended" or (replaced and replaced <= stated)):
                return [newer]
            former, before = older[-1]
            is_clear = before.is_final and not before.disputes
            if is_clear and text(former.get("conclusion")) and text(report.get("conclusion")):
                both = _with_addendum(former, report)
                together = self._study(both, linked=set())
                if together is not None and (together.assessments or together.disputes):
                    return [*older[:-1], (both, together)]
        return [*older, newer]

    def _listed_problems(self, problems: Iterable[Json]) -> Iterator[_Reading]:
        """The categories that a problem list states as problems."""
        for problem in problems:
            concepts = [c for c in self.concepts(child(problem.get("code"))) if c.means is Means.CATEGORY]
            if not concepts or not _is_active(problem):
                continue
            reading = _Reading(reference=name(problem), title=next(iter(words(child(problem.get("code")))), ""))
            if _status_code(problem.get("verificationStatus")) in DOUBTFUL_CONDITIONS:
                reading.is_final, reading.doubt = False, Gap(Reason.UNREADABLE, f"{name(problem)} (status)")
            side = self._side_of_condition(problem)
            level = Level.EXAM if side is Side.UNSTATED else Level.BREAST
            for concept in concepts:
                self._fact(concept, problem, "code", side, level, reading)
            date = any_date(problem, "onsetDateTime", "onsetPeriod", "recordedDate", "assertedDate")
            if date is not None:
                reading.dates.append(date)
            yield reading

    def _with_unlinked(self, studies: list[Study], readings: list[_Reading]) -> list[Study]:
        """Observations that no report points to belong to the report of the same day, where there is just one;
        otherwise those of one day are a study of their own."""
        found = list(studies)
        orphans: dict[object, _Reading] = {}
        for reading in readings:
            if not reading.dates:
                reading.is_final, reading.doubt = False, Gap(Reason.UNDATED, reading.reference)
                orphans[reading.reference, len(orphans)] = reading
                continue
            day = reading.dates[0].first
            same_day = [place for place, study in enumerate(found) if study.date.first == day and _is_imaging(study)]
            one = found[same_day[0]] if len(same_day) == 1 else None
            if one is not None and (one.is_final, one.doubt is None) == (reading.is_final, reading.doubt is None):
                found[same_day[0]] = self._with_words(_joined(one, reading), reading)
            else:
                _absorb(orphans.setdefault((day, reading.is_final, reading.doubt is None), _Reading()), reading)
        for reading in orphans.values():
            if reading.doubt is not None:
                self.gaps.append(reading.doubt)
            study = self._with_words(_orphan_study(reading), reading)
            if study.assessments or study.disputes or study.findings:
                found.append(study)
            else:
                self.exams.extend(_examinations(reading))
        return found

    def _with_words(self, study: Study, reading: _Reading) -> Study:
        """A study with what its Observations say in words."""
        if not reading.documents:
            return study
        written = self.read(reading.documents, is_breast=reading.is_breast)
        self.gaps.extend(written.gaps)
        return replace(
            study,
            assessments=(*study.assessments, *written.assessments),
            disputes=(*study.disputes, *written.disputes),
            biopsies_recommended=(*study.biopsies_recommended, *written.biopsies_recommended),
            mentions_calcifications=study.mentions_calcifications or written.mentions_calcifications,
            gaps=(*study.gaps, *written.gaps),
        )

    def _study(self, report: Json, *, linked: set[int]) -> Study | None:
        code = child(report.get("code"))
        kind = self._order_kind(code)
        members, missing = self._members(report)
        # A preliminary observation adds nothing yet. One without a known status is as final as its report.
        reading = self._observed([each for each in members if text(each.get("status")) not in PRELIMINARY])
        is_final, doubt = _standing(report)
        linked.update(id(member) for member in members)
        self._conclusion_codes(report, reading)
        categories = self._report_categories(report)
        if self._is_pathology(report, categories, kind, reading):
            self._pathology(report, members, is_final=is_final)
            return None
        is_breast = self._is_breast_imaging(report, categories, kind, reading)
        documents = [*self._documents(report), *reading.documents] if _may_be_assessed(kind) else []
        # Where a report does not say what it is about, its words may say that it is breast imaging; they may also where
        # it was filed elsewhere, as long as they speak of the breast at all.
        if not is_breast and categories and "radiology" not in categories and not self._speak_of_breast(documents):
            return None
        written = self.read(documents, is_breast=is_breast) if documents else Written()
        if not is_breast and not (written.assessments or written.disputes):
            return None
        date = any_date(report, *_EXAMINED, "issued")
        if date is None and text(report.get("status")) not in PRELIMINARY:
            doubt = Gap(Reason.UNDATED, name(report))
        side = Side.UNSTATED if kind is None else self._order_side(code, report)
        if side is None and is_final:  # it is a study of neither breast, but what it says is not passed over
            doubt = doubt or _contradicting(report)
        gaps = [*_absent_forms(report), *written.gaps, *([doubt] if doubt else [])]
        is_assessed = bool(reading.assessments or written.assessments or written.disputes)
        if missing and not reading.assessments and not written.assessments:
            gaps.append(Gap(Reason.NOT_SENT, f"{name(report)}.result"))
        return Study(
            reference=name(report),
            title=next(iter(words(code)), ""),
            date=date or UNDATED,
            is_final=is_final and doubt is None,
            doubt=doubt,
            kinds=frozenset({kind} if kind is not None else reading.kinds),
            side=joined(reading.sides) if side in (None, Side.UNSTATED) else side,
            assessments=(*_with_prior_films(reading), *written.assessments),
            disputes=written.disputes,
            findings=tuple(reading.findings),
            biopsies_recommended=(*reading.biopsies_recommended, *written.biopsies_recommended),
            has_other_findings=reading.has_other_findings,
            mentions_calcifications=reading.mentions_calcifications or written.mentions_calcifications,
            is_marker_film=reading.is_marker_film or (not is_assessed and self._is_marker_film(report, date)),
            gaps=tuple(gaps),
        )

    def _is_marker_film(self, report: Json, date: PartialDate | None) -> bool:
        """Whether a report begins as one of the films that follow a biopsy, and a biopsy was done just before it."""
        title = _FIRST_CLAUSE.match(text(report.get("conclusion")))
        return (
            date is not None
            and title is not None
            and self.terms.order_kind_in(title[0]) is OrderKind.POST_PROCEDURE_VIEWS
            and any(
                done.date is not None and 0 <= (date.first - done.date.first).days <= self.terms.words.marker_film_days
                for done in self.biopsies
            )
        )

    def _speak_of_breast(self, documents: Iterable[Document]) -> bool:
        """Whether words may speak of the breast; an attachment is not looked into for that."""
        return any(
            each.is_base64 or _NAMES_BIRADS.search(each.content) or self.terms.names_breast(each.content)
            for each in documents
        )

    def _is_breast_imaging(self, report: Json, categories: Set[str], kind: OrderKind | None, reading: _Reading) -> bool:
        if kind is not None or reading.is_breast:
            return True
        if any(concept.means is Means.BREAST_REPORT for concept in self.concepts(child(report.get("code")))):
            return True
        titles = words(child(report.get("code")))
        return "radiology" in categories and any(map(self.terms.names_breast, titles))

    def _report_categories(self, report: Json) -> set[str]:
        return {
            concept.value
            for element in (*objects(report.get("category")), child(report.get("code")))
            for concept in self.concepts(element)
            if concept.means is Means.REPORT_CATEGORY
        }

    def _members(self, report: Json) -> tuple[list[Json], bool]:
        """The Observations of a report with their members, and whether some could not be found."""
        found: list[Json] = []
        missing = False
        targets = [reference(each) for each in objects(report.get("result"))]
        queue = [(target, report) for target in targets if target]
        queue += [(f"#{text(c.get('id'))}", report) for c in objects(report.get("contained")) if _is_observation(c)]
        while queue and len(found) < 1000:
            target, within = queue.pop(0)
            member = self._resolved(target, within)
            if member is None or not _is_observation(member):
                missing = missing or member is None
                continue
            if any(member is each for each in found) or text(member.get("status")) in VOID:
                continue
            if self._is_other(reference(child(member.get("subject"))), member):
                continue
            found.append(member)
            home = within if target.startswith("#") else member
            queue += [(t, home) for each in objects(member.get("hasMember")) if (t := reference(each))]
            queue += [(f"#{text(c.get('id'))}", member) for c in objects(member.get("contained")) if _is_observation(c)]
        return found, missing

    def _conclusion_codes(self, report: Json, reading: _Reading) -> None:
        for concept in _conclusions(report):
            sides = {self.terms.side_in(each) for each in words(concept)[:1]} if concept.get("text") else set()
            understood = False
            for each in self.concepts(concept):
                understood = True
                self._fact(each, report, "conclusionCode", joined(sides), Level.EXAM, reading)
            if not understood and text(concept.get("text")):
                reading.documents.append(_plain(report, "conclusionCode.text", text(concept["text"])))
        for each in self.concepts(child(report.get("code"))):
            if each.means is Means.CATEGORY:
                self._fact(each, report, "code", Side.UNSTATED, Level.EXAM, reading)

    def _fact(self, concept: Concept, resource: Json, place: str, side: Side, level: Level, reading: _Reading) -> None:
        """Takes one coded concept into what is known of a study."""
        match concept.means:
            case Means.CATEGORY:
                reading.is_breast = True
                reading.assessments.append(
                    Assessment(
                        category=Category(concept.value),
                        side=side,
                        level=level,
                        basis=Basis.CODED,
                        evidence=self._evidence(resource, place, concept),
                    )
                )
            case Means.MARKER_FILM:
                reading.is_breast = reading.is_marker_film = True
            case Means.RECOMMENDATION:
                reading.prior_films_needed = reading.prior_films_needed or concept.value == "obtain-priors"
                if _recommends_biopsy(concept):
                    found = Recommendation(side=side, evidence=self._evidence(resource, place, concept))
                    reading.biopsies_recommended.append(found)
            case Means.CALCIFICATION | Means.MORPHOLOGY if level is Level.EXAM:
                reading.is_breast = reading.mentions_calcifications = True
                reading.findings.append(
                    Finding(
                        side=side,
                        morphologies=(Morphology(concept.value),) if concept.value in _MORPHOLOGIES else (),
                        distributions=(),
                        change=None,
                        isolated=False,
                        unmapped=(),
                        evidence=self._evidence(resource, place, concept),
                    )
                )
            case Means.OTHER_FINDING:
                reading.has_other_findings = True

    # ------------------------------------------------------------------------------
    # Observations

    def _observed(self, observations: Iterable[Json]) -> _Reading:
        reading = _Reading()
        for observation in observations:
            self._observe(observation, reading)
        return reading

    def _may_be_breast(self, observation: Json) -> bool:
        """Whether an Observation has any code that we know, or words that name BI-RADS. Most of a chart has neither,
        and its sites, sides and dates need no look."""
        parts = (observation, *objects(observation.get("component")))
        asked = ("code", "valueCodeableConcept")
        if any(any(self.concepts(child(part.get(each)))) for part in parts for each in asked):
            return True
        spoken = [part.get("valueString") for part in parts]
        spoken += [note.get("text") for note in objects(observation.get("note"))]
        spoken += [child(observation.get("valueCodeableConcept")).get("text"), *words(child(observation.get("code")))]
        return any(_NAMES_BIRADS.search(text(each)) for each in spoken if each)

    def _observe(self, observation: Json, reading: _Reading) -> None:
        code = list(self.concepts(child(observation.get("code"))))
        value = child(observation.get("valueCodeableConcept"))
        values = list(self.concepts(value)) if value else []
        components = objects(observation.get("component"))
        answers = [(c, list(self.concepts(child(c.get("valueCodeableConcept"))))) for c in components]
        said = (*code, *values, *(each for _, concepts in answers for each in concepts))
        is_breast = any(each.means in _BREAST_FACTS or _recommends_biopsy(each) for each in said)
        if not reading.reference:
            reading.reference = name(observation)
            reading.title = next(iter(words(child(observation.get("code")))), "")
            reading.is_final, reading.doubt = _standing(observation)
        side = self._observation_side(observation, code, components, answers)
        documents = list(self._observation_texts(observation, code, values, side))
        documents += [each for c in components for each in self._component_texts(observation, c, side)]
        is_breast = is_breast or any(_NAMES_BIRADS.search(each.content) for each in documents)
        reading.documents.extend(documents)
        date = any_date(observation, *_EXAMINED, "issued")
        if date is not None:
            reading.dates.append(date)
        if not is_breast:
            return
        reading.is_breast = True
        if _is_absent(observation, values, answers, self):
            return
        kinds = {OrderKind(each.value) for each in code if each.means is Means.ORDER}
        studied = self._order_side(child(observation.get("code")), observation, side) if kinds else None
        if studied is not None:
            reading.kinds |= kinds
            reading.sides.add(studied)
        is_lesion = any(each.means in _FINDINGS for each in code)
        level = Level.LESION if is_lesion else Level.EXAM if side is Side.UNSTATED else Level.BREAST
        for concept, place in [
            *((each, "code") for each in code if each.means in (Means.CATEGORY, Means.OTHER_FINDING)),
            *((each, "valueCodeableConcept") for each in values),
        ]:
            if concept.means not in _FINDINGS or concept.means is Means.OTHER_FINDING:
                self._fact(concept, observation, place, side, level, reading)
        for component, concepts in answers:
            own = self._component_side(component)
            for concept in concepts:
                if concept.means in (Means.CATEGORY, Means.MARKER_FILM, Means.RECOMMENDATION, Means.OTHER_FINDING):
                    place = "component.valueCodeableConcept"
                    one = own if own is not Side.UNSTATED else side
                    its = Level.BREAST if own is not Side.UNSTATED and not is_lesion else level
                    self._fact(concept, observation, place, one, its, reading)
        finding = self._finding(observation, code, values, answers, side)
        if finding is not None:
            reading.findings.append(finding)

    def _observation_side(
        self,
        observation: Json,
        code: Sequence[Concept],
        components: Sequence[Json],
        answers: Sequence[tuple[Json, list[Concept]]],
    ) -> Side:
        sited = self._site(observation)
        if sited is not Side.UNSTATED:
            return sited
        asked = {
            each.side
            for component, concepts in answers
            for each in concepts
            if each.means is Means.SIDE and self._asks(component, "side")
        }
        if asked:
            return joined(asked)
        return joined({each.side for each in code})

    def _asks(self, component: Json, question: str) -> bool:
        return any(
            each.means is Means.QUESTION and each.value == question
            for each in self.concepts(child(component.get("code")))
        )

    def _component_side(self, component: Json) -> Side:
        code = child(component.get("code"))
        sides = {each.side for each in self.concepts(code)} - {Side.UNSTATED}
        return joined(sides or {self.terms.side_in(each, is_title=True) for each in words(code)[:1]})

    def _finding(
        self,
        observation: Json,
        code: Sequence[Concept],
        values: Sequence[Concept],
        answers: Sequence[tuple[Json, list[Concept]]],
        side: Side,
    ) -> Finding | None:
        """The calcification finding that an Observation describes, if it describes one."""
        concepts = [*code, *values, *(each for _, found in answers for each in found)]
        if not any(each.means in _CALCIFICATIONS for each in concepts):
            return None
        morphologies = [each.value for each in concepts if each.means is Means.MORPHOLOGY]
        distributions = [each.value for each in concepts if each.means is Means.DISTRIBUTION]
        changes = [Change(each.value) for each in concepts if each.means is Means.CHANGE]
        unmapped = [word for word in morphologies if word not in _MORPHOLOGIES]
        for component, found in answers:
            for question, into in (("morphology", morphologies), ("distribution", distributions)):
                if not any(each.means in _CALCIFICATIONS for each in found) and self._asks(component, question):
                    self._worded(component, question, into, unmapped)
        stated = next((each for each in concepts if each.means in _CALCIFICATIONS), None)
        return Finding(
            side=side,
            morphologies=tuple(dict.fromkeys(Morphology(word) for word in morphologies if word in _MORPHOLOGIES)),
            distributions=tuple(dict.fromkeys(Distribution(word) for word in distributions)),
            change=max(changes, key=list(Change).index, default=None),
            isolated=False,
            unmapped=tuple(dict.fromkeys(unmapped)),
            evidence=Evidence(
                reference=name(observation),
                place="Observation",
                statement=", ".join(
                    dict.fromkeys(each.display for each in concepts if each.means in _DESCRIPTORS and each.display)
                )
                or (stated.display if stated else ""),
            ),
        )

    def _worded(self, component: Json, question: str, into: list[str], unmapped: list[str]) -> None:
        """A descriptor in words, or in a code that is not known: the word if the terminology has it."""
        value = child(component.get("valueCodeableConcept"))
        spoken = words(value) or [text(component.get("valueString"))]
        for each in filter(None, spoken):
            for part in each.replace("/", "-").split("-") if "-" in each else [each]:
                found = self.terms.morphology_in(part) if question == "morphology" else self.terms.distribution_in(part)
                found = found or (
                    self.terms.morphology_in(each) if question == "morphology" else self.terms.distribution_in(each)
                )
                if found is not None:
                    into.append(found.value)
                    continue
                unmapped.append(each)
            return
        unmapped.extend(code for _, code in codings(value))

    def _observation_texts(
        self, observation: Json, code: Sequence[Concept], values: Sequence[Concept], side: Side
    ) -> Iterator[Document]:
        """What an Observation says in words, with the breast that it is about. Words about breast density are left
        out, because a density is written with the same digits and letters as an assessment."""
        if _is_about_density(code):
            return
        value = child(observation.get("valueCodeableConcept"))
        titles = words(child(observation.get("code")))
        if side is Side.UNSTATED:
            side = joined({self.terms.side_in(each, is_title=True) for each in titles[:1]})
        spoken = text(observation.get("valueString")) or ("" if values else text(value.get("text")))
        if spoken:
            place = "valueString" if "valueString" in observation else "valueCodeableConcept.text"
            is_asked = _is_about_assessment(code) or any(map(_NAMES_BIRADS.search, titles))
            asked = observation if is_asked else {}
            yield _plain(observation, place, _answered(asked, spoken), side)
        for note in objects(observation.get("note")):
            if text(note.get("text")):
                yield _plain(observation, "note", text(note["text"]), side)

    def _component_texts(self, observation: Json, component: Json, side: Side) -> Iterator[Document]:
        """An assessment that a component gives as text."""
        if text(component.get("valueString")) and self._asks(component, "assessment"):
            own = self._component_side(component)
            yield _plain(
                observation,
                "component.valueString",
                _answered(component, text(component["valueString"])),
                own if own is not Side.UNSTATED else side,
            )

    def _documents(self, report: Json) -> Iterator[Document]:
        """The report in words; the narrative only where there is nothing else, because it repeats the others."""
        found = False
        language = text(report.get("language"))
        if text(report.get("conclusion")):
            found = True
            yield replace(_plain(report, "conclusion", text(report["conclusion"])), language=language)
        for form in objects(report.get("presentedForm")):
            data = form.get("data")
            if isinstance(data, str) and data.strip():
                found = True
                yield Document(
                    reference=name(report),
                    place="presentedForm",
                    media_type=text(form.get("contentType")),
                    content=data,
                    is_base64=True,
                    language=text(form.get("language")) or language,
                )
        narrative = text(child(report.get("text")).get("div"))
        if narrative and not found:
            yield Document(
                reference=name(report), place="text", media_type="text/html", content=narrative, language=language
            )

    # ------------------------------------------------------------------------------
    # Pathology

    def _is_pathology(self, report: Json, categories: Set[str], kind: OrderKind | None, reading: _Reading) -> bool:
        """Whether a report is the result of a tissue diagnosis, and not an examination that suspects one."""
        if reading.assessments:
            return False
        is_examination = kind is not None and kind.is_imaging
        return "pathology" in categories or (
            not is_examination
            and any(
                concept.means is Means.PATHOLOGY
                for element in _conclusions(report)
                for concept in self.concepts(element)
            )
        )

    def _pathology(self, report: Json, members: Sequence[Json], *, is_final: bool) -> None:
        """A pathology report of the breast. One of another organ, or one that is not final, answers nothing; nor does
        it for a breast whose result it does not tell."""
        if not is_final:
            return
        conclusion = text(report.get("conclusion"))
        told = parts(conclusion, self.terms)
        results = list(self._pathology_results(report, members))
        specimens = list(self._specimen_sites(report))
        if not self._is_of_breast(report, members, told, results, [is_breast for is_breast, _ in specimens]):
            return
        of_breast = [part for part in told if part.is_breast]
        stated = joined({part.side for part in of_breast})
        side = _agreed(
            (
                stated if stated is not Side.UNSTATED else side_of(conclusion, self.terms),
                joined({side for _, side in specimens}),
                joined({self._site(member) for member in members}),
                joined({side for side, _ in results}),
                *map(self.terms.sides_in, words(child(report.get("code")))),
            )
        )
        if side is None:
            self.gaps.append(_contradicting(report))
            return
        if side is Side.UNSTATED:  # the breast that was asked about is a better guess than either of them
            side = self.terms.side_in(conclusion)
        is_shared = side is Side.BOTH or len(of_breast) < len(told)
        for breast in side.breasts or (side,):
            own = [each for its, each in results if its.covers(breast) and not (is_shared and its is Side.UNSTATED)]
            if is_shared:
                written = {part.result(self.terms) for part in of_breast if part.side.covers(breast)}
                own += [each for its, each in results if its is Side.UNSTATED and _is_told(each, written)]
            if own or not results:
                self._answered_by(report, breast, own)
            else:
                self.gaps.append(Gap(Reason.SIDE_UNSTATED, f"{name(report)} (result)"))

    def _answered_by(self, report: Json, side: Side, results: Sequence[Concept]) -> None:
        worst = max(results, key=lambda each: list(Pathology).index(Pathology(each.value)), default=None)
        self.results.append(
            PathologyResult(
                reference=name(report),
                side=side,
                date=any_date(report, *_EXAMINED, "issued"),
                result=None if worst is None else Pathology(worst.value),
                statement="" if worst is None else worst.display,
            )
        )

    def _pathology_results(self, report: Json, members: Sequence[Json]) -> Iterator[tuple[Side, Concept]]:
        """The coded results of a report, each with the side that is stated beside it."""
        stated = [(joined(set(map(self.terms.sides_in, words(each)))), each) for each in _conclusions(report)]
        stated += [(self._site(member), child(member.get("valueCodeableConcept"))) for member in members]
        for side, element in stated:
            for concept in self.concepts(element):
                if concept.means is Means.PATHOLOGY:
                    yield side, concept

    def _is_of_breast(
        self,
        report: Json,
        members: Sequence[Json],
        told: Sequence[Part],
        results: Sequence[tuple[Side, Concept]],
        specimens: Sequence[bool | None],
    ) -> bool:
        """Whether the tissue is of the breast: by its specimens, by codes, by the title, and else by the site with
        which the conclusion begins. What the words say of a history does not tell."""
        if set(specimens) - {None}:
            return any(specimens)
        coded = [concept for _, concept in results]
        coded += [
            each for member in members for site in objects(member.get("bodySite")) for each in self.concepts(site)
        ]
        if any(_names_breast(concept) for concept in coded):
            return True
        titled = [
            is_breast
            for each in words(child(report.get("code")))
            if (is_breast := self.terms.names_breast_first(self.terms.without_asides(folded(each)))) is not None
        ]
        if titled and not any(titled):
            return False
        return any([part.is_breast for part in told] or titled)

    def _specimen_sites(self, report: Json) -> Iterator[tuple[bool | None, Side]]:
        """Whether each specimen of a report was taken from the breast, None where nothing tells, and its side."""
        specimens = [each for each in objects(report.get("contained")) if each.get("resourceType") == "Specimen"]
        for pointer in objects(report.get("specimen")):
            found = self._resolved(reference(pointer), report)
            if found is not None and not any(found is each for each in specimens):
                specimens.append(found)
            elif found is None and text(pointer.get("display")):
                shown = text(pointer.get("display"))
                yield self.terms.names_breast_first(shown), self.terms.sides_in(shown)
        for specimen in specimens:
            collection = child(specimen.get("collection"))
            for site in objects(collection.get("bodySite")):
                known = any(_names_breast(concept) for concept in self.concepts(site))
                named = {self.terms.names_breast_first(each) for each in words(site)} - {None}
                yield (True if known or True in named else False if named else None), self._site(collection)


_MORPHOLOGIES = frozenset(word.value for word in Morphology)
_BIOPSIES_RECOMMENDED = frozenset(
    (
        "biopsy",
        "core-biopsy",
        "stereotactic-biopsy",
        "us-biopsy",
        "mri-biopsy",
        "surgical-biopsy",
        "surgical-biopsy-localised",
    )
)
"""Of the breast, by the systems that they come from. Neither cytology nor excision: a cyst or a fibroadenoma is
punctured or taken out without suspicion."""
_CALCIFICATIONS = frozenset({Means.CALCIFICATION, Means.MORPHOLOGY, Means.DISTRIBUTION})
_DESCRIPTORS = frozenset({Means.MORPHOLOGY, Means.DISTRIBUTION, Means.CHANGE})
_FINDINGS = _CALCIFICATIONS | {Means.OTHER_FINDING}
_BREAST_FACTS = _FINDINGS | {Means.CATEGORY, Means.MARKER_FILM, Means.ORDER, Means.BREAST_REPORT}


_FIRST_CLAUSE = re.compile(r"[^.,;:\n]+")


def _is_told(result: Concept, written: Set[Pathology | None]) -> bool:
    """Whether a coded result is what the words of a breast say: a benign one only where they say nothing else."""
    value = Pathology(result.value)
    return value in written and (value is not Pathology.BENIGN or written == {value})


def _names_breast(concept: Concept) -> bool:
    return concept.means is Means.BREAST_SITE or "breast" in concept.display.lower()


def _agreed(sides: Iterable[Side]) -> Side | None:
    """The breast on which several statements of one thing agree, an unstated one agreeing with all; None where they
    contradict one another."""
    stated = [frozenset(side.breasts) for side in sides if side is not Side.UNSTATED]
    if not stated:
        return Side.UNSTATED
    common = frozenset.intersection(*stated)
    return joined(common) if common else None


def _contradicting(resource: Json) -> Gap:
    return Gap(Reason.AMBIGUOUS, f"{name(resource)} (side)")


def _may_be_assessed(kind: OrderKind | None) -> bool:
    """Whether a report of that kind can state an assessment; a biopsy report quotes the one that led to it."""
    return kind is None or kind.is_imaging


def _is_wanted(request: Json, statuses: Set[str], intents: Set[str]) -> bool:
    """Whether a request asks for something: not one that was taken back, and not one to leave it undone."""
    return (
        text(request.get("status")) in statuses
        and text(request.get("intent")) in intents
        and request.get("doNotPerform") is not True
    )


def _recommends_biopsy(concept: Concept) -> bool:
    return concept.means is Means.RECOMMENDATION and concept.value in _BIOPSIES_RECOMMENDED


def _is_observation(resource: Json) -> bool:
    return resource.get("resourceType") == "Observation"


def _absent_forms(report: Json) -> Iterator[Gap]:
    """The attachments of a report that were only pointed to."""
    for form in objects(report.get("presentedForm")):
        if not text(form.get("data")) and text(form.get("url")):
            yield Gap(Reason.NOT_SENT, f"{name(report)}.presentedForm")


def _plain(resource: Json, place: str, content: str, side: Side = Side.UNSTATED) -> Document:
    return Document(reference=name(resource), place=place, content=content, side=side)


_NAMES_BIRADS = re.compile(r"\bbi[ -]?rads\b", re.IGNORECASE)


def _is_about_density(code: Sequence[Concept]) -> bool:
    return any(c.means is Means.DENSITY or (c.means is Means.QUESTION and c.value == "density") for c in code)


def _is_about_assessment(code: Sequence[Concept]) -> bool:
    return any(c.means is Means.CATEGORY or (c.means is Means.QUESTION and c.value == "assessment") for c in code)


def _answered(asked: Json, answer: str) -> str:
    """An answer with its question before it, where that is the BI-RADS category and the answer is only its value."""
    return f"BI-RADS: {answer}" if asked and not _NAMES_BIRADS.search(answer) else answer


_Version: TypeAlias = tuple[Json, Study]
"""A version of a report, with the study as it describes it."""


def _examinations_of(report: Json, study: Study) -> Iterator[object]:
    """What tells that another report is a version of this one: an identifier, together with the kind and the day of
    the examination, because departments number visits and patients as well."""
    day = any_date(report, *_EXAMINED)
    for identifier in objects(report.get("identifier")):
        if text(identifier.get("value")):
            numbered = text(identifier.get("system")), text(identifier.get("value"))
            yield numbered, study.kinds, None if day is None else day.first


def _issued(report: Json) -> tuple[datetime, bool]:
    """What puts the versions of a report in order: when they were issued, and that a correction follows the others."""
    issued = any_date(report, "issued") or partial_date(child(report.get("meta")).get("lastUpdated"))
    issued = issued or any_date(report, *_EXAMINED) or UNDATED
    return _instant(issued), text(report.get("status")) in CORRECTIONS


def _with_addendum(report: Json, addendum: Json) -> Json:
    """A report with what was added to it."""
    lists = ("contained", "conclusionCode", "codedDiagnosis", "result", "presentedForm")
    both = {element: [*objects(report.get(element)), *objects(addendum.get(element))] for element in lists}
    said = f"{text(report.get('conclusion'))}\n\nADDENDUM:\n{text(addendum.get('conclusion'))}"
    return report | both | {"conclusion": said}


def _version(resource: Json) -> tuple[datetime, str]:
    """What tells the newer of two versions of a resource: when it was updated, as an instant. Without that nothing
    tells; then it is at least the same one in whatever order they arrive."""
    return _instant(partial_date(child(resource.get("meta")).get("lastUpdated")) or UNDATED), _spelt(resource)


def _instant(date: PartialDate) -> datetime:
    at = date.at or datetime.combine(date.first, time())
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _spelt(resource: Json) -> str:
    return json.dumps(resource, sort_keys=True)


def _standing(resource: Json) -> tuple[bool, Gap | None]:
    """Whether a report or an Observation is final, and the doubt where its status tells neither that nor that it is
    preliminary."""
    status = text(resource.get("status"))
    if status in FINAL or status in PRELIMINARY:
        return status in FINAL, None
    return False, Gap(Reason.UNREADABLE, f"{name(resource)} (status)")


def _conclusions(report: Json) -> list[Json]:
    """The coded conclusions of a report: `conclusionCode`, which STU3 calls `codedDiagnosis`."""
    return [*objects(report.get("conclusionCode")), *objects(report.get("codedDiagnosis"))]


def _is_active(problem: Json) -> bool:
    """Whether a condition is not over: by its status, and by an end that is stated in whatever form."""
    has_ended = any(key.startswith("abatement") and value not in (None, False, "") for key, value in problem.items())
    return _status_code(problem.get("clinicalStatus")) in ACTIVE_CONDITIONS and not has_ended


_REPEATED_WITHIN_DAYS = 365


def _is_news(problem: _Reading, studies: Iterable[Study]) -> bool:
    """Whether a category on the problem list is more than a note of what a study of the year before it said."""
    return not any(
        stated.side.covers(noted.side) and stated.category.agrees_with(noted.category)
        for study in studies
        if study.is_final
        and (not problem.dates or 0 <= (problem.dates[0].last - study.date.first).days <= _REPEATED_WITHIN_DAYS)
        for stated in study.assessments
        for noted in problem.assessments
    )


def _status_code(concept: object) -> str:
    """The code of a status, whether it is a CodeableConcept (R4) or a bare code (STU3)."""
    if isinstance(concept, str):
        return concept.strip()
    coding = next(iter(objects(child(concept).get("coding"))), {})
    return text(coding.get("code"))


def _is_absent(
    observation: Json,
    values: Sequence[Concept],
    answers: Sequence[tuple[Json, list[Concept]]],
    mapper: _Mapper,
) -> bool:
    """Whether an Observation says that its finding is not there."""
    if observation.get("valueBoolean") is False:
        return True
    said = [*values, *(c for component, found in answers if mapper._asks(component, "presence") for c in found)]
    return any(concept.means is Means.PRESENCE and concept.value == "absent" for concept in said)


def _with_prior_films(reading: _Reading) -> tuple[Assessment, ...]:
    if not reading.prior_films_needed:
        return tuple(reading.assessments)
    return tuple(
        replace(each, prior_films_needed=True) if each.category is Category.INCOMPLETE else each
        for each in reading.assessments
    )


def _is_imaging(study: Study) -> bool:
    return not study.kinds or any(kind.is_imaging for kind in study.kinds)


def _joined(study: Study, reading: _Reading) -> Study:
    return replace(
        study,
        assessments=(*study.assessments, *_with_prior_films(reading)),
        findings=(*study.findings, *reading.findings),
        biopsies_recommended=(*study.biopsies_recommended, *reading.biopsies_recommended),
        has_other_findings=study.has_other_findings or reading.has_other_findings,
        mentions_calcifications=study.mentions_calcifications or reading.mentions_calcifications,
        is_marker_film=study.is_marker_film or reading.is_marker_film,
    )


def _absorb(into: _Reading, reading: _Reading) -> None:
    into.reference = into.reference or reading.reference
    into.title = into.title or reading.title
    into.is_final = reading.is_final
    into.doubt = reading.doubt
    into.assessments += reading.assessments
    into.findings += reading.findings
    into.biopsies_recommended += reading.biopsies_recommended
    into.has_other_findings |= reading.has_other_findings
    into.mentions_calcifications |= reading.mentions_calcifications
    into.is_marker_film |= reading.is_marker_film
    into.prior_films_needed |= reading.prior_films_needed
    into.kinds |= reading.kinds
    into.sides |= reading.sides
    into.dates += reading.dates
    into.documents += reading.documents


def _orphan_study(reading: _Reading) -> Study:
    return Study(
        reference=reading.reference,
        title=reading.title,
        date=reading.dates[0] if reading.dates else UNDATED,
        is_final=reading.is_final,
        doubt=reading.doubt,
        kinds=frozenset(reading.kinds),
        side=joined(reading.sides),
        assessments=_with_prior_films(reading),
        findings=tuple(reading.findings),
        biopsies_recommended=tuple(reading.biopsies_recommended),
        has_other_findings=reading.has_other_findings,
        mentions_calcifications=reading.mentions_calcifications,
        is_marker_film=reading.is_marker_film,
    )


def _examinations(reading: _Reading) -> Iterator[Procedure]:
    """Observations that only say that an examination took place."""
    if reading.is_final and reading.dates:
        for kind in reading.kinds:
            yield Procedure(reference=reading.reference, kind=kind, side=joined(reading.sides), date=reading.dates[0])


def drafts(
    bundle: object, patient_id: str, terminology: Terminology
) -> tuple[Mapping[str, tuple[Json, Order | None]], Sequence[Gap]]:
    """The draft orders of a hook's context by their relative reference, each with the resource as it was sent, so that
    an update can give it back whole, and what could not be made out of them. The order is None where it has nothing to
    do with the breast, asks for nothing, or does not tell for which breast. A draft without an id is known by its
    place."""
    mapper = _Mapper({}, bare_id(patient_id), terminology, no_reader)
    found: dict[str, tuple[Json, Order | None]] = {}
    entries = objects(bundle.get("entry")) if isinstance(bundle, dict) else []
    for place, entry in enumerate(entries, start=1):
        resource = entry.get("resource")
        if isinstance(resource, dict):
            is_request = resource.get("resourceType") in ("ServiceRequest", "ProcedureRequest")
            is_request = is_request and _is_wanted(resource, DRAFT_STATUSES, DRAFT_INTENTS)
            is_other = is_request and mapper._is_other(reference(child(resource.get("subject"))), resource)
            order = mapper.order(resource) if is_request and not is_other else None
            key = name(resource) if text(resource.get("id")) else f"{name(resource)} (entry {place})"
            found[key] = (resource, None if order is None else replace(order, reference=key))
    return found, mapper.gaps
