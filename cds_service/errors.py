"""The one tree of errors. Each failure has a stable number, an HTTP status, an OperationOutcome code and a public
sentence; none of them carries patient data, a token or the name of a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class ServiceError(Exception):
    """A failure that the caller is told about. `diagnostics` are public sentences, one for each problem."""

    number: ClassVar[str] = "BIC-500"
    status: ClassVar[int] = 500
    code: ClassVar[str] = "exception"
    """Code of the FHIR value set issue-type."""
    public: ClassVar[str] = "The service failed to answer this call."
    retry_after: ClassVar[int | None] = None
    """Seconds after which the same call may succeed."""

    def __init__(self, *diagnostics: str) -> None:
        super().__init__(*(diagnostics or (self.public,)))
        self.diagnostics: Sequence[str] = diagnostics or (self.public,)


class NotJson(ServiceError):
    number, status, code = "BIC-400-1", 400, "structure"
    public = "The body is not a JSON object in UTF-8."


class BadRequest(ServiceError):
    number, status, code = "BIC-400-2", 400, "invalid"
    public = "The body is not a CDS Hooks request for this service."


class OtherPatient(ServiceError):
    number, status, code = "BIC-400-3", 400, "conflict"
    public = "The prefetched Patient is not the patient of the context."


class Unauthorised(ServiceError):
    number, status, code = "BIC-401", 401, "login"
    public = "Authentication is required."


class Forbidden(ServiceError):
    number, status, code = "BIC-403", 403, "forbidden"
    public = "This client may not use this service."


class UnknownService(ServiceError):
    number, status, code = "BIC-404", 404, "not-found"
    public = "There is no such service."


class MethodNotAllowed(ServiceError):
    number, status, code = "BIC-405", 405, "not-supported"
    public = "This method is not supported here."


class DataNotObtainable(ServiceError):
    """Required data was neither sent nor to be had (CDS Hooks 2.0.1, prefetch: 412)."""

    number, status, code = "BIC-412", 412, "required"
    public = "DiagnosticReports and Observations were neither sent nor to be had, so nothing can be concluded."
    fetches: Sequence[tuple[str, str, float]] = ()
    """What was tried to be fetched: key, outcome, milliseconds."""


class TooLarge(ServiceError):
    number, status, code = "BIC-413", 413, "too-long"
    public = "The body is larger than this service accepts."


class WrongMediaType(ServiceError):
    number, status, code = "BIC-415", 415, "not-supported"
    public = "The body has to be JSON."


class TooMany(ServiceError):
    number, status, code = "BIC-429", 429, "throttled"
    public = "Too many calls. Please try again shortly."
    retry_after = 1


class InvalidAnswer(ServiceError):
    """Our own answer broke a rule of CDS Hooks. It is not sent: a malformed card is worse than an error."""

    number, status, code = "BIC-500-1", 500, "exception"
    public = "The service could not build a valid answer."


class NotPutOnServer(ServiceError):
    number, status, code = "BIC-502", 502, "transient"
    public = "The FHIR server of the playground did not take the invented patient."


class Busy(ServiceError):
    number, status, code = "BIC-503", 503, "transient"
    public = "The service is busy. Please try again shortly."
    retry_after = 1


class KnowledgeError(Exception):
    """The knowledge folder cannot be used. One line for each problem: file, row, field, and what is wrong."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class ClientsError(KnowledgeError):
    """The clients folder cannot be used. One line for each problem: file, field, and what is wrong."""
