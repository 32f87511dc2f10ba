"""Runs the service under a production WSGI server (granian): worker processes, each with a pool of threads."""

from __future__ import annotations

import logging
import os

from .settings import VARIABLES, Settings

THREADS_PER_WORKER = 16
"""A call may wait for the FHIR server of the EHR; with few threads such a wait would hold up everybody else."""


def serve(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serves until a signal stops it, then lets calls in flight finish."""
    from granian import Granian
    from granian.constants import Interfaces

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    os.environ[VARIABLES["public_url"]] = settings.public_url
    if settings.development:
        os.environ[VARIABLES["development"]] = "true"
    Granian(
        "cds_service.web.served:app",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=THREADS_PER_WORKER,
        log_access=False,
    ).serve()
