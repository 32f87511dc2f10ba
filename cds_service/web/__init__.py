"""The edge: Flask routes, errors as OperationOutcome, CORS. The only room that knows Flask."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask

from .. import knowledge as knowledge_folder
from ..errors import KnowledgeError
from ..pipeline import WORLD, Options, ServiceDesk, World
from ..settings import Settings
from ..store import Store
from . import api, errors, pages

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def create_app(settings: Settings, world: World = WORLD) -> Flask:
    """The WSGI application.

    Raises `KnowledgeError` where the knowledge folder cannot be used, and `StoreDown` where the database cannot.
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
    desk = ServiceDesk(knowledge)
    options = Options(
        protocol=settings.protocol,
        public_url=settings.public_url,
        beside_unrelated_orders=settings.beside_unrelated_orders,
    )
    errors.register(app)
    app.register_blueprint(api.blueprint(desk, store, options, settings, world))
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
