"""The CDS Hooks endpoints: discovery, service calls, feedback."""

from __future__ import annotations

from collections.abc import Collection

import orjson
from flask import Blueprint, Response, request

from ..errors import BadRequest, Busy, DataNotObtainable, UnknownService, WrongMediaType
from ..fhir_elements import Json
from ..knowledge import Offering
from ..pipeline import ServiceDesk, World
from ..settings import Settings
from ..store import Store, StoreDown
from ..wire import dumped, feedback
from . import observed
from .callers import Callers


def discovery(offering: Offering, without: Collection[str] = ()) -> Json:
    """The answer to discovery (CDS Hooks 2.0.1), prefetch in the order of the knowledge folder; `without` the services
    that are switched off for a client."""
    services = []
    for service in offering.services.values():
        if service.id in without:
            continue
        entry: Json = {
            "hook": service.hook,
            "title": service.title,
            "description": service.description,
            "id": service.id,
            "prefetch": dict(offering.prefetch),
            "version": offering.specification_version,
            "hookVersion": offering.hook_version,
        }
        if service.usage_requirements:
            entry["usageRequirements"] = service.usage_requirements
        services.append(entry)
    return {"services": services}


def blueprint(desk: ServiceDesk, store: Store, callers: Callers, settings: Settings, world: World) -> Blueprint:
    """The routes of CDS Hooks. The caller is known before anything else is looked at."""
    routes = Blueprint("cds_hooks", __name__)
    offering = desk.knowledge.offering
    offered = orjson.dumps(discovery(offering))

    @routes.get("/cds-services")
    def discover() -> Response:
        if settings.open_discovery:
            return _json(offered)
        return _json(orjson.dumps(discovery(offering, callers.client().services_off)))

    @routes.post("/cds-services/<service_id>")
    def call(service_id: str) -> Response:
        options = callers.options(service_id)
        _refuse_other_media()
        asked = desk.request(service_id, request.get_data(cache=False))
        try:
            answer = desk.answer(service_id, asked, options, world)
        except DataNotObtainable as refusal:
            observed.fetched(refusal.fetches)
            raise
        body = dumped(answer.cards)
        store.add_decision(observed.answered(answer))
        return _private(body)

    @routes.post("/cds-services/<service_id>/feedback")
    def take_feedback(service_id: str) -> Response:
        callers.options(service_id)
        if service_id not in desk.knowledge.offering.services:
            raise UnknownService
        _refuse_other_media()
        usable, problems = feedback(request.get_data(cache=False))
        if problems and not usable:
            raise BadRequest(*problems)
        try:
            store.add_feedback(service_id, usable)
        except StoreDown:
            observed.fed_back("not stored" for _ in usable)
            raise Busy("Feedback could not be stored, so it is not acknowledged.") from None
        observed.fed_back([*(entry.outcome for entry in usable), *("refused" for _ in problems)])
        return _private(orjson.dumps({"accepted": len(usable), "problems": problems} if problems else {}))

    @routes.after_app_request
    def allow_browsers(response: Response) -> Response:
        return _with_cors(response, settings)

    return routes


def _json(body: bytes) -> Response:
    return Response(body, mimetype="application/json")


def _private(body: bytes) -> Response:
    response = _json(body)
    response.headers["Cache-Control"] = "no-store"
    return response


def _refuse_other_media() -> None:
    """A body that is clearly not JSON. A missing or an odd type is read all the same: real clients send both."""
    kind = request.mimetype
    if kind.startswith(("multipart/", "image/", "audio/", "video/")) or kind.endswith(("html", "xml")):
        raise WrongMediaType


def _with_cors(response: Response, settings: Settings) -> Response:
    """Headers for browser clients, on errors too; the origin is echoed only where it is on the list."""
    origin = request.headers.get("Origin")
    response.vary.add("Origin")
    if origin is None:
        return response
    is_anybody = settings.development and not settings.allowed_origins
    if is_anybody or origin in settings.allowed_origins:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
        response.headers["Access-Control-Max-Age"] = "600"
    return response
