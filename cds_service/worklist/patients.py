"""One patient of a population: the lines of an export in, the rows of the worklist out.

The core decides, as when the chart is opened: a row stands for everything that a card would be shown for. Nothing is
silent that was not decided; such a patient has a row that says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from enum import StrEnum
from functools import lru_cache

import orjson

from ..core.answers import Gap
from ..core.guidance import Advice, Occasion, advice
from ..core.plan import Decision, decisions
from ..core.situation import Record
from ..core.vocabulary import Indicator, Side
from ..fhir_elements import Json, child, objects, reference, text, type_and_id, words
from ..fhir_mapping import history
from ..knowledge import Knowledge
from ..prefetch import NOT_SENT, REQUIRED, RESOURCE_TYPES, Delivery, Outcome
from ..reading.reader import ReportReader
from ..terminology import Means, Terminology

KEYS: Mapping[str, str] = {kind: key for key, kind in RESOURCE_TYPES.items()} | {
    "ProcedureRequest": "orders",
    "BodyStructure": "observations",
}
"""The resource types that can matter, each with the prefetch key under which the service would have received it."""

_CHART_OPEN = Occasion(hook="patient-view", is_about_orders=False)


class State(StrEnum):
    """What is to be done about a row."""

    OPEN = "open"
    """A step that nobody has taken."""
    UNDECIDED = "undecided"
    """A fact that the protocol needs is not known."""
    LOOK_AGAIN = "look-again"
    """No step, but something on record has to be looked at again: the checks say what."""
    NOT_DECIDED = "not-decided"
    """Data of this patient were damaged, or deciding failed; there may be more to do than is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One breast of one patient, or the examination where no side is stated. `side` is that of the breast; an
    examination of both breasts has a row for each."""

    patient: str
    side: str
    state: str
    step: str | None = None
    row: str | None = None
    """The row of the protocol that decided, or at which the search stopped."""
    category: str | None = None
    group: str | None = None
    study: str | None = None
    study_date: str | None = None
    due: date | None = None
    overdue_from: date | None = None
    is_overdue: bool = False
    months_overdue: int | None = None
    """Whole months since the step was due; only where it is overdue."""
    is_urgent: bool = False
    indicator: str | None = None
    checks: str | None = None
    """Ids of the protocol's checks that ask to look again, separated by blanks."""
    because: str | None = None
    """Why it was not decided."""
    unchecked: str | None = None
    """Lists that could have held what closes the step, and were not in the export, separated by blanks."""

    def json(self) -> bytes:
        """The row as one line of JSON."""
        return orjson.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Decider:
    """Decides patients by one protocol on one day.

    `absent` holds the prefetch keys of which the whole export has not one resource: those were not exported, as far as
    can be told, and the core treats them as it treats a key that a client did not send.
    """

    knowledge: Knowledge
    protocol: str
    today: date
    absent: frozenset[str] = frozenset()
    _reader: ReportReader = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_reader", ReportReader(self.knowledge.languages))

    def rows(self, patient: str, lines: Sequence[bytes], damaged: Iterable[str] = ()) -> list[Row]:
        """The rows of one patient from the lines of the export, in whatever order they were met.

        `damaged` names the types of this patient's resources whose lines could not be read; an empty one could have
        been of any type.
        """
        broken = {KEYS.get(kind, "") for kind in damaged}
        try:
            found = self._decided(patient, sorted(lines), broken)
        except Exception as error:  # noqa: BLE001 (one patient never stops a population, and is never dropped)
            return [_not_decided(patient, f"deciding failed ({type(error).__name__})")]
        if broken:
            found = _with_damage(patient, found)
        return sorted(found, key=lambda row: row.side)

    def _decided(self, patient: str, lines: Sequence[bytes], broken: set[str]) -> list[Row]:
        resources = [orjson.loads(line) for line in lines]
        if not any(text(each.get("resourceType")) in _STUDIES for each in resources):
            return []  # every row of a protocol that ends in a step starts from a study
        by_key: dict[str, list[tuple[str, Json]]] = {key: [] for key in RESOURCE_TYPES}
        for resource in resources:
            by_key[KEYS[resource["resourceType"]]].append((_full_url(resource), resource))
        deliveries = {
            key: NOT_SENT
            if key in self.absent and not found
            else Delivery(
                outcome=Outcome.RECEIVED,
                resources=tuple(found),
                is_partial=bool(broken) and (key in broken or "" in broken),
            )
            for key, found in by_key.items()
        }
        read = history(deliveries, patient, self.knowledge.terminology, self._reader)
        record = Record(read, self.knowledge.guidelines[self.protocol].protocol, self.today)
        return _rows(patient, advice(record, decisions(record), _CHART_OPEN), self.today)


_STUDIES = tuple(RESOURCE_TYPES[key] for key in REQUIRED)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _full_url(resource: Json) -> str:
    """An export has no full URLs; a resource whose id is a UUID may be pointed to by that."""
    ident = text(resource.get("id"))
    return f"urn:uuid:{ident}" if _UUID.fullmatch(ident) else ""


# --------------------------------------------------------------------------------------
# Rows


def _rows(patient: str, advised: Sequence[Advice], today: date) -> list[Row]:
    found: dict[Side, Row] = {}
    checks: dict[Side, list[str]] = {}
    for each in advised:
        for decision in each.decisions:
            side = decision.situation.side
            if each.check is not None:
                checks.setdefault(side, []).append(each.check.id)
                found.setdefault(side, _row(patient, decision, State.LOOK_AGAIN, each.check.indicator))
            else:
                found[side] = _shown(patient, decision, today)
    return [
        replace(row, checks=" ".join(sorted(checks[side]))) if side in checks else row for side, row in found.items()
    ]


def _row(patient: str, decision: Decision, state: State, indicator: Indicator) -> Row:
    current = decision.situation.current
    row = decision.row or (decision.undecided.row if decision.undecided else None)
    category = None if current is None else current.verdict.category
    study = decision.situation.unread or (None if current is None else current.study)
    return Row(
        patient=patient,
        side=decision.situation.side.value,
        state=state.value,
        row=None if row is None else row.id,
        category=None if category is None else category.value,
        group=None if row is None or row.group is None else row.group.value,
        study=None if study is None else study.reference,
        study_date=None if study is None else str(study.date),
        indicator=indicator.value,
    )


def _shown(patient: str, decision: Decision, today: date) -> Row:
    """The row of an open step, or of a search that stopped because a fact was not known."""
    step = decision.step
    if step is None:
        row = _row(patient, decision, State.UNDECIDED, Indicator.INFO)
        return replace(row, because=_because(decision.undecided.why) if decision.undecided else None)
    return replace(
        _row(patient, decision, State.OPEN, step.indicator),
        step=step.kind.id,
        due=step.due,
        overdue_from=step.overdue_from,
        is_overdue=step.is_overdue,
        months_overdue=_whole_months(step.due, today) if step.is_overdue else None,
        is_urgent=step.is_urgent,
        unchecked=" ".join(sorted(gap.about for gap in step.unchecked)) or None,
    )


def _because(gap: Gap) -> str:
    return f"{gap.reason.value}: {gap.about}"


def _whole_months(since: date, today: date) -> int:
    return (today.year - since.year) * 12 + today.month - since.month - (today.day < since.day)


def _not_decided(patient: str, because: str) -> Row:
    return Row(patient=patient, side=Side.UNSTATED.value, state=State.NOT_DECIDED.value, because=because)


DAMAGED = "data of this patient were damaged in the export"


def _with_damage(patient: str, rows: Sequence[Row]) -> list[Row]:
    """What was decided from the rest stands; beside it stands that there may be more."""
    unsided = [row for row in rows if row.side == Side.UNSTATED.value]
    others = [replace(row, because=row.because or DAMAGED) for row in rows if row not in unsided]
    return [*others, *(replace(row, because=DAMAGED) for row in unsided or [_not_decided(patient, DAMAGED)])]


# --------------------------------------------------------------------------------------
# What can be left out of a patient


_CODE = re.compile(rb'"code"\s*:\s*"((?:[^"\\]|\\.)*)"')
_FILTERED = frozenset(
    {"Observation", "Condition", "DiagnosticReport", "ServiceRequest", "ProcedureRequest", "Procedure"}
)
_REPORT_WORDS = (b'"conclusion', b'"presentedForm"', b'"div"', b'"contained"')
_OBSERVATION_WORDS = (b'"valueString"', b'"valueCodeableConcept"', b'"note"')


class Use(StrEnum):
    """How far a resource can matter."""

    SURE = "+"
    IF_LED_TO = "-"
    """An Observation that matters only where a report leads to it."""
    IF_LEADING = "?"
    """A report that matters only where it leads to an Observation of the breast."""
    NONE = ""


class Relevance:
    """Tells the resources that the mapping would leave out, so that they need not be carried along.

    The mapping leaves out a Condition, an order or a procedure of which it knows no code and whose title does not name
    the breast; likewise an Observation whose words do not name BI-RADS, unless a report leads to it, and a report
    without words, unless it leads to an Observation that is of use. These are told on the safe side: any `code` in
    the bytes of a line counts, whatever element it belongs to.
    """

    def __init__(self, terminology: Terminology) -> None:
        self._terminology = terminology
        self._known: dict[bytes, bool] = {}
        self._titles: dict[str, bool] = {}

    def use(self, kind: str, resource: Json, line: bytes) -> Use:
        """How far a resource of that type can matter; `line` is its JSON."""
        if kind not in _FILTERED or b"\\u" in line:  # an escaped letter could hide a code or a word
            return Use.SURE
        for code in _CODE.findall(line):
            known = self._known.get(code)
            if self._is_known(code) if known is None else known:
                return Use.SURE
        if kind == "Observation":
            return Use.SURE if _names_birads(line) else Use.IF_LED_TO
        if kind != "Condition" and any(map(self._names_breast, words(child(resource.get("code"))))):
            return Use.SURE
        if kind != "DiagnosticReport":
            return Use.NONE
        return Use.SURE if any(each in line for each in _REPORT_WORDS) else Use.IF_LEADING

    def _is_known(self, code: bytes) -> bool:
        """Whether a code means something in any system that we know, other than that a laboratory filed a report."""
        bare, terms = code.decode(errors="replace").strip(), self._terminology
        concepts = filter(None, (terms.concept(each, bare) for each in terms.titles))
        known = (
            "\\" in bare
            or not all(each.means is Means.REPORT_CATEGORY and each.value == "laboratory" for each in concepts)
            or any(terms.misuse(each, bare) for each in terms.titles)
        )
        if len(self._known) < _MOST_REMEMBERED:
            self._known[code] = known
        return known

    def _names_breast(self, title: str) -> bool:
        found = self._titles.get(title)
        if found is None:
            found = self._terminology.names_breast(title)
            if len(self._titles) < _MOST_REMEMBERED:
                self._titles[title] = found
        return found


_MOST_REMEMBERED = 50_000


def _names_birads(line: bytes) -> bool:
    folded = line.lower()
    return b"rads" in folded or b"rad\xc5\xbf" in folded  # the long s, which matches an s in any case


def led_to(sure: Sequence[bytes], leading: Sequence[bytes], aside: Mapping[str, Sequence[bytes]]) -> list[bytes]:
    """What else of a patient can matter: reports among `leading` that lead to something sure, and those laid aside, by
    the ids of their resources, that a report leads to, directly or by members."""
    found = [line for line in leading if any(_is_of_use(ident, sure, aside) for ident in _targets(line))]
    queue, met = [*sure, *found], set[str]()
    while aside and queue:
        for ident in _targets(queue.pop()) - met:
            met.add(ident)
            found += aside.get(ident, ())
            queue += aside.get(ident, ())
    return found


def _is_of_use(ident: str, sure: Sequence[bytes], aside: Mapping[str, Sequence[bytes]]) -> bool:
    """Whether an Observation, told by its id, can make something of a report that leads to it."""
    if ident in aside:
        return any(each in line for line in aside[ident] for each in (*_OBSERVATION_WORDS, b'"hasMember"'))
    return any(f'"{ident}"'.encode() in line for line in sure)


def _targets(line: bytes) -> set[str]:
    """The ids of the Observations that a report or an Observation leads to."""
    if b'"result"' not in line and b'"hasMember"' not in line:
        return set()
    resource = orjson.loads(line)
    holders = (resource, *objects(resource.get("contained")))
    elements = [each for holder in holders for name in ("result", "hasMember") for each in objects(holder.get(name))]
    targets = [target for each in elements if (target := reference(each)) and not target.startswith("#")]
    return {found[1] if (found := type_and_id(each)) else each.rpartition(":")[2] for each in targets}


# --------------------------------------------------------------------------------------
# Whose resource it is


def patients_of(kind: str, resource: Json) -> list[str]:
    """The ids of the patients that a resource is about. None for one that names no patient, or none by an id."""
    if kind == "Patient":
        return [ident] if (ident := text(resource.get("id"))) else []
    if kind == "Appointment":
        actors = (child(each.get("actor")) for each in objects(resource.get("participant")))
        return sorted({found for actor in actors if (found := _patient_in(reference(actor)))})
    whose = _patient_in(reference(child(resource.get("subject") or resource.get("patient"))))
    return [whose] if whose else []


@lru_cache(maxsize=4096)  # the lines of one patient often follow each other
def _patient_in(target: str) -> str | None:
    found = type_and_id(target)
    if found is not None:
        return found[1] if found[0] == "Patient" else None
    return target.rpartition(":")[2] if target.startswith("urn:") else None
