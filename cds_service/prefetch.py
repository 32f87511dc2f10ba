"""What arrived for each prefetch key: resources, nothing on record, a failure, or no delivery at all.

Absent, null, an empty searchset and an OperationOutcome mean four different things (CDS Hooks 2.0.1, prefetch); nothing
here treats them alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

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
        found = [("", each) for each in objects(value) if _type(each)]
        return Delivery(outcome=Outcome.RECEIVED, resources=tuple(found)) if found or not value else NOT_SENT
    if not isinstance(value, dict):
        return NOT_SENT
    if _type(value) == "OperationOutcome":
        return FAILED
    if _type(value) != "Bundle":
        is_wanted = _type(value) == resource_type
        return Delivery(outcome=Outcome.RECEIVED, resources=(("", value),)) if is_wanted else NOT_SENT
    unpacked = _Unpacked()
    _entries(value, resource_type, unpacked)
    if (unpacked.failed and not unpacked.resources) or not unpacked.understood:
        return FAILED
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


def _entries(bundle: Json, resource_type: str, into: _Unpacked, depth: int = 3) -> None:
    into.understood = into.understood or bundle.get("entry") in (None, [])
    for entry in objects(bundle.get("entry")):
        resource = entry.get("resource")
        if not isinstance(resource, dict):
            into.malformed = into.malformed or resource is not None
            continue
        kind = _type(resource)
        if kind == "Bundle" and depth:
            _entries(resource, resource_type, into, depth - 1)
        elif kind == "OperationOutcome":
            into.failed = into.failed or _is_error(resource)
            into.understood = True
        elif kind:
            into.resources.append((text(entry.get("fullUrl")), resource))
            into.matches += kind == resource_type and text(child(entry.get("search")).get("mode")) != "include"
            into.understood = into.understood or kind == resource_type or kind not in _COMES_ALONG


def _is_error(outcome: Json) -> bool:
    """Whether an OperationOutcome tells of a failure. "Nothing found" comes as a warning from one large vendor."""
    return any(text(issue.get("severity")) in ("error", "fatal") for issue in objects(outcome.get("issue")))


def _next(bundle: Json) -> str | None:
    return next((text(link.get("url")) for link in objects(bundle.get("link")) if link.get("relation") == "next"), None)


Deliveries = Mapping[str, Delivery]


def gathered(prefetch: Mapping[str, object]) -> dict[str, Delivery]:
    """What was sent for every key that the services know."""
    return {key: received(key, prefetch) for key in RESOURCE_TYPES}


def require_data(deliveries: Deliveries) -> None:
    """Raises `DataNotObtainable` (412) where neither reports nor observations are there, or where one of them failed
    and the other holds nothing, so that nothing was learned (ruling 17)."""
    required = [deliveries[key] for key in REQUIRED]
    arrived = [delivery for delivery in required if delivery.outcome is Outcome.RECEIVED]
    if not arrived:
        raise DataNotObtainable
    if any(delivery.outcome is Outcome.FAILED for delivery in required) and not any(d.resources for d in arrived):
        raise DataNotObtainable("What is on record could be fetched only in part, and that part is empty.")


def gaps(deliveries: Deliveries) -> Iterator[Gap]:
    """The keys that did not arrive as they should, for the card. Appointments are a bonus that nobody misses."""
    for key, delivery in deliveries.items():
        if key != "appointments" and delivery.gap is not None:
            yield Gap(delivery.gap, key)
