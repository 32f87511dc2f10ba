"""A row of the worklist as a FHIR R4 Task, for the EHR that takes it up."""

from __future__ import annotations

import uuid
from datetime import date

from ..core.vocabulary import Side
from ..fhir_elements import Json
from ..knowledge import Knowledge
from .patients import Row, State

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:breast-imaging-cds:worklist")


def task(row: Row, today: date, knowledge: Knowledge, protocol: str) -> Json:
    """The Task of a row. Its id is the same every night as long as the same study calls for the same of the same
    breast, so that an EHR updates what it has."""
    is_decided = row.state in (State.OPEN, State.UNDECIDED)
    topics = [row.row] if is_decided and row.row else (row.checks or "").split()
    about = (row.patient, row.side, protocol, row.state, *topics, row.study or "")
    resource: Json = {
        "resourceType": "Task",
        "id": str(uuid.uuid5(_NAMESPACE, "\t".join(about))),
        "status": "requested",
        "intent": "proposal",
        "priority": "urgent" if row.is_urgent else "routine",
        "code": {"text": _action(row, knowledge)},
        "description": _description(row, knowledge),
        "for": {"reference": f"Patient/{row.patient}"},
        "authoredOn": today.isoformat(),
    }
    if topics:
        system = knowledge.offering.topic_system
        resource["code"]["coding"] = [{"system": system, "code": each} for each in topics]
    if row.study is not None and not row.study.endswith("/?"):
        resource["focus"] = {"reference": row.study}
    if row.due is not None:
        resource["restriction"] = {"period": {"end": row.due.isoformat()}}
    if row.side in (Side.LEFT, Side.RIGHT):
        site = dict(knowledge.catalogue.sites[Side(row.side)])
        resource["input"] = [{"type": {"text": "breast"}, "valueCodeableConcept": {"coding": [site]}}]
    return resource


def _action(row: Row, knowledge: Knowledge) -> str:
    if row.step is not None:
        return knowledge.catalogue.step_labels[row.step]
    return "report to be looked at again" if row.state == State.LOOK_AGAIN else "not decided"


def _description(row: Row, knowledge: Knowledge) -> str:
    """One sentence without the patient's name or words."""
    said = [f"BI-RADS {row.category}" if row.category else "", Side(row.side).words, row.study_date or ""]
    sentence = f"{', '.join(filter(None, said))}: {_action(row, knowledge)}"
    if row.due is not None:
        sentence += f", due {row.due.isoformat()}{', overdue' if row.is_overdue else ''}"
    return f"{sentence}."
