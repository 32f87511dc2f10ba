"""What can be picked in the playground: the breast orders of the knowledge folder, and some that are about something
else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from ..core.vocabulary import Side
from ..fhir_elements import Json
from ..knowledge import Catalogue
from . import resources as fhir

_UNRELATED = {
    "chest-radiograph": ("Chest radiograph", fhir.concept(fhir.SCT, "399208008", "Plain chest X-ray")),
    "blood-count": ("Full blood count", fhir.concept(fhir.LOINC, "58410-2", "CBC panel - Blood by Automated count")),
}
_PRESCRIPTIONS = {
    "aspirin": (
        "Aspirin 100 mg tablet",
        fhir.concept("http://www.nlm.nih.gov/research/umls/rxnorm", "1191", "aspirin"),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Orderable:
    """One line of the order picker. `sides` is empty where a side makes no sense."""

    id: str
    label: str
    sides: tuple[Side, ...]


def orderables(catalogue: Catalogue) -> Iterator[Orderable]:
    """Everything that can be picked, breast orders first."""
    for template in catalogue.templates.values():
        label = template.label[0].upper() + template.label[1:]
        yield Orderable(id=template.id, label=label, sides=(Side.LEFT, Side.RIGHT, Side.BOTH))
    for ident, (label, _) in (_UNRELATED | _PRESCRIPTIONS).items():
        yield Orderable(id=ident, label=label, sides=())


def draft(catalogue: Catalogue, chosen: str, side: Side, subject: str, today: date, ident: str) -> Json:
    """The draft that an EHR makes of a picked order. Raises `KeyError` where there is no such order."""
    if chosen in _PRESCRIPTIONS:
        return fhir.medication_request(ident, subject, today, medication=_PRESCRIPTIONS[chosen][1])
    if chosen in _UNRELATED:
        return fhir.service_request(ident, subject, today, code=_UNRELATED[chosen][1], status="draft")
    code = {"coding": catalogue.templates[chosen].codings[side]}
    return fhir.service_request(ident, subject, today, code=code, side=side.value, status="draft")
