"""What arrived for each prefetch key: resources, nothing on record, a failure, or no delivery at all.

Absent, null, an empty searchset and an OperationOutcome mean four different things (CDS Hooks 2.0.1, prefetch); nothing
here treats them alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote

from .core.answers import Gap, Reason
from .errors import DataNotObtainable
from .fhir_elements import Json, child, objects, text

RESOURCE_TYPES: Mapping[str, str] = {
    "patient": "Patient",
    "reports": "DiagnosticReport",
    "observations": "Observation",
    "orders": "ServiceRequest",
    "procedures": "Procedure",
    "conditions": "Condition",
    "appointments": "Appointment",
}
"""What each key asks for."""

_FORMER_NAMES = {"ProcedureRequest": "ServiceRequest"}
"""What a type was called in STU3."""
_COMES_ALONG = frozenset({"Patient", "Practitioner", "PractitionerRole", "Organization", "Location"})
"""Resources that come with others and are no answer by themselves."""

REQUIRED = ("reports", "observations")
"""One of them has to be there; the others are optional."""


class Outcome(StrEnum):
    """How the delivery of a key ended."""

    RECEIVED = "received"
    FAILED = "failed"
    """The client or the server tried and could not."""
    NOT_SENT = "not-sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What arrived for one key."""

    outcome: Outcome
    resources: tuple[tuple[str, Json], ...] = ()
    """Each resource with its `fullUrl`, or an empty string."""
    is_partial: bool = False
    """There is more of it than arrived."""
    next_page: str | None = None
    because: str = ""
    """Why there is nothing, in public words that hold no patient data."""

    @property
    def gap(self) -> Reason | None:
        """Why the key cannot be relied upon, if it cannot."""
        if self.outcome is Outcome.RECEIVED:
            return Reason.PARTIAL if self.is_partial else None
        return Reason.FAILED if self.outcome is Outcome.FAILED else Reason.NOT_SENT


NOT_SENT = Delivery(outcome=Outcome.NOT_SENT)
FAILED = Delivery(outcome=Outcome.FAILED)


@dataclass(slots=True)
class _Unpacked:
    resources: list[tuple[str, Json]] = field(default_factory=list)
    failed: bool = False
    malformed: bool = False
    understood: bool = False
    """Something in it answers the question, if only by saying that there is nothing."""
    matches: int = 0
    kinds: set[str] = field(default_factory=set)

    @property
    def is_answer(self) -> bool:
        """Whether it answers the question at all. What cannot be read does not, nor does a search that found one
        other type. A collection or several other types do: some clients send all that they have under every key."""
        return self.understood or (len(self.kinds) > 1 and not self.kinds <= _COMES_ALONG)


def received(key: str, prefetch: Mapping[str, object]) -> Delivery:
    """What a client sent for one key. A value that is not FHIR at all counts as not sent."""
    if key not in prefetch:
        return NOT_SENT
    return unpack(prefetch[key], RESOURCE_TYPES[key])


def unpack(value: object, resource_type: str) -> Delivery:
    """The resources in a prefetch value or a search answer: a Bundle of any type, one resource, a list, or null."""
    if value is None:
        return Delivery(outcome=Outcome.RECEIVED)
    if isinstance(value, list):
        value = {"resourceType": "Bundle", "entry": [{"resource": each} for each in value]}
    if not isinstance(value, dict):
        return NOT_SENT
    if _type(value) == "OperationOutcome":
        return FAILED
    if _type(value) != "Bundle":
        is_wanted = _type(value) == resource_type
        return Delivery(outcome=Outcome.RECEIVED, resources=(("", value),)) if is_wanted else NOT_SENT
    unpacked = _Unpacked()
    _entries(value, resource_type, unpacked)
    if unpacked.failed and not unpacked.resources:
        return FAILED
    if not unpacked.is_answer:
        return NOT_SENT
    following = _next(value)
    total = value.get("total")
    return Delivery(
        outcome=Outcome.RECEIVED,
        resources=tuple(unpacked.resources),
        is_partial=following is not None
        or unpacked.failed
        or unpacked.malformed
        or (isinstance(total, int) and not isinstance(total, bool) and total > unpacked.matches),
        next_page=following,
    )


def _type(resource: Json) -> str:
    return text(resource.get("resourceType"))


def entries(bundle: Json) -> list[object]:
    """The entries of a Bundle, whatever they are."""
    found = bundle.get("entry")
    return found if isinstance(found, list) else [] if found is None else [found]


def _entries(bundle: Json, resource_type: str, into: _Unpacked, depth: int = 3) -> None:
    into.understood = into.understood or bundle.get("entry") in (None, [])
    for entry in map(child, entries(bundle)):
        resource = entry.get("resource")
        kind = _type(resource) if isinstance(resource, dict) else ""
        if not isinstance(resource, dict) or not kind:
            into.malformed = into.malformed or resource is not None
        elif kind == "Bundle" and depth:
            _entries(resource, resource_type, into, depth - 1)
        elif kind == "OperationOutcome":
            into.failed = into.failed or _is_error(resource)
            into.understood = True
        else:
            is_wanted = _FORMER_NAMES.get(kind, kind) == resource_type
            into.resources.append((text(entry.get("fullUrl")), resource))
            into.matches += is_wanted and text(child(entry.get("search")).get("mode")) != "include"
            is_told = kind not in _COMES_ALONG and text(bundle.get("type")) == "collection"
            into.understood = into.understood or is_wanted or is_told
            into.kinds.add(kind)


def _is_error(outcome: Json) -> bool:
    """Whether an OperationOutcome tells of a failure. "Nothing found" comes as a warning from one large vendor."""
    return any(text(issue.get("severity")) in ("error", "fatal") for issue in objects(outcome.get("issue")))


def _next(bundle: Json) -> str | None:
    return next((text(link.get("url")) for link in objects(bundle.get("link")) if link.get("relation") == "next"), None)


Deliveries = Mapping[str, Delivery]


def gathered(prefetch: Mapping[str, object]) -> dict[str, Delivery]:
    """What was sent for every key that the services know."""
    return {key: received(key, prefetch) for key in RESOURCE_TYPES}


_PATIENT_TOKEN = "{{context.patientId}}"  # noqa: S105 - CDS Hooks calls the placeholders of templates tokens


def query(template: str, patient_id: str) -> str:
    """A prefetch template as a request of one patient, relative to the FHIR server. The id cannot change its shape."""
    return template.replace(_PATIENT_TOKEN, quote(patient_id, safe=""))


def require_data(deliveries: Deliveries) -> None:
    """Raises `DataNotObtainable` (412) where neither reports nor observations are there, or where one of them failed
    and the other holds nothing, so that nothing was learned (ruling 17)."""
    required = [deliveries[key] for key in REQUIRED]
    arrived = [delivery for delivery in required if delivery.outcome is Outcome.RECEIVED]
    has_failed = any(delivery.outcome is Outcome.FAILED for delivery in required)
    if not arrived or (has_failed and not any(d.resources for d in arrived)):
        raise DataNotObtainable(*[f"{key}: {state(deliveries[key])}." for key in REQUIRED])


def state(delivery: Delivery) -> str:
    """What became of a key, for the developer at the other end."""
    if delivery.because:
        return delivery.because
    match delivery.outcome:
        case Outcome.RECEIVED:
            return "only the first part was sent" if delivery.is_partial else "nothing is on record"
        case Outcome.FAILED:
            return "an OperationOutcome was sent in its place"
        case Outcome.NOT_SENT:
            return "was not sent"


def gaps(deliveries: Deliveries) -> Iterator[Gap]:
    """The keys that did not arrive as they should, for the card. Appointments are a bonus that nobody misses."""
    for key, delivery in deliveries.items():
        if key != "appointments" and delivery.gap is not None:
            yield Gap(delivery.gap, key)
