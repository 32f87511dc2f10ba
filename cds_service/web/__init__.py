"""The edge: Flask routes, errors as OperationOutcome, CORS. The only room that knows Flask."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from flask import Flask

from .. import knowledge as knowledge_folder
from ..auth import FirstUse
from ..fhir_client import FhirAccess, FhirClient
from ..pipeline import WORLD, Options, ServiceDesk, World
from ..settings import Settings
from ..store import Store, StoreDown
from . import api, errors, health, limits, metrics, observed, pages, traces
from .callers import Callers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger("cds_service")


def create_app(settings: Settings, world: World = WORLD, first_use: FirstUse | None = None) -> Flask:
    """The WSGI application. `first_use` remembers the tokens of callers; by default the store does, for all hosts.

    Raises `KnowledgeError` where the knowledge folder cannot be used, `ClientsError` where the clients folder cannot,
    and `BadDatabaseUrl`. A database that is down does not keep it from starting: guidance does not need one.
    """
    knowledge = knowledge_folder.shared(settings.cards)
    knowledge.guideline(settings.protocol)
    store = Store(
        settings.database_url, spool=settings.spool, spool_bytes=settings.spool_bytes, count=metrics.count_records
    )
    try:
        store.prepare()
    except StoreDown as problem:
        _log.error("the store is down (%s); guidance is given without it", problem)
    store.recover()
    app = Flask("cds_service.web")
    app.url_map.strict_slashes = False
    app.wsgi_app = _with_single_slashes(app.wsgi_app)  # type: ignore[assignment]
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    desk = ServiceDesk(
        knowledge, FhirClient(budget_seconds=settings.fhir_budget_seconds, ca_file=settings.fhir_ca_file)
    )
    options = Options(
        protocol=settings.protocol,
        public_url=settings.public_url,
        beside_unrelated_orders=settings.beside_unrelated_orders,
        fhir=FhirAccess(servers=settings.fhir_servers, allow_http=settings.development, is_open=settings.fhir_open),
    )
    callers = Callers(settings, knowledge, options, first_use or store.first_use)
    errors.register(app)
    observed.register(app, knowledge.offering.services)
    traces.register(app, settings.traces_endpoint)
    limits.register(app, settings)
    app.register_blueprint(api.blueprint(desk, store, callers, settings, world))
    app.register_blueprint(health.blueprint(knowledge, store, needs_store=settings.is_authenticated))
    app.register_blueprint(metrics.blueprint(store))
    if settings.pages:
        app.register_blueprint(pages.blueprint(desk, store, replace(options, fhir=FhirAccess()), settings, world))
    return app


def _with_single_slashes(app: WSGIApplication) -> WSGIApplication:
    """Takes `//` in a path for `/`, as the reference client makes it of a base address that ends in a slash. A redirect
    would lose the body of a call."""

    def called(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if "//" in path:
            environ["PATH_INFO"] = re.sub("/{2,}", "/", path)
        return app(environ, start_response)

    return called
