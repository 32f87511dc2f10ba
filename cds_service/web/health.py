"""Health for those who run the service: is it alive, and should calls be sent to it?"""

from __future__ import annotations

import orjson
from flask import Blueprint, Response

from ..knowledge import Knowledge
from ..store import Store
from .metrics import is_up


def blueprint(knowledge: Knowledge, store: Store, *, needs_store: bool) -> Blueprint:
    """`/health/live` and `/health/ready`.

    A worker without its database still gives guidance, so it stays ready and says that it is degraded: taking it out of
    service would leave clinicians without any. With `needs_store`, calls cannot be answered without the database
    (the check for replayed tokens), and a worker that does not reach it is not ready: 503.
    """
    routes = Blueprint("health", __name__, url_prefix="/health")

    @routes.get("/live")
    def live() -> Response:
        return _json({"status": "ok"})

    @routes.get("/ready")
    def ready() -> Response:
        has_store = is_up(store)
        waiting = store.spool.size()
        is_ready = has_store or not needs_store
        content = {
            "status": "not ready" if not is_ready else "ok" if has_store and not waiting else "degraded",
            "protocols": {name: each.protocol.version for name, each in knowledge.guidelines.items()},
            "store": "up" if has_store else "down",
            "spool_bytes": waiting,
        }
        return _json(content, 200 if is_ready else 503)

    return routes


def _json(content: object, status: int = 200) -> Response:
    response = Response(orjson.dumps(content), status=status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
