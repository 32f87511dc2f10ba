"""Fetches from the FHIR server of the EHR what a call lacks: all of it at once, inside one time budget, with the token
of that call, and only from a server that is registered for the caller.

Whatever goes wrong has a name (`FetchOutcome`) and becomes a gap of its key. An address, a token or a patient id never
gets into a log, a message or an outcome.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

import orjson
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError

from .fhir_elements import Json, child, name, objects, reference, text, type_and_id
from .prefetch import RESOURCE_TYPES, Deliveries, Delivery, Outcome, entries, query, unpack

logging.getLogger("urllib3").setLevel(logging.ERROR)  # below that it logs addresses, and those hold patient ids


class FetchOutcome(StrEnum):
    """How one fetch ended. The values are safe to count and to log."""

    FETCHED = "fetched"
    EMPTY = "empty"
    """The server looked, and there is nothing."""
    TOO_MANY = "too-many"
    """More pages or entries than are read; the first ones are used."""
    ENDLESS = "endless"
    """A page leads back to one that was read."""
    OUTSIDE = "outside"
    """An address leads out of the FHIR server; it was not followed."""
    OTHER_PATIENT = "other-patient"
    """The answer holds data of somebody else."""
    OPERATION_OUTCOME = "operation-outcome"
    WRONG_RESOURCE = "wrong-resource"
    NOT_JSON = "not-json"
    TOO_LARGE = "too-large"
    CUT = "cut"
    """The connection broke, or the answer is shorter than it says."""
    TIMED_OUT = "timed-out"
    UNREACHABLE = "unreachable"
    NOT_TRUSTED = "certificate-not-trusted"
    REDIRECTED = "redirected"
    UNAUTHORISED = "401"
    FORBIDDEN = "403"
    NOT_FOUND = "404"
    GONE = "410"
    THROTTLED = "429"
    REJECTED = "4xx"
    SERVER_ERROR = "5xx"
    NO_TOKEN = "no-token"  # noqa: S105
    """The call has no access token, and the server is not an open one."""
    NOT_REGISTERED = "server-not-registered"

    @property
    def words(self) -> str:
        """The outcome as a part of a sentence, for the developer at the other end."""
        return _WORDS[self]


_WORDS: Mapping[FetchOutcome, str] = {
    FetchOutcome.FETCHED: "was fetched",
    FetchOutcome.EMPTY: "nothing is on record",
    FetchOutcome.TOO_MANY: "the FHIR server has more of it than is read",
    FetchOutcome.ENDLESS: "the pages of the FHIR server lead back to themselves",
    FetchOutcome.OUTSIDE: "an address of the FHIR server leads somewhere else",
    FetchOutcome.OTHER_PATIENT: "the FHIR server answered with data of another patient",
    FetchOutcome.OPERATION_OUTCOME: "the FHIR server answered with an OperationOutcome",
    FetchOutcome.WRONG_RESOURCE: "the FHIR server answered with another resource than was asked for",
    FetchOutcome.NOT_JSON: "the answer of the FHIR server is not JSON",
    FetchOutcome.TOO_LARGE: "the answer of the FHIR server is too large",
    FetchOutcome.CUT: "the FHIR server broke the connection off",
    FetchOutcome.TIMED_OUT: "the FHIR server did not answer in time",
    FetchOutcome.UNREACHABLE: "the FHIR server cannot be reached",
    FetchOutcome.NOT_TRUSTED: "the certificate of the FHIR server is not trusted",
    FetchOutcome.REDIRECTED: "the FHIR server redirects, which is not followed",
    FetchOutcome.UNAUTHORISED: "the FHIR server does not accept the access token (401)",
    FetchOutcome.FORBIDDEN: "the access token does not allow it (403)",
    FetchOutcome.NOT_FOUND: "the FHIR server does not know it (404)",
    FetchOutcome.GONE: "it was deleted from the FHIR server (410)",
    FetchOutcome.THROTTLED: "the FHIR server refuses so many requests (429)",
    FetchOutcome.REJECTED: "the FHIR server rejects the request (4xx)",
    FetchOutcome.SERVER_ERROR: "the FHIR server failed (5xx)",
    FetchOutcome.NO_TOKEN: "was not sent, and the call has no access token",
    FetchOutcome.NOT_REGISTERED: "was not sent, and the FHIR server is not registered for this client",
}


def _of_status(status: int) -> FetchOutcome:
    if 300 <= status < 400:
        return FetchOutcome.REDIRECTED
    if status >= 500:
        return FetchOutcome.SERVER_ERROR
    try:
        return FetchOutcome(str(status))
    except ValueError:
        return FetchOutcome.REJECTED


class Fetch(NamedTuple):
    """One fetch, for the record: a prefetch key or `attachment`, how it ended, and how long it took."""

    key: str
    outcome: FetchOutcome
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is read of one answer. What lies beyond is a named gap."""

    page_bytes: int = 4_000_000
    """Of one page or attachment, after decompression."""
    pages: int = 20
    """Of one prefetch key."""
    entries: int = 2_000
    """Of one prefetch key."""
    attachments: int = 6
    """Of one call, those of the newest reports."""


class _Failed(Exception):
    """A fetch that ended early."""

    def __init__(self, outcome: FetchOutcome) -> None:
        super().__init__(outcome.value)
        self.outcome = outcome


# --------------------------------------------------------------------------------------
# Where from


@dataclass(frozen=True, slots=True)
class _Base:
    """The base address of a FHIR server."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def of(cls, address: str) -> _Base | None:
        """The base in an address, or None where it is more or less than one."""
        found = _split(address)
        return None if found is None or found[1] else found[0]

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    def resolved(self, target: str) -> str:
        """A relative or absolute address on this server. Raises `_Failed` for any other."""
        address = urljoin(f"{self}/", target)
        found = _split(address)
        if found is None or replace(found[0], path=self.path) != self:
            raise _Failed(FetchOutcome.OUTSIDE)
        if not f"{found[0].path}/".startswith(f"{self.path}/"):
            raise _Failed(FetchOutcome.OUTSIDE)
        return address

    @property
    def is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


_PORTS = {"http": 80, "https": 443}


def _split(address: str) -> tuple[_Base, str] | None:
    """An absolute http(s) address without its query, and that; None where the address is odd in any way: parsers
    disagree about odd addresses, and the token must not go where another parser leads."""
    if not address.isascii() or not address.isprintable() or re.search(r"[\s\\]", address):
        return None
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc or parts.fragment:
        return None
    if any(unquote(segment) in (".", "..") for segment in parts.path.split("/")):
        return None
    port = _PORTS[parts.scheme] if port is None else port
    return _Base(parts.scheme, parts.hostname, port, parts.path.rstrip("/")), parts.query


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirAccess:
    """From where may be fetched for one client."""

    servers: tuple[str, ...] = ()
    """Base addresses of the client's FHIR servers; https only."""
    allow_http: bool = False
    """Development: registered servers on loopback may be plain http."""
    is_open: bool = False
    """The servers answer without an access token."""

    def base(self, server: str) -> _Base | None:
        """The registered server that a call names, or None."""
        asked = _Base.of(server)
        if asked is None or asked not in (_Base.of(each) for each in self.servers):
            return None
        return asked if asked.scheme == "https" or (self.allow_http and asked.is_loopback) else None


# --------------------------------------------------------------------------------------
# The wire


class _Line:
    """The connection on which one job waits, so that it can be hung up on when time is up. Time-outs of sockets begin
    anew with every byte; a server that drips bytes would hold a thread for ever."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._is_dead = False

    def hold(self, connection: HTTPConnection) -> None:
        with self._lock:
            if self._is_dead:
                raise TimeoutError
            self._connection, self._socket = connection, connection.sock

    def release(self) -> None:
        with self._lock:
            self._connection = self._socket = None

    def hang_up(self) -> None:
        with self._lock:
            self._is_dead = True
            held = self._socket or (self._connection.sock if self._connection else None)
            if held is not None:
                with suppress(OSError):
                    socket.socket.shutdown(held, socket.SHUT_RDWR)  # not the TLS one, which waits for its turn


class _Here(threading.local):
    line = _Line()


_here = _Here()


class _Connection(HTTPConnection):
    def connect(self) -> None:
        _here.line.hold(self)
        super().connect()

    def request(self, *args: Any, **options: Any) -> None:
        _here.line.hold(self)
        super().request(*args, **options)

    def getresponse(self) -> Any:
        _here.line.hold(self)
        return super().getresponse()


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


class FhirClient:
    """Keeps connections to FHIR servers between calls, and nothing else: no cookies, no answers, no tokens."""

    def __init__(
        self, *, budget_seconds: float = 2.5, ca_file: Path | None = None, limits: Limits | None = None
    ) -> None:
        self.budget_seconds = budget_seconds
        self.limits = limits or Limits()
        self.session = requests.Session()
        self.session.trust_env = False  # a .netrc would replace the token, a proxy would see it
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.session.verify = str(ca_file) if ca_file else True
        adapter = _Adapter(pool_connections=16, pool_maxsize=64, max_retries=0)
        for scheme in _PORTS:
            self.session.mount(f"{scheme}://", adapter)

    def visit(self, access: FhirAccess, server: str | None, authorization: Mapping[str, object] | None) -> Visit:
        """What one call may fetch. The time budget runs from now."""
        return Visit(self, access, server, authorization)


# --------------------------------------------------------------------------------------
# One call

_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(slots=True)
class _Job:
    """One thing to fetch, while it is being fetched."""

    key: str
    target: str
    run: Callable[[_Job], FetchOutcome]
    pages: list[Json] = field(default_factory=list)
    attachment: Json | None = None
    line: _Line = field(default_factory=_Line)


class Visit:
    """The fetches of one call: within one time budget, nothing twice."""

    def __init__(
        self, client: FhirClient, access: FhirAccess, server: str | None, authorization: Mapping[str, object] | None
    ) -> None:
        self.fetches: list[Fetch] = []
        """What was fetched, or could not be, in the order in which it was asked for."""
        self._deadline = time.monotonic() + client.budget_seconds
        self._session, self._limits = client.session, client.limits
        self._is_offered = server is not None
        self._base = access.base(server) if server is not None else None
        token = (authorization or {}).get("access_token")
        self._token = token if isinstance(token, str) and _TOKEN.fullmatch(token) else None
        self._may_ask = self._base is not None and (self._token is not None or access.is_open)
        self._asked: dict[str, Future[tuple[str, bytes]]] = {}
        self._lock = threading.Lock()

    def completed(
        self, deliveries: Deliveries, sent: Mapping[str, object], templates: Mapping[str, str], patient_id: str
    ) -> Deliveries:
        """The deliveries with what was not sent, asked for as the prefetch templates say, and with the further pages of
        what was sent in part.

        Null, nothing found and a failure of the client are answers and are not asked again (CDS Hooks 2.0.1).
        """
        lacking = [key for key in templates if deliveries[key].outcome is Outcome.NOT_SENT]
        further = {key: each.next_page for key, each in deliveries.items() if each.next_page is not None}
        if not self._may_ask:
            return self._refused(deliveries, lacking)
        jobs = [_Job(key, query(templates[key], patient_id), self._pages) for key in lacking]
        jobs += [_Job(key, link, self._pages, pages=objects(sent[key])) for key, link in further.items()]
        found = dict(deliveries)
        for job, outcome, milliseconds in self._done(jobs):
            delivery, ending = _delivered(job, outcome, patient_id)
            found[job.key] = delivery
            self.fetches.append(Fetch(job.key, ending, milliseconds))
        return found

    def _refused(self, deliveries: Deliveries, lacking: Collection[str]) -> Deliveries:
        """The deliveries as they are, with the reason why nothing is fetched where the client offered a server."""
        if not self._is_offered or not lacking:
            return deliveries
        outcome = FetchOutcome.NOT_REGISTERED if self._base is None else FetchOutcome.NO_TOKEN
        self.fetches += [Fetch(key, outcome, 0.0) for key in lacking]
        return {
            key: replace(each, because=outcome.words) if key in lacking else each for key, each in deliveries.items()
        }

    def with_attachments(self, deliveries: Deliveries, reports: Sequence[str]) -> Deliveries:
        """The deliveries with the attachments that the named reports only point to; the first ones up to the limit.
        The same object where there is nothing to add."""
        if not self._may_ask or not reports:
            return deliveries
        jobs = {
            target: _Job("attachment", target, self._attachment)
            for report in sorted(_reports(deliveries, reports), key=lambda each: reports.index(name(each)))
            for form in objects(report.get("presentedForm"))
            if (target := _pointed_to(form))
        }
        taken = list(jobs.values())[: self._limits.attachments]
        self.fetches += [Fetch(job.key, FetchOutcome.TOO_MANY, 0.0) for job in list(jobs.values())[len(taken) :]]
        found: dict[str, Json] = {}
        for job, outcome, milliseconds in self._done(taken):
            self.fetches.append(Fetch(job.key, outcome, milliseconds))
            if outcome is FetchOutcome.FETCHED and job.attachment is not None:
                found[job.target] = job.attachment
        return _with_forms(deliveries, found) if found else deliveries

    # ------------------------------------------------------------------------------
    # Jobs

    def _done(self, jobs: Sequence[_Job]) -> list[tuple[_Job, FetchOutcome, float]]:
        """Each job as far as it came before time was up, how it ended, and its milliseconds."""
        if not jobs:
            return []
        began = time.monotonic()
        executor = ThreadPoolExecutor(max_workers=len(jobs), thread_name_prefix="fhir")
        try:
            running = [(job, executor.submit(_timed, job)) for job in jobs]
            wait([future for _, future in running], timeout=max(0.0, self._remaining()))
            ended = []
            for job, future in running:
                if future.done():
                    ended.append((job, *future.result()))
                    continue
                job.line.hang_up()
                as_it_stands = replace(job, pages=list(job.pages), attachment=None)
                ended.append((as_it_stands, FetchOutcome.TIMED_OUT, 1000 * (time.monotonic() - began)))
            return ended
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

    def _pages(self, job: _Job) -> FetchOutcome:
        """Reads an answer page by page into the job."""
        address = self._resolved(job.target)
        is_search = "?" in job.target or bool(job.pages)
        seen = set()
        while True:
            seen.add(address)
            _, body = self._answer(address, "application/fhir+json")
            page = _resource(body)
            kind = page.get("resourceType")
            if kind == "OperationOutcome":
                raise _Failed(FetchOutcome.OPERATION_OUTCOME)
            if kind != ("Bundle" if is_search else RESOURCE_TYPES[job.key]):
                raise _Failed(FetchOutcome.WRONG_RESOURCE)
            job.pages.append(page)
            following = unpack(page, RESOURCE_TYPES[job.key]).next_page
            if following is None:
                return FetchOutcome.FETCHED
            address = self._resolved(following)
            if address in seen:
                raise _Failed(FetchOutcome.ENDLESS)
            read = sum(len(entries(each)) for each in job.pages)
            if len(job.pages) >= self._limits.pages or read >= self._limits.entries:
                raise _Failed(FetchOutcome.TOO_MANY)

    def _attachment(self, job: _Job) -> FetchOutcome:
        """Reads an attachment into the job: a Binary as FHIR carries it, or the document itself."""
        kind, body = self._answer(self._resolved(job.target), "application/fhir+json, */*;q=0.5")
        if "json" not in kind:
            job.attachment = {"data": b64encode(body).decode("ascii"), "contentType": kind}
            return FetchOutcome.FETCHED if body else FetchOutcome.EMPTY
        binary = _resource(body)
        if binary.get("resourceType") != "Binary":
            is_failure = binary.get("resourceType") == "OperationOutcome"
            raise _Failed(FetchOutcome.OPERATION_OUTCOME if is_failure else FetchOutcome.WRONG_RESOURCE)
        job.attachment = {"data": text(binary.get("data")), "contentType": text(binary.get("contentType"))}
        return FetchOutcome.FETCHED if job.attachment["data"] else FetchOutcome.EMPTY

    # ------------------------------------------------------------------------------
    # Requests

    def _remaining(self) -> float:
        return self._deadline - time.monotonic()

    def _resolved(self, target: str) -> str:
        if self._base is None:
            raise _Failed(FetchOutcome.NOT_REGISTERED)
        return self._base.resolved(target)

    def _answer(self, address: str, accept: str) -> tuple[str, bytes]:
        """Media type and body of an answer. Whoever asks for the same address again waits for the first one."""
        with self._lock:
            first = self._asked.get(address)
            if first is None:
                mine = self._asked[address] = Future()
        if first is not None:
            return first.result(timeout=max(0.0, self._remaining()))
        try:
            mine.set_result(self._got(address, accept))
        except _Failed as failure:
            mine.set_exception(failure)
        return mine.result()

    def _got(self, address: str, accept: str) -> tuple[str, bytes]:
        try:
            try:
                return self._read(address, accept)
            except requests.ConnectionError as error:
                if not _is_dropped(error):
                    raise
                return self._read(address, accept)  # a kept connection, which the server had closed in the meantime
            finally:
                _here.line.release()
        except requests.exceptions.SSLError:
            raise _Failed(FetchOutcome.NOT_TRUSTED) from None
        except requests.Timeout:
            raise _Failed(FetchOutcome.TIMED_OUT) from None
        except requests.ConnectionError as error:
            raise _Failed(_of_connection(error)) from None
        except (requests.RequestException, ValueError, OSError):
            raise _Failed(FetchOutcome.CUT) from None

    def _read(self, address: str, accept: str) -> tuple[str, bytes]:
        seconds = self._remaining()
        if seconds <= 0:
            raise _Failed(FetchOutcome.TIMED_OUT)
        headers = {"Accept": accept} | ({"Authorization": f"Bearer {self._token}"} if self._token else {})
        with self._session.get(
            address, headers=headers, timeout=seconds, allow_redirects=False, stream=True
        ) as response:
            if response.status_code != 200:
                raise _Failed(_of_status(response.status_code))
            body = bytearray()
            for piece in response.iter_content(65_536):
                body += piece
                if len(body) > self._limits.page_bytes:
                    raise _Failed(FetchOutcome.TOO_LARGE)
            return response.headers.get("Content-Type", ""), bytes(body)


def _timed(job: _Job) -> tuple[FetchOutcome, float]:
    began = time.monotonic()
    _here.line = job.line
    try:
        outcome = job.run(job)
    except _Failed as failure:
        outcome = failure.outcome
    except TimeoutError:
        outcome = FetchOutcome.TIMED_OUT
    return outcome, 1000 * (time.monotonic() - began)


def _is_dropped(error: requests.ConnectionError) -> bool:
    """Whether the connection was closed before any answer."""
    return bool(error.args) and isinstance(error.args[0], ProtocolError)


def _of_connection(error: requests.ConnectionError) -> FetchOutcome:
    cause = error.args[0] if error.args else None
    if isinstance(cause, ReadTimeoutError):
        return FetchOutcome.TIMED_OUT
    is_refused = isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
    return FetchOutcome.UNREACHABLE if is_refused else FetchOutcome.CUT


def _resource(body: bytes) -> Json:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _Failed(FetchOutcome.NOT_JSON) from None
    if not isinstance(content, dict):
        raise _Failed(FetchOutcome.WRONG_RESOURCE)
    return content


# --------------------------------------------------------------------------------------
# From answers to deliveries


def _delivered(job: _Job, outcome: FetchOutcome, patient_id: str) -> tuple[Delivery, FetchOutcome]:
    """What the pages of a job amount to, and how the fetch ended."""
    if not job.pages:
        return _failed(outcome)
    kind = RESOURCE_TYPES[job.key]
    whole = job.pages[0] if len(job.pages) == 1 else _joined(job.pages)
    delivery = unpack(whole, kind)
    if delivery.outcome is Outcome.NOT_SENT:
        return _failed(FetchOutcome.WRONG_RESOURCE)
    if delivery.outcome is Outcome.FAILED:
        return _failed(FetchOutcome.OPERATION_OUTCOME)
    resources = [each for _, each in delivery.resources if each.get("resourceType") == kind]
    others = [each for each in resources if _is_of_another(each, patient_id)]
    if others:
        # The search was not answered as it was asked, so what it found of the patient need not be all.
        outcome = FetchOutcome.OTHER_PATIENT
        if len(others) == len(resources):
            return _failed(outcome)
    if outcome is not FetchOutcome.FETCHED:
        return replace(delivery, is_partial=True, next_page=None, because=outcome.words), outcome
    return delivery, FetchOutcome.FETCHED if resources else FetchOutcome.EMPTY


def _failed(outcome: FetchOutcome) -> tuple[Delivery, FetchOutcome]:
    return Delivery(outcome=Outcome.FAILED, because=outcome.words), outcome


def _joined(pages: Sequence[Json]) -> Json:
    """Pages of one search as one Bundle, with the links of the last one."""
    return pages[0] | {
        "entry": [entry for page in pages for entry in entries(page)],
        "link": pages[-1].get("link"),
    }


def _is_of_another(resource: Json, patient_id: str) -> bool:
    if resource.get("resourceType") == "Patient":
        return text(resource.get("id")) not in ("", patient_id)
    target = type_and_id(reference(child(resource.get("subject"))))
    return target is not None and target != ("Patient", patient_id)


def _reports(deliveries: Deliveries, wanted: Collection[str]) -> list[Json]:
    return [r for each in deliveries.values() for _, r in each.resources if name(r) in wanted]


def _pointed_to(form: Json) -> str:
    """The address of an attachment that is not there itself."""
    return "" if text(form.get("data")) else text(form.get("url"))


def _with_forms(deliveries: Deliveries, found: Mapping[str, Json]) -> Deliveries:
    def filled(resource: Json) -> Json:
        forms = objects(resource.get("presentedForm"))
        if resource.get("resourceType") != "DiagnosticReport" or not any(_pointed_to(form) in found for form in forms):
            return resource
        return resource | {"presentedForm": [_filled(form, found.get(_pointed_to(form))) for form in forms]}

    return {
        key: replace(each, resources=tuple((url, filled(resource)) for url, resource in each.resources))
        for key, each in deliveries.items()
    }


def _filled(form: Json, attachment: Json | None) -> Json:
    if attachment is None:
        return form
    kind = attachment["contentType"]
    is_told = bool(kind) and "octet-stream" not in kind
    return form | {"data": attachment["data"]} | ({"contentType": kind} if is_told else {})
