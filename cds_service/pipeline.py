"""A whole call without HTTP: a parsed request in, cards and a record of how they came about out."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from . import hooks, prefetch, render
from .core.answers import Gap, Reason
from .core.guidance import Advice, Occasion, advice
from .core.history import History, Order
from .core.plan import Decision, decisions
from .core.situation import Record
from .errors import DataNotObtainable, UnknownService
from .fhir_elements import Json, type_and_id
from .fhir_mapping import bare_id, drafts, history
from .fhir_orders import Requested
from .knowledge import Guideline, Knowledge, Service
from .reading.reader import ReportReader
from .wire import Envelope, HookRequest


def _new_id() -> str:
    return str(uuid.uuid4())


def _today() -> date:
    return datetime.now().astimezone().date()


@dataclass(frozen=True, slots=True)
class World:
    """What a call may know of the world beyond its request: plain callables that a test replaces."""

    today: Callable[[], date] = _today
    new_id: Callable[[], str] = _new_id


WORLD = World()
"""The world as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What can differ between two clients of the same service."""

    protocol: str
    public_url: str
    beside_unrelated_orders: bool = True


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


@dataclass(frozen=True, slots=True)
class ServiceDesk:
    """The services on offer, each with its hook and its compiled envelope."""

    knowledge: Knowledge
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
        hook = self._service(service_id)[1]
        knowledge, guideline = self.knowledge, self.knowledge.guidelines[options.protocol]
        deliveries = prefetch.gathered(request.prefetch)
        prefetch.require_data(deliveries)

        read = history(deliveries, request.patient_id, knowledge.terminology, ReportReader(knowledge.languages))
        record = Record(read, guideline.protocol, world.today())
        decided = decisions(record)

        sent = drafts(hook.drafts(request.context), request.patient_id, knowledge.terminology)
        advised = advice(record, decided, _occasion(hook, request.context, sent, options))
        gaps = (*prefetch.gaps(deliveries), *record.gaps)
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
        )


def _be_sure_of_silence(deliveries: prefetch.Deliveries, gaps: Sequence[Gap]) -> None:
    """No cards may only ever mean that there is nothing to do: not that the part of the record that would have said
    otherwise did not arrive. Raises `DataNotObtainable` where that cannot be told apart."""
    for key in prefetch.REQUIRED:
        if deliveries[key].gap in (Reason.PARTIAL, Reason.FAILED):
            raise DataNotObtainable("What is on record was received only in part, so that silence would mean nothing.")


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
