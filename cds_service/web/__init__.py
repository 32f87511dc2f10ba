"""The edge: Flask routes, errors as OperationOutcome, CORS. The only room that knows Flask."""

from __future__ import annotations

from flask import Flask

from .. import knowledge as knowledge_folder
from ..errors import KnowledgeError
from ..pipeline import WORLD, Options, ServiceDesk, World
from ..settings import Settings
from ..store import Store
from . import api, errors, pages


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
        app.register_blueprint(pages.blueprint(desk, store, options, settings, world))
    return app
