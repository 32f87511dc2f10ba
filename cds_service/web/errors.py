"""Every failure as an OperationOutcome in JSON: never HTML, never a stack trace, never patient data."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import orjson
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from ..errors import (
    BadRequest,
    MethodNotAllowed,
    ServiceError,
    TooLarge,
    UnknownService,
    WrongMediaType,
)
from ..logs import place
from . import observed

_log = logging.getLogger("cds_service")

_BY_STATUS: Mapping[int, type[ServiceError]] = {
    400: BadRequest,
    404: UnknownService,
    405: MethodNotAllowed,
    413: TooLarge,
    415: WrongMediaType,
}


def outcome(error: ServiceError) -> Response:
    """An error as a response: one issue for each problem."""
    body = {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": error.code,
                "details": {"text": f"{error.number}: {error.public}"},
                "diagnostics": sentence,
            }
            for sentence in error.diagnostics
        ],
    }
    response = Response(orjson.dumps(body), status=error.status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    observed.call().fields["error"] = error.number
    return response


def register(app: Flask) -> None:
    """Answers every failure of the application in the same form."""

    @app.errorhandler(ServiceError)
    def of_ours(error: ServiceError) -> Response:
        return outcome(error)

    @app.errorhandler(HTTPException)
    def of_http(error: HTTPException) -> Response:
        status = error.code or 500
        known = _BY_STATUS.get(status, ServiceError)
        response = outcome(known())
        response.status_code = status
        for name, value in error.get_headers():
            if name.lower() in ("allow", "retry-after"):
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        # The one catch-all: it answers 500 and never an empty list of cards, which would read as reassurance. The
        # message of the exception may quote a request, so only its type and place are logged.
        _log.error("unexpected %s (request %s)", place(error), observed.call().request_id)
        return outcome(ServiceError())
