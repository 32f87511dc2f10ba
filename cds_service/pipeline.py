"""A whole call without HTTP: a parsed request in, cards and a record of how they came about out."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from . import hooks, prefetch, render
from .clients import ANYONE, Client
from .core.answers import Gap, Reason
from .core.guidance import Advice, Occasion, advice
from .core.history import History, Order
from .core.plan import Decision, decisions
from .core.situation import Record
from .errors import DataNotObtainable, UnknownService
from .fhir_client import Fetch, FhirAccess, FhirClient, Visit
from .fhir_elements import Json, type_and_id
from .fhir_mapping import bare_id, drafts, history
from .fhir_orders import Requested
from .knowledge import Guideline, Knowledge, Service
from .reading.reader import ReportReader
from .tailor import tailored
from .wire import Envelope, HookRequest

_random = random.Random()  # noqa: S311 - ids tell cards apart, and guard nothing
os.register_at_fork(after_in_child=_random.seed)


def new_id() -> str:
    """A random UUID (version 4). Its bits are not asked of the system each time, which would let another thread take
    over in the middle of a call."""
    return str(uuid.UUID(int=_random.getrandbits(128), version=4))


def _today() -> date:
    return datetime.now().astimezone().date()


@dataclass(frozen=True, slots=True)
class World:
    """What a call may know of the world beyond its request: plain callables that a test replaces."""

    today: Callable[[], date] = _today
    new_id: Callable[[], str] = new_id


WORLD = World()
"""The world as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What can differ between two clients of the same service."""

    protocol: str
    public_url: str
    beside_unrelated_orders: bool = True
    client: Client = ANYONE
    knowledge: Knowledge | None = None
    """The knowledge with the client's own order codes, where it has any."""
    fhir: FhirAccess = field(default_factory=FhirAccess)
    """From where may be fetched what the client did not send; by default from nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The cards, and everything that led to them. Only `cards` leaves the service."""

    cards: list[Json]
    history: History
    record: Record
    decisions: Sequence[Decision]
    advice: Sequence[Advice]
    gaps: tuple[Gap, ...]
    guideline: Guideline
    fetches: tuple[Fetch, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceDesk:
    """The services on offer, each with its hook and its compiled envelope."""

    knowledge: Knowledge
    fhir: FhirClient = field(default_factory=FhirClient)
    _hooks: dict[str, tuple[Service, hooks.Hook, Envelope]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for service in self.knowledge.offering.services.values():
            hook = hooks.load(service.hook)
            self._hooks[service.id] = (service, hook, Envelope(hook))

    def request(self, service_id: str, body: bytes) -> HookRequest:
        """The request for a service. Raises `UnknownService`, `NotJson` or `BadRequest`."""
        return self._service(service_id)[2].request(body)

    def _service(self, service_id: str) -> tuple[Service, hooks.Hook, Envelope]:
        try:
            return self._hooks[service_id]
        except KeyError:
            raise UnknownService from None

    def answer(self, service_id: str, request: HookRequest, options: Options, world: World = WORLD) -> Answer:
        """Answers a request.

        Raises `DataNotObtainable` where neither reports nor observations could be had, and `OtherPatient` where the
        prefetched Patient is somebody else.
        """
        visit = self.fhir.visit(options.fhir, request.fhir_server, request.fhir_authorization)
        try:
            return self._answer(service_id, request, options, world, visit)
        except DataNotObtainable as refusal:
            refusal.fetches = visit.fetches
            raise

    def _gathered(self, request: HookRequest, options: Options, visit: Visit) -> tuple[prefetch.Deliveries, History]:
        """What was sent and what had to be fetched, and the history that is in it."""
        terminology = (options.knowledge or self.knowledge).terminology
        patient_id, reader = bare_id(request.patient_id), ReportReader(self.knowledge.languages)
        sent = options.client.prefetch(request.prefetch)
        deliveries = visit.completed(prefetch.gathered(sent), sent, self.knowledge.offering.prefetch, patient_id)
        prefetch.require_data(deliveries)
        read = history(deliveries, patient_id, terminology, reader)
        attached = visit.with_attachments(deliveries, _unread(read))
        if attached is deliveries:
            return deliveries, read
        return attached, history(attached, patient_id, terminology, reader)

    def _answer(self, service_id: str, request: HookRequest, options: Options, world: World, visit: Visit) -> Answer:
        hook = self._service(service_id)[1]
        knowledge = options.knowledge or self.knowledge
        guideline = knowledge.guideline(options.protocol)
        deliveries, read = self._gathered(request, options, visit)
        record = Record(read, guideline.protocol, world.today())
        decided = decisions(record)

        sent, unclear = drafts(hook.drafts(request.context), request.patient_id, knowledge.terminology)
        advised = advice(record, decided, _occasion(hook, request.context, sent, options))
        gaps = (*prefetch.gaps(deliveries), *record.gaps, *unclear)
        cards = render.cards(
            advised,
            render.Setting(
                knowledge=knowledge,
                guideline=guideline,
                public_url=options.public_url,
                requested=_requested(request, record.today),
                drafts={reference: resource for reference, (resource, _) in sent.items()},
                received=tuple(key for key, each in deliveries.items() if each.gap is None),
                gaps=gaps,
                new_id=world.new_id,
            ),
        )
        cards = tailored(cards, advised, options.client, world.new_id)
        if not cards:
            _be_sure_of_silence(deliveries, gaps)
        return Answer(
            cards=cards,
            history=read,
            record=record,
            decisions=decided,
            advice=advised,
            gaps=gaps,
            guideline=guideline,
            fetches=tuple(visit.fetches),
        )


def _unread(read: History) -> list[str]:
    """The final reports in which no assessment could be read, the newest first: an attachment may hold it."""
    studies = [each for each in read.studies if each.is_final and not (each.assessments or each.disputes)]
    return [each.reference for each in sorted(studies, key=lambda each: each.date.first, reverse=True)]


def _be_sure_of_silence(deliveries: prefetch.Deliveries, gaps: Sequence[Gap]) -> None:
    """No cards may only ever mean that there is nothing to do: not that the part of the record that would have said
    otherwise did not arrive. Raises `DataNotObtainable` where that cannot be told apart."""
    unsure = [key for key in prefetch.REQUIRED if deliveries[key].gap in (Reason.PARTIAL, Reason.FAILED)]
    if unsure:
        raise DataNotObtainable(
            "What is on record was received only in part, so that silence would mean nothing.",
            *[f"{key}: {prefetch.state(deliveries[key])}." for key in unsure],
        )


def _occasion(
    hook: hooks.Hook, context: Json, sent: Mapping[str, tuple[Json, Order | None]], options: Options
) -> Occasion:
    selected = hook.selected(context)
    wanted = None if selected is None else {_key(each) for each in selected}
    orders = [(reference, order) for reference, (_, order) in sent.items()]
    chosen = [order for reference, order in orders if wanted is None or _key(reference) in wanted]
    if wanted is not None and not any(_key(reference) in wanted for reference in sent):
        chosen = [order for _, order in orders]  # selections that lead nowhere: rather look at everything
    return Occasion(
        hook=hook.name,
        is_about_orders=hook.is_about_orders,
        concerns=hook.concerns,
        looked_at=tuple(order for order in chosen if order is not None),
        drafts=tuple(order for _, order in orders if order is not None),
        beside_unrelated_orders=options.beside_unrelated_orders,
    )


def _key(reference: str) -> tuple[str, str] | str:
    return type_and_id(reference) or reference


def _requested(request: HookRequest, today: date) -> Requested:
    context = request.context
    user = type_and_id(str(context.get("userId", "")))
    encounter = context.get("encounterId")
    is_clinician = user is not None and user[0] in ("Practitioner", "PractitionerRole")
    return Requested(
        patient_id=bare_id(request.patient_id),
        requester=f"{user[0]}/{user[1]}" if is_clinician and user else None,
        encounter_id=bare_id(encounter.strip()) if isinstance(encounter, str) and encounter.strip() else None,
        today=today,
    )
