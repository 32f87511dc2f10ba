"""The CDS Hooks endpoints: discovery, service calls, feedback."""

from __future__ import annotations

import orjson
from flask import Blueprint, Response, request

from ..errors import BadRequest, Busy, UnknownService, WrongMediaType
from ..fhir_elements import Json
from ..knowledge import Offering
from ..pipeline import Options, ServiceDesk, World
from ..settings import Settings
from ..store import Store, StoreDown
from ..wire import dumped, feedback
from . import limits, observed


def discovery(offering: Offering) -> Json:
    """The answer to discovery (CDS Hooks 2.0.1), prefetch in the order of the knowledge folder."""
    services = []
    for service in offering.services.values():
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


def blueprint(desk: ServiceDesk, store: Store, options: Options, settings: Settings, world: World) -> Blueprint:
    """The routes of CDS Hooks. Discovery is the same for everybody, so it is put together once."""
    routes = Blueprint("cds_hooks", __name__)
    offered = orjson.dumps(discovery(desk.knowledge.offering))

    @routes.get("/cds-services")
    def discover() -> Response:
        return _json(offered)

    @routes.post("/cds-services/<service_id>")
    def call(service_id: str) -> Response:
        limits.within_rate()
        _refuse_other_media()
        asked = desk.request(service_id, request.get_data(cache=False))
        answer = desk.answer(service_id, asked, options, world)
        body = dumped(answer.cards)
        store.add_decision(observed.answered(answer))
        return _private(body)

    @routes.post("/cds-services/<service_id>/feedback")
    def take_feedback(service_id: str) -> Response:
        limits.within_rate()
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
    if origin is None:
        return response
    if settings.development or origin.rstrip("/") in settings.allowed_origins:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
        response.headers["Access-Control-Max-Age"] = "600"
    response.vary.add("Origin")
    return response
