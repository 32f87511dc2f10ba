"""The edge: Flask routes, errors as OperationOutcome, CORS. The only room that knows Flask."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask

from .. import knowledge as knowledge_folder
from ..auth import FirstUse, SeenTokens
from ..errors import KnowledgeError
from ..fhir_client import FhirAccess, FhirClient
from ..pipeline import WORLD, Options, ServiceDesk, World
from ..settings import Settings
from ..store import Store
from . import api, errors, pages
from .callers import Callers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def create_app(settings: Settings, world: World = WORLD, first_use: FirstUse | None = None) -> Flask:
    """The WSGI application. `first_use` remembers the tokens of callers; by default for this process alone.

    Raises `KnowledgeError` where the knowledge folder cannot be used, `ClientsError` where the clients folder cannot,
    and `StoreDown` where the database cannot.
    """
    knowledge = knowledge_folder.load(settings.cards)
    if settings.protocol not in knowledge.guidelines:
        known = ", ".join(knowledge.guidelines)
        raise KnowledgeError([f"the protocol {settings.protocol!r} is not one of {known}"])
    store = Store(settings.database_url)
    store.prepare()
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
    callers = Callers(settings, knowledge, options, first_use or SeenTokens().first_use)
    errors.register(app)
    app.register_blueprint(api.blueprint(desk, store, callers, settings, world))
    if settings.pages:
        app.register_blueprint(pages.blueprint(knowledge, options))
    return app


def _with_single_slashes(app: WSGIApplication) -> WSGIApplication:
    """Takes `//` in a path for `/`, as the reference client makes it of a base address that ends in a slash. A redirect
    would lose the body of a call."""

    def called(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["PATH_INFO"] = re.sub("/{2,}", "/", environ.get("PATH_INFO", ""))
        return app(environ, start_response)

    return called
