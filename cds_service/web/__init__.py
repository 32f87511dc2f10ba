"""The edge: Flask routes, errors as OperationOutcome, CORS. The only room that knows Flask."""

from __future__ import annotations

import logging

from flask import Flask

from .. import knowledge as knowledge_folder
from ..errors import KnowledgeError
from ..pipeline import WORLD, Options, ServiceDesk, World
from ..settings import Settings
from ..store import Store, StoreDown
from . import api, errors, health, limits, metrics, observed, pages

_log = logging.getLogger("cds_service")


def create_app(settings: Settings, world: World = WORLD) -> Flask:
    """The WSGI application.

    Raises `KnowledgeError` where the knowledge folder cannot be used, and `BadDatabaseUrl`. A database that is down
    does not keep it from starting: guidance does not need one.
    """
    knowledge = knowledge_folder.load(settings.cards)
    if settings.protocol not in knowledge.guidelines:
        known = ", ".join(knowledge.guidelines)
        raise KnowledgeError([f"the protocol {settings.protocol!r} is not one of {known}"])
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
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    desk = ServiceDesk(knowledge)
    options = Options(
        protocol=settings.protocol,
        public_url=settings.public_url,
        beside_unrelated_orders=settings.beside_unrelated_orders,
    )
    errors.register(app)
    observed.register(app, knowledge.offering.services)
    limits.register(app, settings)
    app.register_blueprint(api.blueprint(desk, store, options, settings, world))
    app.register_blueprint(health.blueprint(knowledge, store, needs_store=False))
    app.register_blueprint(metrics.blueprint(store))
    if settings.pages:
        app.register_blueprint(pages.blueprint(desk, store, options, settings, world))
    return app
