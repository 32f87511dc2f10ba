"""Runs the service under a production WSGI server (granian): worker processes, each with a pool of threads."""

from __future__ import annotations

import logging
import logging.config
import os
import tempfile
from collections.abc import Sequence

from . import logs
from .settings import VARIABLES, Settings
from .store import Store, StoreDown

SPARE_THREADS = 4
"""Threads beside those that answer calls: a full worker still says that it is full, and how it is."""
LAST_SECONDS = 30
"""How long a worker may finish its calls before it is killed."""
_log = logging.getLogger("cds_service")


def serve(settings: Settings, host: str, port: int, workers: int, told: Sequence[str] = ()) -> None:
    """Serves until a signal stops it, then lets calls in flight finish. A worker that dies is replaced. What is `told`
    is logged first.

    Raises `BadDatabaseUrl`.
    """
    from granian import Granian
    from granian.constants import Interfaces

    logging.config.dictConfig(logs.config())
    for line in told:
        _log.info("%s", line)
    os.environ[VARIABLES["public_url"]] = settings.public_url
    if settings.development:
        os.environ[VARIABLES["development"]] = "true"
    _migrate(settings)
    with tempfile.TemporaryDirectory(prefix="cds-service-metrics-") as figures:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = figures
        Granian(
            "cds_service.web.served:app",
            address=host,
            port=port,
            interface=Interfaces.WSGI,
            workers=workers,
            # A call may wait for the FHIR server of the EHR; with few threads that would hold up everybody else.
            blocking_threads=settings.max_concurrent_calls + SPARE_THREADS,
            respawn_failed_workers=True,
            workers_kill_timeout=LAST_SECONDS,
            log_access=False,
            log_dictconfig=logs.config(),
        ).serve()


def _migrate(settings: Settings) -> None:
    """Brings the database up to date once, before there are workers. They try again where it is down now."""
    store = Store(settings.database_url)
    try:
        store.prepare()
    except StoreDown as problem:
        _log.error("the store is down (%s); it is brought up to date once it is there", problem)
    finally:
        store.close()
