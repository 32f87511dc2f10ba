"""The cases of a protocol, facts in and row out, run against the very core that answers calls.

A case is what a clinician would say of a patient in shorthand. It builds a history without FHIR, so that an edit of the
knowledge folder can be judged without a service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from .core.answers import Gap, Listed, Reason, Unknown
from .core.dates import PartialDate
from .core.decide import all_matches
from .core.guidance import Advice
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
from .core.plan import Decision, decisions
from .core.situation import Record
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
)
from .errors import KnowledgeError
from .fhir_elements import partial_date
from .knowledge import Guideline, Knowledge, read_yaml, schema_problems

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one case: its problems, and the rows that it reached."""

    protocol: str
    name: str
    problems: tuple[str, ...]
    rows: frozenset[str]


def outcomes(knowledge: Knowledge) -> Iterator[Outcome]:
    """Runs all cases of all protocols. Raises `KnowledgeError` where a file of cases cannot be read."""
    for guideline in knowledge.guidelines.values():
        name = f"{guideline.protocol.id}/cases.yaml"
        raw = read_yaml(knowledge.folder / name)
        found = schema_problems(knowledge.folder, name, "cases", raw)
        if found:
            raise KnowledgeError(found)
        for case in raw["cases"]:
            yield _outcome(guideline, case, date.fromisoformat(case.get("today", raw["today"])))


def problems(knowledge: Knowledge) -> list[str]:
    """Every case that does not come out as it says, and every row that no case covers, as `file: row: problem`."""
    found: list[str] = []
    covered: dict[str, set[str]] = {name: set() for name in knowledge.guidelines}
    for outcome in outcomes(knowledge):
        covered[outcome.protocol] |= outcome.rows
        found += [f"{outcome.protocol}/cases.yaml: cases[{outcome.name}]: {each}" for each in outcome.problems]
    for name, guideline in knowledge.guidelines.items():
        protocol = guideline.protocol
        inherited = covered.get(guideline.extends or "", set())
        for rows in (protocol.exclusions, protocol.decisions, protocol.checks, protocol.notes):
            found += [
                f"{name}/protocol.yaml: [{row.id}]: no case covers the row"
                for row in rows
                if row.id not in covered[name] | inherited
            ]
    return found


def _outcome(guideline: Guideline, case: Raw, today: date) -> Outcome:
    record = Record(_history(case), guideline.protocol, today)
    made = {decision.situation.side.value: decision for decision in decisions(record)}
    found: list[str] = []
    for side, expected in case["expect"].items():
        if side not in made:
            found.append(f"{side}: there is no such situation; there is {', '.join(made)}")
            continue
        found += [f"{side}: {problem}" for problem in _differences(guideline, made[side], expected)]
    rows = {row for decision in made.values() for row in _rows_of(guideline, decision)}
    return Outcome(protocol=guideline.protocol.id, name=case["name"], problems=tuple(found), rows=frozenset(rows))


def _rows_of(guideline: Guideline, decision: Decision) -> Iterator[str]:
    for row in (decision.row, decision.exclusion, *decision.checks):
        if row is not None:
            yield row.id
    yield from _note_ids(guideline, decision)


def _note_ids(guideline: Guideline, decision: Decision) -> list[str]:
    step = decision.step.kind.id if decision.step else None
    return [
        row.id
        for row in all_matches(guideline.protocol.notes, decision.situation.facts)
        if row.steps is None or step in row.steps
    ]


def _differences(guideline: Guideline, decision: Decision, expected: Raw) -> Iterator[str]:
    step = decision.step
    actual: Mapping[str, object] = {
        "row": decision.row.id if decision.row else None,
        "left_alone": decision.exclusion.id if decision.exclusion else None,
        "checks": sorted(row.id for row in decision.checks),
        "notes": sorted(_note_ids(guideline, decision)),
        "status": step.status.value if step else None,
        "due": step.due.isoformat() if step else None,
        "overdue": step.is_overdue if step else None,
        "urgent": step.is_urgent if step else None,
        "indicator": Advice(decisions=(decision,)).indicator.value if step else None,
        "window": [day.isoformat() for day in step.window] if step else None,
        "order_side": step.side.value if step else None,
    }
    for key, wanted in expected.items():
        value = sorted(wanted) if key in ("checks", "notes") else wanted
        if actual[key] != value:
            yield f"{key} is {actual[key]}, expected {value}"


# --------------------------------------------------------------------------------------
# Shorthand to history


def _day(text: str) -> PartialDate:
    found = partial_date(text)
    if found is None:
        raise KnowledgeError([f"{text!r} is not a date"])
    return found


def _history(case: Raw) -> History:
    missing = set(case.get("not_received", ()))

    def gap(key: str) -> Gap | None:
        return Gap(Reason.NOT_SENT, key) if key in missing else None

    person = case.get("patient", {})
    patient = Patient(
        born=_day(person.get("born", "1966-01-01")),
        sex=person.get("sex", "female"),
        is_deceased=person.get("deceased", False),
    )
    return History(
        patient=Unknown(Gap(Reason.NOT_SENT, "patient")) if "patient" in missing else patient,
        studies=tuple(_study(raw, place) for place, raw in enumerate(case.get("studies", ()))),
        orders=Listed(tuple(_order(raw, place) for place, raw in enumerate(case.get("orders", ()))), gap("orders")),
        procedures=Listed(
            tuple(_procedure(raw, place) for place, raw in enumerate(case.get("procedures", ()))), gap("procedures")
        ),
        pathology=tuple(_pathology(raw, place) for place, raw in enumerate(case.get("pathology", ()))),
        conditions=Conditions(
            cancer=tuple(_sided(raw) for raw in case.get("cancer", ())),
            mastectomy=tuple(_sided(raw) for raw in case.get("mastectomy", ())),
            context=frozenset(case.get("context", ())),
            gap=gap("conditions"),
        ),
        appointments=Listed(),
    )


def _study(raw: Raw, place: int) -> Study:
    reference = f"DiagnosticReport/{place}"
    assessments = [
        Assessment(
            category=Category(str(category)),
            side=Side.UNSTATED if side == "overall" else Side(side),
            level=Level.EXAM if side == "overall" else Level.BREAST,
            basis=basis,
            evidence=Evidence(reference=reference, place="case", statement=str(category)),
            prior_films_needed=raw.get("prior_films_needed", False),
        )
        for basis, said in ((Basis.CODED, raw), (Basis.WRITTEN, raw.get("written", {})))
        for side, category in said.items()
        if side in ("left", "right", "overall")
    ]
    findings = [_finding(each, reference) for each in raw.get("findings", ())]
    return Study(
        reference=reference,
        title="",
        date=_day(raw["date"]),
        is_final=not raw.get("preliminary", False) and not raw.get("in_doubt", False),
        doubt=Gap(Reason.UNREADABLE, f"{reference} (status)") if raw.get("in_doubt", False) else None,
        kinds=frozenset({OrderKind(raw.get("kind", "diagnostic-mammogram"))}),
        side=Side(raw.get("side", "both")),
        assessments=tuple(assessments),
        findings=tuple(findings),
        biopsies_recommended=tuple(
            Recommendation(side=Side(side), evidence=Evidence(reference=reference, place="case", statement="biopsy"))
            for side in filter(None, [raw.get("biopsy_recommended")])
        ),
    )


def _finding(raw: Raw, reference: str) -> Finding:
    morphology, distribution = raw.get("morphology"), raw.get("distribution")
    known = Morphology(morphology) if morphology in set(Morphology) else None
    return Finding(
        side=Side(raw.get("side", "unstated")),
        morphologies=(known,) if known else (),
        distributions=(Distribution(distribution),) if distribution else (),
        change=Change(raw["change"]) if "change" in raw else None,
        isolated=raw.get("isolated", False),
        unmapped=() if known or morphology is None else (morphology,),
        evidence=Evidence(reference=reference, place="case", statement=f"{morphology} {distribution}"),
    )


def _order(raw: Raw, place: int) -> Order:
    return Order(
        reference=f"ServiceRequest/{place}",
        kind=OrderKind(raw["kind"]),
        title="",
        side=Side(raw.get("side", "unstated")),
        authored=_day(raw["date"]) if "date" in raw else None,
    )


def _procedure(raw: Raw, place: int) -> Procedure:
    return Procedure(
        reference=f"Procedure/{place}",
        kind=OrderKind(raw["kind"]),
        side=Side(raw.get("side", "unstated")),
        date=_day(raw["date"]) if "date" in raw else None,
    )


def _pathology(raw: Raw, place: int) -> PathologyResult:
    return PathologyResult(
        reference=f"DiagnosticReport/pathology-{place}",
        side=Side(raw.get("side", "unstated")),
        date=_day(raw["date"]),
        result=Pathology(raw["result"]),
        statement=raw["result"],
    )


def _sided(raw: Raw) -> Sided:
    since = _day(raw["since"]) if "since" in raw else None
    return Sided(side=Side(raw["side"]), since=since, reference="Condition/case")
